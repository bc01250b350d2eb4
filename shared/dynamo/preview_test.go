package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// says is a text of the customer with a time stamp and a time of arrival, both in seconds after the stage was set up.
func (s *stage) says(user, text string, stamp, arrived float64) chat.Arrival {
	at := func(seconds float64) time.Time {
		return s.started.Add(-10 * time.Minute).Add(time.Duration(seconds * float64(time.Second)))
	}
	return chat.Arrival{Preview: text, Profile: "Name of " + text, Message: chat.Message{Key: shelfSecret.Key(at(stamp).Unix(), user+text), WAMID: "wamid." + user + text,
		Direction: chat.In, Type: "text", Text: text, Arrived: at(arrived)}}
}

// A list shows the newest message of a Chat, by WhatsApp's second and then by arrival, in whatever order messages are
// stored, and whatever stores them.
func TestTheNewestMessageIsShown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	comes := func(user string, a chat.Arrival) func() error {
		return func() error { return s.arrive(s.store, shelfSecret.UserAddress(stageNumber, user), user, a) }
	}
	keeps := func(user string, a chat.Arrival) func() error {
		return func() error {
			a.Message.Source, a.Message.Direction = chat.Echo, chat.Out
			return s.store.Keep(ctx, s.chat(shelfSecret.UserAddress(stageNumber, user)), a, false)
		}
	}
	replies := func(user string, a chat.Arrival) func() error {
		return func() error {
			id := shelfSecret.UserAddress(stageNumber, user)
			_, err := s.store.Reply(ctx, id, "amira", nil, dynamo.Now(), a.Preview, func(c chat.Chat, _ team.Person) (chat.Message, error) {
				return c.Replies(a.Message.Arrived, "amira", chat.NewKey(a.Message.Key.Time()), chat.Message{Type: "text", Text: a.Preview})
			})
			return err
		}
	}
	for i, test := range []struct {
		what  string
		steps func(user string) []func() error
		name  string // of the customer, in the end
	}{
		{"a message that arrives after a reply that is newer", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "first", 0, 0)), s.given(u), replies(u, s.says(u, "newest", 5, 5)), comes(u, s.says(u, "older", 3, 6))}
		}, "older"},
		{"a late message", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "first", 0, 0)), comes(u, s.says(u, "newest", 5, 5)), comes(u, s.says(u, "older", 3, 6))}
		}, "newest"},
		{"an echo that is newer, then a message", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "first", 0, 0)), keeps(u, s.says(u, "newest", 5, 5)), comes(u, s.says(u, "older", 3, 6))}
		}, "older"},
		{"an echo that is older", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "newest", 5, 5)), keeps(u, s.says(u, "older", 3, 6))}
		}, "newest"},
		{"two of one second, in the order of arrival", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "older", 3, 6)), comes(u, s.says(u, "newest", 3, 6.001))}
		}, "newest"},
		{"two of one second, in the other order", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "newest", 3, 6.001)), comes(u, s.says(u, "older", 3, 6))}
		}, "newest"},
		{"three of one second, with other ids", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "b older", 3, 6)), comes(u, s.says(u, "c older", 3, 6.000001)), comes(u, s.says(u, "newest", 3, 6.000002))}
		}, "newest"},
		{"a reply within the second of a message", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "first", 3, 3.1)), s.given(u), replies(u, s.says(u, "newest", 3, 3.2))}
		}, "first"},
		{"a message that opens a closed Chat and is older than an echo", func(u string) []func() error {
			return []func() error{comes(u, s.says(u, "first", 0, 0)), s.closed(u), keeps(u, s.says(u, "newest", 5, 5)), comes(u, s.says(u, "older", 3, 6))}
		}, "older"},
	} {
		user := fmt.Sprint("US.", i)
		for n, step := range test.steps(user) {
			if err := step(); err != nil {
				t.Fatalf("%s: step %d: %v", test.what, n, err)
			}
		}
		c := s.chat(shelfSecret.UserAddress(stageNumber, user))
		if c.Preview.Text != "newest" {
			t.Errorf("%s: a list shows %q", test.what, c.Preview.Text)
		}
		if c.Customer.Profile != "Name of "+test.name {
			t.Errorf("%s: the customer is %q", test.what, c.Customer.Profile)
		}
	}
	s.checked()
}

// given lets amira have the user's Chat; closed lets her close it.
func (s *stage) given(user string) func() error {
	return func() error { return s.gives(s.store, shelfSecret.UserAddress(stageNumber, user), "alex", "amira", "") }
}

func (s *stage) closed(user string) func() error {
	return func() error {
		id := shelfSecret.UserAddress(stageNumber, user)
		return errors.Join(s.gives(s.store, id, "alex", "amira", ""), s.sets(s.store, id, "amira", chat.Closed, chat.Key{}))
	}
}

// A reply that commits beside a newer message leaves it shown, and is accepted all the same.
func TestAReplyBesideANewerMessage(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	newer := s.says("US.1", "newer", 700, 0) // a minute ahead of us
	store := s.between(func() { s.must(s.arrive(s.store, id, "US.1", newer)) })
	_, err := s.replies(store, id, "amira", "reply", nil)
	s.must(err)
	if c := s.chat(id); c.Preview.Text != "newer" {
		t.Errorf("a list shows %q", c.Preview.Text)
	}
	s.checked()
}

// A message costs one update of the Chat, and one that is older than what is shown two.
func TestOlderMessagesCostOneUpdateMore(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	_, err := s.replies(s.store, id, "amira", "reply", nil) // of this moment
	s.must(err)
	var updates atomic.Int64
	store := s.client(dynamodb.WithAPIOptions(before(func(operation string) {
		if operation == "UpdateItem" {
			updates.Add(1)
		}
	})))
	for _, test := range []struct {
		text  string
		stamp float64
		want  int64
	}{{"older than the reply", 300, 2}, {"newer than the reply", 700, 1}, {"the next", 701, 1}} {
		updates.Store(0)
		if _, err := store.Deliver(t.Context(), id, s.says("US.1", test.text, test.stamp, 0)); err != nil || updates.Load() != test.want {
			t.Errorf("%s: %d updates (%v), want %d", test.text, updates.Load(), err, test.want)
		}
		s.must(s.store.PutMessage(t.Context(), id, s.says("US.1", test.text, test.stamp, 0).Message))
	}
	s.checked()
}

// Two people edit different things of one customer from one reading: both stand, and neither had to try again.
func TestEditsOfDifferentThings(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i, owner := range []string{"amira", ""} {
		id := s.owned(fmt.Sprint("US.", i), owner)
		edit := func(store *dynamo.Store, e chat.Edit, tries *int) error {
			_, err := store.EditCustomer(t.Context(), id, "alex", dynamo.Now(), func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) {
				*tries++
				return e, []chat.Need{{Person: "alex", Admin: true}}, nil
			})
			return err
		}
		one, two := 0, 0
		store := s.between(func() { s.must(edit(s.store, chat.Edit{Name: new("Zoë")}, &one)) })
		s.must(edit(store, chat.Edit{Tags: new([]string{"vip"})}, &two))
		c := s.chat(id)
		if c.Customer.Name != "Zoë" || !slices.Equal(c.Customer.Tags, []string{"vip"}) || c.Customer.Language != "ar" {
			t.Errorf("the customer of a Chat of %q is %+v", owner, c.Customer)
		}
		if owner != "" && (one != 1 || two != 1) {
			t.Errorf("they tried %d and %d times", one, two)
		}
	}
	s.checked()
}

// What covers which unread messages when a Chat is closed: an id covers its message and all of earlier seconds, a time
// all of earlier seconds, and reading covers what is read.
func TestUnseen(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	user := "US.1"
	id := shelfSecret.UserAddress(stageNumber, user)
	at := func(text string, stamp, arrived float64) chat.Key {
		a := s.says(user, text, stamp, arrived)
		s.must(s.arrive(s.store, id, user, a))
		return a.Message.Key
	}
	early := at("early", 0, 0)
	one, two := at("one", 5, 5), at("two", 5, 5.1)
	s.must(s.gives(s.store, id, "alex", "amira", ""))
	for _, test := range []struct {
		what   string
		reads  []chat.Key
		since  time.Time
		seen   chat.Key
		unseen bool
	}{
		{"the first of the second", nil, one.Time(), one, true},
		{"the second of the second", nil, one.Time(), two, true},
		{"their time", nil, one.Time(), chat.Key{}, true},
		{"the time of the early one", nil, early.Time(), chat.Key{}, true},
		{"the second one, when the first is read", []chat.Key{one}, one.Time(), two, false},
		{"their time, when the first is read", nil, one.Time(), chat.Key{}, true},
		{"a second later", nil, one.Time().Add(time.Second), chat.Key{}, false},
		{"their time, when both are read", []chat.Key{two}, one.Time(), chat.Key{}, false},
		{"the time of the early one, which is unread", nil, early.Time(), chat.Key{}, true},
		{"the early one", nil, early.Time(), early, false},
	} {
		if test.reads != nil {
			s.must(s.reads(s.store, id, "amira", test.reads...))
		}
		if unseen, err := s.store.Unseen(t.Context(), s.chat(id), test.since, test.seen); err != nil || unseen != test.unseen {
			t.Errorf("%s: unseen %t (%v), want %t", test.what, unseen, err, test.unseen)
		}
	}
	// One more of the second comes late, between the look and the closing.
	store := s.between(func() { at("three", 5, 5.2) })
	if err := s.sets(store, id, "amira", chat.Closed, two); code(err) != chat.NewMessage {
		t.Errorf("closed over a message that came late: %v", err)
	}
	s.checked()
}
