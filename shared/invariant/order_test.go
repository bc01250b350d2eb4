package invariant_test

import (
	"slices"
	"testing"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/invariant"
)

// Order between two snapshots: one Chat waits in both, another is given to somebody in between.
func TestOrder(t *testing.T) {
	t.Parallel()
	began := time.UnixMilli(1_795_000_000_000)
	at := func(ms int) time.Time { return began.Add(time.Duration(ms) * time.Millisecond) }
	waits := func(id, pool string, p assign.Priority, ms int) chat.Entry {
		return chat.Entry{Chat: id, Pool: pool, Priority: p, Since: at(ms), Epoch: 1, Routed: 1}
	}
	given := func(id, pool string, p assign.Priority, since time.Time) invariant.Event {
		e := chat.Event{Epoch: 2, At: at(0), Type: chat.Assigned, Status: chat.Open, Owner: "dan", By: chat.Actor{Kind: chat.ByRule},
			Decision: &assign.Decision{Pool: pool, Priority: p}}
		if since.IsZero() {
			e.Epoch, e.Type = 1, chat.Created
		} else {
			e.Decision.WaitingSince = since.UnixMilli()
		}
		return invariant.Event{Chat: id, Event: e}
	}
	byHand := func(e invariant.Event) invariant.Event {
		e.By.Kind = chat.ByPerson
		return e
	}
	again := func(e chat.Entry, epoch, routed int64) chat.Entry {
		e.Epoch, e.Routed = epoch, routed
		return e
	}
	a := waits("a", "p", assign.Normal, 10)
	never := time.Time{}
	for _, row := range []struct {
		what    string
		before  invariant.Snapshot
		entries []chat.Entry // after
		event   invariant.Event
		breach  bool
	}{
		{"a later one is given", invariant.Snapshot{Entries: []chat.Entry{a, waits("b", "p", assign.Normal, 11)}}, []chat.Entry{a}, given("b", "p", assign.Normal, at(11)), true},
		{"one that was not there yet is given", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{a}, given("b", "p", assign.Normal, at(11)), true},
		{"one is opened for somebody", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{a}, given("b", "p", assign.Normal, never), true},
		{"one of a lower priority is given", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{a}, given("b", "p", assign.Low, at(9)), true},
		{"an earlier one is given", invariant.Snapshot{Entries: []chat.Entry{a, waits("b", "p", assign.Normal, 9)}}, []chat.Entry{a}, given("b", "p", assign.Normal, at(9)), false},
		{"one of the same time is given", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{a}, given("b", "p", assign.Normal, at(10)), false},
		{"one of a higher priority is given", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{a}, given("b", "p", assign.High, at(11)), false},
		{"one of another pool is given", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{a}, given("b", "q", assign.Normal, at(11)), false},
		{"an Admin gives a later one", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{a}, byHand(given("b", "p", assign.Normal, at(11))), false},
		{"a later one had been given before", invariant.Snapshot{Entries: []chat.Entry{a}, Events: []invariant.Event{given("b", "p", assign.Normal, at(11))}},
			[]chat.Entry{a}, given("b", "p", assign.Normal, at(11)), false},
		{"it was not there before, whatever its time", invariant.Snapshot{}, []chat.Entry{a}, given("b", "p", assign.Normal, never), false},
		{"it is not there after", invariant.Snapshot{Entries: []chat.Entry{a}}, nil, given("b", "p", assign.Normal, never), false},
		{"it left and came back", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{again(a, 3, 2)}, given("b", "p", assign.Normal, never), false},
		{"it was routed again", invariant.Snapshot{Entries: []chat.Entry{a}}, []chat.Entry{again(a, 1, 2)}, given("b", "p", assign.Normal, never), false},
	} {
		after := invariant.Snapshot{Entries: row.entries, Events: append(slices.Clone(row.before.Events), row.event)}
		if found := invariant.Order(row.before, after); (len(found) > 0) != row.breach {
			t.Errorf("%s: found %v", row.what, found)
		}
	}
}

// The events of one epoch begin with the change that raised it, whatever times they carry: a record is stored by another
// process, whose clock may be behind.
func TestAClockBehindBreaksNoHistory(t *testing.T) {
	t.Parallel()
	at := time.UnixMilli(1_795_000_000_000)
	nobody := chat.Event{Epoch: 1, At: at.Add(-time.Second), Type: chat.Nobody, Status: chat.Open, Routed: 1}
	opened := chat.Event{Epoch: 1, At: at, Type: chat.Created, Status: chat.Open, Routed: 1}
	waits := chat.Ownership{Status: chat.Open, Epoch: 1, OwnerEpoch: 1, Routed: 1, Pools: []string{"p"}, WaitingSince: at}
	s := invariant.Snapshot{Chats: []chat.Chat{{ID: "a", Ownership: waits}},
		Events:  []invariant.Event{{Chat: "a", Event: nobody}, {Chat: "a", Event: opened}},
		Entries: []chat.Entry{{Chat: "a", Pool: "p", Since: at, Epoch: 1, Routed: 1}}}
	if found := invariant.Check(s); len(found) > 0 {
		t.Error(found)
	}
}
