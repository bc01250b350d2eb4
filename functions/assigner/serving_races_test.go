package main

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/order"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

// Everything that may happen to a waiting Chat, or to whom it would go to, while its pool is served, before every call
// that the serving makes: the Chat goes to one person in the end, nothing that was judged as it was read goes with it, and
// everything holds (I1 to I5).
func TestRacesWithAServing(t *testing.T) {
	t.Parallel()
	const sales = "team:sales"
	for _, race := range []struct {
		what string
		do   func(w *world, user, id string)
	}{
		{"newer rules send it to the same pool", func(w *world, _, _ string) { w.saveRules(supportBy("round_robin", "")); w.reroutes() }},
		{"it is given away", func(w *world, _, id string) { w.gives(id, "eve") }},
		{"it is passed to another team", func(w *world, _, id string) {
			_, err := w.store.Update(w.Context(), id, func(c chat.Chat) (*chat.Change, error) {
				change := c.PassedTo(dynamo.Now(), chat.System, "sales", "")
				return &change, nil
			})
			w.must(err)
		}},
		{"a step opens", func(w *world, _, id string) {
			if e, err := w.store.Entry(w.Context(), id, support); err != nil || e != nil {
				w.must(err)
				e.Pool, e.Step = sales, 1
				_, err := w.store.Widen(w.Context(), chat.Timer{Due: w.now(), Entry: *e}, nil, w.now())
				w.must(err)
			}
		}},
		{"the customer writes", func(w *world, user, _ string) { w.receives(text(user, "", "more", minute(100))) }},
		{"another serving", func(w *world, _, _ string) { w.serves(support) }},
		{"who is free goes away", func(w *world, _, _ string) { w.set("dan", team.Away); w.set("eve", team.Away) }},
	} {
		t.Run(race.what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 0, "support", "sales"), agent("eve", 0, "support", "sales"))
			w.saveRules(supportBy("round_robin", ""))
			for at, more := 0, true; more && !t.Failed(); at++ {
				user := fmt.Sprint("US.", at)
				w.nobodyAround(func() { w.receives(text(user, "", "hello", minute(at))) })
				leads, err := w.store.Find(t.Context(), testSecret.UserAddress(seed.SupportNumber, user), "", true)
				w.must(err)
				b := &beside{at: at, what: func() { race.do(w, user, leads.User.Chat) }}
				sick := *w.assigner
				sick.store = w.client(dynamodb.WithAPIOptions(b.add))
				_, err = sick.serve(order.Begin(t.Context()), queue.Signal{Pool: support, Chats: []string{leads.User.Chat}})
				w.must(err)
				more = b.calls > at
				w.set("dan", team.Online)
				w.set("eve", team.Online)
				w.serves(support)
				w.serves(sales)
				c, err := w.store.Chat(t.Context(), leads.User.Chat)
				w.must(err)
				if c.Owner == "" {
					t.Errorf("before call %d: nobody has it, it waits in %v", at, c.Pools)
				}
			}
			if aside, err := w.store.AsideItems(t.Context()); err != nil || len(aside) > 0 {
				t.Errorf("set aside: %+v (%v)", aside, err)
			}
			w.checked()
		})
	}
}
