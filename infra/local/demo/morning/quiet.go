package morning

import (
	"context"
	"fmt"
	"hash/fnv"
	"slices"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/invariant"
)

// How the stack is watched until nothing goes on any more.
const (
	watch = 200 * time.Millisecond // between two looks
	still = time.Second            // nothing may change for so long: many times what a change needs from table to function
	long  = 20 * time.Second       // after which it says what may take so long
)

// quiet waits until nothing goes on: every queue is empty, no message that was acknowledged is missing, nobody waits whom
// somebody could take, and the tables do not change. What still goes on when the time is up is put on the report. While
// the stack does not answer, it waits as long as Patience says. Once it is quiet, the promises are checked: no function is
// at work then, so that who waits now must not be overtaken later.
func (p *play) quiet(ctx context.Context, doing string) error {
	began := time.Now()
	var since time.Time // the tables have been like this since then; zero: they are not quiet
	var seen uint64
	for {
		var goesOn string
		var all invariant.Snapshot
		err := p.persist(ctx, doing, func() (err error) {
			goesOn, all, err = p.look(ctx)
			return err
		})
		now := fingerprintOf(all)
		switch {
		case err != nil:
			return err
		case goesOn != "" || now != seen:
			since, seen = time.Time{}, now
			if goesOn == "" {
				since = time.Now()
			}
		case since.IsZero():
			since = time.Now()
		case time.Since(since) >= still:
			p.breaches(all)
			p.settled = &all
			p.Progress(Progress{Doing: doing, Done: 1, Total: 1})
			return nil
		}
		if time.Since(began) > p.Settle {
			if goesOn == "" {
				goesOn = "the tables still change"
			}
			p.report.Stuck = append(p.report.Stuck, fmt.Sprintf("%s, after %v: %s", doing, p.Settle, goesOn))
			p.settled = nil
			return nil
		}
		if goesOn != "" && time.Since(began) > long {
			goesOn += " (killed work returns after 3 min)" // the visibility time-out of the queues
		}
		p.Progress(Progress{Doing: doing, Trouble: goesOn})
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(watch):
		}
	}
}

// look says what goes on at the moment, nothing if all is quiet, and what the tables hold then.
func (p *play) look(ctx context.Context) (goesOn string, all invariant.Snapshot, err error) {
	queued := 0
	for _, url := range p.Queues {
		n, err := p.count(ctx, url)
		if err != nil {
			return "", all, err
		}
		queued += n
	}
	if queued > 0 {
		return strconv.Itoa(queued) + " messages in the queues", all, nil
	}
	if all, err = p.Store.Snapshot(ctx); err != nil {
		return "", all, err
	}
	if missing := len(p.lost(all)); missing > 0 {
		return strconv.Itoa(missing) + " messages not stored yet", all, nil
	}
	if n := takeable(all, time.Now()); n > 0 {
		return strconv.Itoa(n) + " Chats wait that somebody could take", all, nil
	}
	return "", all, nil
}

// count is how many messages a queue holds, those that are being worked on included.
func (p *play) count(ctx context.Context, url string) (int, error) {
	out, err := p.SQS.GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url, AttributeNames: []types.QueueAttributeName{
		types.QueueAttributeNameApproximateNumberOfMessages, types.QueueAttributeNameApproximateNumberOfMessagesNotVisible,
		types.QueueAttributeNameApproximateNumberOfMessagesDelayed}})
	if err != nil {
		return 0, err
	}
	sum := 0
	for name, text := range out.Attributes {
		n, err := strconv.Atoi(text)
		if err != nil {
			return 0, fmt.Errorf("%s of a queue is %q", name, text)
		}
		sum += n
	}
	return sum, nil
}

func (p *play) deadLetters(ctx context.Context) (n int, err error) {
	err = p.persist(ctx, "counting dead letters", func() error {
		n = 0
		for _, url := range p.Dead {
			some, err := p.count(ctx, url)
			if err != nil {
				return err
			}
			n += some
		}
		return nil
	})
	return n, err
}

// takeable counts the Chats that wait although somebody could take them.
func takeable(all invariant.Snapshot, now time.Time) int {
	n := 0
	for _, e := range all.Entries {
		pool, err := assign.ParsePool(e.Pool)
		if err != nil {
			continue
		}
		for _, who := range all.People {
			if pool.Fits(who) && who.CanTake(now) {
				n++
				break
			}
		}
	}
	return n
}

// fingerprintOf stands for everything that a Chat's way could change.
func fingerprintOf(all invariant.Snapshot) uint64 {
	var lines []string
	for _, c := range all.Chats {
		lines = append(lines, fmt.Sprint("chat ", c.ID, c.Epoch, c.Routed, c.LastIn, len(c.Unread), c.From, c.Customer.UserID, c.Customer.Phone))
	}
	for _, e := range all.Entries {
		lines = append(lines, fmt.Sprint("entry ", e.Pool, e.Chat, e.Routed, e.Because))
	}
	for _, who := range all.People {
		lines = append(lines, fmt.Sprint("person ", who.ID, who.Changed, who.OpenChats))
	}
	lines = append(lines, fmt.Sprint("all ", len(all.Messages), len(all.Events), len(all.Aliases)))
	slices.Sort(lines)
	h := fnv.New64a()
	for _, line := range lines {
		_, _ = h.Write([]byte(line)) // never fails
	}
	return h.Sum64()
}
