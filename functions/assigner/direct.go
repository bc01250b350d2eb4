package main

import (
	"context"
	"log/slog"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// The fast path. Most Chats find somebody free at once. They need neither a waiting entry nor a signal: the transaction
// that opens the Chat gives it to the person, with the choice and the conditions of a pool's serving.
//
// It is taken only when nobody waits in the pool, read strongly before the roster, so that no Chat that was waiting then
// is overtaken. One that begins to wait between that read and the transaction was not there when this one was decided,
// and its own waiting entry signals the pool. Whoever is chosen is fenced by their counter of writes, as in the pool:
// the two sides may take the same person, and one of them is refused.
//
// There is no crash point in it: before the transaction nothing is stored, after it everything is. Refused, or with an
// outcome that nobody knows, the delivery begins again at the identities, and finds the Chat if it was opened. The second
// time that happens the third attempt waits, which cannot be refused for a person's sake: in a burst everybody reaches
// for the same people, and once a Chat waits, those after it find it there and wait too, until the pool is drained.

// openings counts how often one delivery tried the fast path.
type openings struct{ tried int }

// mostDirect is how often a delivery tries the fast path before its Chat waits.
const mostDirect = 2

// direct decides whether a Chat can be opened for somebody at once, and gives the change that does so; nil if it has to
// wait, also where something fails: the message is stored all the same, and the pool sees to the Chat.
func (a *assigner) direct(ctx context.Context, c chat.Chat, placed chat.Placed, arrival chat.Arrival, o *openings) (change *chat.Change) {
	if o.tried == mostDirect {
		return nil
	}
	err := safely(func() (err error) { change, err = a.choosesDirectly(ctx, c, placed, arrival); return err })
	if err != nil {
		slog.WarnContext(ctx, "fast path not taken", "pool", placed.Routing.Pool.String(), "error", err)
		return nil
	}
	if change != nil {
		o.tried++
	}
	return change
}

// choosesDirectly takes its time after the pool was read: whoever had left the pool by then left it earlier.
func (a *assigner) choosesDirectly(ctx context.Context, c chat.Chat, placed chat.Placed, arrival chat.Arrival) (*chat.Change, error) {
	pool := placed.Routing.Pool
	page, err := a.store.Waiting(ctx, pool.String(), "", 1)
	if err != nil || len(page.Entries)+len(page.Unreadable) > 0 { // readable ones may stand behind
		return nil, err
	}
	now := a.now()
	people, err := a.store.RosterAtHand(ctx)
	if err != nil || people == nil {
		return nil, err
	}
	choice, err := a.store.Choose(ctx, people, assign.Want{Pool: pool, Strategy: placed.Routing.Strategy, Prefer: placed.Prefer}, a.now)
	if err != nil || choice.Person == nil {
		return nil, err
	}
	auto := chat.Auto{Person: *choice.Person, Pool: pool, Now: now, At: choice.AssignedAt, Turn: choice.Turn}
	change := c.OpensFor(now, placed, arrival, auto, choice)
	return &change, nil
}

// openFor opens a Chat for somebody. Where that can't be done, whose fault it is is for the pool's side to tell: the delivery
// begins again, and the Chat waits.
func (a *assigner) openFor(ctx context.Context, change chat.Change, o *openings) error {
	d := change.Event.Decision
	err := safely(func() error { return a.store.Commit(ctx, change) })
	if isPermanent(err) {
		slog.ErrorContext(ctx, "left out", "pool", d.Pool, "person", change.After.Owner, "error", err)
		o.tried = mostDirect
		return dynamo.ErrRefused
	}
	if err != nil {
		return err
	}
	slog.InfoContext(ctx, "assigned", "chat", change.Before.ID, "person", change.After.Owner, "pool", d.Pool, "rule", d.RuleID, "waitedMs", 0, "direct", true)
	return nil
}
