// Package newcomer measures how long somebody who comes online waits for a Chat while many Chats are routed again.
package newcomer

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/stack/stacktest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

const (
	waiting   = 5000
	newcomers = 12 // in each case
	patience  = 20 * time.Minute
)

// rules send everybody to one team.
func rules(teamID string) string {
	return fmt.Sprintf(`{"rules": [], "otherwise": {"to": [{"team": %q, "strategy": "round_robin"}]}}`, teamID)
}

type world struct {
	*testing.B
	*stack.Stack
	store *dynamo.Store
}

// Somebody comes online on the local stack, with its streams, queues and binaries, while rules are saved, 5,000 Chats are
// routed again by them, and it is put on record why nobody takes these: seconds until they have a Chat.
func BenchmarkGoalNewcomer(b *testing.B) {
	s := stacktest.Start(b, stack.Options{})
	w := &world{b, s, dynamo.New(s.DynamoDB(), s.Table("ChatsTable"), s.Table("TeamTable"))}
	w.must(w.store.SaveSettings(b.Context(), seed.Settings))
	w.must(w.store.SaveRules(b.Context(), rules("support"), "alex", 0, dynamo.Now()))
	for i := range newcomers {
		for _, teamID := range []string{"support", "sales"} {
			w.must(w.store.AddPerson(b.Context(), team.Person{ID: fmt.Sprint(teamID, i), Role: team.Agent, Active: true, Availability: team.Offline,
				Capacity: 1, Limit: 1, Weight: 1, Teams: []string{teamID}}, dynamo.Now()))
		}
	}
	w.open()
	for version, c := range []struct{ name, teamID string }{{"to-the-same-pool", "support"}, {"to-another-pool", "sales"}} {
		b.Run(c.name, func(b *testing.B) {
			saved := time.Now()
			w.must(w.store.SaveRules(b.Context(), rules(c.teamID), "alex", int64(version+1), dynamo.Now()))
			var took []time.Duration
			for i := range newcomers {
				took = append(took, w.comes(fmt.Sprint(c.teamID, i)))
				pause(b.Context(), time.Second)
			}
			for !w.follow(int64(version + 2)) {
				if time.Since(saved) > patience {
					b.Fatal("the Chats do not follow the rules")
				}
				pause(b.Context(), time.Second)
			}
			for b.Loop() {
			}
			slices.Sort(took)
			b.ReportMetric(took[len(took)-1].Seconds(), "worst-s")
			b.ReportMetric(float64(took[len(took)/2].Milliseconds()), "median-ms")
			b.ReportMetric(waiting/time.Since(saved).Seconds(), "routed-a-second")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// open makes the Chats that wait.
func (w *world) open() {
	f, err := w.store.InForce(w.Context())
	w.must(err)
	began := dynamo.Now()
	var all sync.WaitGroup
	slots := make(chan bool, 8)
	for i := range waiting {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			id, at := fmt.Sprint("chat", i), began.Add(time.Duration(i)*time.Millisecond)
			m := chat.Message{Key: chat.Secret("bench").Key(at.Unix(), id), WAMID: id, Direction: chat.In, Type: "text", Text: "My order has not arrived."}
			c := chat.Chat{ID: id, Number: seed.SupportNumber, Customer: chat.Customer{UserID: id, Language: "en", Country: "US"}}
			change := c.Opens(at, c.Place(m, f.Rules, f.Version, f.Settings, at), chat.Arrival{Message: m})
			if err := w.store.Commit(w.Context(), change); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
	if w.Failed() {
		w.FailNow()
	}
}

// comes makes somebody available, and returns after what time they have a Chat.
func (w *world) comes(id string) time.Duration {
	_, err := w.store.UpdatePerson(w.Context(), id, dynamo.Now(), func(p *team.Person) error { p.Availability = team.Online; return nil })
	w.must(err)
	began := time.Now()
	for time.Since(began) < patience {
		p, err := w.store.Person(w.Context(), id)
		w.must(err)
		if p.OpenChats == 1 {
			return time.Since(began)
		}
		pause(w.Context(), 5*time.Millisecond)
	}
	w.Fatalf("%s waits in vain", id)
	return 0
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// follow reports whether every Chat that waits does so by this version.
func (w *world) follow(version int64) bool {
	for _, teamID := range []string{"support", "sales"} {
		for after := ""; ; {
			page, err := w.store.Waiting(w.Context(), assign.Pool{Team: teamID}.String(), after, 1000)
			w.must(err)
			for _, e := range page.Entries {
				if e.RulesVersion != version {
					return false
				}
			}
			if after = page.After; after == "" {
				break
			}
		}
	}
	return true
}
