package search

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// Most requests that a message to a pool where nobody is free may cause, and those of a sweep. The latter is what the
// comment of functions/sweeper counts, and the roster.
const (
	mostOfAMessage = 30
	mostOfASweep   = 62 + 1
)

// I10: in a pool with a thousand waiting Chats where nobody is free, one more costs no more than it would in an empty one, and
// then nothing asks for anything: there is no record and no signal left, and a sweep leaves none behind.
func TestASaturatedPoolIsQuiet(t *testing.T) {
	t.Parallel()
	l := newGround(t).newLane(t)
	full := &scenario{name: "saturated", people: there(toEveryone, agent("amira", 1)), before: []phase{{writes(alice, 1, "a1")}}}
	if err := l.prepare(t.Context(), full); err != nil {
		t.Fatal(err)
	}
	l.waits(t, 1000)
	r := l.newRun(full, plan{scenario: full.name})
	defer r.close()
	caused := func(what action) (requests int, sent bool) {
		t.Helper()
		before, from := r.requests, len(r.trace)
		if err := r.tell([]phase{{what}}, true); err != nil {
			t.Fatalf("%v\n%s", err, r.story())
		}
		return r.requests - before, strings.Contains(strings.Join(r.trace[from:], "\n"), "SendMessage")
	}
	if n, _ := caused(writes(boris, 2, "b1")); n > mostOfAMessage {
		t.Errorf("a message caused %d requests, want at most %d\n%s", n, mostOfAMessage, r.story())
	} else {
		t.Logf("a message caused %d requests", n)
	}
	if c, err := l.store.Chat(t.Context(), r.chatOf(boris)); err != nil || !c.Waiting() {
		t.Errorf("its Chat is %+v (%v), want it to wait", c, err)
	}
	for range 2 {
		if n, sent := caused(sweeps()); n > mostOfASweep || sent {
			t.Errorf("a sweep caused %d requests, want at most %d and no signal\n%s", n, mostOfASweep, r.story())
		} else {
			t.Logf("a sweep caused %d requests", n)
		}
	}
}

// waits makes so many Chats that wait by the rules in force, and for whom a serving found nobody.
func (l *lane) waits(t *testing.T, n int) {
	t.Helper()
	rules, err := l.store.InForce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	opens := func(ctx context.Context, id string, at time.Time) error {
		m := chat.Message{Key: l.secret.Key(at.Unix(), id), WAMID: id, Direction: chat.In, Type: "text", Text: "hello"}
		c := chat.Chat{ID: id, Number: seed.SupportNumber, Customer: chat.Customer{UserID: id, Language: "en", Country: "US"}}
		change := c.Opens(at, c.Place(m, rules.Rules, rules.Version, team.Settings{}, at), chat.Arrival{Message: m, Preview: "hello"})
		if err := l.store.Commit(ctx, change); err != nil {
			return err
		}
		return l.store.Unserved(ctx, change.Enters()[0], chat.Event{Epoch: 1, At: at, Type: chat.Nobody, Status: chat.Open, Routed: 1,
			By: chat.System, Decision: &assign.Decision{Nobody: assign.AllAtCapacity}})
	}
	reviewed := dynamo.Review{Done: rules.Version} // by that serving: a pool is gone through once for each version of the rules
	if err := l.store.ListReviewed(t.Context(), assign.Pool{Team: team.Everyone}.String(), reviewed); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	slots := make(chan bool, 16)
	for i := range n {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			if err := opens(t.Context(), fmt.Sprintf("US.%d", i), at(0).Add(time.Duration(i)*time.Millisecond)); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}
