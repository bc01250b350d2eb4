package dynamo

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// A merge holds only while both Chats are as they were read, down to what no epoch tells. Each row changes one thing after
// the reading; the merge is refused, and done with what is read then.
func TestMergeHoldsWhileAsRead(t *testing.T) {
	t.Parallel()
	tables := serverstest.Tables(t)
	s := New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])
	ctx, now, secret := t.Context(), Now(), chat.Secret("s")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.AddPerson(ctx, team.Person{ID: "dan", Name: "dan", Role: team.Agent, Active: true, Availability: team.Online, Limit: team.NoLimit}, now))
	message := func(n int) chat.Message {
		k := secret.Key(now.Unix()-600+int64(n), fmt.Sprint("m", n))
		return chat.Message{Key: k, WAMID: fmt.Sprintf("wamid.%d", n), Direction: chat.In, Type: "text", Text: "hello", Arrived: now}
	}
	read := func(id string) chat.Chat {
		c, err := s.Chat(ctx, id)
		must(err)
		return *c
	}
	number := 0
	opens := func(id string, customer chat.Customer, address string) {
		number++
		in := message(number)
		if customer.Phone != "" {
			customer.PhoneSince = in.Key.Beside()
		}
		c := chat.Chat{ID: id, Number: "100000000000001", Customer: customer}
		change := c.Opens(now, c.Place(in, builtIn, 0, team.Settings{}, now), chat.Arrival{Message: in, Preview: "hello"})
		change.Links = []chat.Link{{Address: address, Since: in.Key.Beside()}}
		must(s.Commit(ctx, change))
	}
	writes := func(id string) {
		number++
		in := message(number)
		_, err := s.Deliver(ctx, id, chat.Arrival{Message: in, Preview: "more"})
		must(err)
		must(s.PutMessage(ctx, id, in))
	}
	gives := func(id string) {
		_, err := s.Update(ctx, id, func(c chat.Chat) (*chat.Change, error) {
			change := c.Reassigned(now, chat.System, "dan", "")
			return &change, nil
		})
		must(err)
	}
	edits := func(id string, e chat.Edit) {
		_, err := s.EditCustomer(ctx, id, "dan", now, func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) { return e, nil, nil })
		must(err)
	}
	reads := func(id string) {
		_, err := s.Read(ctx, id, "dan", []chat.Key{read(id).LastIn}, func(chat.Chat) error { return nil })
		must(err)
	}
	for i, row := range []struct {
		what    string
		before  func(survivor, other string)
		between func(survivor, other string)
	}{
		{"the other is given away", nil, func(_, o string) { gives(o) }},
		{"the survivor is given away", nil, func(s, _ string) { gives(s) }},
		{"the customer writes to the other", func(_, o string) { gives(o) }, func(_, o string) { writes(o) }},
		{"the other is read", func(_, o string) { gives(o) }, func(_, o string) { reads(o) }},
		{"something unread comes late to the other", nil, func(_, o string) {
			late := message(-1 - len(o))
			late.Key = secret.Key(now.Unix()-900, "late"+o)
			late.WAMID = "late" + o
			must(s.Late(ctx, read(o), chat.Arrival{Message: late, Preview: "hello"}))
		}},
		{"a reply of the other's Assignee", func(_, o string) { gives(o) }, func(_, o string) {
			_, err := s.Reply(ctx, o, "dan", nil, now, "hello", func(c chat.Chat, _ team.Person) (chat.Message, error) {
				return c.Replies(now, "dan", chat.NewKey(now), chat.Message{Type: "text", Text: "hello"})
			})
			must(err)
		}},
		{"another phone number of the other", nil, func(_, o string) {
			must(s.Link(ctx, read(o), chat.Link{Address: "p2" + o, Since: message(5000).Key.Beside()}, chat.Identities{Phone: "2" + o}))
		}},
		{"a user id of the other", nil, func(_, o string) {
			must(s.Link(ctx, read(o), chat.Link{Address: "u2" + o, Since: message(5000).Key.Beside()}, chat.Identities{UserID: "US.2" + o}))
		}},
		{"a phone number of the survivor", nil, func(s2, _ string) {
			must(s.Link(ctx, read(s2), chat.Link{Address: "p3" + s2, Since: message(5000).Key.Beside()}, chat.Identities{Phone: "3" + s2}))
		}},
		{"the other's customer gets a name", func(_, o string) { gives(o) }, func(_, o string) { edits(o, chat.Edit{Name: new("VIP")}) }},
		{"the other's customer gets a tag", func(_, o string) { gives(o) }, func(_, o string) { edits(o, chat.Edit{Tags: new([]string{"vip"})}) }},
		{"the other's customer gets a language", func(_, o string) { gives(o) }, func(_, o string) { edits(o, chat.Edit{Language: new("fr")}) }},
		{"people confirm the other's language", func(_, o string) { gives(o) }, func(_, o string) { edits(o, chat.Edit{Language: new("en")}) }},
		{"the survivor's customer gets a name, as the other's has", func(s, o string) { gives(s); gives(o); edits(o, chat.Edit{Name: new("VIP")}) },
			func(s, _ string) { edits(s, chat.Edit{Name: new("Zoë")}) }},
		{"the survivor's customer gets a tag, as the other's has", func(s, o string) { gives(s); gives(o); edits(o, chat.Edit{Tags: new([]string{"vip"})}) },
			func(s, _ string) { edits(s, chat.Edit{Tags: new([]string{"big"})}) }},
	} {
		other, survivor := fmt.Sprint("other-", i), fmt.Sprint("survivor-", i)
		opens(other, chat.Customer{Phone: "1" + other, Language: "en"}, "p"+other)
		opens(survivor, chat.Customer{UserID: "US." + survivor, Language: "en"}, "u"+survivor)
		if row.before != nil {
			row.before(survivor, other)
		}
		a, b := read(other), read(survivor)
		row.between(survivor, other)
		if _, err := s.Merge(ctx, a, b, "", []string{"p" + other}, now); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: merged as it was before: %v", row.what, err)
			continue
		}
		if merged, err := s.Merge(ctx, read(other), read(survivor), "", []string{"p" + other}, now.Add(time.Millisecond)); err != nil || !merged {
			t.Errorf("%s: %v", row.what, err)
		}
	}
	all, err := s.Snapshot(ctx)
	must(err)
	for _, b := range invariant.Check(all) {
		t.Error(b)
	}
}
