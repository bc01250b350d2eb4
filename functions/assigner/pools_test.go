package main

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

const everyone = "team:everyone"

// customers write for the first time, all at once.
func (w *world) customers(n int) {
	w.Helper()
	var all sync.WaitGroup
	slots := make(chan bool, 16)
	for i := range n {
		body := w.updates("messages", text(fmt.Sprintf("US.%d", i), "", "hello", morning))[0]
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			if err := w.update(w.Context(), body); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
}

// S5, I2, I3, I6: two hundred new customers and five people with room for ten each: exactly fifty are owned, ten a
// person, and as room appears the others are served in the order of waiting.
func TestTwoHundredCustomersOnFivePeople(t *testing.T) {
	t.Parallel()
	var people []team.Person
	for i := range 5 {
		people = append(people, agent(fmt.Sprintf("agent%d", i), 10))
	}
	w := newWorld(t, people...)
	w.saveRules(everyoneInTurn)
	w.customers(200)
	w.serves(everyone)
	all := w.checked()
	owned := all.Chats[:0:0]
	for _, c := range all.Chats {
		if c.Owner != "" {
			owned = append(owned, c)
		}
	}
	if len(all.Chats) != 200 || len(owned) != 50 {
		t.Fatalf("%d of %d Chats are owned, want 50 of 200", len(owned), len(all.Chats))
	}
	for _, p := range all.People {
		if p.OpenChats != 10 {
			t.Errorf("%s has %d Chats", p.ID, p.OpenChats)
		}
	}
	waiting := slices.DeleteFunc(all.Chats, func(c chat.Chat) bool { return !c.Waiting() })
	slices.SortFunc(waiting, byWaiting)
	for i, next := range waiting[:20] {
		w.closes(owned[i].ID)
		w.serves(everyone)
		c, err := w.store.Chat(t.Context(), next.ID)
		w.must(err)
		if c.Owner != owned[i].Owner {
			t.Fatalf("room of %s went to somebody who had waited shorter than %s", owned[i].Owner, next.ID)
		}
	}
	w.checked()
}

func byWaiting(a, b chat.Chat) int {
	if c := a.WaitingSince.Compare(b.WaitingSince); c != 0 {
		return c
	}
	return slices.Compare([]byte(a.ID), []byte(b.ID))
}

// I2, I3: twenty pools that share five people, served at once.
func TestTwentyPoolsShareFivePeople(t *testing.T) {
	t.Parallel()
	var people []team.Person
	var teams []string
	for i := range 20 {
		teams = append(teams, fmt.Sprintf("team%d", i))
	}
	for i := range 5 {
		people = append(people, agent(fmt.Sprintf("agent%d", i), 12, teams...))
	}
	w := newWorld(t, people...)
	rules := `{"rules": [`
	for i, id := range teams {
		if i > 0 {
			rules += ","
		}
		rules += fmt.Sprintf(`{"id": "r%d", "name": "%s", "enabled": true, "when": {"field": "adSource", "in": ["%s"]},
			"to": [{"team": "%s", "strategy": "%s"}]}`, i, id, id, id, []string{"round_robin", "least_loaded"}[i%2])
	}
	w.saveRules(rules + `], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`)
	w.nobodyAround(func() {
		for i, id := range teams {
			for n := range 4 {
				m := text(fmt.Sprintf("US.%d%02d", n, i), "", "hello", morning)
				m["referral"] = map[string]any{"source_id": id, "source_type": "ad"}
				w.receives(m)
			}
		}
	})
	var all sync.WaitGroup
	for _, id := range teams {
		all.Go(func() {
			err := errToBeContinued
			for errors.Is(err, errToBeContinued) { // as the signal that is sent then would
				err = w.serve(t.Context(), queue.Signal{Pool: "team:" + id})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	open := 0
	for _, p := range w.checked().People {
		open += p.OpenChats
	}
	if open != 60 {
		t.Errorf("%d Chats are owned, want all the room there is: 60", open)
	}
}

// "Nobody" is a decision too: recorded once per reason, and the pool is in the directory until it is empty.
func TestNobody(t *testing.T) {
	t.Parallel()
	offline := agent("dan", 1, "support")
	offline.Availability = team.Offline
	w := newWorld(t, offline)
	w.receives(text("US.1", "", "hello", morning), text("US.2", "", "hello", morning.Add(time.Second)))
	w.serves(support)
	w.serves(support)
	reasons := func() []string {
		var found []string
		for _, e := range w.checked().Events {
			if e.Type == chat.Nobody {
				found = append(found, string(e.Decision.Nobody))
			}
		}
		slices.Sort(found)
		return found
	}
	if got := reasons(); !slices.Equal(got, []string{"nobody_online", "nobody_online"}) {
		t.Errorf("the records say %v", got)
	}
	if pools, err := w.store.Directory(t.Context()); err != nil || !slices.Equal(pools, []string{support}) {
		t.Errorf("the directory lists %v (%v)", pools, err)
	}
	_, err := w.store.UpdatePerson(t.Context(), "dan", dynamo.Now(), func(p *team.Person) error { p.Availability = team.Online; return nil })
	w.must(err)
	w.serves(support)
	if got := reasons(); !slices.Equal(got, []string{"all_at_capacity", "nobody_online", "nobody_online"}) {
		t.Errorf("the records say %v", got)
	}
	for _, c := range w.checked().Chats {
		if c.Owner != "" {
			w.closes(c.ID)
		}
	}
	w.serves(support)
	w.serves(support)
	if pools, err := w.store.Directory(t.Context()); err != nil || len(pools) != 0 {
		t.Errorf("the directory lists %v (%v), though nobody waits", pools, err)
	}
}

// A Chat that the rules of an older version put into a pool is routed again by whoever finds it there, and keeps its
// place in time.
func TestWaitingChatsFollowNewRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receives(text("US.1", "", "what is the price of a bell?", morning))
	before := w.only()
	w.saveRules(everyoneInTurn)
	w.serves(before.Pools[0])
	after := w.only()
	if after.Pools[0] != everyone || !after.WaitingSince.Equal(before.WaitingSince) || after.Routed != 2 || after.Epoch != 1 {
		t.Errorf("it became %+v", after.Ownership)
	}
	w.saveRules(`{"rules": [{"id": "prices", "name": "Prices", "enabled": true, "when": {"field": "text", "contains": ["price"]},
		"to": [{"team": "sales", "strategy": "round_robin"}]}], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`)
	w.serves(everyone)
	if c := w.only(); c.Pools[0] != "team:sales" {
		t.Errorf("a condition on the text of the message sent it to %v", c.Pools)
	}
}

// The transaction takes a person only as they were chosen: whatever changed meanwhile, it is refused.
func TestAssignmentIsRefusedWhenThePersonChanged(t *testing.T) {
	t.Parallel()
	for name, edit := range map[string]func(*team.Person){
		"went away":       func(p *team.Person) { p.Availability = team.Away },
		"was deactivated": func(p *team.Person) { p.Active = false },
		"left the team":   func(p *team.Person) { p.Teams = nil },
		"got full":        func(p *team.Person) { p.Limit = 0 },
		"online ended":    func(p *team.Person) { p.OnlineUntil = morning },
		"only changed":    func(p *team.Person) { p.Name = "Daniel" },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 5, "support"))
			w.nobodyAround(func() { w.receives(text("US.1", "", "hello", morning)) })
			c := w.only()
			people, err := w.store.People(t.Context())
			w.must(err)
			pool, err := assign.ParsePool(support)
			w.must(err)
			choice := assign.Choose(assign.Want{Pool: pool, Strategy: assign.RoundRobin}, people, w.now())
			_, err = w.store.UpdatePerson(t.Context(), "dan", dynamo.Now(), func(p *team.Person) error { edit(p); return nil })
			w.must(err)
			auto := chat.Auto{Person: *choice.Person, Pool: pool, Now: w.now(), At: choice.AssignedAt}
			err = w.store.Commit(t.Context(), c.Assigned(w.now(), auto, assign.Decision{}.With(choice)))
			if !dynamo.Again(err) {
				t.Errorf("it was answered by %v", err)
			}
			if c := w.only(); c.Owner != "" {
				t.Errorf("it belongs to %s", c.Owner)
			}
		})
	}
}

// Signals of one pool that come together are served once; a batch reports what failed together with what follows it.
func TestBatches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"))
	good := w.updates("messages", text("US.1", "", "hello", morning))[0]
	var answer events.SQSEventResponse
	var err error
	w.nobodyAround(func() {
		answer, err = w.handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
			record("inbound", "a", "1", good, 1),
			record("inbound", "b", "2", "{", 1),
			record("inbound", "b", "3", good, 1),
			record("inbound", "c", "4", `{"v":1,"kind":"message","body":{}}`, 1),
		}})
	})
	w.must(err)
	var failed []string
	for _, f := range answer.BatchItemFailures {
		failed = append(failed, f.ItemIdentifier)
	}
	if !slices.Equal(failed, []string{"2", "3"}) {
		t.Errorf("reported as failed: %v, want 2 and, behind it in its group, 3", failed)
	}
	id := w.only().ID
	signal := queue.Signal{Pool: support, Chats: []string{id}}.Entry("cause")
	answer, err = w.handle(t.Context(), events.SQSEvent{Records: []events.SQSMessage{
		record("pools", "p", "5", signal.Body, 1), record("pools", "p", "6", signal.Body, 1),
	}})
	w.must(err)
	if len(answer.BatchItemFailures) != 0 || w.only().Owner != "dan" {
		t.Errorf("%v failed, and the owner is %q", answer.BatchItemFailures, w.only().Owner)
	}
}

// The checker must find what is wrong: each breach that it is there for, made on purpose.
func TestCheckerFindsBreaches(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 1, "support"), agent("mei", 1, "support"))
	w.receives(text("US.1", "", "a", morning))
	w.nobodyAround(func() { w.receives(text("US.2", "", "b", morning)) })
	w.serves(support)
	w.receives(text("US.3", "", "c", morning))
	good := w.checked()
	for name, test := range map[string]struct {
		invariant string
		spoil     func(*invariant.Snapshot)
	}{
		"an epoch without history": {"I1", func(s *invariant.Snapshot) { s.Chats[0].Epoch++ }},
		"another owner":            {"I1", func(s *invariant.Snapshot) { s.Chats[0].Owner += "x" }},
		"a load too high":          {"I2", func(s *invariant.Snapshot) { s.People[0].OpenChats++ }},
		"over capacity": {"I3", func(s *invariant.Snapshot) {
			for i := range s.Events {
				if d := s.Events[i].Decision; d != nil && d.PersonID != "" {
					changed := *d
					changed.Candidates = slices.Clone(d.Candidates)
					changed.Candidates[0].OpenChats = 1
					s.Events[i].Decision = &changed
				}
			}
		}},
		"a message twice":   {"I4", func(s *invariant.Snapshot) { s.Messages = append(s.Messages, s.Messages[0]) }},
		"a lost message":    {"I4", func(s *invariant.Snapshot) { s.Messages = s.Messages[1:] }},
		"a lost entry":      {"I5", func(s *invariant.Snapshot) { s.Entries = nil }},
		"an entry too many": {"I5", func(s *invariant.Snapshot) { s.Entries = append(s.Entries, s.Entries[0]) }},
		"a customer's two":  {"I8", func(s *invariant.Snapshot) { s.Chats[1].Customer.UserID = s.Chats[0].Customer.UserID }},
		"an alias to nobody": {"I8", func(s *invariant.Snapshot) {
			s.Aliases = append(s.Aliases, invariant.Alias{Alias: chat.Alias{Address: "x"}.Shows(1, "y", 0)})
		}},
		"a number that leads elsewhere": {"I8", func(s *invariant.Snapshot) {
			s.PhoneAddress = func(string, string) string { return "x" }
			s.Chats[0].Customer.Phone = "1"
			s.Aliases = append(s.Aliases, invariant.Alias{Alias: chat.Alias{Address: "x"}.Shows(1, s.Chats[1].ID, 0)})
		}},
		"a number that was left": {"I8", func(s *invariant.Snapshot) {
			s.PhoneAddress = func(string, string) string { return "x" }
			s.Chats[0].Customer.Phone = "1"
			s.Aliases = append(s.Aliases, invariant.Alias{Alias: chat.Alias{Address: "x"}.Shows(1, s.Chats[0].ID, 0).Leaves(2)})
		}},
		"a number that another had then": {"I8", func(s *invariant.Snapshot) {
			s.Messages[0].Shows = "x"
			i := slices.IndexFunc(s.Chats, func(c chat.Chat) bool { return c.ID != s.Messages[0].Chat })
			s.Aliases = append(s.Aliases, invariant.Alias{Alias: chat.Alias{Address: "x"}.Shows(1, s.Chats[i].ID, 0)})
		}},
		"holders out of order": {"I8", func(s *invariant.Snapshot) {
			s.Aliases = append(s.Aliases, invariant.Alias{Alias: chat.Alias{Address: "x", Holders: []chat.Holder{{Chat: s.Chats[0].ID, Since: 9}, {Chat: s.Chats[1].ID, Since: 3}}}})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			bad := good
			bad.Chats, bad.People, bad.Events = slices.Clone(good.Chats), slices.Clone(good.People), slices.Clone(good.Events)
			bad.Messages, bad.Entries, bad.Aliases = slices.Clone(good.Messages), slices.Clone(good.Entries), slices.Clone(good.Aliases)
			test.spoil(&bad)
			found := invariant.Check(bad)
			if !slices.ContainsFunc(found, func(b invariant.Breach) bool { return b.Invariant == test.invariant }) {
				t.Errorf("found %v, want a breach of %s", found, test.invariant)
			}
		})
	}
}
