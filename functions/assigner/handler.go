// Command assigner takes customer messages to their Chats and gives waiting Chats to people. It alone chooses owners
// automatically. One function, two event sources, a file for each: inbound.go and pools.go.
//
// # Rules that are saved while Chats wait
//
// The dispatcher signals the listed pools and routes nothing itself. A pool's assigner routes again what older rules put
// there (review.go), ten Chats a turn, and between two turns it gives Chats to people who are free: a newcomer waits for
// one turn, however many Chats wait. While somebody is free the turns alternate with pageSize assignments. How far the
// review has come is kept in the pool's line of the directory, not in the signal, so any serving goes on with it.
//
// The version in force is read, strongly consistent, at three places:
//
//   - with the Chat, as the last reading before the transaction that gives it away. A Chat of an older version is not given
//     away; it is routed again in the next turn.
//   - before each turn of the review, so that no turn follows rules that were replaced before it began.
//   - after the pool was listed, before a serving ends because nobody can take a Chat.
//
// Interleavings. The rules before are version 1; version 2 is saved at the worst moment:
//
//   - After a serving read version 1 with the Chat, before the transaction: the Chat is given by version 1, as if that had
//     been a moment earlier. The transaction does not hold the pointer: all pools would contend for one item.
//   - After version 1 was read for a turn, a new Chat, or a merger, before the transaction: the new entry is one of version
//     1. Its stream record signals its pool and names the Chat; that serving reads the version later than the entry was
//     committed, and routes the Chat again wherever it stands. So an entry that the review has passed by needs no second
//     review. The serving names what it has not come to when its time runs out.
//   - Beside the listing of a pool: the dispatcher reads the directory after version 2 was committed, the assigner reads the
//     version after it has listed the pool. Whoever comes second sees the other.
//   - During a review for version 1: the next turn reads version 2 and begins at the head again. Entries that version 1 has
//     moved by then are older again, in whichever pool they are, once.
//   - Version 2 sends a Chat to the pool where it waits: the new entry is of version 2, and never older than version 2 again.
//     Its record signals the pool once. Versions only grow, and where the newest can't be loaded a smaller one is in force,
//     for which nothing is older. A turn either raises Chats to the version in force, or sets aside or passes over one that
//     can't be, or moves a page on: a review ends.
//   - The Chat is taken, passed on, merged, widened by a step, or routed by another serving between the page and the
//     transaction: the transaction is refused by epoch, routing or pools. The Chat is read again, and routed with all its
//     entries if it is still of an older version and waits in this pool; else it is left.
//   - Two servings of a pool at once: as before, one of them finds the Chat routed. The last to store the place of the review
//     wins; each place is true of what was committed when its review began.
//   - A Chat passed to a team by hand has a version above all others and stays.
//
// Crash points:
//
//   - Between two Chats of a turn: those before are routed, each in its own transaction with its new entries; the signal
//     comes again, and the review goes on at the place stored last, or at the head: it reads what is done and leaves it.
//   - After the place was stored, before the pool is signalled anew: the first signal was not deleted and comes again.
//   - After the pool was signalled anew, before the first signal is deleted: the pool is served once more.
//   - After the last turn, before the version is stored as done: the entries are read once more.
//   - The signal fails ten times: an alarm tells, and a redrive brings it back. Without one the sweeper finds Chats of older
//     versions and signals their pools; each serving of such a pool goes on with the review.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
)

// assigner handles the records of both queues.
type assigner struct {
	store   *dynamo.Store
	queues  queues
	secret  chat.Secret
	inbound string // queue URL
	pools   string // queue URL
	now     func() time.Time
}

// queues are the two calls that the assigner makes to SQS.
type queues interface {
	SendAll(ctx context.Context, url string, entries []queue.Entry) error
	Delay(ctx context.Context, url string, receipts []string, d time.Duration) error
}

// reserve is the part of the invocation's time that is kept for handing back what could not be done.
const reserve = 5 * time.Second

// closing is a context of calls that are made in the reserve. It ends some time before the invocation does, because the SDK
// pauses for up to three seconds where SQS throttles a call: a pool's signal to itself leaves time to hand records back, and
// that leaves time to answer.
func closing(ctx context.Context, before time.Duration) (context.Context, context.CancelFunc) {
	working, limited := ctx.Deadline()
	ctx = context.WithoutCancel(ctx)
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, working.Add(reserve-before))
}

// handle takes the records of one batch. Message groups go side by side, the records of a group one after the other;
// once one fails, it and all later ones of its group are reported, so that their order stays. If any of the batch was
// received before, a crash may have been the cause, and then everything goes one by one and in another order each time, so
// that what did nothing wrong is done before it can be taken down again.
func (a *assigner) handle(ctx context.Context, event events.SQSEvent) (events.SQSEventResponse, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	groups := byGroup(event.Records)
	failed := make([][]events.SQSMessage, len(groups))
	if receivedBefore(event.Records) {
		rand.Shuffle(len(groups), func(i, j int) { groups[i], groups[j] = groups[j], groups[i] })
		for i, g := range groups {
			failed[i] = a.group(ctx, g)
		}
	} else {
		var all sync.WaitGroup
		for i, g := range groups {
			all.Go(func() { failed[i] = a.group(ctx, g) })
		}
		all.Wait()
	}
	ctx, cancel := closing(ctx, time.Second)
	defer cancel()
	return a.handBack(ctx, failed), nil
}

// group handles the records of one message group and returns those that must come again.
func (a *assigner) group(ctx context.Context, records []events.SQSMessage) []events.SQSMessage {
	if isPools(records[0]) {
		if err := safely(func() error { return a.signals(ctx, records) }); err != nil {
			a.report(ctx, records[0], err)
			return records
		}
		return nil
	}
	for i, r := range records {
		if err := safely(func() error { return a.inTime(ctx, r) }); err != nil {
			a.report(ctx, r, err)
			return records[i:]
		}
	}
	return nil
}

// inTime gives one record its share of the invocation's time, so that a slow one does not fail those behind it.
func (a *assigner) inTime(ctx context.Context, r events.SQSMessage) error {
	ctx, cancel := context.WithTimeout(ctx, recordTime)
	defer cancel()
	return a.deliver(ctx, r.Body, received(r) > 1)
}

// recordTime is a hundred times what a record usually takes.
const recordTime = 5 * time.Second

func isPools(r events.SQSMessage) bool {
	return strings.HasSuffix(r.EventSourceARN, "-pools.fifo")
}

// handBack reports what failed, and asks for it again after a pause that doubles with every failure, so that one lost
// race does not hold a customer up for the queue's whole visibility time-out.
func (a *assigner) handBack(ctx context.Context, failed [][]events.SQSMessage) events.SQSEventResponse {
	var response events.SQSEventResponse
	for _, records := range failed {
		if len(records) == 0 {
			continue
		}
		url := a.inbound
		if isPools(records[0]) {
			url = a.pools
		}
		var receipts []string
		for _, r := range records {
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: r.MessageId})
			receipts = append(receipts, r.ReceiptHandle)
		}
		if err := a.queues.Delay(ctx, url, receipts, pauseAfter(received(records[0]))); err != nil {
			slog.WarnContext(ctx, "could not shorten the wait", "error", err)
		}
	}
	return response
}

// pauseAfter is how long a message waits after its nth failure: 1 s, doubled each time. The ten tries that the queues
// allow take about eight minutes: a message outlives a short outage, and a poisonous one holds up its customer no longer.
func pauseAfter(n int) time.Duration {
	return time.Second << min(max(n-1, 0), 8)
}

func (a *assigner) report(ctx context.Context, r events.SQSMessage, err error) {
	slog.ErrorContext(ctx, "record failed", "messageId", r.MessageId, "received", received(r), "error", err)
}

// safely turns a panic into the failure of one record.
func safely(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v\n%s", errPanic, p, debug.Stack())
		}
	}()
	return do()
}

var errPanic = errors.New("panic")

func byGroup(records []events.SQSMessage) [][]events.SQSMessage {
	var groups [][]events.SQSMessage
	at := map[string]int{}
	for _, r := range records {
		g := r.Attributes["MessageGroupId"]
		i, ok := at[g]
		if !ok {
			i = len(groups)
			at[g] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], r)
	}
	return groups
}

func receivedBefore(records []events.SQSMessage) bool {
	for _, r := range records {
		if received(r) > 1 {
			return true
		}
	}
	return false
}

func received(r events.SQSMessage) int {
	n := 1
	_, _ = fmt.Sscan(r.Attributes["ApproximateReceiveCount"], &n)
	return n
}
