package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// supportBy is a rules document that sends all Chats to the team support, with what else is said of the destination.
func supportBy(strategy, more string) string {
	return fmt.Sprintf(`{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": %q}]%s}}`, strategy, more)
}

// given is what the last decision about people says of them: each with the reason, best first.
func (w *world) given() (said []string) {
	w.Helper()
	var last *assign.Decision
	var at int64
	for _, e := range w.checked().Events {
		if e.Decision != nil && e.Decision.PersonID != "" && e.Epoch >= at {
			last, at = e.Decision, e.Epoch
		}
	}
	if last == nil {
		w.Fatal("nobody was given anything")
		return nil
	}
	for _, c := range last.Candidates {
		said = append(said, c.PersonID+" "+string(c.Because))
	}
	return said
}

func (w *world) edits(id string, edit func(*team.Person)) {
	w.Helper()
	_, err := w.store.UpdatePerson(w.Context(), id, dynamo.Now(), func(p *team.Person) error { edit(p); return nil })
	w.must(err)
}

func TestWeightedOnTables(t *testing.T) {
	t.Parallel()
	heavy, light := agent("dan", 0, "support"), agent("mei", 0, "support")
	heavy.Weight = 3
	w := newWorld(t, heavy, light)
	w.saveRules(supportBy("weighted", ""))
	loads := func() string {
		w.serves(support)
		loads := ""
		for _, p := range w.checked().People {
			loads += fmt.Sprint(p.ID, " ", p.OpenChats, " ")
			if p.Turn == 0 {
				t.Errorf("%s has no turn", p.ID)
			}
		}
		return loads
	}
	w.customers(12)
	if got := loads(); got != "dan 9 mei 3 " {
		t.Errorf("of twelve Chats: %s", got)
	}
	// A new weight counts from the beginning of her last turn, so that she is owed a Chat; edits leave the turns alone.
	w.edits("mei", func(p *team.Person) { p.Weight = 3 })
	for i := range 4 {
		w.receives(text(fmt.Sprint("GB.", i), "", "hello", morning))
	}
	if got := loads(); got != "dan 10 mei 6 " {
		t.Errorf("of four more at equal weights: %s", got)
	}
	for _, e := range w.checked().Events {
		if d := e.Decision; d != nil && d.PersonID != "" && (d.Strategy != assign.Weighted || d.Candidates[0].Because != assign.NextByWeight) {
			t.Errorf("decided as %+v", d)
		}
	}
}

// A rule that names a person waits for that person, and for nobody else.
func TestAgentOnTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 1, "support"), agent("mei", 0, "support"))
	w.saveRules(`{"rules": [], "otherwise": {"to": [{"person": "dan", "strategy": "agent"}]}}`)
	w.receives(text("US.1", "", "a", morning), text("US.2", "", "b", morning))
	w.serves("person:dan")
	owners := func() (owners []string) {
		for _, c := range w.checked().Chats {
			owners = append(owners, c.Owner)
		}
		slices.Sort(owners)
		return owners
	}
	if got := owners(); !slices.Equal(got, []string{"", "dan"}) {
		t.Errorf("they belong to %q", got)
	}
	if got := w.given(); got[0] != "dan named_person" {
		t.Errorf("because %v", got)
	}
	w.edits("dan", func(p *team.Person) { p.Limit = 2 })
	w.serves("person:dan")
	if got := owners(); !slices.Equal(got, []string{"dan", "dan"}) {
		t.Errorf("they belong to %q", got)
	}
}

// Within a pool high comes before normal and normal before low, whoever waited longer; within a priority by time.
func TestPriorityOnTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 1, "support"))
	rule := func(name string) string {
		return fmt.Sprintf(`{"id": %q, "name": %q, "enabled": true, "when": {"field": "text", "contains": [%q]},
			"to": [{"team": "support", "strategy": "round_robin"}], "priority": %q}`, name, name, name, name)
	}
	w.saveRules(`{"rules": [` + rule("high") + "," + rule("low") + `], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}]}}`)
	w.receives(text("US.0", "", "first", morning))
	w.serves(support)
	for i, word := range []string{"low", "normal", "high", "low", "high", "normal"} {
		w.receives(text(fmt.Sprint("GB.", i), "", word, morning))
	}
	var served []string
	for range 6 {
		for _, c := range w.checked().Chats {
			if c.Owner != "" && c.Status == chat.Open {
				w.closes(c.ID)
			}
		}
		w.serves(support)
		for _, c := range w.checked().Chats {
			if c.Owner != "" && c.Status == chat.Open {
				served = append(served, fmt.Sprint(c.Customer.UserID, " ", c.Preview.Text))
			}
		}
	}
	if want := []string{"GB.2 high", "GB.4 high", "GB.1 normal", "GB.5 normal", "GB.0 low", "GB.3 low"}; !slices.Equal(served, want) {
		t.Errorf("served %q, want %q", served, want)
	}
}

// S5: a customer who comes back is given to whoever had the Chat, though it is not their turn, if they can take it and
// it is not too long ago.
func TestPreviousAssigneeOnTables(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 1, "support"), agent("mei", 0, "support"))
	w.saveRules(supportBy("round_robin", `, "previousAssignee": {"prefer": true, "within": "24h"}`))
	comesBack := func() []string {
		w.Helper()
		if c := w.checked().Chats; len(c) > 0 {
			w.closes(c[0].ID)
		}
		w.receives(text("US.1", "", "hello", morning))
		w.serves(support)
		return w.given()
	}
	if got := comesBack(); !slices.Equal(got, []string{"dan longest_ago", "mei later_id"}) {
		t.Errorf("the first time: %v", got)
	}
	if got := comesBack(); !slices.Equal(got, []string{"dan previous_assignee", "mei previous_preferred"}) {
		t.Errorf("the second time: %v", got)
	}
	w.now = func() time.Time { return dynamo.Now().Add(25 * time.Hour) }
	if got := comesBack(); !slices.Equal(got, []string{"mei longest_ago", "dan assigned_later"}) {
		t.Errorf("a day later: %v", got)
	}
	w.now = dynamo.Now
	w.edits("mei", func(p *team.Person) { p.Availability = team.Away })
	if got := comesBack(); !slices.Equal(got, []string{"dan longest_ago", "mei away"}) {
		t.Errorf("while she was away: %v", got)
	}
}

// Rules that are saved while a Chat waits may prefer whoever had it, too.
func TestNewRulesKnowThePreviousAssignee(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"))
	w.saveRules(supportBy("round_robin", ""))
	w.receives(text("US.1", "", "hello", morning))
	w.serves(support)
	w.closes(w.only().ID)
	for _, id := range []string{"dan", "mei"} {
		w.edits(id, func(p *team.Person) { p.Availability = team.Away })
	}
	w.receives(text("US.1", "", "hello again", morning))
	w.serves(support)
	w.saveRules(supportBy("least_loaded", `, "previousAssignee": {"prefer": true}`))
	w.serves(support)
	w.saveRules(supportBy("round_robin", `, "previousAssignee": {"prefer": true, "within": "1h"}, "priority": "high"`))
	w.serves(support)
	if c := w.only(); !c.Waiting() || c.Routed != 4 {
		t.Fatalf("it is %+v", c.Ownership)
	}
	for _, id := range []string{"dan", "mei"} {
		w.edits(id, func(p *team.Person) { p.Availability = team.Online })
	}
	w.serves(support)
	if got := w.given(); !slices.Equal(got, []string{"dan previous_assignee", "mei previous_preferred"}) {
		t.Errorf("given by %v", got)
	}
}

// What people say about a customer who waits routes the Chat again, and it is still known who had it: at once, and when
// newer rules route it once more.
func TestAnEditKeepsThePreviousAssignee(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"))
	rules := supportBy("round_robin", `, "previousAssignee": {"prefer": true, "within": "24h"}`)
	w.saveRules(rules)
	w.receives(text("US.1", "", "hello", morning))
	w.serves(support)
	id := w.only().ID
	w.closes(id)
	w.nobodyAround(func() {
		w.receives(text("US.1", "", "hello again", morning))
		before, err := w.store.Entry(t.Context(), id, support)
		w.must(err)
		if before.Prefer != "dan" || before.Previous.Person != "dan" {
			t.Fatalf("it waits as %+v", before)
		}
		_, err = w.store.EditCustomer(t.Context(), id, "mei", dynamo.Now(), func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) {
			return chat.Edit{Tags: new([]string{"vip"})}, nil, nil
		})
		w.must(err)
		after, err := w.store.Entry(t.Context(), id, support)
		w.must(err)
		if after.Routed != before.Routed+1 || after.Prefer != "dan" || after.Previous != before.Previous || after.Message != before.Message {
			t.Errorf("it waited as %+v, after the edit as %+v", before, after)
		}
		w.saveRules(rules)
		w.serves(support)
	})
	w.serves(support)
	if got := w.given(); !slices.Equal(got, []string{"dan previous_assignee", "mei previous_preferred"}) {
		t.Errorf("given by %v", got)
	}
}
