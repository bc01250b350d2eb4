package template

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"chatkeeper/infra/local/servers"

	"gopkg.in/yaml.v3"
)

// The functions understood, in short (!Ref) and long form (Fn::…): Ref, GetAtt, Sub, If, Join, and in conditions
// Equals, Not, And, Or, Condition. Of the pseudo parameters: AccountId, Partition, Region, StackName, NoValue.

type kind int

const (
	absent kind = iota // null, or !Ref AWS::NoValue
	scalar
	list
	object
)

// value is a piece of the template with its functions carried out.
type value struct {
	line   int
	kind   kind
	text   Text
	items  []value
	fields []field
}

type field struct {
	name  string
	value value
}

func (v value) field(name string) value {
	for _, f := range v.fields {
		if f.name == name {
			return f.value
		}
	}
	return value{line: v.line}
}

// document is the file while it is read. Problems are collected, so that one run names them all.
type document struct {
	file       string
	parameters map[string]string
	conditions map[string]*yaml.Node
	evaluating []string          // conditions on the way, to notice a circle
	resources  map[string]string // type by logical id, those with a false condition left out
	skipped    map[string]bool   // resources whose condition is false
	problems   []error
}

func (d *document) fail(line int, format string, args ...any) {
	d.problems = append(d.problems, fmt.Errorf("%s:%d: %s", d.file, line, fmt.Sprintf(format, args...)))
}

func (d *document) err() error { return errors.Join(d.problems...) }

// functionOf returns the name of the function that a node calls, and its argument.
func functionOf(n *yaml.Node) (name string, argument *yaml.Node) {
	if strings.HasPrefix(n.Tag, "!") && !strings.HasPrefix(n.Tag, "!!") {
		return n.Tag[1:], n
	}
	if n.Kind == yaml.MappingNode && len(n.Content) == 2 {
		key := n.Content[0].Value
		if key == "Ref" {
			return key, n.Content[1]
		}
		if long, ok := strings.CutPrefix(key, "Fn::"); ok {
			return long, n.Content[1]
		}
	}
	return "", nil
}

func (d *document) evaluate(n *yaml.Node) value {
	if n.Kind == yaml.AliasNode {
		d.fail(n.Line, "YAML aliases (*%s) are not supported by the local stack", n.Value)
		return value{line: n.Line}
	}
	if name, argument := functionOf(n); name != "" {
		v := d.call(name, argument)
		v.line = n.Line
		return v
	}
	v := value{line: n.Line}
	switch n.Kind {
	case yaml.ScalarNode:
		if n.Tag == "!!null" {
			return v
		}
		v.kind, v.text = scalar, d.dynamic(n.Line, Literal(n.Value))
	case yaml.SequenceNode:
		v.kind = list
		for _, item := range n.Content {
			if e := d.evaluate(item); e.kind != absent {
				v.items = append(v.items, e)
			}
		}
	case yaml.MappingNode:
		v.kind = object
		for key, item := range d.pairs(n) {
			if e := d.evaluate(item); e.kind != absent {
				v.fields = append(v.fields, field{key.Value, e})
			}
		}
	}
	return v
}

// pairs goes through a mapping and refuses a key that stands there twice.
func (d *document) pairs(n *yaml.Node) func(yield func(key, item *yaml.Node) bool) {
	return func(yield func(key, item *yaml.Node) bool) {
		seen := map[string]bool{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if seen[key.Value] {
				d.fail(key.Line, "%q stands here a second time", key.Value)
				continue
			}
			seen[key.Value] = true
			if key.Value == "<<" {
				d.fail(key.Line, "YAML merges (<<) are not supported by the local stack")
				continue
			}
			if !yield(key, n.Content[i+1]) {
				return
			}
		}
	}
}

func (d *document) call(name string, argument *yaml.Node) value {
	text := func(t Text) value { return value{kind: scalar, text: t} }
	line := argument.Line
	switch name {
	case "Ref":
		if argument.Value == "AWS::NoValue" {
			return value{}
		}
		return text(d.reference(line, argument.Value, ""))
	case "GetAtt":
		var path []string
		if argument.Kind == yaml.SequenceNode {
			for _, part := range argument.Content {
				path = append(path, part.Value)
			}
		} else {
			path = strings.SplitN(argument.Value, ".", 2)
		}
		if len(path) != 2 || path[1] == "" {
			d.fail(line, "!GetAtt wants Resource.Attribute")
			return text(Literal(""))
		}
		return text(d.reference(line, path[0], path[1]))
	case "Sub":
		return text(d.dynamic(line, d.substitute(argument)))
	case "Join":
		return text(d.dynamic(line, d.joined(argument)))
	case "If":
		if argument.Kind != yaml.SequenceNode || len(argument.Content) != 3 {
			d.fail(line, "!If wants a condition and two values")
			return value{}
		}
		if d.condition(line, argument.Content[0].Value) {
			return d.evaluate(argument.Content[1])
		}
		return d.evaluate(argument.Content[2])
	}
	d.fail(line, "the function %s is not supported by the local stack here", name)
	return value{kind: scalar, text: Literal("")}
}

// Where the laptop pretends to be.
var pseudoParameters = map[string]string{
	"AWS::Partition": "aws",
	"AWS::Region":    servers.Region,
	"AWS::AccountId": servers.Account,
}

// stackName stands for AWS::StackName in a Reference: it is known only when the stack starts.
const stackName = "AWS::StackName"

// attributes are what can be asked of a resource: "" is !Ref.
var attributes = map[string][]string{
	tableType:    {"", "Arn", "StreamArn"},
	queueType:    {"", "Arn", "QueueName"},
	functionType: {"", "Arn"},
	apiType:      {"", "ApiEndpoint"},

	userPoolType:       {""},
	userPoolClientType: {""},
}

func (d *document) reference(line int, id, attribute string) Text {
	if id == stackName && attribute == "" {
		return To(stackName, "")
	}
	if v, ok := pseudoParameters[id]; ok && attribute == "" {
		return Literal(v)
	}
	if v, ok := d.parameters[id]; ok && attribute == "" {
		return Literal(v)
	}
	shown := Reference{id, attribute}
	if d.skipped[id] {
		d.fail(line, "%v: the condition of %s is false, so it does not exist", shown, id)
		return Literal("")
	}
	kind, ok := d.resources[id]
	switch {
	case !ok:
		d.fail(line, "%v: there is no parameter or resource %s", shown, id)
		return Literal("")
	case kind == secretType && attribute == "":
		return Literal(secretMark + id)
	case !slices.Contains(attributes[kind], attribute):
		d.fail(line, "%v: the local stack has no such value of an %s", shown, kind)
		return Literal("")
	}
	return To(id, attribute)
}

// secretMark starts what !Ref of a secret gives; it only makes sense within {{resolve:secretsmanager:…}}.
const secretMark = "secret-of-the-local-stack/"

var resolveSecret = regexp.MustCompile(`\{\{resolve:secretsmanager:` + regexp.QuoteMeta(secretMark) + `(\w+)\}\}`)

// dynamic gives {{resolve:secretsmanager:…}} its local value: a secret X of the template is "local-X".
func (d *document) dynamic(line int, t Text) Text {
	for i, p := range t.parts {
		t.parts[i].literal = resolveSecret.ReplaceAllString(p.literal, "local-$1")
		if strings.Contains(t.parts[i].literal, "{{resolve:") {
			d.fail(line, "of the dynamic references only {{resolve:secretsmanager:${Secret}}}, with a secret of this template, is supported by the local stack")
		}
	}
	return t
}

var placeholder = regexp.MustCompile(`\$\{([^}]*)\}`)

func (d *document) substitute(argument *yaml.Node) Text {
	pattern, names := argument, map[string]Text{}
	if argument.Kind == yaml.SequenceNode {
		if len(argument.Content) != 2 || argument.Content[1].Kind != yaml.MappingNode {
			d.fail(argument.Line, "!Sub wants a text, or a list of a text and a mapping")
			return Literal("")
		}
		pattern = argument.Content[0]
		for key, item := range d.pairs(argument.Content[1]) {
			names[key.Value] = d.evaluate(item).text
		}
	}
	var out Text
	rest := pattern.Value
	for {
		at := placeholder.FindStringSubmatchIndex(rest)
		if at == nil {
			return join(out, Literal(rest))
		}
		out = join(out, Literal(rest[:at[0]]))
		name := rest[at[2]:at[3]]
		rest = rest[at[1]:]
		if escaped, ok := strings.CutPrefix(name, "!"); ok {
			out = join(out, Literal("${"+escaped+"}"))
			continue
		}
		t, ok := names[name]
		if !ok {
			id, attribute, _ := strings.Cut(name, ".")
			t = d.reference(pattern.Line, id, attribute)
		}
		out = join(out, t)
	}
}

func (d *document) joined(argument *yaml.Node) Text {
	if argument.Kind != yaml.SequenceNode || len(argument.Content) != 2 || argument.Content[1].Kind != yaml.SequenceNode {
		d.fail(argument.Line, "!Join wants a separator and a list")
		return Literal("")
	}
	var out Text
	for i, item := range argument.Content[1].Content {
		if i > 0 {
			out = join(out, Literal(argument.Content[0].Value))
		}
		out = join(out, d.evaluate(item).text)
	}
	return out
}

// condition says whether the named condition holds.
func (d *document) condition(line int, name string) bool {
	n, ok := d.conditions[name]
	if !ok {
		d.fail(line, "there is no condition %s", name)
		return false
	}
	if slices.Contains(d.evaluating, name) {
		d.fail(line, "the condition %s depends on itself", name)
		return false
	}
	d.evaluating = append(d.evaluating, name)
	defer func() { d.evaluating = d.evaluating[:len(d.evaluating)-1] }()
	return d.holds(n)
}

func (d *document) holds(n *yaml.Node) bool {
	name, argument := functionOf(n)
	if name == "" && n.Kind == yaml.MappingNode && len(n.Content) == 2 && n.Content[0].Value == "Condition" {
		name, argument = "Condition", n.Content[1]
	}
	if argument == nil {
		d.fail(n.Line, "a condition must be one of Equals, Not, And, Or, Condition")
		return false
	}
	operands := argument.Content
	switch {
	case name == "Condition":
		return d.condition(argument.Line, argument.Value)
	case name == "Equals" && len(operands) == 2:
		left, leftOK := d.evaluate(operands[0]).text.literal()
		right, rightOK := d.evaluate(operands[1]).text.literal()
		if !leftOK || !rightOK {
			d.fail(argument.Line, "a condition can compare parameters only")
		}
		return left == right
	case name == "Not" && len(operands) == 1:
		return !d.holds(operands[0])
	case name == "And" && len(operands) >= 2:
		return !slices.ContainsFunc(operands, func(o *yaml.Node) bool { return !d.holds(o) })
	case name == "Or" && len(operands) >= 2:
		return slices.ContainsFunc(operands, d.holds)
	}
	d.fail(argument.Line, "%s is not supported by the local stack in a condition, or not with %d operands", name, len(operands))
	return false
}
