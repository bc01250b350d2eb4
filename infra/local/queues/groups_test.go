package queues

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// m is the nth message of its group: m("a2"), hidden for a minute.
func m(name string) message {
	return message{types.Message{MessageId: aws.String(name), Attributes: map[string]string{
		"MessageGroupId": name[:1], "SentTimestamp": "1000", "SequenceNumber": name[1:],
	}}, noon.Add(time.Minute)}
}

func ms(names string) (out []message) {
	for _, name := range strings.Fields(names) {
		out = append(out, m(name))
	}
	return out
}

func names(messages []message) string {
	var out []string
	for _, m := range messages {
		out = append(out, m.id())
	}
	return strings.Join(out, " ")
}

func expect(t *testing.T, what string, got []message, want string) {
	t.Helper()
	if names(got) != want {
		t.Errorf("%s: got %q, want %q", what, names(got), want)
	}
}

func TestWhatComesForABusyGroupRunsAfterIt(t *testing.T) {
	t.Parallel()
	var g groups
	run, back := g.take(ms("a1 b1"), noon)
	expect(t, "run", run, "a1 b1")
	expect(t, "back", back, "")
	run, back = g.take(ms("a3 c1"), noon) // the queue forgot that a1 is on the way
	expect(t, "run", run, "c1")
	expect(t, "back", back, "")
	run, _ = g.take(ms("a2"), noon)
	expect(t, "run", run, "")
	next, back := g.release(ms("a1 b1"), nil, 10, noon)
	expect(t, "next", next, "a2 a3")
	expect(t, "back", back, "")
	run, _ = g.take(ms("a4"), noon) // still busy, with a2 and a3
	expect(t, "run", run, "")
	next, _ = g.release(ms("a2 a3"), nil, 10, noon)
	expect(t, "next", next, "a4")
	next, _ = g.release(ms("a4"), nil, 10, noon)
	expect(t, "next", next, "")
	run, _ = g.take(ms("a5"), noon)
	expect(t, "run", run, "a5")
}

func TestNothingOvertakesAFailedMessage(t *testing.T) {
	t.Parallel()
	var g groups
	g.take(ms("a1"), noon)
	g.take(ms("a2"), noon) // waits for a1
	next, back := g.release(ms("a1"), map[string]bool{"a1": true}, 10, noon)
	expect(t, "next", next, "")
	expect(t, "back", back, "a2")
	run, back := g.take(ms("a2 b1"), noon)
	expect(t, "run", run, "b1")
	expect(t, "back", back, "a2")
	run, _ = g.take(ms("a1 a2"), noon)
	expect(t, "run", run, "a1 a2")
}

func TestAFailedMessageIsNotWaitedForForever(t *testing.T) {
	t.Parallel()
	failed := map[string]bool{"a1": true}

	var past groups // its time is over; somebody else took it
	past.take(ms("a1"), noon)
	past.release(ms("a1"), failed, 10, noon)
	run, _ := past.take(ms("a2"), noon.Add(2*time.Minute))
	expect(t, "run", run, "a2")
}

func TestAnExpiredMessageIsLeftToTheQueue(t *testing.T) {
	t.Parallel()
	var g groups
	g.take(ms("a1"), noon)
	g.take(ms("a2"), noon)
	next, back := g.release(ms("a1"), nil, 10, noon.Add(2*time.Minute))
	expect(t, "next", next, "")
	expect(t, "back", back, "")
}

// Whatever the queue gives out, and however batches end: no group has two batches on the way, none is left busy, and
// every message is run, given back or left to the queue.
func TestGroupsHold(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var g groups
		limit := rapid.IntRange(1, 3).Draw(t, "limit")
		sent := map[string]int{}
		var batches [][]message
		start := func(batch []message) {
			if len(batch) == 0 {
				return
			}
			if len(batch) > limit {
				t.Fatalf("%q is more than %d", names(batch), limit)
			}
			for _, other := range batches {
				for _, x := range other {
					for _, y := range batch {
						if x.group() == y.group() {
							t.Fatalf("%s began while %s is on the way", y.id(), x.id())
						}
					}
				}
			}
			batches = append(batches, batch)
		}
		end := func() {
			i := rapid.IntRange(0, len(batches)-1).Draw(t, "batch")
			batch := batches[i]
			batches = append(batches[:i:i], batches[i+1:]...)
			failed := map[string]bool{}
			for _, m := range batch {
				failed[m.id()] = rapid.Bool().Draw(t, "fails")
			}
			next, _ := g.release(batch, failed, limit, noon)
			start(next)
		}
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			if len(batches) > 0 && rapid.Bool().Draw(t, "ends") {
				end()
				continue
			}
			var received []message
			for range rapid.IntRange(1, limit).Draw(t, "received") {
				group := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "group")
				sent[group]++
				received = append(received, m(fmt.Sprint(group, sent[group])))
			}
			run, _ := g.take(received, noon)
			start(run)
		}
		for len(batches) > 0 {
			end()
		}
		if len(g.busy) > 0 {
			t.Fatalf("groups are left busy: %v", g.busy)
		}
	})
}

func TestFailedItems(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		answer string
		failed string // "error" if the whole batch failed
	}{
		{``, ""}, {`null`, ""}, {`{}`, ""}, {`{"batchItemFailures":null}`, ""}, {`{"batchItemFailures":[]}`, ""},
		{`{"batchItemFailures":[{"itemIdentifier":"x"},{"itemIdentifier":"y"}]}`, "x y"},
		{`{"batchItemFailures":[{"itemIdentifier":""}]}`, "error"},
		{`{"batchItemFailures":[{"itemIdentifier":null}]}`, "error"},
		{`{"batchItemFailures":[{"itemID":"x"}]}`, "error"},
		{`{"batchItemFailures":"x"}`, "error"}, {`"ok"`, "error"}, {`{`, "error"},
	} {
		failed, err := FailedItems([]byte(c.answer))
		got := "error"
		if err == nil {
			var all []string
			for _, id := range []string{"x", "y"} {
				if failed[id] {
					all = append(all, id)
				}
			}
			got = strings.Join(all, " ")
		}
		if got != c.failed {
			t.Errorf("%s: %q, want %q", c.answer, got, c.failed)
		}
	}
}

func FuzzFailedItems(f *testing.F) {
	f.Add([]byte(`{"batchItemFailures":[{"itemIdentifier":"x"}]}`))
	f.Fuzz(func(t *testing.T, answer []byte) {
		failed, err := FailedItems(answer)
		if err == nil && failed[""] {
			t.Error("an item without a name")
		}
	})
}
