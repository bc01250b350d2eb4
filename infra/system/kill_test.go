package system

import (
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/invariant"
)

// comeBackSoon: what a killed function was at is hidden for the queue's visibility time-out, three minutes on AWS.
func comeBackSoon(t *template.Template) {
	for i := range t.Queues {
		t.Queues[i].Visibility = 5 * time.Second
		t.Queues[i].Attributes["VisibilityTimeout"] = "5"
	}
}

// I4, I5, I10: whatever is killed in the middle, and comes back, everything acknowledged is there once, and in the end
// everybody who wrote has an owner.
func TestKills(t *testing.T) {
	t.Parallel()
	function := func(id string) func(*world) error {
		return func(w *world) error { w.Kill(id); return nil }
	}
	for name, kills := range map[string][]func(*world) error{
		"functions": {function("WebhookFunction"), function("AssignerFunction"), function("DispatcherFunction"), function("AssignerFunction")},
		"servers": {func(w *world) error { return w.KillDynamoDB(w.Context()) }, func(w *world) error { return w.KillElasticMQ(w.Context()) },
			func(w *world) error { return w.KillDynamoDB(w.Context()) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := start(t, stack.Options{Folder: t.TempDir(), Edit: comeBackSoon}, agents(5, 0)...)
			var during []func() error
			for _, kill := range kills {
				during = append(during, func() error { return kill(w) })
			}
			w.writtenToDuring(seed.SupportNumber, during...)
		})
	}
}

// writtenToDuring lets customers write to a business number while things happen, one after the other: in the end
// everybody who wrote has an owner, and what they wrote is stored once.
func (w *world) writtenToDuring(number string, happens ...func() error) {
	w.Helper()
	customers := big(30, 200)
	var taken atomic.Int64
	done := make(chan bool)
	go func() {
		defer close(done)
		sideBySide(customers, 4, func(i int) {
			w.insist(text(number, fmt.Sprintf("GB.%d", i), "", fmt.Sprintf("wamid.%d", i), "Good morning", morning))
			taken.Add(1)
		})
	}()
	for i, happen := range happens {
		w.eventually("some more are taken", func() bool { return int(taken.Load()) >= (i+1)*customers/(len(happens)+1) })
		w.must(happen())
	}
	<-done
	all := w.checked("all are stored and owned", func(all invariant.Snapshot) bool {
		return len(all.Chats) == customers && len(owned(all)) == customers
	})
	if len(all.Messages) != customers {
		w.Errorf("%d Messages of %d customers are stored", len(all.Messages), customers)
	}
}
