package queues

import (
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// message is a received message and the time until which the queue shows it to nobody else.
type message struct {
	types.Message
	hiddenUntil time.Time
}

func (m message) id() string    { return *m.MessageId }
func (m message) group() string { return m.Attributes["MessageGroupId"] }

// bySending orders messages as they were sent. Sequence numbers begin again when ElasticMQ restarts, so time comes first.
func bySending(a, b message) int {
	for _, attribute := range []string{"SentTimestamp", "SequenceNumber"} {
		x, _ := strconv.ParseUint(a.Attributes[attribute], 10, 64)
		y, _ := strconv.ParseUint(b.Attributes[attribute], 10, 64)
		if x != y {
			if x < y {
				return -1
			}
			return 1
		}
	}
	return 0
}

// groups keeps the message groups of a FIFO queue in order when the queue itself does not: after ElasticMQ was killed it
// gives out later messages of a group that has one on the way, or one that failed and is still hidden.
type groups struct {
	mu     sync.Mutex
	busy   map[string][]message // groups with a batch on the way, and what came for them meanwhile
	failed map[string]message   // the first failed message of a group, until it comes again
}

// take decides about messages in the order they were sent: run now, or give back, because a failed one of the group comes
// first. Those of a busy group are neither; release returns them.
func (g *groups) take(messages []message, now time.Time) (run, back []message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	starting := map[string]bool{}
	for _, m := range messages {
		group := m.group()
		if parked, ok := g.busy[group]; ok && !starting[group] {
			g.busy[group] = append(parked, m)
			continue
		}
		if first, ok := g.failed[group]; ok {
			if now.Before(first.hiddenUntil) && bySending(first, m) < 0 {
				m.hiddenUntil = first.hiddenUntil
				back = append(back, m)
				continue
			}
			delete(g.failed, group)
		}
		if g.busy == nil {
			g.busy, g.failed = map[string][]message{}, map[string]message{}
		}
		starting[group] = true
		g.busy[group] = nil
		run = append(run, m)
	}
	return run, back
}

// release ends a batch of which some messages failed. What came for its groups meanwhile runs next, and stays busy; if
// the group failed it is given back to come after the failed message. At most limit messages run next.
func (g *groups) release(batch []message, failed map[string]bool, limit int, now time.Time) (next, back []message) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, m := range batch {
		if _, known := g.failed[m.group()]; failed[m.id()] && !known {
			g.failed[m.group()] = m
		}
	}
	released := map[string]bool{}
	for _, m := range batch {
		group := m.group()
		if released[group] {
			continue
		}
		released[group] = true
		parked := g.busy[group]
		delete(g.busy, group)
		slices.SortStableFunc(parked, bySending)
		for _, p := range parked {
			first, blocked := g.failed[group]
			if blocked && first.id() == p.id() {
				// The failed message itself: its function made it visible at once, before its batch had ended.
				delete(g.failed, group)
				blocked = false
			}
			switch {
			case now.After(p.hiddenUntil): // visible to others again; it comes by itself
			case blocked:
				p.hiddenUntil = first.hiddenUntil
				back = append(back, p)
			case len(next) < limit:
				next = append(next, p)
				g.busy[group] = nil
			default:
				if rest, running := g.busy[group]; running {
					g.busy[group] = append(rest, p)
					continue
				}
				p.hiddenUntil = now
				back = append(back, p)
			}
		}
	}
	return next, back
}
