// Command dispatcher is the outbox: what must follow a committed change is derived from the tables' streams, and from
// nothing else. Writers signal nobody, so there is no crash between a write and its signal that could lose one. A record
// costs one reading of the directory at most: nobody waits for the Chats that stand before theirs.
//
// Streams deliver at least once and this command repeats itself: a record that is handled twice signals twice within
// five minutes with one deduplication id, or later once too often, and a pool that is served once too often is left as
// it is. A record that can't be handled is reported with all that follow it; the stream brings them again.
package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

type dispatcher struct {
	store  *dynamo.Store
	queues queues
	pools  string // queue URL
	now    func() time.Time
}

// queues is the one call that the dispatcher makes to SQS.
type queues interface {
	SendAll(ctx context.Context, url string, entries []queue.Entry) error
}

// handle signals every pool that the records of a batch give a reason to serve, once a pool and batch. The signals go
// out before the batch is answered; what can't be signalled comes again with the whole batch.
func (d *dispatcher) handle(ctx context.Context, event events.DynamoDBEvent) (events.DynamoDBEventResponse, error) {
	working := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel, cancelWork context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-time.Second)) // the SDK pauses for seconds where SQS throttles
		defer cancel()
		working, cancelWork = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancelWork()
	}
	var answer events.DynamoDBEventResponse
	b := batch{dispatcher: d}
	for _, r := range event.Records {
		if err := b.record(working, r); err != nil {
			slog.ErrorContext(ctx, "record failed", "record", r.EventID, "error", err)
			answer = failedFrom(r)
			break
		}
	}
	if err := d.queues.SendAll(ctx, d.pools, b.entries()); err != nil {
		slog.ErrorContext(ctx, "signals not sent", "error", err)
		return failedFrom(event.Records[0]), nil
	}
	return answer, nil
}

// reserve is the part of the invocation's time that is kept for the signals of what was handled, and for the answer.
const reserve = 5 * time.Second

// batch is what the records of one batch have come to so far.
type batch struct {
	*dispatcher
	signals
}

// failedFrom reports a record and all behind it.
func failedFrom(r events.DynamoDBEventRecord) events.DynamoDBEventResponse {
	return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{{ItemIdentifier: r.Change.SequenceNumber}}}
}

func (b *batch) record(ctx context.Context, r events.DynamoDBEventRecord) error {
	record, err := dynamo.ReadRecord(r)
	if errors.Is(err, dynamo.ErrUnreadable) {
		// It would hold up all that come after it, and be given up in the end. Whom it concerns is found by the sweeper.
		slog.ErrorContext(ctx, "record not readable", "record", r.EventID, "error", err)
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case record.Entry != nil:
		b.entry(record.ID, *record.Entry)
	case record.Person != nil:
		return b.person(ctx, record.ID, *record.Person)
	case record.Rules != nil:
		return b.saved(ctx, record.ID, *record.Rules)
	}
	return nil
}

// entry: a Chat began to wait, or was routed again. A note on why nobody took it, and its removal, signal nothing: the
// former would go round in circles. The signal names the Chat, and so its pool's assigner finds it wherever it stands, also
// where rules that are not in force any more put it.
func (b *batch) entry(cause string, e dynamo.Images[chat.Entry]) {
	if e.New == nil || e.Old != nil && e.Old.Routed == e.New.Routed {
		return
	}
	b.add(e.New.Pool, cause, e.New.Chat)
}

// person: somebody who can take a Chat now is wanted wherever Chats wait that they fit. The directory is read after
// their change was committed; an assigner that found nobody lists its pool before it reads the roster for the last time.
func (b *batch) person(ctx context.Context, cause string, p dynamo.Images[team.Person]) error {
	if p.New == nil || !p.New.CanTake(b.now()) || p.Old != nil && !gained(*p.Old, *p.New, b.now()) {
		return nil
	}
	pools, err := b.store.Directory(ctx)
	if err != nil {
		return err
	}
	for _, text := range pools {
		pool, err := assign.ParsePool(text)
		if err != nil {
			slog.ErrorContext(ctx, "listed pool not readable", "pool", text, "error", err)
			continue
		}
		if pool.Fits(*p.New) {
			b.add(text, cause)
		}
	}
	return nil
}

// gained reports whether a person who can take a Chat may take one now that they could not take before.
func gained(old, now team.Person, at time.Time) bool {
	return !old.CanTake(at) || now.Limit > old.Limit || now.Role != old.Role ||
		more(old.Teams, now.Teams) || more(old.Languages, now.Languages) || more(old.Skills, now.Skills)
}

func more(old, now []string) bool {
	return slices.ContainsFunc(now, func(v string) bool { return !slices.Contains(old, v) })
}

// saved: rules are in force that were not before. The pools where Chats wait are signalled, and nothing else: however many
// wait, the record is done at once, and those behind it are not held up. A pool whose Chats wait but that is not listed
// yet is seen to by its assigner, which lists it before it reads the rules' version.
func (b *batch) saved(ctx context.Context, cause string, version dynamo.Images[int64]) error {
	if version.New == nil || version.Old != nil && *version.Old == *version.New {
		return nil
	}
	pools, err := b.store.Directory(ctx)
	for _, pool := range pools {
		b.add(pool, cause)
	}
	return err
}

// signals collects which pools are to be served, and for which Chats.
type signals struct {
	order []string
	by    map[string]*wantedPool
}

// wantedPool is one signal. Its cause is the last record that wants the pool: batches come again with other boundaries,
// and a signal that names a record was sent after that record and all before it. With the first record as its cause, the
// signal for a longer batch would be taken for a repetition of the one for a shorter.
type wantedPool struct {
	cause string
	chats []string
}

func (s *signals) add(pool, cause string, chats ...string) {
	if s.by == nil {
		s.by = map[string]*wantedPool{}
	}
	w := s.by[pool]
	if w == nil {
		w = &wantedPool{}
		s.by[pool] = w
		s.order = append(s.order, pool)
	}
	w.cause = cause
	w.chats = append(w.chats, chats...)
}

func (s *signals) entries() []queue.Entry {
	var entries []queue.Entry
	for _, pool := range s.order {
		entries = append(entries, queue.Signal{Pool: pool, Chats: s.by[pool].chats}.Entry(s.by[pool].cause))
	}
	return entries
}
