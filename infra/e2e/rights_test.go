package e2e_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"gopkg.in/yaml.v3"

	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/template"
)

// Rights that the tests from outside use by chance only, or not at all, and why a function needs them all the same.
// "*" is every function that has the right.
var seldom = map[string]string{
	"*: dynamodb:PutItem on TeamTable":    "binds a person at their first sign-in, with whichever function that is",
	"*: dynamodb:UpdateItem on TeamTable": "makes the first Admin, with whichever function they ask first",

	"AssignerFunction: dynamodb:BatchGetItem on ChatsTable":         "a message with both a user id and a phone number",
	"AssignerFunction: dynamodb:ConditionCheckItem on ChatsTable":   "an identity is linked, or a message kept, beside a Chat that stays as it is",
	"AssignerFunction: dynamodb:DeleteItem on ChatsTable":           "somebody gets a Chat that waited",
	"AssignerFunction: sqs:SendMessage on PoolsQueue":               "a pool is not served to its end in one invocation",
	"AssignerFunction: sqs:SendMessage on InboundQueue":             "more came before a Chat than one delivery takes in",
	"AssignerFunction: sqs:ChangeMessageVisibility on InboundQueue": "a message failed",
	"AssignerFunction: sqs:ChangeMessageVisibility on PoolsQueue":   "a message failed",

	"ChatsFunction: dynamodb:DeleteItem on ChatsTable": "what people say of a waiting customer sends their Chat to another pool",

	"ReassignFunction: dynamodb:GetItem on ChatsTable":     "looks for its own event in the history when an outcome stayed unknown",
	"SweeperFunction: dynamodb:GetItem on TeamTable":       "sweeps once a minute: these tests may be shorter",
	"SweeperFunction: dynamodb:BatchGetItem on TeamTable":  "somebody changed since the sweep before",
	"SweeperFunction: dynamodb:Query on TeamTable":         "reads the roster when a pool is listed",
	"SweeperFunction: dynamodb:Query on TeamTable/index/*": "reads the roster when a pool is listed",
	"SweeperFunction: dynamodb:GetItem on ChatsTable":      "reads the Chat of a step that is due",
	"SweeperFunction: dynamodb:BatchGetItem on ChatsTable": "two Chats are open",
	"SweeperFunction: dynamodb:UpdateItem on ChatsTable":   "a step is due",
	"SweeperFunction: dynamodb:DeleteItem on ChatsTable":   "a step is due",
	"SweeperFunction: sqs:SendMessage on PoolsQueue":       "a stream record was lost",

	"StatusFunction: dynamodb:Query on ChatsTable":             "an unread message is looked for from the second on that was seen last",
	"StatusFunction: dynamodb:GetItem on ChatsTable":           "looks for its own event in the history when an outcome stayed unknown",
	"ReplyFunction: dynamodb:ConditionCheckItem on ChatsTable": "a reaction, or a reply behind a newer message, leaves the Chat's preview",
}

// rights records what each function asks of the tables and queues, between the function and the servers, and holds it
// against the function's policies in template.yaml. The local servers ask nobody for permission; AWS does.
type rights struct {
	mu   sync.Mutex
	used map[string]map[string]bool // function → "action on table or queue", by physical names
}

// between puts a proxy between every function of the stack and the servers.
func (r *rights) between(t *testing.T, dynamoDB, sqs string) func(*template.Template) {
	r.used = map[string]map[string]bool{}
	return func(tm *template.Template) {
		for _, f := range tm.Functions {
			r.used[f.ID] = map[string]bool{}
			for variable, server := range map[string]string{"AWS_ENDPOINT_URL_DYNAMODB": dynamoDB, "AWS_ENDPOINT_URL_SQS": sqs} {
				f.Environment[variable] = template.Literal(r.proxy(t, f.ID, server))
			}
		}
	}
}

func (r *rights) proxy(t *testing.T, function, server string) string {
	target, err := url.Parse(server)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		req.Body = io.NopCloser(bytes.NewReader(body))
		actions, err := asked(req.Header.Get("X-Amz-Target"), body)
		if err != nil {
			t.Errorf("%s: %v", function, err)
		}
		r.mu.Lock()
		for _, a := range actions {
			r.used[function][a] = true
		}
		r.mu.Unlock()
		forward.ServeHTTP(w, req)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// asked is which permissions AWS asks for one request, as "action on resource". A transaction needs those of its parts.
func asked(target string, body []byte) ([]string, error) {
	_, operation, _ := strings.Cut(target, ".")
	var in struct {
		TableName     string
		IndexName     string
		QueueUrl      string
		RequestItems  map[string]json.RawMessage
		TransactItems []map[string]struct{ TableName string }
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, fmt.Errorf("%s: %w", target, err)
	}
	switch operation {
	case "GetItem", "Query", "PutItem", "UpdateItem", "DeleteItem":
		if in.IndexName != "" {
			return []string{"dynamodb:" + operation + " on " + in.TableName + "/index/*"}, nil
		}
		return []string{"dynamodb:" + operation + " on " + in.TableName}, nil
	case "BatchGetItem":
		var all []string
		for table := range in.RequestItems {
			all = append(all, "dynamodb:BatchGetItem on "+table)
		}
		return all, nil
	case "TransactWriteItems":
		var all []string
		for _, item := range in.TransactItems {
			for kind, of := range item {
				action := map[string]string{"Put": "PutItem", "Update": "UpdateItem", "Delete": "DeleteItem", "ConditionCheck": "ConditionCheckItem"}[kind]
				all = append(all, "dynamodb:"+action+" on "+of.TableName)
			}
		}
		return all, nil
	case "SendMessage", "SendMessageBatch", "ChangeMessageVisibility", "ChangeMessageVisibilityBatch":
		return []string{"sqs:" + strings.TrimSuffix(operation, "Batch") + " on " + path.Base(in.QueueUrl)}, nil
	}
	return nil, fmt.Errorf("no test knows which permission %q needs", target)
}

// check holds what was used against what template.yaml grants: nothing may be missing, and nothing be left over.
func (r *rights) check(t *testing.T, s *stack.Stack) {
	logical := map[string]string{}
	for _, table := range s.Template.Tables {
		logical[s.Table(table.ID)] = table.ID
	}
	for _, q := range s.Template.Queues {
		logical[path.Base(s.QueueURL(q.ID))] = q.ID
	}
	granted := grants(t)
	r.mu.Lock()
	defer r.mu.Unlock()
	excused := map[string]bool{}
	for _, function := range slices.Sorted(maps.Keys(r.used)) {
		if len(r.used[function]) == 0 {
			t.Logf("%s did nothing in these tests: nothing is known of its rights", function)
			for right := range granted[function] {
				excused[function+": "+right] = true
			}
			continue
		}
		used := map[string]bool{}
		for right := range r.used[function] {
			action, resource, _ := strings.Cut(right, " on ")
			name, index, _ := strings.Cut(resource, "/")
			right = action + " on " + logical[name]
			if index != "" {
				right += "/" + index
			}
			used[right] = true
		}
		for _, right := range slices.Sorted(maps.Keys(used)) {
			if !granted[function][right] {
				t.Errorf("%s did %s, which template.yaml does not allow it", function, right)
			}
		}
		for _, right := range slices.Sorted(maps.Keys(granted[function])) {
			for _, key := range []string{"*: " + right, function + ": " + right} {
				if _, ok := seldom[key]; ok {
					excused[key] = true
					used[right] = true
				}
			}
			if !used[right] {
				t.Errorf("%s may %s and never did: take the right away, or say in this file why it is needed", function, right)
			}
		}
	}
	for key := range seldom {
		if !excused[key] {
			t.Errorf("no function has the right that is excused here: %s", key)
		}
	}
}

// grants reads the policies of template.yaml: function → "action on logical id".
func grants(t *testing.T) map[string]map[string]bool {
	t.Helper()
	text, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type policy struct {
		Statement []struct {
			Effect   string    `yaml:"Effect"`
			Action   yaml.Node `yaml:"Action"`
			Resource yaml.Node `yaml:"Resource"`
		} `yaml:"Statement"`
	}
	var parsed struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Policies yaml.Node `yaml:"Policies"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &parsed); err != nil {
		t.Fatal(err)
	}
	all := map[string]map[string]bool{}
	for id, resource := range parsed.Resources {
		if resource.Type != "AWS::Serverless::Function" {
			continue
		}
		all[id] = map[string]bool{}
		var policies []policy
		if err := resource.Properties.Policies.Decode(&policies); err != nil {
			t.Fatalf("%s: %v", id, err)
		}
		for _, p := range policies {
			for _, s := range p.Statement {
				if s.Effect != "Allow" {
					t.Fatalf("%s has a statement that this test can't read: %s", id, s.Effect)
				}
				for _, action := range scalars(s.Action) {
					for _, on := range scalars(s.Resource) {
						name := strings.Replace(strings.NewReplacer("${", "", "}", "").Replace(on), ".Arn", "", 1)
						if table, _, ok := strings.Cut(name, "/index/"); ok {
							name = table + "/index/*" // which index is not told apart
						}
						all[id][action+" on "+name] = true
					}
				}
			}
		}
	}
	return all
}

// scalars are the values of a node that is one, or a list.
func scalars(n yaml.Node) []string {
	if n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	var all []string
	for _, item := range n.Content {
		all = append(all, item.Value)
	}
	return all
}
