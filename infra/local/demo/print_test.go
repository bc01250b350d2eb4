package main

import (
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/local/demo/morning"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/invariant"
)

func TestReportsInPrint(t *testing.T) {
	t.Parallel()
	since := time.Date(2026, 11, 2, 9, 30, 15, 0, time.Local)
	clean := morning.Report{Seed: 7, Took: 12 * time.Second, Sent: 3, Acknowledged: 4, Customers: 3, Rows: []morning.Row{
		{Chat: "abcdefghijk", Customer: "Cairo 1", Language: "ar", Country: "EG", Status: chat.Open, Assignee: "Amira", Rule: "Arabic speakers", Reason: "has the fewest open Chats"},
		{Chat: "b", Customer: strings.Repeat("é", 30), Language: "fr", Country: "FR", Status: chat.Open, Pool: "team Support", Since: since, Rule: "Support", Reason: "nobody is there"},
		{Chat: "c", Language: "en", Country: "GB", Status: chat.Closed, Assignee: "Dan", Rule: "Support", Reason: "was first"},
	}}
	broken := clean
	broken.Breaches = []invariant.Breach{{Invariant: "I2", IDs: []string{"dan"}, Says: "counts 2 open Chats and owns 1"}}
	broken.Lost, broken.Stuck, broken.DeadLetters = []string{"k is stored 0 times"}, []string{"the tables still change"}, 2
	for name, c := range map[string]struct {
		report morning.Report
		want   string
	}{
		"clean": {clean, `
CHAT      CUSTOMER                      ASSIGNEE                             RULE             WHY
abcdefgh  Cairo 1, ar, EG               Amira                                Arabic speakers  has the fewest open Chats
b         éééééééééééééééééééé, fr, FR  waits (team Support, since 09:30:15)  Support          nobody is there
c         (no name), en, GB             Dan, closed                          Support          was first

3 Chats at the end of the morning: 1 owned, 1 waiting, 1 closed.
  Owned: Amira 1
  1 wait for team Support: nobody is there
3 deliveries, acknowledged 4 times, 0 tries without an answer; 12 s, seed 7.

Check: clean. 3 customer messages were acknowledged and each is stored once; no invariant is broken.
`},
		"broken": {broken, `
Check: NOT clean.
  I2 [dan]: counts 2 open Chats and owns 1
  I4 acknowledged message k is stored 0 times
  still going on: the tables still change
  2 messages came into the dead-letter queues (make redrive brings them back)
`},
	} {
		var out strings.Builder
		printReport(&out, c.report)
		squeezed := func(s string) string { return strings.Join(strings.Fields(s), " ") }
		if !strings.HasSuffix(squeezed(out.String()), squeezed(c.want)) {
			t.Errorf("%s:\n%s\nwant\n%s", name, out.String(), c.want)
		}
	}
}

func TestProgressIsOneLineForEachPart(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	s := &screen{out: &out, printed: time.Now()}
	for _, p := range []morning.Progress{
		{Doing: "write", Total: 2}, {Doing: "write", Done: 2, Total: 2}, {Doing: "write", Done: 1, Total: 2},
		{Doing: "wait", Trouble: "busy"}, {Doing: "wait", Done: 1, Total: 1},
	} {
		s.progress(p)
	}
	s.end()
	if want := "  write: 2 of 2\n  wait: done\n"; out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
