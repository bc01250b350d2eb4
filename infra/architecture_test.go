// Package infra_test holds the shape of the tree: who may import whom, which names are not used, and how
// long a function's main.go may be. The rules are few and each says its reason when it is broken.
package infra_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/scanner"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

const module = "chatkeeper"

// domain packages know nothing but the standard library and each other.
var domain = []string{"access", "assign", "chat", "invariant", "team"}

// Names that say nothing about what is inside. A folder or package called like that collects everything.
var emptyNames = []string{
	"adapters", "common", "config", "domain", "helper", "helpers", "misc", "model", "models",
	"ports", "types", "util", "utils",
}

// maxMainLines bounds the code lines of a function's main.go, without its package clause and imports.
const maxMainLines = 25

// file is one Go source file, by its slash-separated path from the top of the tree.
type file struct {
	path   string
	source []byte
}

func TestTreeKeepsItsShape(t *testing.T) {
	t.Parallel()
	files := readTree(t, "..")
	if len(files) < 5 {
		t.Fatalf("found only %d Go files; is this the top of the tree?", len(files))
	}
	for _, f := range files {
		for _, breach := range breaches(t, f) {
			t.Errorf("%s: %s", f.path, breach)
		}
	}
}

func TestEveryFunctionOfTheTemplateHasItsFolder(t *testing.T) {
	t.Parallel()
	inTemplate := templateFunctions(t)
	folders, err := filepath.Glob("../functions/*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	var onDisk []string
	for _, f := range folders {
		onDisk = append(onDisk, filepath.Base(filepath.Dir(f)))
	}
	if !slices.Equal(inTemplate, onDisk) {
		t.Errorf("template.yaml has the functions %v, functions/ has %v", inTemplate, onDisk)
	}
}

// The rules themselves: each case breaks one of them, or comes close to it.
func TestBreachesAreSeen(t *testing.T) {
	t.Parallel()
	long := "package main\nfunc main() {\n" + strings.Repeat("\tprintln()\n", maxMainLines) + "}\n"
	cases := []struct {
		path, source string
		want         string // part of the breach, or empty where all is well
	}{
		{"shared/chat/a.go", `package chat; import "chatkeeper/shared/team"`, ""},
		{"shared/chat/a.go", `package chat; import "encoding/json"`, ""},
		{"shared/chat/a.go", `package chat; import "chatkeeper/shared/dynamo"`, "the domain imports"},
		{"shared/chat/a.go", `package chat; import "github.com/aws/aws-sdk-go-v2/aws"`, "the domain imports"},
		{"shared/chat/a_test.go", `package chat; import "pgregory.net/rapid"`, ""},
		{"shared/dynamo/a.go", `package dynamo; import "chatkeeper/shared/chat"`, ""},
		{"shared/dynamo/a.go", `package dynamo; import "chatkeeper/shared/dynamo/inner"`, ""},
		{"shared/dynamo/a.go", `package dynamo; import "chatkeeper/shared/queue"`, "sideways"},
		{"shared/dynamo/a.go", `package dynamo; import "chatkeeper/functions/webhook"`, "nothing in shared"},
		{"shared/dynamo/a.go", `package dynamo; import "chatkeeper/infra/local/servers"`, "nothing in shared"},
		{"shared/dynamo/a_test.go", `package dynamo; import "chatkeeper/infra/local/servers"`, ""},
		{"shared/dynamo/a_test.go", `package dynamo; import "chatkeeper/functions/webhook"`, "nothing in shared"},
		{"shared/queue/a.go", `package queue; import "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"`, "belongs in shared/dynamo"},
		{"shared/dynamo/a.go", `package dynamo; import "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"`, ""},
		{"functions/webhook/a.go", `package main; import "chatkeeper/shared/dynamo"`, ""},
		{"functions/webhook/a.go", `package main; import "chatkeeper/functions/assigner"`, "another function"},
		{"functions/webhook/a.go", `package main; import "chatkeeper/infra/local"`, "infra"},
		{"functions/webhook/a.go", `package main; import "github.com/aws/aws-sdk-go-v2/service/dynamodb"`, "belongs in shared/dynamo"},
		{"functions/webhook/main.go", `package main; import "github.com/aws/aws-sdk-go-v2/service/dynamodb"`, ""},
		{"shared/utils/a.go", `package utils`, "says nothing"},
		{"shared/chat/a.go", `package types`, "says nothing"},
		{"shared/chat/common/a.go", `package kept`, "says nothing"},
		{"functions/webhook/main.go", "package main\nfunc main() { if true { println() } }", "no branch"},
		{"functions/webhook/main.go", "package main\nfunc main() { for range 3 { println() } }", "no branch"},
		{"functions/webhook/main.go", "package main\nfunc main() { switch { } }", "no branch"},
		{"functions/webhook/main.go", "package main\nfunc main() { select { } }", "no branch"},
		{"functions/webhook/handler.go", "package main\nfunc f() { if true { println() } }", ""},
		{"functions/webhook/main.go", long, "lines of code"},
		{"infra/local/main.go", long, ""},
	}
	for _, c := range cases {
		got := strings.Join(breaches(t, file{c.path, []byte(c.source)}), "; ")
		if c.want == "" && got != "" || c.want != "" && !strings.Contains(got, c.want) {
			t.Errorf("%s: %s\n got %q\nwant %q", c.path, c.source, got, c.want)
		}
	}
}

// breaches says which rules the file breaks.
func breaches(t *testing.T, f file) []string {
	t.Helper()
	fset := token.NewFileSet()
	parsed, err := parser.ParseFile(fset, f.path, f.source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, name := range append(strings.Split(path.Dir(f.path), "/"), strings.TrimSuffix(parsed.Name.Name, "_test")) {
		if slices.Contains(emptyNames, name) {
			found = append(found, fmt.Sprintf("the name %q says nothing about what is inside", name))
		}
	}
	for _, spec := range parsed.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		if why := forbidden(f.path, imported); why != "" {
			found = append(found, fmt.Sprintf("imports %s: %s", imported, why))
		}
	}
	if isFunctionMain(f.path) {
		if n := codeLines(fset, parsed, f.source); n > maxMainLines {
			found = append(found, fmt.Sprintf("has %d lines of code; main.go only wires, in at most %d", n, maxMainLines))
		}
		if line := firstBranch(fset, parsed); line > 0 {
			found = append(found, fmt.Sprintf("line %d: main.go only wires, with no branch", line))
		}
	}
	return found
}

// forbidden says why the file may not import the package, or nothing if it may.
func forbidden(filePath, imported string) string {
	isTest := strings.HasSuffix(filePath, "_test.go")
	top, room := rooms(filePath)
	importedTop, importedRoom := rooms(strings.TrimPrefix(imported, module+"/") + "/")
	if !strings.HasPrefix(imported, module+"/") {
		importedTop, importedRoom = "", ""
	}
	switch {
	case top == "shared" && importedTop == "functions":
		return "nothing in shared imports functions"
	case top == "functions" && importedTop == "functions" && importedRoom != room:
		return "a function does not import another function"
	case isTest:
		return "" // tests start real servers, and check with libraries of their own
	case top == "shared" && importedTop == "infra":
		return "nothing in shared imports infra"
	case top == "functions" && importedTop == "infra":
		return "functions are deployed; infra stays at home"
	case top == "shared" && slices.Contains(domain, room):
		if importedTop == "shared" && slices.Contains(domain, importedRoom) || isStandard(imported) {
			return ""
		}
		return "the domain imports the standard library and itself only"
	case top == "shared" && importedTop == "shared" && importedRoom != room && !slices.Contains(domain, importedRoom):
		return "technology packages do not import each other sideways"
	case strings.HasPrefix(imported, "github.com/aws/aws-sdk-go-v2/service/dynamodb"):
		if top == "infra" || top == "shared" && room == "dynamo" || isFunctionMain(filePath) {
			return ""
		}
		return "every key, condition and error of DynamoDB belongs in shared/dynamo"
	}
	return ""
}

// rooms returns the first two folders of a file's path: shared/chat/a.go is in shared, chat.
func rooms(filePath string) (top, room string) {
	parts := strings.Split(path.Dir(filePath), "/")
	if len(parts) == 1 {
		return parts[0], ""
	}
	return parts[0], parts[1]
}

func isStandard(imported string) bool {
	first, _, _ := strings.Cut(imported, "/")
	return first != module && !strings.Contains(first, ".")
}

func isFunctionMain(filePath string) bool {
	matched, err := path.Match("functions/*/main.go", filePath)
	return err == nil && matched
}

// codeLines counts the lines that hold code; comments, blank lines, the package clause and imports do not count.
func codeLines(fset *token.FileSet, parsed *ast.File, source []byte) int {
	start := parsed.Name.End()
	for _, declaration := range parsed.Decls {
		if g, ok := declaration.(*ast.GenDecl); ok && g.Tok == token.IMPORT {
			start = g.End()
		}
	}
	after := fset.Position(start).Offset
	tokens := token.NewFileSet()
	var s scanner.Scanner
	s.Init(tokens.AddFile("", -1, len(source)), source, nil, 0)
	lines := map[int]bool{}
	for {
		at, tok, literal := s.Scan()
		if tok == token.EOF {
			return len(lines)
		}
		position := tokens.Position(at)
		if position.Offset < after || tok == token.SEMICOLON && literal == "\n" {
			continue
		}
		for n := range strings.Count(literal, "\n") + 1 { // a raw string spans lines
			lines[position.Line+n] = true
		}
	}
}

// firstBranch returns the line of the first branch or loop, or 0.
func firstBranch(fset *token.FileSet, parsed *ast.File) int {
	line := 0
	ast.Inspect(parsed, func(n ast.Node) bool {
		switch n.(type) {
		case *ast.IfStmt, *ast.SwitchStmt, *ast.TypeSwitchStmt, *ast.SelectStmt, *ast.ForStmt, *ast.RangeStmt:
			if line == 0 {
				line = fset.Position(n.Pos()).Line
			}
		}
		return true
	})
	return line
}

// readTree reads all Go files below top, except what the go command leaves out too.
func readTree(t *testing.T, top string) []file {
	t.Helper()
	var files []file
	err := filepath.WalkDir(top, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != top && (base[0] == '.' || base[0] == '_' || base == "testdata" || base == "node_modules") {
				return fs.SkipDir
			}
			return nil
		}
		if filepath.Ext(base) != ".go" {
			return nil
		}
		source, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		relative, err := filepath.Rel(top, name)
		if err != nil {
			return err
		}
		files = append(files, file{filepath.ToSlash(relative), source})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// templateFunctions lists the folder names of template.yaml's functions, sorted: WebhookFunction is webhook.
func templateFunctions(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type string `yaml:"Type"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	var names []string
	for id, resource := range template.Resources {
		if resource.Type == "AWS::Serverless::Function" {
			names = append(names, strings.ToLower(strings.TrimSuffix(id, "Function")))
		}
	}
	slices.Sort(names)
	return names
}
