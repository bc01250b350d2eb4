package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"gopkg.in/yaml.v3"

	"chatkeeper/infra/local/template"
)

// environment returns the values of each function's environment variables in the running stack of that name, by logical
// id. A queue that the stack doesn't have is an error.
func environment(ctx context.Context, t *template.Template, client *sqs.Client, stack string) (map[string]map[string]string, error) {
	known := map[template.Reference]string{}
	for _, table := range t.Tables {
		name, err := table.PhysicalName(stack)
		if err != nil {
			return nil, err
		}
		known[template.Reference{Resource: table.ID}] = name
	}
	for _, q := range t.Queues {
		name, err := q.PhysicalName(stack)
		if err != nil {
			return nil, err
		}
		found, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		if err != nil {
			return nil, fmt.Errorf("the running stack has no queue %s; start `make run` again if template.yaml has changed: %w", name, err)
		}
		known[template.Reference{Resource: q.ID}] = *found.QueueUrl
	}
	values := map[string]map[string]string{}
	for _, f := range t.Functions {
		values[f.ID] = map[string]string{}
		for variable, text := range f.Environment {
			value, err := text.Resolve(func(r template.Reference) (string, error) {
				if value, ok := known[r]; ok {
					return value, nil
				}
				return "", errors.New("it has no value under sam local")
			})
			if err != nil {
				return nil, fmt.Errorf("%s, variable %s: %w", f.ID, variable, err)
			}
			values[f.ID][variable] = value
		}
	}
	return values, nil
}

// writeEnvironment writes the file for SAM's --env-vars: each function's own values, and the endpoints for all of them.
func writeEnvironment(file string, values map[string]map[string]string, endpoints map[string]string) error {
	for _, variables := range values {
		for name, value := range endpoints {
			variables[name] = value
		}
	}
	text, err := json.MarshalIndent(values, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}

// adaptTemplate changes the built template for this machine. SAM sets only variables that the template declares, and
// template.yaml declares no endpoints, as production has none.
func adaptTemplate(file string, endpoints map[string]string, architecture string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("read the built template: %w", err)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	if len(root.Content) == 0 {
		return fmt.Errorf("%s is empty", file)
	}
	function := child(child(root.Content[0], "Globals"), "Function")
	architectures := child(function, "Architectures")
	*architectures = yaml.Node{Kind: yaml.SequenceNode, Content: []*yaml.Node{scalar(architecture)}}
	variables := child(child(function, "Environment"), "Variables")
	for name := range endpoints {
		*child(variables, name) = *scalar("set by --env-vars")
	}
	changed, err := yaml.Marshal(&root)
	if err != nil {
		return err
	}
	return os.WriteFile(file, changed, 0o644)
}

// child returns the value under the key, made as an empty mapping where there is none.
func child(mapping *yaml.Node, key string) *yaml.Node {
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	value := &yaml.Node{Kind: yaml.MappingNode}
	mapping.Content = append(mapping.Content, scalar(key), value)
	return value
}

func scalar(text string) *yaml.Node {
	return &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: text}
}
