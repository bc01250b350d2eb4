package chat_test

import (
	"testing"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// A customer is new as long as the waiting goes on that began with their Chat, also through newer rules and mergers; and
// never again after it.
func TestNewCustomer(t *testing.T) {
	t.Parallel()
	rules := parse(t, `{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`)
	now := time.UnixMilli(1_000_000).UTC()
	c, n := chat.Chat{ID: "chat", Number: "1"}, 0
	place := func(c chat.Chat) chat.Placed { return c.Place(chat.Message{}, rules, 1, team.Settings{}, now) }
	dan := chat.Actor{Kind: chat.ByPerson, ID: "dan"}
	other := func(status chat.Status, owner string) chat.Chat {
		n++
		ownership := chat.Ownership{Status: status, Owner: owner, Epoch: int64(n) * 7, OwnerEpoch: int64(n)}
		if ownership.Waiting() {
			ownership.Pools, ownership.WaitingSince = []string{"team:everyone"}, now
		}
		return chat.Chat{ID: "other", Number: "1", Ownership: ownership}
	}
	merges := func(with chat.Chat) chat.Chat {
		return chat.Merges(now, c, with, "", place(c.Joined(with, "")), nil).Survivor.After
	}
	for _, step := range []struct {
		what   string
		become func() chat.Chat
		isNew  bool
	}{
		{"it is created", func() chat.Chat { return c.Opens(now, place(c), chat.Arrival{}).After }, true},
		{"it is routed again", func() chat.Chat { return c.Rerouted(now, place(c)).After }, true},
		{"a waiting one merges into it", func() chat.Chat { return merges(other(chat.Open, "")) }, true},
		{"it is routed again", func() chat.Chat { return c.Rerouted(now, place(c)).After }, true},
		{"an owned one merges into it", func() chat.Chat { return merges(other(chat.Open, "mei")) }, true},
		{"it is given to somebody", func() chat.Chat { return c.Reassigned(now, dan, "dan", "").After }, false},
		{"it is closed", func() chat.Chat { return c.Closes(now, dan).After }, false},
		{"a waiting one merges into it", func() chat.Chat { return merges(other(chat.Open, "")) }, false},
		{"it is routed again", func() chat.Chat { return c.Rerouted(now, place(c)).After }, false},
		{"another waiting one merges into it", func() chat.Chat { return merges(other(chat.Open, "")) }, false},
		{"it is given to somebody", func() chat.Chat { return c.Reassigned(now, dan, "dan", "").After }, false},
		{"it is closed", func() chat.Chat { return c.Closes(now, dan).After }, false},
		{"it is opened by the customer", func() chat.Chat { return c.Opens(now, place(c), chat.Arrival{}).After }, false},
		{"it is routed again", func() chat.Chat { return c.Rerouted(now, place(c)).After }, false},
	} {
		c = step.become()
		customer, opened := assign.ReturningCustomer, assign.Reopened
		if step.isNew {
			customer, opened = assign.NewCustomer, assign.Created
		}
		if in := place(c).Input; in.Customer != customer || in.OpenedBy != opened {
			t.Errorf("after %s the customer is %s and the Chat was %s, want %s and %s", step.what, in.Customer, in.OpenedBy, customer, opened)
		}
	}
}
