package dynamo

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/costs/units"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// counted is a store whose requests are counted.
func counted(t *testing.T) (*Store, *units.Meter) {
	t.Helper()
	tables, db := serverstest.Tables(t), serverstest.DynamoDB(t)
	m := units.New(db)
	client := dynamodb.New(db.Options(), func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: m.By("test", http.DefaultTransport)}
	})
	return New(client, tables["ChatsTable"], tables["TeamTable"]), m
}

// large is a person with everything as large as it may be.
func large(id string) team.Person {
	return team.Person{ID: id, Name: strings.Repeat("n", 60), Email: id + strings.Repeat("e", 60) + "@example.com", Role: team.Agent, Active: true,
		Availability: team.Online, Limit: team.NoLimit, Weight: 1, Teams: []string{"customer-support", "arabic"}, Languages: []string{"ar", "en"}}
}

// The budgets of what people do, with everything as large as it may be (a note is not counted).
func TestWriteUnits(t *testing.T) {
	t.Parallel()
	s, m := counted(t)
	ctx, now := t.Context(), Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"alex", "amira", "bruno"} {
		p := large(id)
		if id == "alex" {
			p.Role = team.Admin
		}
		must(s.AddPerson(ctx, p, now.Add(-time.Hour)))
	}
	secret := chat.Secret("s")
	key := secret.Key(now.Unix()-60, "wamid")
	c := chat.Chat{ID: secret.UserAddress("100000000000001", "US.13491208655302741918"), Number: "100000000000001",
		Customer: chat.Customer{UserID: "US.13491208655302741918", Phone: "971501234567890", Username: strings.Repeat("u", 35),
			Profile: strings.Repeat("ع", 20), Name: strings.Repeat("n", 40), Language: "ar", Country: "AE", Tags: []string{"vip-customer", "wholesale"}}}
	message := chat.Message{Key: key, WAMID: "wamid", Direction: chat.In, Type: "text", Text: "hello", Arrived: now}
	must(s.Commit(ctx, c.Opens(now, c.Place(message, builtIn, 0, team.Settings{}, now), chat.Arrival{Message: message, Preview: strings.Repeat("p", 80)})))
	for i := range chat.MaxUnread + 4 {
		k := secret.Key(now.Unix()-50+int64(i), "m"+string(rune('A'+i)))
		_, err := s.Deliver(ctx, c.ID, chat.Arrival{Message: chat.Message{Key: k}, Preview: strings.Repeat("p", 80)})
		must(err)
	}
	by := func(id string) chat.Actor {
		return chat.Actor{Kind: chat.ByPerson, ID: id, Name: strings.Repeat("n", 60)}
	}
	act := func(person, other string, become func(chat.Chat) chat.Change) func() error {
		return func() error {
			_, err := s.Act(ctx, c.ID, []string{person, other}, func(c chat.Chat, _ Cast) (*chat.Change, error) {
				change := become(c)
				return &change, nil
			})
			return err
		}
	}
	gives := func(person, to string) func() error {
		return act(person, to, func(c chat.Chat) chat.Change { return c.Reassigned(now, by(person), to, "") })
	}
	replies := func(once *Once) func() error {
		return func() error {
			_, err := s.Reply(ctx, c.ID, "amira", once, now, strings.Repeat("p", 72), func(c chat.Chat, _ team.Person) (chat.Message, error) {
				return c.Replies(now, "amira", chat.NewKey(now), chat.Message{Type: "text", Text: strings.Repeat("t", 600)})
			})
			return err
		}
	}
	for _, step := range []struct {
		what string
		do   func() error
		most int
	}{
		{"an Admin gives a waiting Chat away", gives("alex", "amira"), 16},
		{"a reply with a key", replies(&Once{Person: "amira", Key: strings.Repeat("k", 255), Digest: make([]byte, 32)}), 8},
		{"a reply without a key", replies(nil), 6},
		{"an Admin gives it to another", gives("alex", "bruno"), 16},
		{"its Assignee gives it to another", gives("bruno", "amira"), 16},
		{"its Assignee closes it", act("amira", "", func(c chat.Chat) chat.Change { return c.Closes(now, by("amira")) }), 12},
		{"an Admin gives the closed Chat away", gives("alex", "bruno"), 16},
		{"its Assignee opens it again", act("bruno", "", func(c chat.Chat) chat.Change { return c.OpensAgain(now, by("bruno")) }), 12},
		{"an Admin passes it to a team", act("alex", "", func(c chat.Chat) chat.Change { return c.PassedTo(now, by("alex"), "customer-support", "") }), 16},
		{"and gives it away", gives("alex", "bruno"), 16},
		{"an Admin takes over", gives("alex", "alex"), 16},
	} {
		_, err := m.Take()
		must(err)
		now = now.Add(time.Second)
		must(step.do())
		took, err := m.Take()
		must(err)
		n, calls := 0, 0
		for call, count := range took {
			if n += int(count.Writes); call.Operation == "TransactWriteItems" {
				calls += count.Requests
			}
		}
		t.Logf("%s: %d units", step.what, n)
		if n > step.most || n == 0 || calls != 1 {
			t.Errorf("%s: %d units in %d transactions, want at most %d in one", step.what, n, calls, step.most)
		}
	}
}

// The budgets of the fast path, with everything as large as it may be: a new Chat with its owner 14, a Chat opened again
// with its owner 13, of which one is for the username, or
// the refused update of the ordinary path.
func TestWriteUnitsOfOpening(t *testing.T) {
	t.Parallel()
	s, m := counted(t)
	ctx, now := t.Context(), Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"amira", "bruno"} {
		must(s.AddPerson(ctx, large(id), now.Add(-time.Hour)))
	}
	secret := chat.Secret("s")
	c := chat.Chat{ID: secret.UserAddress("100000000000001", "US.13491208655302741918"), Number: "100000000000001",
		Customer: chat.Customer{UserID: "US.13491208655302741918", Phone: "971501234567890", PhoneSince: secret.Key(now.Unix(), "1").Beside(),
			Profile: strings.Repeat("ع", 20), Language: "ar", Country: "AE"}}
	opens := func(n int, links ...chat.Link) {
		t.Helper()
		now = now.Add(time.Second)
		message := chat.Message{Key: secret.Key(now.Unix(), "wamid"), WAMID: "wamid." + strings.Repeat("A", 60), Direction: chat.In, Type: "text", Text: strings.Repeat("t", 600), Arrived: now}
		placed := c.Place(message, builtIn, 0, team.Settings{}, now)
		r, err := s.Roster(ctx)
		must(err)
		choice := r.Choose(assign.Want{Pool: placed.Routing.Pool, Strategy: placed.Routing.Strategy}, now)
		auto := chat.Auto{Person: *choice.Person, Pool: placed.Routing.Pool, Now: now, At: choice.AssignedAt}
		change := c.OpensFor(now, placed, chat.Arrival{Message: message, Preview: strings.Repeat("p", 80)}, auto, choice)
		change.Links = links
		_, err = m.Take()
		must(err)
		must(s.Commit(ctx, change))
		took, err := m.Take()
		must(err)
		writes := 0
		for _, count := range took {
			writes += int(count.Writes)
		}
		read, err := s.Chat(ctx, c.ID)
		must(err)
		t.Logf("%s for %s: %d units", change.Event.Type, read.Owner, writes)
		if c = *read; c.Owner != choice.Person.ID || writes > n || writes == 0 {
			t.Errorf("%s for %s: %d units, want at most %d", change.Event.Type, c.Owner, writes, n)
		}
	}
	opens(14-1, chat.Link{Address: secret.PhoneAddress(c.Number, c.Customer.Phone), Since: c.Customer.PhoneSince})
	must(s.Commit(ctx, c.Closes(now, chat.Actor{Kind: chat.ByPerson, ID: c.Owner})))
	closed, err := s.Chat(ctx, c.ID)
	must(err)
	c = *closed
	opens(13 - 1)
}

// What a merger costs, with everything as large as it may be: two Chats, an event of each, an alias; and what ends with the
// other or begins with the one that goes on: a load, waiting entries.
func TestWriteUnitsOfMerging(t *testing.T) {
	t.Parallel()
	s, m := counted(t)
	ctx, now, secret := t.Context(), Now(), chat.Secret("s")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"amira", "bruno"} {
		must(s.AddPerson(ctx, large(id), now.Add(-time.Hour)))
	}
	const number = "100000000000001"
	opens := func(id string, customer chat.Customer, minute int, state string) chat.Chat {
		t.Helper()
		customer.Profile, customer.Language, customer.Country = strings.Repeat("ع", 20), "ar", "AE"
		customer.Name, customer.Tags = strings.Repeat("n", 40), []string{"vip-customer", "wholesale"}
		in := chat.Message{Key: secret.Key(now.Unix()+int64(60*minute), id), WAMID: id, Direction: chat.In, Type: "text", Text: "hello", Arrived: now}
		c := chat.Chat{ID: id, Number: number, Customer: customer}
		must(s.Commit(ctx, c.Opens(now, c.Place(in, builtIn, 0, team.Settings{}, now), chat.Arrival{Message: in, Preview: strings.Repeat("p", 80)})))
		for i := range chat.MaxUnread / 2 {
			_, err := s.Deliver(ctx, id, chat.Arrival{Message: chat.Message{Key: secret.Key(now.Unix()+int64(60*minute+i+1), id)}, Preview: strings.Repeat("p", 80)})
			must(err)
		}
		if state != "waits" {
			_, err := s.Update(ctx, id, func(c chat.Chat) (*chat.Change, error) {
				change := c.Reassigned(now, chat.System, map[string]string{"open": "amira", "closed": "bruno"}[state], "")
				return &change, nil
			})
			must(err)
		}
		if state == "closed" {
			_, err := s.Update(ctx, id, func(c chat.Chat) (*chat.Change, error) {
				change := c.Closes(now, chat.System)
				return &change, nil
			})
			must(err)
		}
		read, err := s.Chat(ctx, id)
		must(err)
		return *read
	}
	for i, test := range []struct {
		other, survivor string
		most            int
	}{
		{"open", "open", 16}, {"closed", "open", 12}, {"waits", "open", 13}, {"open", "closed", 21}, {"closed", "closed", 12}, {"waits", "waits", 15}, {"waits", "closed", 18},
	} {
		phone, user := fmt.Sprintf("97150123456%04d", i), fmt.Sprintf("US.1349120865530274%04d", i)
		o := opens(fmt.Sprint("phone-chat-of-22-chars", i), chat.Customer{Phone: phone, PhoneSince: secret.Key(now.Unix(), "p").Beside()}, 0, test.other)
		must(s.Link(ctx, o, chat.Link{Address: secret.PhoneAddress(number, phone), Since: secret.Key(now.Unix(), "p").Beside()}, chat.Identities{}))
		v := opens(secret.UserAddress(number, user), chat.Customer{UserID: user}, 2, test.survivor)
		_, err := m.Take()
		must(err)
		merged, err := s.Merge(ctx, o, v, "", []string{secret.PhoneAddress(number, phone), v.ID}, now)
		must(err)
		took, err := m.Take()
		must(err)
		n := 0
		for _, count := range took {
			n += int(count.Writes)
		}
		t.Logf("one that %s goes into one that %s: %d units", test.other, test.survivor, n)
		if !merged || n > test.most || n == 0 {
			t.Errorf("one that %s goes into one that %s: %d units, want at most %d", test.other, test.survivor, n, test.most)
		}
	}
}
