package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
)

// pageSize is how many waiting entries are read at once. The head is nearly always the one that is served.
const pageSize = 25

// atOnce is how many Chats are routed again, or told why nobody takes them, before the assigner looks again at whether
// somebody has become free. It is what holds up a newcomer at most, beside those who came before them.
const atOnce = 10

// signals serves the pool that a group of records names. One FIFO group per pool means that a pool is served by one
// invocation at a time, and so several signals at once are as good as one.
func (a *assigner) signals(ctx context.Context, records []events.SQSMessage) error {
	var all queue.Signal
	for _, r := range records {
		s, err := queue.ParseSignal(r.Body)
		if err != nil {
			return err
		}
		all.Pool = s.Pool
		all.Chats = append(all.Chats, s.Chats...)
	}
	rest, err := a.serve(ctx, all)
	if !errors.Is(err, errToBeContinued) && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	if err := rest.keepsReview(context.WithoutCancel(ctx)); err != nil {
		return err
	}
	all.Chats = rest.signal.Chats
	// The cause is this invocation's: the signal that began it must not make the next one look like a repetition.
	cause := records[0].MessageId + " " + records[0].Attributes["ApproximateReceiveCount"]
	var entries []queue.Entry
	for begin := 0; begin == 0 || begin < len(all.Chats); begin += queue.MaxSignalChats {
		part := queue.Signal{Pool: all.Pool, Chats: all.Chats[begin:min(begin+queue.MaxSignalChats, len(all.Chats))]}
		entries = append(entries, part.Entry(fmt.Sprint(cause, " ", begin)))
	}
	ctx, cancel := closing(ctx, 3*time.Second)
	defer cancel()
	return a.queues.SendAll(ctx, a.pools, entries)
}

// errToBeContinued: the invocation's time ends before the work does, or others take the pool's people so fast that this
// one gets nowhere. Neither is a fault: the pool is signalled anew.
var errToBeContinued = errors.New("to be continued")

// serve gives the waiting Chats of a pool to its people, in order, until none waits or nobody can take one. With an error
// comes what is left to do.
//
// Who repairs what: one transaction gives one Chat, so a crash anywhere leaves whole assignments and the signal, which
// comes again. When nobody is found the pool is first listed in the directory and the roster then read once more: the
// dispatcher reads the directory after a person's change is committed, so whoever comes second sees the other, and no
// wake-up is lost. A pool that is found empty is taken out of the directory only if nobody listed it meanwhile.
func (a *assigner) serve(ctx context.Context, signal queue.Signal) (*serving, error) {
	s, err := a.serving(signal)
	if err != nil {
		return s, err
	}
	for lost := 0; ; {
		if ctx.Err() != nil {
			return s, errToBeContinued
		}
		done, err := s.next(ctx)
		switch {
		case err == nil && done:
			return s, nil
		case err == nil:
			lost = 0
			continue
		case errors.Is(err, errTaken) && lost == attempts:
			return s, errToBeContinued
		case !dynamo.Again(err) || lost == attempts:
			return s, fmt.Errorf("serve %s: %w", signal.Pool, err)
		}
		if dynamo.Pause(ctx, lost, err) != nil {
			return s, errToBeContinued
		}
		lost++
	}
}

type serving struct {
	*assigner
	pool   assign.Pool
	signal queue.Signal // of its Chats those that are not told yet why nobody takes them
	given  int          // Chats since the last turn of the review

	// See review.go.
	inForce  dynamo.InForce   // when it was read last; the zero value before that
	review   *dynamo.Review   // nil while one page shows all that wait
	reviewed bool             // further than is stored
	stays    map[string]stays // by Chat

	// See aside.go.
	trouble    map[string]*trouble // by Chat
	proven     map[string]bool     // people who were given a Chat
	leftOut    map[string]bool     // people who are not
	failed     int                 // assignments since the last that worked
	nobodyElse bool                // everybody is left out
}

func (a *assigner) serving(signal queue.Signal) (*serving, error) {
	pool, err := assign.ParsePool(signal.Pool)
	return &serving{assigner: a, pool: pool, signal: signal, stays: map[string]stays{},
		trouble: map[string]*trouble{}, proven: map[string]bool{}, leftOut: map[string]bool{}}, err
}

// next takes one turn: it gives one Chat to somebody, or does a bounded part of what is to be done where nobody can take
// one. It reports true when there is nothing left to do for this signal.
func (s *serving) next(ctx context.Context) (done bool, err error) {
	page, err := s.store.Waiting(ctx, s.signal.Pool, "", pageSize)
	if err != nil {
		return false, err
	}
	if len(page.Unreadable) > 0 {
		return false, s.setAsideUnreadable(ctx, page.Unreadable)
	}
	if len(page.Entries) == 0 {
		return s.empty(ctx)
	}
	head, ok := s.head(page.Entries)
	if ok && head.RulesVersion < s.inForce.Version || s.given == pageSize {
		s.given = 0
		if did, err := s.reviews(ctx, page); did || err != nil {
			return false, err
		}
	}
	if !ok {
		return s.givesUp(ctx, page)
	}
	people, err := s.store.Roster(ctx)
	if err != nil {
		return false, err
	}
	// The head decides for all: every member of a pool may take every Chat of it, and strategies differ in whom they
	// choose, not in whether there is anybody.
	choice, err := s.store.Choose(ctx, people, s.want(head), s.now)
	if err != nil {
		return false, err
	}
	if choice.Nobody == assign.NoSuchStrategy || choice.Person == nil && s.trouble[head.Chat] != nil {
		s.troubleOf(head).passed = true // there is nobody else to try it with
		return false, nil
	}
	if choice.Person == nil {
		return s.nobody(ctx, page)
	}
	given := false
	err = safely(func() (err error) { given, err = s.assign(ctx, head, choice); return err })
	if isPermanent(err) {
		return false, s.failedWith(ctx, head, choice.Person.ID, err)
	}
	if given {
		s.given++
		s.workedWith(ctx, head, choice.Person.ID)
	}
	return false, err
}

func (s *serving) want(e chat.Entry) assign.Want {
	w := assign.Want{Pool: s.pool, Strategy: e.Strategy, Prefer: e.Prefer}
	t := s.trouble[e.Chat]
	if len(s.leftOut) > 0 || t != nil || s.nobodyElse {
		w.Excluded = func(person string) bool {
			return s.nobodyElse || s.leftOut[person] || t != nil && t.with[person] != nil
		}
	}
	return w
}

// empty takes the pool out of the directory. The token is read before the pool is looked at once more, so that a Chat
// which began to wait, and was listed, in between keeps the pool listed.
func (s *serving) empty(ctx context.Context) (done bool, err error) {
	token, err := s.store.Listed(ctx, s.signal.Pool)
	if err != nil || token == "" {
		return err == nil, err
	}
	page, err := s.store.Waiting(ctx, s.signal.Pool, "", 1)
	if err != nil || len(page.Entries) > 0 {
		return false, err
	}
	return true, s.store.Unlist(ctx, s.signal.Pool, token)
}

// assign gives the Chat to the person chosen, if both are still as they were read and no newer rules are in force than
// those that put the Chat here, and reports whether it did.
func (s *serving) assign(ctx context.Context, e chat.Entry, choice assign.Choice) (given bool, err error) {
	c, rules, err := s.store.ChatInForce(ctx, e.Chat)
	if errors.Is(err, dynamo.ErrUnreadable) {
		return false, s.setAside(ctx, e, err)
	}
	if err != nil {
		return false, err
	}
	if c == nil || !c.WaitsIn(e.Pool) || c.Routed != e.Routed || c.Epoch != e.Epoch {
		return false, s.setAsideStray(ctx, e)
	}
	if s.inForce = rules; e.RulesVersion < rules.Version {
		return false, nil // it is routed again in the next turn
	}
	now := s.now()
	auto := chat.Auto{Person: *choice.Person, Pool: s.pool, Now: now, At: choice.AssignedAt, Turn: choice.Turn}
	err = s.store.Commit(ctx, c.Assigned(now, auto, s.decision(e).With(choice)))
	if errors.Is(err, dynamo.ErrRefused) {
		return false, fmt.Errorf("%w: %w", errTaken, err)
	}
	if err == nil {
		slog.InfoContext(ctx, "assigned", "chat", c.ID, "person", choice.Person.ID, "pool", s.signal.Pool, "rule", e.RuleID, "waitedMs", now.Sub(e.Since).Milliseconds())
	}
	return err == nil, err
}

// errTaken: the person, or the Chat, was somebody else's when the transaction came.
var errTaken = errors.New("taken meanwhile")

func (s *serving) decision(e chat.Entry) assign.Decision {
	return assign.Decision{RulesVersion: e.RulesVersion, RuleID: e.RuleID, RuleName: e.RuleName, Pool: e.Pool,
		Strategy: e.Strategy, Priority: e.Priority, Step: e.Step, WaitingSince: e.Since.UnixMilli()}
}

// nobody can take a Chat of the pool. Before the signal is forgotten: the pool is listed, Chats that were routed by older
// rules are routed again, the roster is read once more, the timers of steps that are ahead are armed, and the reason is
// put on record once. That is done for a few Chats at a time, and it begins again whenever somebody can take one.
func (s *serving) nobody(ctx context.Context, page dynamo.Page) (done bool, err error) {
	if err := s.list(ctx); err != nil {
		return false, err
	}
	if did, err := s.reviews(ctx, page); did || err != nil {
		return false, err
	}
	named, rest, err := s.named(ctx, page.Entries)
	if err != nil {
		return false, err
	}
	if older := s.older(named); len(older) > 0 {
		return false, s.reroute(ctx, older)
	}
	people, err := s.store.Roster(ctx)
	if err != nil {
		return false, err
	}
	if again, err := s.tell(ctx, people, append(page.Entries, named...)); again || err != nil {
		return false, err
	}
	s.signal.Chats = rest
	return len(rest) == 0, nil
}

// tell puts on record why nobody can take the Chats, as far as that is not told yet. It reports true, and stops, when
// somebody can after all, or when it has told enough for one turn.
func (s *serving) tell(ctx context.Context, people *dynamo.Roster, entries []chat.Entry) (again bool, err error) {
	told := 0
	for _, e := range entries {
		choice := people.Choose(s.want(e), s.now())
		if choice.Person != nil || told == atOnce {
			return true, nil
		}
		unarmed, err := s.arm(ctx, e, s.inForce)
		if err != nil {
			return false, err
		}
		if e.Because == choice.Nobody && e.Unarmed == unarmed {
			continue
		}
		e.Unarmed = unarmed
		if err := s.unserved(ctx, e, choice); err != nil {
			return false, err
		}
		told++
	}
	return false, nil
}

// named reads the entries of the next few Chats that the signal names, and returns the names behind those. They may stand
// behind the page that was read; those in it are known.
func (s *serving) named(ctx context.Context, page []chat.Entry) (entries []chat.Entry, rest []string, err error) {
	known := map[string]bool{}
	for _, e := range page {
		known[e.Chat] = true
	}
	for rest = s.signal.Chats; len(rest) > 0 && len(entries) < atOnce; rest = rest[1:] {
		id := rest[0]
		if known[id] {
			continue
		}
		known[id] = true
		e, err := s.store.Entry(ctx, id, s.signal.Pool)
		if errors.Is(err, dynamo.ErrUnreadable) {
			slog.ErrorContext(ctx, "chat not readable", "chat", id, "error", err)
			continue // it is set aside when its turn comes
		}
		if err != nil {
			return nil, nil, err
		}
		if e != nil {
			entries = append(entries, *e)
		}
	}
	return entries, rest, nil
}

func (s *serving) unserved(ctx context.Context, e chat.Entry, choice assign.Choice) error {
	decision := s.decision(e).With(choice)
	return s.store.Unserved(ctx, e, chat.Event{
		Epoch: e.Epoch, At: s.now(), Type: chat.Nobody, Status: chat.Open, Routed: e.Routed, Decision: &decision,
		By: chat.Actor{Kind: chat.ByRule, ID: e.RuleID, Name: e.RuleName},
	})
}
