package main

import (
	"bytes"
	"testing"

	"chatkeeper/infra/local/servers/serverstest"
)

// A small day costs no more than it may.
func TestSmallDayIsWithinItsBudgets(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	w, err := newWorld(t.Context(), serverstest.DynamoDBEndpoint(t), serverstest.SQSEndpoint(t), &said)
	defer w.end()
	if err == nil {
		err = w.replay(smallDay)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	costs, err := idle(w, operation{Times: 1})
	if err != nil {
		t.Fatal(err)
	}
	var report bytes.Buffer
	print(&report, w.operations, costs)
	printCalls(&report, w.operations)
	t.Logf("\n%s", &report)
	for _, what := range overBudget(w.operations) {
		t.Error(what)
	}
}

// What costs too much is named, and nothing else.
func TestOverBudgetIsSeen(t *testing.T) {
	t.Parallel()
	one := func(name string, writes, reads float64) operation {
		return operation{Name: name, Times: 2, Direct: 2, Writes: 2 * writes, Reads: 2 * reads, Deliveries: 2, Sends: 2, Queued: 2}
	}
	for _, c := range []struct {
		what string
		day  []operation
		over int
	}{
		{"all as allowed", []operation{one(opened, 14, 9), one(texted, 2, 1), one(closed, 12, 9)}, 0},
		{"a new Chat a unit too many", []operation{one(opened, 14.5, 9), one(texted, 2, 1), one(closed, 12, 9)}, 1},
		{"a text that reads too much", []operation{one(opened, 14, 9), one(texted, 2, 1.5), one(closed, 12, 9)}, 1},
		{"a close, too", []operation{one(opened, 14, 9), one(texted, 2, 1.5), one(closed, 12.5, 9)}, 2},
		{"texts of three units: dollars too", []operation{one(opened, 14, 9), one(texted, 3, 1)}, 3},
	} {
		if over := overBudget(c.day); len(over) != c.over {
			t.Errorf("%s: %q", c.what, over)
		}
	}
}
