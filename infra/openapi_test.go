package infra_test

import (
	"context"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"gopkg.in/yaml.v3"
)

// The routes exist three times: where the gateway finds them, where the functions answer them, and where people read of
// them. They are the same ones. The webhook's function answers everything that it is sent, so it has no list of its own.
func TestRoutesAreTheSameEverywhere(t *testing.T) {
	t.Parallel()
	inTemplate, inCode := templateRoutes(t), handledRoutes(t)
	var inContract []string
	doc := contract(t)
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			inContract = append(inContract, method+" "+path)
		}
	}
	for _, route := range inContract {
		if _, ok := inTemplate[route]; !ok {
			t.Errorf("%s is in openapi.yaml, and not in template.yaml", route)
		}
	}
	for route, function := range inTemplate {
		if !slices.Contains(inContract, route) {
			t.Errorf("%s is in template.yaml, and not in openapi.yaml", route)
		}
		if function != "webhook" && inCode[route] != function {
			t.Errorf("%s goes to %s in template.yaml, and is handled by %q", route, function, inCode[route])
		}
	}
	for route, function := range inCode {
		if inTemplate[route] != function {
			t.Errorf("%s is handled by %s, and goes to %q in template.yaml", route, function, inTemplate[route])
		}
	}
	if len(inTemplate) < 10 {
		t.Errorf("only %d routes were found", len(inTemplate))
	}
}

// The contract is valid with all its examples, every code of a failure has an example, and none is shown that does not exist.
func TestContract(t *testing.T) {
	t.Parallel()
	doc := contract(t)
	if err := doc.Validate(context.Background(), openapi3.EnableExamplesValidation()); err != nil {
		t.Fatal(err)
	}
	inCode := errorCodes(t)
	known := doc.Components.Schemas["Problem"].Value.Properties["code"].Value.Enum
	for _, code := range inCode {
		if !slices.Contains(known, any(code)) {
			t.Errorf("the code %s is not in openapi.yaml", code)
		}
	}
	if len(known) != len(inCode) {
		t.Errorf("openapi.yaml has %d codes, the code has %d", len(known), len(inCode))
	}
	text, err := os.ReadFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range inCode {
		// No route is left without a name, so nothing answers it yet.
		if code != "no_such_route" && !strings.Contains(string(text), "urn:chatkeeper:problem:"+code+`"`) {
			t.Errorf("the code %s has no example", code)
		}
	}
	for path, item := range doc.Paths.Map() {
		for method, operation := range item.Operations() {
			if strings.HasPrefix(path, "/webhooks/") {
				continue
			}
			for _, status := range []string{"400", "401", "403", "429", "500", "503"} {
				if operation.Responses.Value(status) == nil {
					t.Errorf("%s %s does not say what %s means", method, path, status)
				}
			}
			if (method == "GET") != (operation.Responses.Value("304") != nil) {
				t.Errorf("%s %s: 304 goes with GET, and with nothing else", method, path)
			}
			if (operation.RequestBody != nil) != (operation.Responses.Value("413") != nil) {
				t.Errorf("%s %s: 413 goes with a body", method, path)
			}
		}
	}
}

func contract(t *testing.T) *openapi3.T {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// templateRoutes are the routes of template.yaml with the folder of the function to which each goes.
func templateRoutes(t *testing.T) map[string]string {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				Events map[string]struct {
					Type       string `yaml:"Type"`
					Properties struct {
						Method string `yaml:"Method"`
						Path   string `yaml:"Path"`
					} `yaml:"Properties"`
				} `yaml:"Events"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	routes := map[string]string{}
	for id, resource := range template.Resources {
		for _, event := range resource.Properties.Events {
			if resource.Type == "AWS::Serverless::Function" && event.Type == "HttpApi" {
				routes[event.Properties.Method+" "+event.Properties.Path] = strings.ToLower(strings.TrimSuffix(id, "Function"))
			}
		}
	}
	return routes
}

// handledRoutes reads the keys of every httpapi.Routes in functions/, with the function's folder.
func handledRoutes(t *testing.T) map[string]string {
	t.Helper()
	routes := map[string]string{}
	for _, f := range parsed(t, "../functions/*/*.go") {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			literal, ok := n.(*ast.CompositeLit)
			if !ok {
				return true
			}
			if of, ok := literal.Type.(*ast.SelectorExpr); !ok || of.Sel.Name != "Routes" {
				return true
			}
			for _, element := range literal.Elts {
				routes[text(t, element.(*ast.KeyValueExpr).Key)] = filepath.Base(filepath.Dir(f.path))
			}
			return false
		})
	}
	return routes
}

// errorCodes are the values of every constant of type chat.Code, by name.
func errorCodes(t *testing.T) map[string]string {
	t.Helper()
	codes := map[string]string{}
	for _, f := range append(parsed(t, "../shared/chat/*.go"), parsed(t, "../shared/httpapi/*.go")...) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			spec, ok := n.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				return true
			}
			of, _ := spec.Type.(*ast.Ident)
			if selector, ok := spec.Type.(*ast.SelectorExpr); ok {
				of = selector.Sel
			}
			if literal, ok := spec.Values[0].(*ast.BasicLit); ok && of != nil && of.Name == "Code" {
				codes[spec.Names[0].Name] = text(t, literal)
			}
			return true
		})
	}
	return codes
}

// Every code of the contract is the code of an error somewhere: clients program against no others.
func TestEveryCodeIsProduced(t *testing.T) {
	t.Parallel()
	var produced []string
	for _, f := range slices.Concat(parsed(t, "../shared/*/*.go"), parsed(t, "../functions/*/*.go")) {
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			field, ok := n.(*ast.KeyValueExpr)
			if !ok {
				return true
			}
			if key, ok := field.Key.(*ast.Ident); !ok || key.Name != "Code" {
				return true
			}
			switch value := field.Value.(type) {
			case *ast.Ident:
				produced = append(produced, value.Name)
			case *ast.SelectorExpr:
				produced = append(produced, value.Sel.Name)
			}
			return true
		})
	}
	codes := errorCodes(t)
	if len(codes) < 15 {
		t.Fatalf("only %d codes were found", len(codes))
	}
	for name, code := range codes {
		if !slices.Contains(produced, name) {
			t.Errorf("nothing answers %s", code)
		}
	}
}

type parsedFile struct {
	path   string
	syntax *ast.File
}

func parsed(t *testing.T, pattern string) []parsedFile {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil {
		t.Fatal(err)
	}
	var files []parsedFile
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		syntax, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, parsedFile{path, syntax})
	}
	return files
}

func text(t *testing.T, literal ast.Expr) string {
	t.Helper()
	basic, ok := literal.(*ast.BasicLit)
	if !ok {
		t.Fatalf("%T is no text", literal)
	}
	value, err := strconv.Unquote(basic.Value)
	if err != nil {
		t.Fatal(err)
	}
	return value
}
