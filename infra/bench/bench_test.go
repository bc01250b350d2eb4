package main

import (
	"bytes"
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// What go test prints becomes rows with a verdict each, and a plot that is XML.
func TestTableAndPlot(t *testing.T) {
	t.Parallel()
	const said = `goos: linux
BenchmarkGoalWebhook-2   	       1	       448.6 other-µs	       495.1 ours-µs	         1.198 ratio
BenchmarkGoalServing-2   	       1	        31.21 a-second	         0.9532 ratio
BenchmarkGoalRules-2         	       1	      40.5 cpu-µs	       3 allocs/op
BenchmarkGoalFlat/people-10-to-10000-2         	       1	      1.5 ratio	     1.01 units-ratio
PASS
`
	results, err := parse(strings.NewReader(said))
	if err != nil {
		t.Fatal(err)
	}
	var table, plot bytes.Buffer
	rows := judge(results)
	printTable(&table, rows)
	got := []string{}
	for _, line := range strings.Split(strings.TrimSpace(table.String()), "\n")[1:] {
		verdict := "met"
		if strings.Contains(line, "missed") {
			verdict = "missed"
		}
		got = append(got, verdict)
	}
	if want := "missed met met missed met"; strings.Join(got, " ") != want {
		t.Errorf("%v, want %s:\n%s", got, want, &table)
	}
	if err := svg.Execute(&plot, bars(rows)); err != nil {
		t.Fatal(err)
	}
	for d := xml.NewDecoder(&plot); ; {
		if _, err := d.Token(); err == io.EOF {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
