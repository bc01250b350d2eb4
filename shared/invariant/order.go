package invariant

import (
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
)

// Order reports every breach of I6 between two snapshots: a Chat that waited in a pool in both, and all the time between
// them, while a Chat behind it was given to somebody of that pool by a rule. Every member of a pool may take every Chat of
// it, so that person could have taken the Chat that waited.
//
// Stored times don't tell which of two Chats was committed first: each was taken before the write that stored it, by
// another clock. So before must have been read while no invocation of the assigner was in progress. Then whatever gave a
// Chat away since has read the pool since, and has found there every entry of before.
func Order(before, after Snapshot) []Breach {
	waited := map[chatIn]bool{}
	for _, e := range before.Entries {
		waited[stayOf(e)] = true
	}
	still := map[string][]chat.Entry{} // by pool
	for _, e := range after.Entries {
		if waited[stayOf(e)] {
			still[e.Pool] = append(still[e.Pool], e)
		}
	}
	type change struct {
		chat  string
		epoch int64
	}
	old := map[change]bool{}
	for _, e := range before.Events {
		if e.Type.Changes() {
			old[change{e.Chat, e.Epoch}] = true
		}
	}
	var breaches []Breach
	for _, e := range after.Events {
		d := e.Decision
		if !e.Type.Changes() || e.By.Kind != chat.ByRule || e.Owner == "" || d == nil || old[change{e.Chat, e.Epoch}] {
			continue
		}
		for _, one := range still[d.Pool] {
			if ahead(one, d) {
				breaches = append(breaches, Breach{Invariant: "I6", IDs: []string{d.Pool, e.Chat, one.Chat}, Says: "was given to somebody while a Chat before it waited"})
			}
		}
	}
	return breaches
}

// chatIn is one uninterrupted stay of a Chat in a pool: leaving it raises the epoch or the number of routings.
type chatIn struct {
	pool, chat    string
	epoch, routed int64
}

func stayOf(e chat.Entry) chatIn { return chatIn{e.Pool, e.Chat, e.Epoch, e.Routed} }

// ahead reports whether an entry comes before the Chat that the decision gave away. One that did not wait was opened while
// the entry was there, and comes after all of its priority.
func ahead(e chat.Entry, d *assign.Decision) bool {
	if e.Priority.Rank() != d.Priority.Rank() {
		return e.Priority.Rank() < d.Priority.Rank()
	}
	return d.WaitingSince == 0 || e.Since.Before(time.UnixMilli(d.WaitingSince))
}
