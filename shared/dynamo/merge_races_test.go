package dynamo_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// As TestMergeHoldsWhileAsRead, one thing at a time that no other condition of the merge tells: each is refused as it was
// read, and what came in between is there after the merge.
func TestMergeHoldsOneByOne(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	gives := func(ids ...string) {
		for _, id := range ids {
			s.must(s.gives(s.store, id, "alex", "amira", ""))
		}
	}
	reads := func(id string, n int) { s.must(s.reads(s.store, id, "amira", s.key(n))) }
	closes := func(id string) { s.must(s.sets(s.store, id, "amira", chat.Closed, chat.Key{})) }
	edits := func(id string, e chat.Edit) {
		_, err := s.store.EditCustomer(ctx, id, "amira", dynamo.Now(), func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) { return e, nil, nil })
		s.must(err)
	}
	late := func(id string, n int) { s.must(s.store.Late(ctx, s.chat(id), s.arrival(id, n))) }
	widens := func(id string) {
		e := s.entry(id)
		e.Pool, e.Step = assign.Pool{Team: "sales"}.String(), 1
		s.must(s.store.Commit(ctx, s.chat(id).Widened(dynamo.Now(), chat.Timer{Due: dynamo.Now(), Entry: e})))
	}
	reroutes := func(id string) {
		c := s.chat(id)
		s.must(s.store.Commit(ctx, c.Rerouted(dynamo.Now(), c.Place(s.arrival(id, 0).Message, s.rules, c.RulesVersion+1, team.Settings{}, dynamo.Now()))))
	}
	alias := func(id string, n int) string { return fmt.Sprint("phone ", n, id) }
	phone := func(id string, n int) {
		s.must(s.store.Link(ctx, s.chat(id), chat.Link{Address: alias(id, n), Since: s.key(n).Beside()}, chat.Identities{Phone: fmt.Sprint(n, id)}))
	}
	user := func(id string) {
		s.must(s.store.Link(ctx, s.chat(id), chat.Link{Address: "user " + id, Since: s.key(1).Beside()}, chat.Identities{UserID: "linked " + id}))
	}
	renews := func(id string) {
		s.must(s.store.Renew(ctx, s.chat(id), chat.Link{Address: "user " + id, Since: s.key(1).Beside()}, "new "+id))
	}
	says := func(id string, a chat.Arrival) {
		_, err := s.store.Deliver(ctx, id, a)
		s.must(err)
		s.must(s.store.PutMessage(ctx, id, a.Message))
	}
	username := func(id string, n int) chat.Arrival {
		a := s.arrival(id, n)
		a.Username = fmt.Sprint("name", n)
		return a
	}
	profile := func(id string, n int) chat.Arrival {
		a := s.arrival(id, n)
		a.Profile = fmt.Sprint("Name ", n)
		return a
	}
	replies := func(id string, in time.Duration) {
		_, err := s.store.Reply(ctx, id, "amira", nil, dynamo.Now(), fmt.Sprint("in ", in), func(c chat.Chat, _ team.Person) (chat.Message, error) {
			return c.Replies(dynamo.Now(), "amira", chat.NewKey(dynamo.Now().Add(in)), chat.Message{Type: "text", Text: fmt.Sprint("in ", in)})
		})
		s.must(err)
	}
	ahead := func(id string, n int) { // an aside that is stamped ahead of its receipt, by that many hours
		a := s.arrival(id, -n)
		a.Preview, a.Message.Type, a.Ahead = "", chat.Reaction, s.hours(n)
		s.must(s.store.Keep(ctx, s.chat(id), a, false))
	}
	type ids = line
	for i, row := range []struct {
		what    string
		before  func(ids)
		between func(ids)
		want    func(l ids, c chat.Chat) bool // of the Chat that goes on
	}{
		{"the survivor is closed", func(l ids) { gives(l.id) }, func(l ids) { closes(l.id) }, nil},
		{"the other is closed", func(l ids) { gives(l.other) }, func(l ids) { closes(l.other) }, nil},
		{"the survivor is routed again", nil, func(l ids) { reroutes(l.id) }, func(_ ids, c chat.Chat) bool { return c.Routed == 3 }},
		{"the other is routed again", nil, func(l ids) { reroutes(l.other) }, nil},
		{"a step opens to the survivor", nil, func(l ids) { widens(l.id) }, nil},
		{"a step opens to the other", nil, func(l ids) { widens(l.other) }, nil},
		{"a late message, where all is read", func(l ids) { gives(l.other); reads(l.other, 1) }, func(l ids) { late(l.other, 0) },
			func(_ ids, c chat.Chat) bool { return len(c.Unread) == 2 }},
		{"a late message beyond the other's marks", func(l ids) { s.crowds(l.other, chat.MaxUnread-1) }, func(l ids) { late(l.other, 0) },
			func(_ ids, c chat.Chat) bool { return !c.More.IsZero() }},
		{"the newest beyond the other's marks is read", func(l ids) { gives(l.other); s.crowds(l.other, chat.MaxUnread-1); late(l.other, 0) },
			func(l ids) { reads(l.other, 0) }, func(_ ids, c chat.Chat) bool { return c.More != s.key(0) }},
		{"the survivor's last room is taken", func(l ids) { s.crowds(l.id, chat.MaxUnread-2) }, func(l ids) { says(l.id, s.arrival(l.id, 5)) },
			func(_ ids, c chat.Chat) bool { return len(c.Unread) <= chat.MaxUnread && !c.More.IsZero() }},
		{"one more beyond the survivor's marks", func(l ids) { s.crowds(l.id, chat.MaxUnread-1) }, func(l ids) { says(l.id, s.arrival(l.id, 5)) },
			func(_ ids, c chat.Chat) bool { return c.More == s.key(5) }},
		{"somebody makes room in the survivor", func(l ids) { gives(l.id); s.crowds(l.id, chat.MaxUnread-1) }, func(l ids) { reads(l.id, 4) },
			func(_ ids, c chat.Chat) bool { return c.More.IsZero() && len(c.Unread) == chat.MaxUnread }},
		{"another user id of the survivor", nil, func(l ids) { renews(l.id) }, func(l ids, c chat.Chat) bool { return c.Customer.UserID == "new "+l.id }},
		{"another user id of the other", func(l ids) { s.forgets(l.id) }, func(l ids) { renews(l.other) }, func(l ids, c chat.Chat) bool { return c.Customer.UserID == "new "+l.other }},
		{"a user id of the survivor", func(l ids) { s.forgets(l.id) }, func(l ids) { user(l.id) }, func(l ids, c chat.Chat) bool { return c.Customer.UserID == "linked "+l.id }},
		{"a user id of the other", func(l ids) { s.forgets(l.id, l.other) }, func(l ids) { user(l.other) }, func(l ids, c chat.Chat) bool { return c.Customer.UserID == "linked "+l.other }},
		{"a phone number of the survivor", func(l ids) { phone(l.other, 1) }, func(l ids) { phone(l.id, 2) }, func(l ids, c chat.Chat) bool { return c.Customer.Phone == "2"+l.id }},
		{"a phone number of the other", nil, func(l ids) { phone(l.other, 1) }, func(l ids, c chat.Chat) bool { return c.Customer.Phone == "1"+l.other }},
		{"a newer phone number of the survivor", func(l ids) { phone(l.id, 1); phone(l.other, 2) }, func(l ids) { phone(l.id, 3) }, func(l ids, c chat.Chat) bool { return c.Customer.Phone == "3"+l.id }},
		{"a newer phone number of the other", func(l ids) { phone(l.other, 1) }, func(l ids) { phone(l.other, 2) }, func(l ids, c chat.Chat) bool { return c.Customer.Phone == "2"+l.other }},
		{"an alias of the other becomes a third's", func(l ids) { phone(l.other, 1); phone(l.other, 2) }, func(l ids) {
			third := s.chat(s.comes(l.user+".third", 2))
			s.must(s.store.Show(ctx, third, s.showing(alias(l.other, 1), "1"+l.other, s.key(3).Beside(), third.ID)))
		}, func(l ids, c chat.Chat) bool { return s.leads(alias(l.other, 1)) != c.ID }},
		{"the other's name changes", func(l ids) { gives(l.id, l.other); edits(l.other, chat.Edit{Name: new("Zoe")}) },
			func(l ids) { edits(l.other, chat.Edit{Name: new("Zoë")}) }, func(_ ids, c chat.Chat) bool { return c.Customer.Name == "Zoë" }},
		{"the other's tags change", func(l ids) { gives(l.id, l.other); edits(l.other, chat.Edit{Tags: new([]string{"vip"})}) },
			func(l ids) { edits(l.other, chat.Edit{Tags: new([]string{"big"})}) }, func(_ ids, c chat.Chat) bool { return c.Customer.Tags[0] == "big" }},
		{"the survivor's tags change", func(l ids) {
			gives(l.id, l.other)
			edits(l.id, chat.Edit{Tags: new([]string{"a"})})
			edits(l.other, chat.Edit{Tags: new([]string{"b"})})
		}, func(l ids) { edits(l.id, chat.Edit{Tags: new([]string{"c"})}) }, func(_ ids, c chat.Chat) bool { return len(c.Customer.Tags) == 2 }},
		{"the other's language is not by hand any more", func(l ids) { gives(l.id, l.other); edits(l.other, chat.Edit{Language: new("ar")}) },
			func(l ids) { edits(l.other, chat.Edit{Language: new(assign.Unknown)}) }, func(_ ids, c chat.Chat) bool { return !c.Customer.ByHand }},
		{"the survivor's language is said", func(l ids) { gives(l.id, l.other); edits(l.other, chat.Edit{Language: new("ar")}) },
			func(l ids) { edits(l.id, chat.Edit{Language: new("ar")}) }, nil},
		{"the survivor's language changes", func(l ids) { gives(l.id, l.other); edits(l.other, chat.Edit{Language: new("fr")}) },
			func(l ids) { edits(l.id, chat.Edit{Language: new("es")}) }, func(_ ids, c chat.Chat) bool { return c.Customer.Language == "es" }},
		{"the survivor's customer takes a username", func(l ids) { says(l.other, username(l.other, 2)) }, func(l ids) { says(l.id, username(l.id, 5)) },
			func(_ ids, c chat.Chat) bool { return c.Customer.Username == "name5" }},
		{"the survivor's customer names themselves", func(l ids) { says(l.other, profile(l.other, 2)) }, func(l ids) { says(l.id, profile(l.id, 5)) },
			func(_ ids, c chat.Chat) bool { return c.Customer.Profile == "Name 5" }},
		{"the other is told ahead", nil, func(l ids) { ahead(l.other, 1) }, func(_ ids, c chat.Chat) bool { return c.Ahead.Equal(s.hours(1)) }},
		{"the other is told further ahead", func(l ids) { ahead(l.other, 1) }, func(l ids) { ahead(l.other, 2) },
			func(_ ids, c chat.Chat) bool { return c.Ahead.Equal(s.hours(2)) }},
		{"the survivor is told further ahead", func(l ids) { ahead(l.other, 1) }, func(l ids) { ahead(l.id, 2) },
			func(_ ids, c chat.Chat) bool { return c.Ahead.Equal(s.hours(2)) }},
		{"a newer reply in the survivor", func(l ids) { gives(l.id, l.other); replies(l.other, 0) }, func(l ids) { replies(l.id, time.Minute) },
			func(_ ids, c chat.Chat) bool { return c.Preview.Text == "in 1m0s" }},
	} {
		u := fmt.Sprint("US.", i)
		l := ids{user: u, id: s.comes(u, 4), other: s.comes(u+".other", 1)}
		if row.before != nil {
			row.before(l)
		}
		a, b := s.chat(l.other), s.chat(l.id)
		store := s.between(func() { row.between(l) })
		if _, err := store.Merge(ctx, a, b, "", []string{alias(l.other, 1)}, dynamo.Now()); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s: merged as it was before (%v)", row.what, err)
			continue
		}
		s.merge(l.id, l.other)
		if c := s.goingOn(l.id); row.want != nil && !row.want(l, c) {
			t.Errorf("%s: it became %+v", row.what, c)
		}
		s.thins(s.goingOn(l.id).ID)
	}
	s.checked()
}
