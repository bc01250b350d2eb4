package main

import (
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/order"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/queue"
)

// Every single fault on every single call of the assigner: whatever fails is delivered again, and in the end everything
// is stored once, the invariants hold, and the Chat belongs to whom it would have belonged to without the fault: whether
// it waits each time it opens, or finds somebody free at once.
func TestEverySingleFault(t *testing.T) {
	t.Parallel()
	for _, fault := range faults.All {
		for name, waits := range map[string]bool{"waits": true, "direct": false} {
			t.Run(string(fault)+", "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, agent("dan", 0, "support"))
				calls := w.life(0, waits, &faults.Injector{At: -1})
				if calls < 20 {
					t.Fatalf("a life makes %d calls, which proves little", calls)
				}
				for n := range calls {
					w.life(int(n)+1, waits, &faults.Injector{At: n, Fault: fault})
				}
				all := w.checked()
				if len(all.Messages) != 4*len(all.Chats) || len(all.Chats) != int(calls)+1 {
					t.Errorf("%d Messages of %d Chats", len(all.Messages), len(all.Chats))
				}
			})
		}
	}
}

// life is a Chat's: created, written to, owned, closed, re-opened, owned again, with a phone number that shows up on the
// way. If it waits, nobody is around when it opens. It returns how many calls the assigner made.
func (w *world) life(n int, waits bool, injector *faults.Injector) int64 {
	w.Helper()
	user, phone := fmt.Sprintf("US.%d", n), fmt.Sprintf("1555%07d", n)
	id := testSecret.UserAddress(seed.SupportNumber, user)
	sick := *w.assigner
	sick.store = w.client(dynamodb.WithAPIOptions(injector.Add))
	again := func(what string, do func() error) {
		w.Helper()
		for tries := 1; ; tries++ {
			err := do()
			if err == nil {
				return
			}
			if tries == 3 {
				w.Fatalf("%s at call %d, %s: after %d tries: %v", injector.Fault, injector.At, what, tries, err)
			}
		}
	}
	deliver := func(m map[string]any) {
		w.Helper()
		body := w.updates("messages", m)[0]
		again("deliver", func() error { return sick.update(order.Begin(w.Context()), body) })
	}
	serve := func() {
		w.Helper()
		again("serve", func() error { _, err := sick.serve(order.Begin(w.Context()), queue.Signal{Pool: support}); return err })
	}
	open := func(do func()) { do() }
	epoch := int64(3)
	if waits {
		open, epoch = w.nobodyAround, 5
	}
	open(func() { deliver(text(user, "", "hello", morning)) })
	deliver(text(user, phone, "are you there?", morning.Add(time.Minute)))
	serve()
	deliver(of(text(user, "", "", morning.Add(2*time.Minute)), "reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"}))
	w.closes(id)
	open(func() { deliver(text(user, "", "one more thing", morning.Add(3*time.Minute))) })
	serve()
	c, err := w.store.Chat(w.Context(), id)
	w.must(err)
	if !waits && injector.At >= 0 && c.Epoch == epoch+1 {
		epoch++ // who is there could not be read, so it waited first
	}
	if c.Status != chat.Open || c.Owner != "dan" || c.Epoch != epoch || len(c.Unread) != 4 || c.Customer.Phone != phone {
		w.Errorf("%s at call %d: %s of %q at epoch %d, %d unread", injector.Fault, injector.At, c.Status, c.Owner, c.Epoch, len(c.Unread))
	}
	return injector.Calls()
}
