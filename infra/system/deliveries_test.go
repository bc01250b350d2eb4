package system

import (
	"math/rand/v2"
	"net/http"
	"testing"
	"time"

	"chatkeeper/infra/fixtures"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/stack"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/whatsapp"
)

// I4: every fixture, and every payload of CORPUS if that is given, three times, side by side and shuffled: each is
// answered 200, each message that belongs in a Chat is stored once, and a second run changes nothing.
func TestEveryDelivery(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Options{}, seed.People()...)
	bodies, err := fixtures.Deliveries()
	w.must(err)
	expected := map[string]int{} // by business number, customer and message
	for _, body := range bodies {
		updates, err := whatsapp.Split(body, time.Now())
		w.must(err)
		for _, u := range updates {
			if u.Kind != whatsapp.KindMessage {
				continue
			}
			if m := u.Message(); m.Effect() == whatsapp.Opens {
				expected[m.Number+" "+m.ID] = 0
			}
		}
	}
	if len(expected) < 60 {
		t.Fatalf("only %d messages belong in a Chat, which proves little", len(expected))
	}
	run := func() {
		t.Helper()
		shuffled := append(append(append([][]byte{}, bodies...), bodies...), bodies...)
		seed := rand.Uint64()
		t.Logf("shuffled by seed %d", seed)
		rand.New(rand.NewPCG(seed, 0)).Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		sideBySide(len(shuffled), 16, func(i int) {
			if status := w.post(shuffled[i]); status != http.StatusOK {
				t.Errorf("answered %d", status)
			}
		})
	}
	var missing []string // ids of fixtures, and of what CORPUS has; nobody's data
	settled := func(all invariant.Snapshot) bool {
		missing = nil
		stored := map[string]int{}
		for _, c := range all.Chats {
			if c.Waiting() {
				missing = append(missing, "an owner of Chat "+c.ID)
			}
			for _, m := range all.Messages {
				if m.Chat == c.ID {
					stored[c.Number+" "+m.WAMID]++
				}
			}
		}
		for which := range expected {
			if stored[which] == 0 {
				missing = append(missing, which)
			}
			if stored[which] > 1 {
				t.Errorf("a message is stored %d times", stored[which])
			}
		}
		return len(missing) == 0
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Log("missing:", missing)
		}
	})
	run()
	first := w.checked("every message is stored and every Chat owned", settled)
	run()
	w.quiet()
	second := w.checked("the second run is done", settled)
	if len(first.Chats) != len(second.Chats) {
		t.Errorf("the second run made %d Chats of %d", len(second.Chats), len(first.Chats))
	}
	before := map[string]chat.Chat{}
	for _, c := range first.Chats {
		before[c.ID] = c
	}
	for _, c := range second.Chats {
		if b := before[c.ID]; b.Epoch != c.Epoch || b.Owner != c.Owner || b.LastIn != c.LastIn {
			t.Errorf("the second run changed Chat %s: %+v became %+v", c.ID, b.Ownership, c.Ownership)
		}
	}
}

// quiet waits until no message is in a queue and none is being handled.
func (w *world) quiet() {
	w.Helper()
	w.eventually("the queues are empty", func() bool {
		for _, id := range []string{"InboundQueue", "PoolsQueue"} {
			if n, err := w.depth(id); n != 0 || err != nil {
				return false
			}
		}
		return true
	})
}
