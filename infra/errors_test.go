package infra_test

import (
	"go/ast"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// noticed are the lines of level ERROR that no filter of the log looks for, and how somebody hears of them.
var noticed = map[string]string{
	"record failed":               "the queue or the stream brings the record again, and in the end has a dead letter",
	"signals not sent":            "the stream brings the batch again, and in the end has a dead letter",
	"timer failed":                "the sweep fails",
	"request failed":              "the answer is 5xx",
	"delivery not stored":         "the answer is 5xx",
	"keys of the issuer not read": "the answer is 5xx",
	"keys of the issuer not read again; the old ones go on": "nothing fails until a token has a new key, and then the answer is 5xx",
	"zone not loadable":                 "the assigner loads the same rules, and a filter of its log looks for it",
	"too many chats are one customer's": "the message is stored, in the Chat of its own user id",
}

// Every line of level ERROR that a function can write raises an alarm: a filter of the function's own log looks for its
// message and counts it into a metric with an alarm, or something else is noticed.
func TestEveryErrorRaisesAnAlarm(t *testing.T) {
	t.Parallel()
	filters := alarmingFilters(t)
	folders, err := filepath.Glob("../functions/*")
	if err != nil || len(folders) < 8 {
		t.Fatal(folders, err)
	}
	used := map[string]bool{}
	for _, folder := range folders {
		function := filepath.Base(folder)
		messages := map[string]bool{}
		errorMessages(t, folder, map[string]bool{}, messages)
		for message := range messages {
			if noticed[message] != "" {
				used[message] = true
				continue
			}
			if !slices.ContainsFunc(filters[function], func(pattern string) bool {
				found, err := path.Match(pattern, message)
				return err == nil && found
			}) {
				t.Errorf("%s may write %q, and no alarm hears of it", function, message)
			}
		}
		if function != "webhook" && !messages["row not readable"] { // the webhook reads no table
			t.Errorf("%s is not seen to report rows that can't be read", function)
		}
	}
	for message := range noticed {
		if !used[message] {
			t.Errorf("no function writes %q", message)
		}
	}
}

// alarmingFilters are the messages that the filters of each function's log look for, where an alarm watches the metric.
func alarmingFilters(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]struct {
			Type       string `yaml:"Type"`
			Properties struct {
				LogGroupName          yaml.Node `yaml:"LogGroupName"`
				FilterPattern         string    `yaml:"FilterPattern"`
				MetricName            string    `yaml:"MetricName"`
				AlarmActions          []any     `yaml:"AlarmActions"`
				MetricTransformations []struct {
					MetricName string `yaml:"MetricName"`
				} `yaml:"MetricTransformations"`
			} `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(text, &template); err != nil {
		t.Fatal(err)
	}
	watched := map[string]bool{}
	for _, r := range template.Resources {
		if r.Type == "AWS::CloudWatch::Alarm" && len(r.Properties.AlarmActions) > 0 {
			watched[r.Properties.MetricName] = true
		}
	}
	message := regexp.MustCompile(`\$\.message = "([^"]*)"`)
	filters := map[string][]string{}
	for _, r := range template.Resources {
		if r.Type != "AWS::Logs::MetricFilter" || !watched[r.Properties.MetricTransformations[0].MetricName] {
			continue
		}
		function := strings.ToLower(strings.TrimSuffix(r.Properties.LogGroupName.Value, "Logs"))
		for _, found := range message.FindAllStringSubmatch(r.Properties.FilterPattern, -1) {
			filters[function] = append(filters[function], found[1])
		}
	}
	return filters
}

// errorMessages adds the messages of level ERROR that a folder's code can write, with those of the packages of shared that it
// imports.
func errorMessages(t *testing.T, folder string, seen, messages map[string]bool) {
	t.Helper()
	if seen[folder] {
		return
	}
	seen[folder] = true
	for _, f := range parsed(t, folder+"/*.go") {
		for _, imported := range f.syntax.Imports {
			if name, ok := strings.CutPrefix(text(t, imported.Path), module+"/shared/"); ok {
				errorMessages(t, "../shared/"+name, seen, messages)
			}
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok || method.Sel.Name != "Error" && method.Sel.Name != "ErrorContext" {
				return true
			}
			for _, arg := range call.Args[:min(2, len(call.Args))] {
				if literal, ok := arg.(*ast.BasicLit); ok && literal.Kind == token.STRING {
					messages[text(t, literal)] = true
					break
				}
			}
			return true
		})
	}
}
