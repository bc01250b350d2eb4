package infra_test

import (
	"maps"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// The alarms of template.yaml are those that README says what to do about; what they count is counted; and the log lines
// that are counted are written, by the function whose log it is or by a package that functions share.
func TestAlarms(t *testing.T) {
	t.Parallel()
	var template struct {
		Resources map[string]struct {
			Type       string    `yaml:"Type"`
			Properties yaml.Node `yaml:"Properties"`
		} `yaml:"Resources"`
	}
	if err := yaml.Unmarshal(read(t, "../template.yaml"), &template); err != nil {
		t.Fatal(err)
	}
	var alarms []string
	counted := map[string]bool{} // metrics
	wanted := map[string]string{}
	for id, resource := range template.Resources {
		switch resource.Type {
		case "AWS::CloudWatch::Alarm":
			var alarm struct {
				Namespace  string `yaml:"Namespace"`
				MetricName string `yaml:"MetricName"`
			}
			decode(t, id, resource.Properties, &alarm)
			alarms = append(alarms, strings.TrimSuffix(id, "Alarm"))
			if alarm.Namespace == "Chatkeeper" {
				wanted[id] = alarm.MetricName
			}
		case "AWS::Logs::MetricFilter":
			var filter struct {
				LogGroup string `yaml:"LogGroupName"`
				Pattern  string `yaml:"FilterPattern"`
				Metrics  []struct {
					Name string `yaml:"MetricName"`
				} `yaml:"MetricTransformations"`
			}
			decode(t, id, resource.Properties, &filter)
			for _, m := range filter.Metrics {
				counted[m.Name] = true
			}
			written := logged(t, strings.ToLower(strings.TrimSuffix(filter.LogGroup, "Logs")))
			messages := regexp.MustCompile(`\$\.message = "([^"]+)"`).FindAllStringSubmatch(filter.Pattern, -1)
			if len(messages) == 0 {
				t.Errorf("%s counts no messages: %s", id, filter.Pattern)
			}
			for _, m := range messages {
				if !slices.ContainsFunc(slices.Collect(maps.Keys(written)), func(message string) bool {
					found, err := path.Match(m[1], message)
					return err == nil && found
				}) {
					t.Errorf("%s counts %q, which %s never says", id, m[1], filter.LogGroup)
				}
			}
		}
	}
	for id, metric := range wanted {
		if !counted[metric] {
			t.Errorf("%s waits for the metric %s, which no filter counts", id, metric)
		}
	}
	var told []string
	_, table, _ := strings.Cut(string(read(t, "../README.md")), "| alarm | what it means | what to do |\n|---|---|---|\n")
	for line := range strings.Lines(table) {
		row, isRow := strings.CutPrefix(line, "| ")
		if !isRow {
			break
		}
		names, _, _ := strings.Cut(row, " |")
		told = append(told, strings.Split(names, ", ")...)
	}
	slices.Sort(alarms)
	slices.Sort(told)
	if len(alarms) == 0 || !slices.Equal(alarms, told) {
		t.Errorf("template.yaml has the alarms %v, README explains %v", alarms, told)
	}
}

// logged are the messages of the log lines that a function writes, those of shared packages included.
func logged(t *testing.T, function string) map[string]bool {
	t.Helper()
	call := regexp.MustCompile(`\b(?:Info|Warn|Error)(?:Context)?\((?:ctx, )?"([^"]+)"`)
	messages := map[string]bool{}
	for _, top := range []string{"../functions/" + function, "../shared"} {
		for _, f := range readTree(t, top) {
			if strings.HasSuffix(f.path, "_test.go") {
				continue
			}
			for _, m := range call.FindAllStringSubmatch(string(f.source), -1) {
				messages[m[1]] = true
			}
		}
	}
	return messages
}

func decode(t *testing.T, id string, properties yaml.Node, into any) {
	t.Helper()
	if err := properties.Decode(into); err != nil {
		t.Fatalf("%s: %v", id, err)
	}
}

func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
