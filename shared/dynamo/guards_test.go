package dynamo

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
)

// No attribute of a Chat can be written without a guard: the table has all of them but those that no write alters.
func TestEveryAttributeOfAChatIsGuarded(t *testing.T) {
	t.Parallel()
	never := map[string]string{
		"pk": "key", "sk": "key", "num": "a Chat is of one business number for good",
		"to": "of an alias", "since": "of an alias", "hs": "of an alias", "lf": "of an alias", "n": "of an alias",
	}
	left := sortedKeys(guards)
	for field := range reflect.TypeFor[chatItem]().Fields() {
		attribute, _, _ := strings.Cut(field.Tag.Get("dynamodbav"), ",")
		left = slices.DeleteFunc(left, func(a string) bool { return a == attribute })
		if _, guarded := guards[attribute]; !guarded && never[attribute] == "" {
			t.Errorf("%s (%s) has no guard", attribute, field.Name)
		}
	}
	if len(left) > 0 {
		t.Errorf("guards of attributes that there are not: %v", left)
	}
	for attribute, g := range guards {
		for _, leader := range g.with {
			if guards[leader].by != byOrder {
				t.Errorf("%s relies on %s, which has no order", attribute, leader)
			}
		}
	}
}

// one way in which a write alters a Chat.
type alteration struct {
	what   string
	write  func(c *chat.Chat)
	stands func(c chat.Chat) bool // what the write said is in the Chat, or something newer of the same kind
}

// Two writes from one reading of a Chat: the second is refused, or nothing of the first is lost.
func TestTwoWritesFromOneReading(t *testing.T) {
	t.Parallel()
	tables := serverstest.Tables(t)
	s := New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])
	ctx, at := t.Context(), time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	secret := chat.Secret("a secret of tests")
	key := func(n int) chat.Key { return secret.Key(at.Unix()+int64(n), fmt.Sprint(n)) }
	var full []chat.Mark
	for n := range chat.MaxUnread {
		full = append(full, key(-100-n).Mark())
	}
	marked := func(c chat.Chat, n int) bool { return slices.Contains(c.Unread, key(n).Mark()) }
	arrival := func(n int) chat.Arrival {
		return chat.Arrival{Preview: fmt.Sprint("text ", n), Username: fmt.Sprint("user", n), Profile: fmt.Sprint("Name ", n),
			Message: chat.Message{Key: key(n), Direction: chat.In, Arrived: key(n).Time()}}
	}
	own := func(owner string) func(c *chat.Chat) {
		return func(c *chat.Chat) {
			c.Owner, c.Epoch, c.OwnerEpoch = owner, c.Epoch+1, c.Epoch+1
			c.Pools, c.WaitingSince = nil, time.Time{}
		}
	}
	phone := func(n int, number string) func(c *chat.Chat) {
		return func(c *chat.Chat) { c.Customer.Phone, c.Customer.PhoneSince = number, key(n).Beside() }
	}
	edit := func(e chat.Edit) func(c *chat.Chat) { return func(c *chat.Chat) { *c = c.Edited(e) } }
	alterations := []alteration{
		{"a message", func(c *chat.Chat) { *c = c.Receives(arrival(10)) },
			func(c chat.Chat) bool {
				return !c.LastIn.Before(key(10)) && !c.Preview.At.Before(arrival(10).Message.Moment()) &&
					(marked(c, 10) || !c.More.Before(key(10))) && c.Customer.Username >= "user10" && c.Customer.Profile >= "Name 10"
			}},
		{"a newer message", func(c *chat.Chat) { *c = c.Receives(arrival(20)) },
			func(c chat.Chat) bool {
				return c.LastIn == key(20) && c.Preview.Text == "text 20" && (marked(c, 20) || !c.More.Before(key(20))) && c.Customer.Username == "user20"
			}},
		{"an echo", func(c *chat.Chat) {
			a := arrival(15)
			a.Message.Direction = chat.Out
			*c = c.Keeps(a, false)
		}, func(c chat.Chat) bool { return !c.Preview.At.Before(arrival(15).Message.Moment()) }},
		{"a reading", func(c *chat.Chat) { *c = c.Reads([]chat.Key{key(0)}) }, func(c chat.Chat) bool { return !marked(c, 0) }},
		{"a reading of all", func(c *chat.Chat) { *c = c.Reads([]chat.Key{key(0), key(-100), key(5)}) },
			func(c chat.Chat) bool { return !marked(c, 0) && c.More != key(5) }},
		{"an owner", own("amira"), func(c chat.Chat) bool { return c.Owner == "amira" }},
		{"another owner", own("bruno"), func(c chat.Chat) bool { return c.Owner == "bruno" }},
		{"a routing", func(c *chat.Chat) { c.Routed, c.RulesVersion, c.Pools = 2, 2, []string{"team:sales"} }, func(c chat.Chat) bool { return c.Routed == 2 }},
		{"a further pool", func(c *chat.Chat) { c.Pools = append(c.Pools, "team:zoo") }, func(c chat.Chat) bool { return slices.Contains(c.Pools, "team:zoo") }},
		{"a name", edit(chat.Edit{Name: new("Zoë")}), func(c chat.Chat) bool { return c.Customer.Name == "Zoë" }},
		{"no name", edit(chat.Edit{Name: new("")}), func(c chat.Chat) bool { return c.Customer.Name == "" }},
		{"a language", edit(chat.Edit{Language: new("fr")}), func(c chat.Chat) bool { return c.Customer.Language == "fr" && c.Customer.ByHand }},
		{"the language that was guessed, said by a person", edit(chat.Edit{Language: new("ar")}), func(c chat.Chat) bool { return c.Customer.ByHand && c.Customer.Language == "ar" }},
		{"another guess of the language", func(c *chat.Chat) { c.Customer.Language = "de" }, func(c chat.Chat) bool { return c.Customer.Language == "de" }},
		{"tags", edit(chat.Edit{Tags: new([]string{"vip"})}), func(c chat.Chat) bool { return slices.Equal(c.Customer.Tags, []string{"vip"}) }},
		{"other tags", edit(chat.Edit{Tags: new([]string{"big"})}), func(c chat.Chat) bool { return slices.Equal(c.Customer.Tags, []string{"big"}) }},
		{"no tags", edit(chat.Edit{Tags: new([]string{})}), func(c chat.Chat) bool { return len(c.Customer.Tags) == 0 }},
		{"a country", func(c *chat.Chat) { c.Customer.Country = "AE" }, func(c chat.Chat) bool { return c.Customer.Country == "AE" }},
		{"a user id", func(c *chat.Chat) { c.Customer.UserID = "US.2" }, func(c chat.Chat) bool { return c.Customer.UserID == "US.2" }},
		{"another user id", func(c *chat.Chat) { c.Customer.UserID = "US.3" }, func(c chat.Chat) bool { return c.Customer.UserID == "US.3" }},
		{"a phone number", phone(10, "971501234567"), func(c chat.Chat) bool { return c.Customer.PhoneSince >= key(10).Beside() }},
		{"a newer phone number", phone(20, "971501234568"), func(c chat.Chat) bool { return c.Customer.Phone == "971501234568" }},
		{"no phone number", phone(0, ""), func(c chat.Chat) bool { return c.Customer.Phone != "971501234560" }},
	}
	alterations[len(alterations)-1].write = func(c *chat.Chat) { c.Customer.Phone = "" }
	n := 0
	for _, unread := range []int{1, chat.MaxUnread - 1, chat.MaxUnread} {
		for _, first := range alterations {
			for _, second := range alterations {
				n++
				c := chat.Chat{ID: fmt.Sprint("chat-", n), Number: "100000000000001",
					Customer: chat.Customer{UserID: "US.1", Phone: "971501234560", PhoneSince: key(0).Beside(), Username: "user0", Profile: "Name 0", Name: "Zoe",
						Language: "ar", Country: assign.Unknown, Tags: []string{"old"}},
					Ownership: chat.Ownership{Status: chat.Open, Epoch: 1, OwnerEpoch: 1, OpenedAt: at, Pools: []string{"team:support"}, WaitingSince: at,
						Priority: assign.Normal, RulesVersion: 1, Routed: 1},
					Inbox: chat.Inbox{LastIn: key(0), Unread: []chat.Mark{key(0).Mark()}, Preview: chat.Preview{At: arrival(0).Message.Moment(), Direction: chat.In, Text: "text 0"}}}
				c.Unread = append(c.Unread, full[1:unread]...)
				if unread == chat.MaxUnread {
					c.More = key(5)
				}
				if err := s.put(ctx, newChatItem(c), absent()); err != nil {
					t.Fatal(err)
				}
				one, two := c, c
				first.write(&one)
				second.write(&two)
				if _, err := s.updateChat(ctx, c, one, 0); err != nil {
					t.Fatalf("%s: %v", first.what, err)
				}
				_, err := s.updateChat(ctx, c, two, 0)
				if err != nil && !errors.Is(err, ErrRefused) {
					t.Fatalf("%s after %s: %v", second.what, first.what, err)
				}
				stored, problem := s.Chat(ctx, c.ID)
				if problem != nil {
					t.Fatal(problem)
				}
				what := fmt.Sprintf("%s, then %s from the same reading (%d unread, refused: %t)", first.what, second.what, unread, err != nil)
				if !first.stands(*stored) && first.what != second.what {
					t.Errorf("%s: the first is lost: %+v", what, *stored)
				}
				if err == nil && !second.stands(*stored) {
					t.Errorf("%s: the second is not there: %+v", what, *stored)
				}
				if len(stored.Unread) > chat.MaxUnread {
					t.Errorf("%s: %d unread marks", what, len(stored.Unread))
				}
			}
		}
	}
}

// What is empty is absent, whatever made it empty: nothing stored has a NULL.
func TestNothingStoredIsNull(t *testing.T) {
	t.Parallel()
	item, err := marshal(newChatItem(chat.Chat{ID: "chat", Number: "1", From: []string{},
		Customer: chat.Customer{Tags: []string{}}, Ownership: chat.Ownership{Status: chat.Open, Owner: "amira", Pools: []string{}}, Inbox: chat.Inbox{Unread: []chat.Mark{}}}))
	if err != nil {
		t.Fatal(err)
	}
	for _, attribute := range []string{"fr", "tg", "po", "ur"} {
		if item[attribute] != nil {
			t.Errorf("%s is %#v", attribute, item[attribute])
		}
	}
	before := chat.Chat{ID: "chat", Number: "1"}
	after := before
	after.Customer.Tags = []string{}
	if !written(before, after, 0).empty() {
		t.Error("an empty list of tags is written where there was none")
	}
}
