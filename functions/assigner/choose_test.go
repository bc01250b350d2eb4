package main

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/queue"
)

// instance is another process of the assigner over the same tables, with a roster of its own.
func (w *world) instance() *world {
	w.Helper()
	other := *w.assigner
	other.store = w.client()
	return &world{TB: w.TB, assigner: &other, tables: w.tables, passed: w.passed}
}

// Two instances whose rosters do not know of each other's assignments take turns: round robin stays exact, because whoever
// is chosen is read again.
func TestRoundRobinOverTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(5, 0)...)
	w.saveRules(everyoneInTurn)
	both := []*world{w, w.instance()}
	var order []string
	for i := range 20 {
		both[[]int{0, 1, 1, 0, 1}[i%5]].receives(text(fmt.Sprintf("US.%d", i), "", "hello", morning))
		c, err := w.store.Chat(t.Context(), w.secret.UserAddress(seed.SupportNumber, fmt.Sprintf("US.%d", i)))
		w.must(err)
		order = append(order, c.Owner)
		for _, before := range order[max(0, i-4):i] {
			if c.Owner == "" || before == c.Owner {
				t.Fatalf("turn %d went to %q: %v", i, c.Owner, order)
			}
		}
	}
	w.checked()
}

// I3 with two instances whose pools share people: nobody gets more than their capacity, and all of it is used.
func TestCapacityOverTwoInstances(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(5, 6, "support", "sales")...)
	w.saveRules(`{"rules": [{"id": "sales", "name": "Sales", "enabled": true, "when": {"field": "text", "contains": ["price"]},
		"to": [{"team": "sales", "strategy": "least_loaded"}]}], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}]}}`)
	w.nobodyAround(func() {
		for i := range 20 {
			w.receives(text(fmt.Sprintf("US.a%d", i), "", "hello", morning), text(fmt.Sprintf("US.b%d", i), "", "price", morning))
		}
	})
	var all sync.WaitGroup
	for pool, instance := range map[string]*world{support: w, "team:sales": w.instance()} {
		all.Go(func() {
			err := errToBeContinued
			for errors.Is(err, errToBeContinued) { // as the signal that is sent then would
				err = instance.serve(t.Context(), queue.Signal{Pool: pool})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	owned := 0
	for _, c := range w.checked().Chats {
		if c.Status == chat.Open && c.Owner != "" {
			owned++
		}
	}
	if owned != 30 {
		t.Errorf("%d Chats are owned, want all the room there is: 30", owned)
	}
}
