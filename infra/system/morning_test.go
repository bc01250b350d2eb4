package system

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/stack"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

var morning = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

// S1, S2: a signed delivery becomes a Chat with an Assignee; 32 copies of it at once are one Message, one Chat, one owner.
func TestDeliveryFindsItsOwner(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Options{}, seed.People()...)
	body := text(seed.SupportNumber, "AE.1", "", "wamid.1", "مرحبا، أحتاج إلى مساعدة في طلبي", morning)
	sideBySide(32, 32, func(int) {
		if status := w.post(body); status != http.StatusOK {
			t.Errorf("answered %d", status)
		}
	})
	all := w.checked("the Chat is owned", func(all invariant.Snapshot) bool { return len(owned(all)) == 1 })
	if len(all.Chats) != 1 || len(all.Messages) != 1 || len(all.Chats[0].Unread) != 1 {
		t.Errorf("%d Chats with %d Messages", len(all.Chats), len(all.Messages))
	}
	if c := all.Chats[0]; c.Owner != "amira" {
		t.Errorf("a message in Arabic went to %s", c.Owner)
	}
}

// S5 to S8: language, department, geography and an even spread, from the first message to the owner.
func TestRulesOfTheSeed(t *testing.T) {
	t.Parallel()
	w := start(t, stack.Options{}, seed.People()...)
	for _, test := range []struct {
		user, number, text string
		teams              []string
	}{
		{"SA.1", seed.SupportNumber, "مرحبا، أين طلبي؟", []string{"amira"}},
		{"CN.1", seed.SupportNumber, "你好，我想问一下我的订单什么时候发货", []string{"mei"}},
		{"BR.1", seed.SupportNumber, "👍", []string{"bruno", "dan"}},
		{"GB.1", seed.SalesNumber, "Good morning", []string{"bruno", "dan"}},
		{"GB.2", seed.SupportNumber, "What is the price of delivery?", []string{"bruno", "dan"}},
		{"GB.3", seed.SupportNumber, "My order has not arrived", []string{"amira", "chloe", "dan", "mei"}},
		{"GB.4", "109999999999999", "Hello there, anybody in?", []string{"amira", "bruno", "chloe", "dan", "mei"}},
	} {
		w.insist(text(test.number, test.user, "", "wamid."+test.user, test.text, morning))
		id := w.secret.UserAddress(test.number, test.user)
		var c *chat.Chat
		w.eventually(test.user+" has an owner", func() bool {
			var err error
			c, err = w.store.Chat(t.Context(), id)
			return err == nil && c != nil && c.Owner != ""
		})
		fits := false
		for _, who := range test.teams {
			fits = fits || c.Owner == who
		}
		if !fits {
			t.Errorf("%s, who wrote %q, belongs to %s, want one of %v", test.user, test.text, c.Owner, test.teams)
		}
	}
}

// I2, I3, I6, I10: many new customers at once; exactly as many are owned as there is room, and whoever closes a Chat,
// comes online or gets room is given the waiting ones without anybody asking.
func TestManyCustomersAtOnce(t *testing.T) {
	t.Parallel()
	customers := big(60, 200)
	w := start(t, stack.Options{}, agents(5, 4)...)
	sideBySide(customers, 16, func(i int) {
		w.insist(text(seed.SupportNumber, fmt.Sprintf("GB.%d", i), "", fmt.Sprintf("wamid.%d", i), "My order has not arrived", morning))
	})
	full := func(n int) func(invariant.Snapshot) bool {
		return func(all invariant.Snapshot) bool { return len(all.Chats) == customers && len(owned(all)) == n }
	}
	all := w.checked("all room is taken", full(20))
	w.inOrder()
	for _, c := range owned(all)[:5] {
		_, err := w.store.Update(t.Context(), c.ID, func(c chat.Chat) (*chat.Change, error) {
			change := c.Closes(dynamo.Now(), chat.Actor{Kind: chat.ByPerson, ID: c.Owner})
			return &change, nil
		})
		w.must(err)
	}
	w.checked("what was closed made room", full(20))
	w.inOrder()
	w.edit("agent0", func(p *team.Person) { p.Availability = team.Offline })
	w.edit("agent1", func(p *team.Person) { p.Limit = 6 })
	w.checked("more room is taken", full(22))
	w.inOrder()
	w.must(w.store.AddPerson(t.Context(), team.Person{ID: "new", Role: team.Agent, Active: true, Availability: team.Online, Limit: 3,
		Teams: []string{"support"}}, dynamo.Now()))
	w.checked("somebody new has taken their part", full(25))
	w.inOrder()
	w.must(w.store.SaveRules(t.Context(), `{"rules": [], "otherwise": {"to": [{"team": "nobody-yet", "strategy": "round_robin"}]}}`, "alex", 1, dynamo.Now()))
	w.checked("all that wait were routed again", func(all invariant.Snapshot) bool {
		for _, c := range all.Chats {
			if c.Waiting() && (c.Pools[0] != "team:nobody-yet" || c.RulesVersion != 2) {
				return false
			}
		}
		return true
	})
	w.edit("agent2", func(p *team.Person) { p.Teams = append(p.Teams, "nobody-yet"); p.Limit = team.NoLimit })
	w.checked("nobody waits", full(customers-5))
}

func (w *world) edit(id string, edit func(*team.Person)) {
	w.Helper()
	_, err := w.store.UpdatePerson(w.Context(), id, dynamo.Now(), func(p *team.Person) error { edit(p); return nil })
	w.must(err)
}
