package dynamo

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/costs/units"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Chats, people, history and waiting entries stay within 1 KB, the unit that AWS bills, at the limits of what they may
// hold: so the write units of every transaction are known beforehand.
func TestItemsStayWithinOneKilobyte(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	secret := chat.Secret("s")
	id := secret.UserAddress("100000000000001", "US.13491208655302741918")
	var tags []string
	for i := range assign.MaxTags {
		tags = append(tags, fmt.Sprintf("%0*d", chat.MaxTags/assign.MaxTags, i))
	}
	c := chat.Chat{ID: id, Number: "100000000000001",
		Customer: chat.Customer{UserID: "US.13491208655302741918", Phone: "971501234567890", PhoneSince: secret.Key(at.Unix(), "x").Beside(), Username: strings.Repeat("u", 35),
			Profile: strings.Repeat("ع", 36), Name: strings.Repeat("n", chat.MaxName), Language: "ar", ByHand: true, Country: "AE", Tags: tags},
		Ownership: chat.Ownership{Status: chat.Open, Epoch: 1234, OwnerEpoch: 1234, OpenedAt: at,
			Pools: []string{"team:customer-support;languages=ar,en"}, WaitingSince: at, Priority: assign.Normal, RulesVersion: 1234, Routed: 1234},
		Inbox: chat.Inbox{LastIn: secret.Key(at.Unix(), "x"), More: secret.Key(at.Unix(), "y"), Ahead: at,
			Preview: chat.Preview{At: chat.MomentOf(secret.Key(at.Unix(), "x"), at), Direction: chat.Out, Text: strings.Repeat("ع", 36)}},
	}
	for i := range chat.MaxUnread {
		c.Unread = append(c.Unread, secret.Key(int64(i), "m").Mark())
	}
	decision := assign.Decision{RulesVersion: 1234, RuleID: strings.Repeat("r", 32), RuleName: strings.Repeat("n", 80), Pool: c.Pools[0],
		Strategy: assign.LeastLoaded, Priority: assign.Normal, WaitingSince: at.UnixMilli()}
	var people []team.Person
	for i := range 20 {
		people = append(people, team.Person{ID: strings.Repeat("p", 19) + string(rune('a'+i)), Name: strings.Repeat("Name ", 10), Role: team.Agent,
			Active: true, Availability: team.Online, OpenChats: i, Limit: 1000, Teams: []string{"customer-support"}, Languages: []string{"ar", "en"}})
	}
	pool, err := assign.ParsePool(c.Pools[0])
	if err != nil {
		t.Fatal(err)
	}
	want := assign.Want{Pool: pool, Strategy: assign.LeastLoaded}
	choice := assign.Choose(want, people, at)
	assigned := c.Assigned(at, chat.Auto{Person: *choice.Person, Pool: pool, Now: at, At: at}, decision.With(choice))
	person := people[0]
	person.AssignedAt, person.Turn, person.Weight, person.Changed = at, 1<<62, 10_000, 1<<40
	person.Email = strings.Repeat("e", 60) + "@example.com"
	history, err := newHistoryItem(id, assigned.Event)
	if err != nil {
		t.Fatal(err)
	}
	want.Strategy, want.Prefer = assign.Weighted, people[19].ID // the longest reasons
	decision.Strategy = want.Strategy
	preferred, err := newHistoryItem(id, c.Assigned(at, chat.Auto{Person: people[19]}, decision.With(assign.Choose(want, people, at))).Event)
	if err != nil {
		t.Fatal(err)
	}
	closed := c
	closed.Status, closed.Owner, closed.Pools = chat.Closed, people[1].ID, nil
	placed := chat.Placed{Routing: assign.Routing{RuleID: decision.RuleID, RuleName: decision.RuleName, Pool: pool, Strategy: assign.LeastLoaded, Priority: assign.Normal},
		RulesVersion: 1234, Message: c.LastIn, Input: assign.Input{Language: "ar", Country: "AE", PhonePrefix: "971501", BusinessNumber: c.Number, Department: "customer-support",
			MessageType: "interactive", ReplyID: strings.Repeat("r", 256), AdSource: strings.Repeat("a", 64), Tags: tags, Customer: assign.ReturningCustomer, OpenedBy: assign.Reopened}}
	direct := closed.OpensFor(at, placed, chat.Arrival{Message: chat.Message{Key: c.LastIn}}, chat.Auto{Person: *choice.Person, Pool: pool, Now: at, At: at}, choice)
	opening, err := newHistoryItem(id, direct.Event)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(opening.Decision); n > assign.MaxDecision {
		t.Errorf("the decision of a direct opening has %d bytes", n)
	}
	text := chat.Message{Key: c.LastIn, WAMID: "wamid." + strings.Repeat("A", 90), Direction: chat.In, Type: "text",
		Text: strings.Repeat("t", 600), Arrived: at}
	reply, err := c.Replies(at, people[0].ID, chat.NewKey(at), chat.Message{Type: "text", Text: strings.Repeat("t", 600), Quoted: text.WAMID})
	if err != nil {
		t.Fatal(err)
	}
	owned := assigned.After
	ended := owned.Closes(at, chat.System).After
	joined := func(n int) chat.Chat {
		c := c
		for i := range n {
			c.From = append(c.From, secret.UserAddress(c.Number, fmt.Sprint(i)))
		}
		return c
	}
	full := chat.Alias{}
	for i := range chat.MaxHolders {
		full.Holders = append(full.Holders, chat.Holder{Chat: secret.UserAddress(c.Number, fmt.Sprint(i)), Since: c.LastIn.Told()})
	}
	alias := aliasOf(full)
	alias.PK, alias.SK, alias.Version = chatPK(id), selfSK, 1<<40
	for name, it := range map[string]any{
		"a waiting Chat with everything, two Chats behind it": newChatItem(joined(2)),
		"a waiting Chat with everything":                      newChatItem(c),
		"an owned Chat with everything":                       newChatItem(owned),
		"a closed Chat with everything":                       newChatItem(ended),
		"history with eight candidates":                       history,
		"history of a preference":                             preferred,
		"history of a direct opening":                         opening,
		"a person":                                            newPersonItem(person, at),
		"a waiting entry": newEntryItem(chat.Entry{Chat: id, Pool: c.Pools[0], Priority: assign.Normal, Since: at, Strategy: assign.LeastLoaded, RuleID: decision.RuleID, RuleName: decision.RuleName, RulesVersion: 1, Routed: 1, Epoch: 1, Message: c.LastIn,
			Prefer: people[0].ID, Previous: chat.Previous{Person: people[0].ID, Until: at}, Because: assign.OnlineAtCapacity, Unarmed: true}),
		"a text of 600 bytes":                         newMessageItem(id, text),
		"a reply of 600 bytes":                        newMessageItem(id, reply),
		"a known Idempotency-Key":                     onceItem{PK: oncePK(people[0].ID, strings.Repeat("k", 255)), SK: selfSK, Digest: make([]byte, 32), Message: reply.Key[:], Expires: at.Unix()},
		"an alias of as many holders as there may be": alias,
	} {
		item, err := marshal(it)
		if err != nil {
			t.Fatal(err)
		}
		n := units.Size(item)
		t.Logf("%s: %d bytes of 1,024", name, n)
		if n > 1024 {
			t.Errorf("%s has %d bytes", name, n)
		}
	}
	item, err := marshal(newChatItem(joined(chat.MaxFrom)))
	if err != nil {
		t.Fatal(err)
	}
	n := units.Size(item)
	t.Logf("with %d Chats behind it a Chat has %d bytes", chat.MaxFrom, n)
	if n > 2048 { // its writes cost one unit more
		t.Errorf("with as many Chats behind it as there may be, a Chat has %d bytes", n)
	}
}
