package search

import (
	"fmt"
	"strconv"
	"strings"
)

// kind is what goes wrong.
type kind string

// What may happen to a request of a function. Each has an outcome that the function can't tell from another's.
const (
	fails      kind = "fails"       // it is not done, and the answer says so
	isLost     kind = "is-lost"     // it is not done, and no answer comes
	answerLost kind = "answer-lost" // it is done, and no answer comes
	conflicts  kind = "conflicts"   // it is not done: somebody else's transaction is on the same item
	throttled  kind = "throttled"   // it is not done
	slow       kind = "slow"        // it is done when nothing else can move any more
	late       kind = "late"        // slow; and others believe that whoever asked is dead, and begin anew what they had
	killBefore kind = "kill-before" // whoever asked is killed, and it is not done
	killAfter  kind = "kill-after"  // it is done, and whoever asked is killed
)

// What may happen to a batch of a queue or a stream.
const (
	twice  kind = "twice"  // it is done, and comes again, with what has come behind it meanwhile
	again  kind = "again"  // as twice, but only when nothing else can move any more
	split  kind = "split"  // it comes in two parts
	dead   kind = "dead"   // it is a dead letter, and is brought back when nothing else can move any more
	other  kind = "other"  // it also comes by another group, under another deduplication id
	forgot kind = "forgot" // it comes twice, and the queues have forgotten the deduplication ids by then
)

var (
	ofReads  = []kind{fails, slow, killBefore}
	ofWrites = []kind{fails, isLost, answerLost, conflicts, throttled, slow, late, killBefore, killAfter}
	ofSends  = []kind{fails, isLost, answerLost, throttled, slow, late, killBefore, killAfter}
)

// fault is one thing that goes wrong. Requests and deliveries are counted from 1, each for itself, from the moment that a
// scenario's own story begins.
type fault struct {
	delivery bool
	at       int
	kind     kind
}

// plan is a run to make: which scenario, what goes wrong, and in what order things happen.
type plan struct {
	scenario string
	faults   []fault
	seed     uint64 // orders what could happen at once; 0: one thing after the other
	patient  bool   // people and WhatsApp do something only when nothing else can move; without a seed
	retries  bool   // the SDK repeats by itself what it can, as it does in production; else the function is told at once
}

// String is what parsePlan reads.
func (p plan) String() string {
	words := []string{p.scenario}
	for _, f := range p.faults {
		of := "r"
		if f.delivery {
			of = "d"
		}
		words = append(words, fmt.Sprintf("%s%d:%s", of, f.at, f.kind))
	}
	if p.seed != 0 {
		words = append(words, fmt.Sprintf("seed:%d", p.seed))
	}
	if p.patient {
		words = append(words, "patient")
	}
	if p.retries {
		words = append(words, "sdk:retries")
	}
	return strings.Join(words, " ")
}

func parsePlan(text string) (plan, error) {
	words := strings.Fields(text)
	if len(words) == 0 {
		return plan{}, fmt.Errorf("the plan %q names no scenario", text)
	}
	p := plan{scenario: words[0]}
	for _, word := range words[1:] {
		where, what, _ := strings.Cut(word, ":")
		switch where {
		case "seed":
			seed, err := strconv.ParseUint(what, 10, 64)
			if err != nil {
				return p, fmt.Errorf("seed of the plan: %w", err)
			}
			p.seed = seed
		case "sdk":
			p.retries = true
		case "patient":
			p.patient = true
		default:
			at, err := strconv.Atoi(where[1:])
			if err != nil {
				return p, fmt.Errorf("place %q in the plan: %w", where, err)
			}
			p.faults = append(p.faults, fault{delivery: where[0] == 'd', at: at, kind: kind(what)})
		}
	}
	return p, nil
}

// of is the fault of a request or delivery; empty if nothing goes wrong.
func (p plan) of(delivery bool, n int) kind {
	for _, f := range p.faults {
		if f.delivery == delivery && f.at == n {
			return f.kind
		}
	}
	return ""
}
