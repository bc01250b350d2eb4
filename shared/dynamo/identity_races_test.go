package dynamo_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// goingOn is the Chat itself, or the one that it was merged into.
func (s *stage) goingOn(id string) chat.Chat {
	s.Helper()
	c := s.chat(id)
	for c.Status == chat.Merged {
		c = s.chat(c.MergedInto)
	}
	return c
}

// leads is the id of the Chat to which an identity leads without a detour.
func (s *stage) leads(address string) string {
	s.Helper()
	leads, err := s.store.Find(s.Context(), address, "", true)
	s.must(err)
	if leads.User == nil {
		return ""
	}
	return leads.User.Chat
}

// alias is that of a phone number.
func (s *stage) alias(address string) chat.Alias {
	s.Helper()
	leads, err := s.store.Find(s.Context(), "", address, true)
	s.must(err)
	return leads.Phone.Alias
}

// showing is what it means that a Chat's customer had a phone number at a moment.
func (s *stage) showing(address, phone string, at chat.Shown, id string) chat.Showing {
	s.Helper()
	alias := s.alias(address)
	shows := chat.Showing{Phone: phone, At: at, Before: alias, After: alias.Shows(at, id, 0)}
	last := s.goingOn(alias.Last().Chat)
	if shows.Leads = shows.After.Last().Chat == id; shows.Leads && last.ID != id {
		shows.From = &last
	}
	return shows
}

// forgets takes away the user id that a Chat knows its customer by.
func (s *stage) forgets(chats ...string) {
	s.Helper()
	for _, id := range chats {
		table, remove := s.tables["ChatsTable"], "REMOVE #u"
		_, err := serverstest.DynamoDB(s).UpdateItem(s.Context(), &dynamodb.UpdateItemInput{TableName: &table, UpdateExpression: &remove,
			Key:                      dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "C#" + id}, "sk": &types.AttributeValueMemberS{Value: "0"}},
			ExpressionAttributeNames: map[string]string{"#u": "user"}})
		s.must(err)
	}
}

// An identity begins to lead to a Chat, or another way, while somebody changes the Chat or the identity: it is refused as
// it was read, and done with what is read then, if it is to be done yet. Nobody's identity is lost or taken, and the newest
// phone number stays (I8).
func TestIdentitiesHoldWhileAsRead(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	address := func(l line) string { return "address of " + l.user }
	at := func(l line, n int) chat.Link { return chat.Link{Address: address(l), Since: s.key(n).Beside()} }
	elsewhere := func(l line, n int) chat.Link {
		return chat.Link{Address: fmt.Sprint(n, address(l)), Since: s.key(n).Beside()}
	}
	phone := func(l line, n int) string { return fmt.Sprint(n, l.user) } // as message n shows it

	// What is written because of message 10, with everything as it is read now.
	type write func(l line) func() error
	of := func(l line) chat.Chat { return s.goingOn(l.id) }
	link := func(l line) func() error {
		c := of(l)
		return func() error { return s.store.Link(ctx, c, at(l, 10), chat.Identities{Phone: phone(l, 10)}) }
	}
	linkUser := func(l line) func() error {
		c := of(l)
		return func() error { return s.store.Link(ctx, c, at(l, 10), chat.Identities{UserID: "new " + l.user}) }
	}
	renew := func(l line) func() error {
		c := of(l)
		return func() error { return s.store.Renew(ctx, c, at(l, 10), "new "+l.user) }
	}
	move := func(l line) func() error {
		c := of(l)
		shows := s.showing(address(l), phone(l, 5), s.key(10).Beside(), c.ID)
		return func() error { return s.store.Show(ctx, c, shows) }
	}
	follow := func(l line) func() error {
		c := of(l)
		return func() error { return s.store.Follow(ctx, address(l), l.other, c.ID) }
	}
	leave := func(l line) func() error {
		c, alias := s.chat(l.other), s.alias(address(l))
		return func() error { return s.store.Leave(ctx, c, phone(l, 5), alias, s.key(10).Told()) }
	}

	// What somebody else does first.
	merges := func(l line) { s.merge(l.id, l.from) } // the third goes on
	taken := func(l line) {
		s.must(s.store.Link(ctx, s.chat(l.other), at(l, 9), chat.Identities{Phone: phone(l, 10)}))
	}
	newer := func(l line) {
		s.must(s.store.Link(ctx, s.chat(l.id), elsewhere(l, 11), chat.Identities{Phone: phone(l, 11)}))
	}
	newerOfOther := func(l line) {
		s.must(s.store.Link(ctx, s.chat(l.other), elsewhere(l, 11), chat.Identities{Phone: phone(l, 11)}))
	}
	userOfOther := func(l line) {
		s.must(s.store.Link(ctx, s.chat(l.id), elsewhere(l, 9), chat.Identities{UserID: "first " + l.user}))
	}
	renewed := func(l line) { s.must(s.store.Renew(ctx, s.chat(l.id), elsewhere(l, 9), "first "+l.user)) }
	moved := func(l line) {
		s.must(s.store.Show(ctx, s.chat(l.from), s.showing(address(l), phone(l, 5), s.key(9).Beside(), l.from)))
	}

	movedBack := func(l line) {
		moved(l)
		s.must(s.store.Show(ctx, s.chat(l.other), s.showing(address(l), phone(l, 5), s.key(11).Beside(), l.other)))
	}

	shownAgain := func(l line) { // by an aside
		a := s.arrival(l.user, 11)
		a.Phone, a.Preview, a.Message.Shows = phone(l, 5), "", address(l)
		s.must(s.store.Keep(ctx, s.chat(l.other), a, false))
	}

	itself := func(l line) string { return s.goingOn(l.id).ID }
	other := func(l line) string { return l.other }
	third := func(l line) string { return l.from }
	nowhere := func(line) string { return "" }
	hasPhone := func(n int) func(line, chat.Customer) bool {
		return func(l line, c chat.Customer) bool { return c.Phone == phone(l, n) }
	}
	noPhone := func(_ line, c chat.Customer) bool { return c.Phone == "" }
	hasUser := func(which string) func(line, chat.Customer) bool {
		return func(l line, c chat.Customer) bool { return c.UserID == which+l.user }
	}
	// The Chat has a phone number by message 12, or no user id; message 5 showed the number in the other Chat, which has another
	// one by message 11.
	type before struct{ known, anonymous, others, left bool }
	plain, known, anonymous, others := before{}, before{known: true}, before{anonymous: true}, before{others: true}
	both, left := before{known: true, others: true}, before{known: true, others: true, left: true}
	for i, test := range []struct {
		what     string
		before   before
		write    write
		between  func(line)
		again    bool // done with what is read then
		leads    func(line) string
		customer func(line, chat.Customer) bool // of the Chat that goes on
	}{
		{"a phone number, merged first", plain, link, merges, true, itself, hasPhone(10)},
		{"a phone number, another's first", plain, link, taken, false, other, noPhone},
		{"a phone number, a newer one first", plain, link, newer, true, itself, hasPhone(11)},
		{"an older phone number, merged first", known, link, merges, true, itself, hasPhone(12)},
		{"an older phone number, another's first", known, link, taken, false, other, hasPhone(12)},
		{"a user id, merged first", anonymous, linkUser, merges, true, itself, hasUser("new ")},
		{"a user id, another one first", anonymous, linkUser, userOfOther, false, nowhere, hasUser("first ")},
		{"another user id, merged first", plain, renew, merges, true, itself, hasUser("new ")},
		{"another user id, a third one first", plain, renew, renewed, false, nowhere, hasUser("first ")},
		{"another user id where none was, one first", anonymous, renew, userOfOther, false, nowhere, hasUser("first ")},
		{"a recycled number, merged first", others, move, merges, true, itself, hasPhone(5)},
		{"a recycled number, a newer one first", others, move, newer, true, itself, hasPhone(11)},
		{"a recycled number, a third one's first", others, move, moved, false, third, noPhone},
		{"a recycled number, its old holder has another one first", others, move, newerOfOther, true, itself, hasPhone(5)},
		{"a recycled number, there and back first", others, move, movedBack, false, other, noPhone},
		{"an older recycled number, merged first", both, move, merges, true, itself, hasPhone(12)},
		{"an older recycled number, a third one's first", both, move, moved, false, third, hasPhone(12)},
		{"an older recycled number, its old holder has another one first", both, move, newerOfOther, true, itself, hasPhone(12)},
		{"an older recycled number, there and back first", both, move, movedBack, false, other, hasPhone(12)},
		{"a number that its old holder left, merged first", left, move, merges, true, itself, hasPhone(12)},
		{"a number that its old holder left, a third one's first", left, move, moved, false, third, hasPhone(12)},
		{"a number that its old holder left, there and back first", left, move, movedBack, false, other, hasPhone(12)},
		{"an alias of a merged Chat, moved first", others, follow, moved, false, third, noPhone},
		{"a number that is left, moved first", others, leave, moved, false, third, noPhone},
		{"a number that is left, there and back first", others, leave, movedBack, false, other, noPhone},
		{"a number that is left, its holder shows it once more first", both, leave, shownAgain, false, other, hasPhone(12)},
		{"a recycled number, its old holder shows it once more first", others, move, shownAgain, true, itself, hasPhone(5)},
	} {
		l := line{user: fmt.Sprint("US.", i)}
		l.id, l.other, l.from = s.comes(l.user, 1), s.comes(l.user+".other", 2), s.comes(l.user+".third", 3)
		if test.before.known {
			s.must(s.store.Link(ctx, s.chat(l.id), elsewhere(l, 12), chat.Identities{Phone: phone(l, 12)}))
		}
		if test.before.anonymous {
			s.forgets(l.id, l.from)
		}
		if test.before.others {
			s.must(s.store.Link(ctx, s.chat(l.other), at(l, 5), chat.Identities{Phone: phone(l, 5)}))
		}
		if test.before.left {
			newerOfOther(l)
		}
		asRead := test.write(l)
		test.between(l)
		if err := asRead(); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s: written as it was read (%v)", test.what, err)
		} else if test.again {
			s.must(test.write(l)())
		}
		if got, want := s.leads(address(l)), test.leads(l); got != want {
			t.Errorf("%s: it leads to %q, want %q", test.what, got, want)
		}
		if c := s.goingOn(l.id).Customer; !test.customer(l, c) {
			t.Errorf("%s: the customer became %+v", test.what, c)
		}
		if c := s.chat(l.other).Customer; test.before.others && test.again && c.Phone == phone(l, 5) {
			t.Errorf("%s: it is still the other's: %+v", test.what, c)
		} else if strings.HasSuffix(test.what, "another one first") && test.before.others && c.Phone != phone(l, 11) {
			t.Errorf("%s: the other lost the new one: %+v", test.what, c)
		}
	}
}
