package main

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
)

// Every single fault on every single call of the assigner: whatever fails is delivered again, and in the end everything
// is stored once, the invariants hold, and the Chat belongs to whom it would have belonged to without the fault.
func TestEverySingleFault(t *testing.T) {
	t.Parallel()
	calls := scenario(t, &faults.Injector{At: -1})
	if calls < 20 {
		t.Fatalf("the scenario makes %d calls, which proves little", calls)
	}
	for _, fault := range faults.All {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			for n := range calls {
				scenario(t, &faults.Injector{At: n, Fault: fault})
			}
		})
	}
}

// scenario is a Chat's life: created, written to, owned, closed, re-opened, owned again, with a phone number that shows
// up on the way. It returns how many calls the assigner made.
func scenario(t *testing.T, injector *faults.Injector) int64 {
	t.Helper()
	w := newWorld(t, agent("dan", 0, "support"))
	healthy := w.store
	faulty := serverstest.DynamoDB(t).Options()
	w.store = dynamo.New(dynamodb.New(faulty, dynamodb.WithAPIOptions(injector.Add)), w.tables["ChatsTable"], w.tables["TeamTable"])
	until := func(what string, do func() error) {
		t.Helper()
		for tries := 1; ; tries++ {
			err := do()
			if err == nil {
				return
			}
			if tries == 3 {
				t.Fatalf("%s at call %d, %s: after %d tries: %v", injector.Fault, injector.At, what, tries, err)
			}
		}
	}
	deliver := func(m map[string]any) {
		t.Helper()
		body := w.updates("messages", m)[0]
		until("deliver", func() error { return w.update(t.Context(), body) })
	}
	serve := func() {
		t.Helper()
		until("serve", func() error { return w.serve(t.Context(), queue.Signal{Pool: support}) })
	}
	deliver(text("US.1", "", "hello", morning))
	deliver(text("US.1", "15550101111", "are you there?", morning.Add(time.Minute)))
	serve()
	deliver(of(text("US.1", "", "", morning.Add(2*time.Minute)), "reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"}))
	checked := *w
	checked.assigner = &assigner{store: healthy}
	checked.closes(testSecret.UserAddress("100000000000001", "US.1"))
	deliver(text("US.1", "", "one more thing", morning.Add(3*time.Minute)))
	serve()
	c := checked.only()
	all := checked.checked()
	if c.Status != chat.Open || c.Owner != "dan" || c.Epoch != 5 || len(all.Messages) != 4 || len(c.Unread) != 4 || c.Customer.Phone == "" {
		t.Errorf("%s at call %d: %s of %q at epoch %d with %d Messages, %d unread", injector.Fault, injector.At,
			c.Status, c.Owner, c.Epoch, len(all.Messages), len(c.Unread))
	}
	return injector.Calls()
}
