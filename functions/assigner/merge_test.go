package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

const phoneA, phoneB = "15550101111", "15550102222"

func minute(n int) time.Time { return morning.Add(time.Duration(n) * time.Minute) }

func system(userID, phone string, n int, content map[string]any) map[string]any {
	return of(text(userID, phone, "", minute(n)), "system", content)
}

// live are the Chats that go on.
func live(all invariant.Snapshot) []chat.Chat {
	return slices.DeleteFunc(slices.Clone(all.Chats), func(c chat.Chat) bool { return c.Status == chat.Merged })
}

// the is the one Chat that goes on.
func (w *world) the() chat.Chat {
	w.Helper()
	chats := live(w.checked())
	if len(chats) != 1 {
		w.Fatalf("%d Chats go on, want 1", len(chats))
	}
	return chats[0]
}

// reads gives a Chat's texts as people see them, paged in both directions.
func (w *world) texts(c chat.Chat) []string {
	w.Helper()
	var back, forth []string
	var at chat.Key
	for more := true; more; {
		page, err := w.store.MessagesBefore(w.Context(), c, at, 2)
		w.must(err)
		for _, m := range slices.Backward(page.Messages) {
			back = append(back, m.Text)
			at = m.Key
		}
		more = page.More
	}
	slices.Reverse(back)
	at = chat.Key{}
	for more := true; more; {
		page, err := w.store.MessagesAfter(w.Context(), c, at, 2)
		w.must(err)
		for _, m := range page.Messages {
			forth = append(forth, m.Text)
			at = m.Key
		}
		more = page.More
	}
	if !slices.Equal(back, forth) {
		w.Errorf("backwards it reads %q, forwards %q", back, forth)
	}
	return back
}

// I8: a message that proves two identities to be one person makes their two Chats one, whatever the order; everything
// is read in order, and redeliveries of all of it change nothing.
func TestMergers(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		messages []map[string]any
		chats    int
		reads    []string // by the Chat with the newest message
	}{
		{"phone, user id, both", []map[string]any{text("", phoneA, "a", minute(1)), text("US.1", "", "b", minute(2)), text("US.1", phoneA, "c", minute(3))}, 1, []string{"a", "b", "c"}},
		{"user id, phone, both", []map[string]any{text("US.1", "", "a", minute(1)), text("", phoneA, "b", minute(2)), text("US.1", phoneA, "c", minute(3))}, 1, []string{"a", "b", "c"}},
		{"the proof comes late", []map[string]any{text("US.1", "", "b", minute(2)), text("", phoneA, "c", minute(3)), text("US.1", phoneA, "a", minute(1))}, 1, []string{"a", "b", "c"}},
		{"the proof is an aside", []map[string]any{text("US.1", "", "a", minute(1)), text("", phoneA, "b", minute(2)),
			of(text("US.1", phoneA, "", minute(3)), "reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"})}, 1, []string{"a", "b", ""}},
		{"three of one customer", []map[string]any{text("", phoneA, "a", minute(1)), text("US.1", "", "b", minute(2)), text("", phoneB, "c", minute(3)),
			text("US.1", phoneA, "d", minute(4)), text("US.1", phoneB, "e", minute(5)), text("", phoneA, "f", minute(6))}, 1, []string{"a", "b", "c", "d", "e", "f"}},
		{"a new user id that wrote before WhatsApp told", []map[string]any{text("US.0", "", "a", minute(1)), text("US.1", "", "b", minute(3)),
			system("US.1", "", 2, map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			text("US.1", "", "c", minute(4)), text("US.0", "", "an old one", minute(0))}, 1, []string{"an old one", "a", "", "b", "c"}},
		{"the old user id wrote last", []map[string]any{text("US.1", "", "b", minute(3)), text("US.0", "", "a", minute(5)),
			system("US.1", "", 2, map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			text("US.1", phoneA, "c", minute(6)), text("", phoneA, "d", minute(7))}, 1, []string{"", "b", "a", "c", "d"}},
		{"a new phone number that wrote before WhatsApp told", []map[string]any{text("", phoneA, "a", minute(1)), text("", phoneB, "b", minute(3)),
			system("", phoneA, 2, map[string]any{"type": "user_changed_number", "wa_id": phoneB}), text("", phoneB, "c", minute(4))}, 1, []string{"a", "", "b", "c"}},
		{"a new phone number that was a stranger's", []map[string]any{text("", phoneB, "a stranger's", minute(1)), text("US.1", phoneA, "a", minute(2)),
			system("US.1", phoneA, 3, map[string]any{"type": "user_changed_number", "wa_id": phoneB}), text("", phoneB, "b", minute(4)), text("US.1", phoneB, "c", minute(5))},
			2, []string{"a", "", "b", "c"}},
		{"a new phone number that was another known customer's", []map[string]any{text("US.2", phoneB, "a stranger's", minute(1)), text("", phoneA, "a", minute(2)),
			system("", phoneA, 3, map[string]any{"type": "user_changed_number", "wa_id": phoneB}), text("", phoneB, "b", minute(4))},
			2, []string{"a", "", "b"}},
		{"a known phone number gets its first user ids", []map[string]any{text("", phoneA, "a", minute(1)),
			system("US.1", phoneA, 2, map[string]any{"type": "user_changed_number", "wa_id": phoneB, "user_id": "US.1", "previous_user_id": "US.0"}),
			text("", phoneB, "b", minute(3)), text("US.0", phoneA, "an old one", minute(0))}, 1, []string{"an old one", "a", "", "b"}},
		{"a recycled number after a merge", []map[string]any{text("", phoneA, "a", minute(1)), text("US.1", "", "b", minute(2)), text("US.1", phoneA, "c", minute(3)),
			text("US.2", phoneA, "I am new", minute(4)), text("", phoneA, "and alone", minute(5))}, 2, []string{"I am new", "and alone"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range 3 { // the second and third time nothing changes
				for _, m := range test.messages {
					w.receives(m)
				}
				all := w.checked()
				chats := live(all)
				if len(chats) != test.chats || len(all.Messages) != len(test.messages) {
					t.Fatalf("%d Chats go on with %d Messages, want %d with %d", len(chats), len(all.Messages), test.chats, len(test.messages))
				}
				last := slices.MaxFunc(chats, func(a, b chat.Chat) int { return slices.Compare(a.LastIn[:], b.LastIn[:]) })
				if got := w.texts(last); !slices.Equal(got, test.reads) {
					t.Errorf("the Chat reads %q, want %q", got, test.reads)
				}
			}
		})
	}
}

// WhatsApp may tell of a new user id before the customer has a Chat, because a message of theirs went another way. Whatever
// comes from either id afterwards, and again, is one customer's.
func TestRenamedBeforeAnything(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name     string
		messages []map[string]any
		reads    []string // beside what WhatsApp told
	}{
		{"a new user id that WhatsApp told of before anything", []map[string]any{
			system("US.1", "", 2, map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			text("US.0", "", "a", minute(1)), text("US.1", "", "b", minute(3)), text("US.0", phoneA, "an old one", minute(0)), text("", phoneA, "c", minute(4))},
			[]string{"an old one", "a", "b", "c"}},
		{"and one that wrote before the old one", []map[string]any{text("US.1", "", "b", minute(3)),
			system("US.1", "", 2, map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			text("US.0", phoneA, "a", minute(1))}, []string{"a", "b"}},
		{"a user id that was renamed twice before anything", []map[string]any{
			system("US.1", "", 2, map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			system("US.2", "", 3, map[string]any{"type": "user_changed_user_id", "user_id": "US.2", "previous_user_id": "US.1"}),
			text("US.1", "", "b", minute(2)), text("US.0", "", "a", minute(1)), text("US.2", "", "c", minute(4))}, []string{"a", "b", "c"}},
		{"a user id that was renamed twice, told in the other order", []map[string]any{
			system("US.2", "", 3, map[string]any{"type": "user_changed_user_id", "user_id": "US.2", "previous_user_id": "US.1"}),
			system("US.1", "", 2, map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			text("US.1", "", "b", minute(2)), text("US.2", "", "c", minute(4)), text("US.0", "", "a", minute(1))}, []string{"a", "b", "c"}},
		{"and the first id has a Chat", []map[string]any{text("US.0", "", "a", minute(1)),
			system("US.2", "", 3, map[string]any{"type": "user_changed_user_id", "user_id": "US.2", "previous_user_id": "US.1"}),
			text("US.2", "", "c", minute(4)),
			system("US.1", "", 2, map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			text("US.1", "", "b", minute(2))}, []string{"a", "b", "c"}},
		{"back and forth before anything", []map[string]any{
			system("US.1", "", 2, map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			system("US.0", "", 3, map[string]any{"type": "user_changed_user_id", "user_id": "US.0", "previous_user_id": "US.1"}),
			text("US.1", "", "b", minute(2)), text("US.0", "", "a", minute(4))}, []string{"b", "a"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range 3 {
				for _, m := range test.messages {
					w.receives(m)
				}
				reads := slices.DeleteFunc(w.texts(w.the()), func(text string) bool { return text == "" })
				if !slices.Equal(reads, test.reads) {
					t.Errorf("the Chat reads %q, want %q", reads, test.reads)
				}
			}
		})
	}
}

// The first message under the old user id comes at any moment of the word that it is another one now, and one under the new
// id at the end: there is one Chat, with both.
func TestRacesWithARename(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for at, more := 0, true; more && !t.Failed(); at++ {
		before, after := fmt.Sprintf("US.%d.0", at), fmt.Sprintf("US.%d.1", at)
		first := text(before, "", "a", minute(1))
		b := &beside{at: at, what: func() { w.receives(first) }}
		sick := *w.assigner
		sick.store = dynamo.New(dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(b.add)), w.tables["ChatsTable"], w.tables["TeamTable"])
		told := system(after, "", 2, map[string]any{"type": "user_changed_user_id", "user_id": after, "previous_user_id": before})
		w.must(sick.update(t.Context(), w.updates("messages", told)[0]))
		more = b.calls > at
		w.receives(first, text(after, "", "b", minute(3)))
		leads, err := w.store.Find(t.Context(), testSecret.UserAddress(seed.SupportNumber, after), "", true)
		w.must(err)
		c, err := w.goingOn(t.Context(), leads.User.Chat)
		w.must(err)
		reads := slices.DeleteFunc(w.texts(c), func(text string) bool { return text == "" })
		if !slices.Equal(reads, []string{"a", "b"}) {
			t.Errorf("before call %d: it reads %q", at, reads)
		}
	}
	w.checked()
}

// What the two had in either state comes to one: who answers, what is unread, what is known.
func TestWhatMergesTo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		first, second string // waiting, dan, eve, closed
		status        chat.Status
		owner         string
		waits         bool
	}{
		{"waiting", "waiting", chat.Open, "", true},
		{"dan", "waiting", chat.Open, "", true},
		{"waiting", "dan", chat.Open, "dan", false},
		{"dan", "dan", chat.Open, "dan", false},
		{"dan", "eve", chat.Open, "eve", false},
		{"closed", "eve", chat.Open, "eve", false},
		{"dan", "closed", chat.Open, "", true},
		{"waiting", "closed", chat.Open, "", true},
		{"by hand", "closed", chat.Open, "", true},
		{"dan", "by hand", chat.Open, "", true},
		{"closed", "closed", chat.Closed, "dan", false},
		{"closed", "waiting", chat.Open, "", true},
	} {
		t.Run(test.first+" and "+test.second, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 0, "support"), agent("eve", 0, "support"))
			w.nobodyAround(func() { w.receives(text("", phoneA, "a", minute(1))) })
			other := w.only().ID
			w.become(other, test.first)
			w.nobodyAround(func() { w.receives(text("US.1", "", "b", minute(2))) })
			survivor := testSecret.UserAddress(seed.SupportNumber, "US.1")
			w.become(survivor, test.second)
			var since time.Time // which somebody has waited, in either
			for _, c := range w.checked().Chats {
				if c.Waiting() && (since.IsZero() || c.WaitingSince.Before(since)) {
					since = c.WaitingSince
				}
			}
			// The proof is an aside: it moves nothing but the identities.
			w.receives(of(text("US.1", phoneA, "", minute(3)), "system", map[string]any{"type": "customer_identity_changed"}))
			c := w.the()
			if c.ID != survivor || c.Status != test.status || c.Owner != test.owner || c.Waiting() != test.waits || len(c.Unread) != 2 || c.Customer.Phone != phoneA {
				t.Errorf("%s of %q, waiting %v, %d unread: %+v", c.Status, c.Owner, c.Waiting(), len(c.Unread), c)
			}
			if test.waits && !since.IsZero() && !c.WaitingSince.Equal(since) {
				t.Errorf("it waits since %s, want %s", c.WaitingSince, since)
			}
			old, err := w.store.Chat(t.Context(), other)
			w.must(err)
			if old.Status != chat.Merged || old.MergedInto != survivor || old.Owner != "" {
				t.Errorf("the other is %+v", old)
			}
			if leads, err := w.store.Find(t.Context(), "", testSecret.PhoneAddress(seed.SupportNumber, phoneA), true); err != nil || leads.Phone.Chat != survivor {
				t.Errorf("the phone number leads to %+v: %v", leads.Phone, err)
			}
			if test.waits {
				for _, pool := range c.Pools {
					w.serves(pool)
				}
				if c := w.the(); c.Owner == "" {
					t.Error("and it is served to nobody")
				}
			}
		})
	}
}

// become brings an open, waiting Chat into a state.
func (w *world) become(id, state string) {
	w.Helper()
	if state == "waiting" {
		return
	}
	owner := state
	if state == "closed" {
		owner = "dan"
	}
	alex := chat.Actor{Kind: chat.BySystem}
	_, err := w.store.Update(w.Context(), id, func(c chat.Chat) (*chat.Change, error) {
		change := c.PassedTo(dynamo.Now(), alex, "support", "")
		if state != "by hand" {
			change = c.Reassigned(dynamo.Now(), alex, owner, "")
		}
		return &change, nil
	})
	w.must(err)
	if state == "closed" {
		w.closes(id)
	}
}

// More unread messages than one Chat counts: the newest of those beyond is named, and reading it leaves none.
func TestUnreadOfACrowd(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var last chat.Key
	for i := range 30 {
		w.receives(text("", phoneA, fmt.Sprint("a", i), morning.Add(time.Duration(2*i)*time.Second)))
		m := text("US.1", "", fmt.Sprint("b", i), morning.Add(time.Duration(2*i+1)*time.Second))
		w.receives(m)
	}
	w.receives(of(text("US.1", phoneA, "", minute(3)), "system", map[string]any{"type": "customer_identity_changed"}))
	c := w.the()
	if len(c.Unread) != chat.MaxUnread || c.More.Time() != morning.Add(58*time.Second) {
		t.Errorf("%d unread, and beyond them %s", len(c.Unread), c.More.Time())
	}
	page, err := w.store.MessagesBefore(t.Context(), c, last, 100)
	w.must(err)
	var keys []chat.Key
	for _, m := range page.Messages {
		keys = append(keys, m.Key)
	}
	if after := c.Reads(keys); len(after.Unread) != 0 || !after.More.IsZero() {
		t.Errorf("everything is read, and %d are unread", len(after.Unread))
	}
}

// beside does something between any two of the assigner's calls: before the one with number at.
type beside struct {
	at    int
	calls int
	what  func()
}

func (b *beside) add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("beside", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		if b.calls == b.at {
			b.what()
		}
		b.calls++
		return next.HandleInitialize(ctx, in)
	}), middleware.Before)
}

// pair is a customer with two Chats: one by phone number, one by user id.
type pair struct {
	number, user         string
	phoneChat, userChat  string
	first, second, proof map[string]any
}

func (w *world) pair(n int) pair {
	w.Helper()
	p := pair{number: fmt.Sprintf("1555%07d", n), user: fmt.Sprintf("US.%d", n)}
	p.first, p.second, p.proof = text("", p.number, "a", minute(1)), text(p.user, "", "b", minute(2)), text(p.user, p.number, "c", minute(3))
	w.nobodyAround(func() {
		w.receives(p.first)
		w.receives(p.second)
	})
	leads, err := w.store.Find(w.Context(), testSecret.UserAddress(seed.SupportNumber, p.user), testSecret.PhoneAddress(seed.SupportNumber, p.number), true)
	w.must(err)
	p.userChat, p.phoneChat = leads.User.Chat, leads.Phone.Chat
	return p
}

// Everything that may happen to either Chat while they merge, before every call that the merge makes: the one that comes
// second sees the other.
func TestRacesWithAMerger(t *testing.T) {
	t.Parallel()
	for _, race := range []struct {
		what string
		do   func(w *world, p pair)
		want func(c chat.Chat) bool // of the Chat that goes on
		more int                    // texts beside the three
	}{
		{"a message to the phone number", func(w *world, p pair) { w.receives(text("", p.number, "x", minute(10))) }, nil, 1},
		{"a message to the user id", func(w *world, p pair) { w.receives(text(p.user, "", "x", minute(10))) }, nil, 1},
		{"a late message to the phone number", func(w *world, p pair) { w.receives(text("", p.number, "x", minute(0))) }, nil, 1},
		{"an aside to the phone number", func(w *world, p pair) {
			w.receives(of(text("", p.number, "", minute(10)), "reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"}))
		}, func(c chat.Chat) bool { return len(c.Unread) == 4 }, 1},
		{"another proof", func(w *world, p pair) { w.receives(text(p.user, p.number, "x", minute(10))) }, nil, 1},
		{"the pool is served", func(w *world, _ pair) { w.serves(support) }, nil, 0},
		{"the first is given away", func(w *world, p pair) { w.gives(p.phoneChat, "eve") }, nil, 0},
		{"the second is given away", func(w *world, p pair) { w.gives(p.userChat, "eve") }, func(c chat.Chat) bool { return c.Owner == "eve" }, 0},
		{"the first is closed", func(w *world, p pair) { w.gives(p.phoneChat, "eve"); w.closesIf(p.phoneChat) }, nil, 0},
		{"the second is closed", func(w *world, p pair) { w.gives(p.userChat, "eve"); w.closesIf(p.userChat) }, nil, 0},
		{"the first is read", func(w *world, p pair) {
			if w.gives(p.phoneChat, "eve") {
				w.reads(p.phoneChat, "eve", minute(1))
			}
		}, nil, 0},
		{"the customer of the first is edited", func(w *world, p pair) { w.names(p.phoneChat, "VIP") }, func(c chat.Chat) bool { return c.Customer.Name == "VIP" }, 0},
		{"the customer of the second is edited", func(w *world, p pair) { w.names(p.userChat, "VIP") }, func(c chat.Chat) bool { return c.Customer.Name == "VIP" }, 0},
		{"newer rules", func(w *world, _ pair) { w.saveRules(everyoneInTurn); w.reroutes() }, nil, 0},
		{"another phone number of the first", func(w *world, p pair) {
			w.receives(system("", p.number, 4, map[string]any{"type": "user_changed_number", "wa_id": p.number + "9"}))
		}, func(c chat.Chat) bool { return len(c.Customer.Phone) == 12 }, 1},
	} {
		t.Run(race.what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 0, "support"), agent("eve", 0, "support"))
			for at, more := 0, true; more && !t.Failed(); at++ {
				p := w.pair(at)
				b := &beside{at: at, what: func() { race.do(w, p) }}
				sick := *w.assigner
				sick.store = dynamo.New(dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(b.add)), w.tables["ChatsTable"], w.tables["TeamTable"])
				w.must(sick.update(t.Context(), w.updates("messages", p.proof)[0]))
				if more = b.calls > at; !more {
					race.do(w, p)
				}
				for _, m := range []map[string]any{p.first, p.second, p.proof} {
					w.receives(m)
				}
				c, err := w.goingOn(t.Context(), p.userChat)
				w.must(err)
				other, err := w.goingOn(t.Context(), p.phoneChat)
				w.must(err)
				if c.ID != other.ID {
					t.Fatalf("before call %d: they are two Chats", at)
				}
				if reads := w.texts(c); len(reads) != 3+race.more {
					t.Errorf("before call %d: it reads %q", at, reads)
				}
				if race.want != nil && !race.want(c) {
					t.Errorf("before call %d: it became %+v", at, c)
				}
			}
			w.checked()
		})
	}
}

// gives gives a Chat to somebody, unless it is merged.
func (w *world) gives(id, to string) bool {
	w.Helper()
	given := false
	_, err := w.store.Update(w.Context(), id, func(c chat.Chat) (*chat.Change, error) {
		if given = c.Status != chat.Merged; !given || c.Owner == to {
			return nil, nil
		}
		change := c.Reassigned(dynamo.Now(), chat.System, to, "")
		return &change, nil
	})
	w.must(err)
	return given
}

func (w *world) closesIf(id string) {
	w.Helper()
	_, err := w.store.Update(w.Context(), id, func(c chat.Chat) (*chat.Change, error) {
		if c.Status != chat.Open || c.Owner == "" {
			return nil, nil
		}
		change := c.Closes(dynamo.Now(), chat.System)
		return &change, nil
	})
	w.must(err)
}

func (w *world) reads(id, person string, at time.Time) {
	w.Helper()
	page, err := w.store.MessagesAfter(w.Context(), chat.Chat{ID: id}, chat.Key{}, 100)
	w.must(err)
	var keys []chat.Key
	for _, m := range page.Messages {
		if m.Key.Time().Equal(at) {
			keys = append(keys, m.Key)
		}
	}
	_, err = w.store.Read(w.Context(), id, person, keys, func(chat.Chat) error { return nil })
	w.must(err)
}

func (w *world) names(id, customer string) {
	w.Helper()
	for {
		c, err := w.store.Chat(w.Context(), id)
		w.must(err)
		if c.Status != chat.Merged {
			break
		}
		id = c.MergedInto
	}
	_, err := w.store.EditCustomer(w.Context(), id, "dan", dynamo.Now(), editAs(customer))
	w.must(err)
}

// reroutes routes every waiting Chat by the rules in force.
func (w *world) reroutes() {
	w.Helper()
	all, err := w.store.Snapshot(w.Context())
	w.must(err)
	rules, err := w.store.InForce(w.Context())
	w.must(err)
	for _, e := range all.Entries {
		_, err := w.store.Reroute(w.Context(), e, rules, dynamo.Now())
		w.must(err)
	}
}

// Every single fault on every single call of a merger: delivered again, it is one Chat with everything in it.
func TestFaultsOfAMerger(t *testing.T) {
	t.Parallel()
	for _, fault := range faults.All {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 0, "support"), agent("eve", 0, "support"))
			run := func(n int, injector *faults.Injector) int64 {
				user, phone := fmt.Sprintf("US.%d", n), fmt.Sprintf("1555%07d", n)
				id := testSecret.UserAddress(seed.SupportNumber, user)
				w.nobodyAround(func() { w.receives(text("", phone, "a", minute(1)), text(user, "", "b", minute(2))) })
				w.serves(support)
				w.closes(id)
				sick := *w.assigner
				sick.store = dynamo.New(dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(injector.Add)), w.tables["ChatsTable"], w.tables["TeamTable"])
				proof := w.updates("messages", of(text(user, phone, "", minute(3)), "system", map[string]any{"type": "customer_identity_changed"}))[0]
				err := sick.update(t.Context(), proof)
				for tries := 0; err != nil; tries++ {
					if tries == 3 {
						t.Fatalf("%s at call %d: %v", fault, injector.At, err)
					}
					err = sick.update(t.Context(), proof)
				}
				c, err := w.store.Chat(t.Context(), id)
				w.must(err)
				if c.Epoch != 4 || !c.Waiting() || len(c.From) != 1 || len(c.Unread) != 2 {
					t.Errorf("%s at call %d: %+v", fault, injector.At, c)
				}
				return injector.Calls()
			}
			calls := run(0, &faults.Injector{At: -1})
			for at := range calls {
				run(int(at)+1, &faults.Injector{At: at, Fault: fault})
			}
			if all := w.checked(); len(live(all)) != int(calls)+1 || len(all.Messages) != 3*int(calls+1) {
				t.Errorf("%d Chats go on with %d Messages", len(live(all)), len(all.Messages))
			}
		})
	}
}

// Identity changes and messages in one POST, in either order.
func TestIdentityChangesInOnePost(t *testing.T) {
	t.Parallel()
	for _, systemFirst := range []bool{true, false} {
		w := newWorld(t)
		w.receives(text("US.0", phoneA, "a", minute(1)))
		change := system("US.1", phoneA, 2, map[string]any{"type": "user_changed_number", "wa_id": phoneB, "user_id": "US.1", "previous_user_id": "US.0"})
		message := text("US.1", phoneB, "b", minute(2))
		if systemFirst {
			w.receives(change, message)
		} else {
			w.receives(message, change)
		}
		if c := w.the(); c.Customer.UserID != "US.1" || c.Customer.Phone != phoneB || len(w.checked().Messages) != 3 {
			t.Errorf("system first %v: the customer is %+v", systemFirst, c.Customer)
		}
	}
}

// Many instances deliver everything at once, several times: the proof, what came before it and what comes after.
func TestMergersSideBySide(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"))
	w.nobodyAround(func() {
		w.receives(text("", phoneA, "a", minute(1)), text("US.1", "", "b", minute(2)), text("", phoneB, "c", minute(3)))
	})
	bodies := w.updates("messages", text("US.1", phoneA, "d", minute(4)), text("US.1", phoneB, "e", minute(5)), text("", phoneA, "f", minute(6)),
		text("", phoneB, "g", minute(7)), text("US.1", "", "h", minute(8)), text("US.1", phoneB, "i", minute(0)))
	var all sync.WaitGroup
	for _, body := range slices.Repeat(bodies, 4) {
		all.Go(func() {
			if err := w.update(t.Context(), body); err != nil {
				t.Error(err)
			}
		})
	}
	all.Go(func() { w.serves(support) })
	all.Wait()
	for _, body := range bodies {
		w.must(w.update(t.Context(), body))
	}
	if got := w.texts(w.the()); !slices.Equal(got, []string{"i", "a", "b", "c", "d", "e", "f", "g", "h"}) {
		t.Errorf("it reads %q", got)
	}
}

// editAs gives the customer a name.
func editAs(name string) func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) {
	return func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) {
		return chat.Edit{Name: &name}, []chat.Need{{Person: "dan"}}, nil
	}
}

// Whichever of two Chats had come to a further step when they merge: the one that goes on waits as the rules say for a Chat
// that begins, with the place in time of the one that has waited longer. The other's entries are gone and its timers find nothing; the steps open again when
// their time has come.
func TestMergersWithStepsOpen(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name          string
		first, second int // steps that are open to the Chats: 0, 1 or 2
	}{
		{"of the one that goes on", 0, 1}, {"of the other", 1, 0}, {"of both", 1, 1}, {"all of the other's", 2, 0}, {"all of both", 2, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.saveRules(inSteps)
			pools := []string{support, "team:sales", everyone}
			// Nobody is there, so each serving arms the timer of the next step: it is left when no further one opens.
			waits := func(id string, steps int) {
				t.Helper()
				for step, pool := range pools[:steps+1] {
					w.serves(pool)
					for _, timer := range w.timers() {
						if timer.Entry.Chat == id && step < steps {
							_, err := w.store.Widen(t.Context(), timer, nil, w.now())
							w.must(err)
						}
					}
				}
				if c, err := w.store.Chat(t.Context(), id); err != nil || len(c.Pools) != steps+1 {
					t.Fatalf("%+v (%v), want it in %d pools", c, err, steps+1)
				}
			}
			survivor := testSecret.UserAddress(seed.SupportNumber, "US.1")
			w.receives(text("", phoneA, "a", minute(1)))
			first := w.only()
			waits(first.ID, test.first)
			w.receives(text("US.1", "", "b", minute(2)))
			waits(survivor, test.second)
			w.receives(of(text("US.1", phoneA, "", minute(3)), "system", map[string]any{"type": "customer_identity_changed"}))
			c := w.the()
			if c.ID != survivor || !slices.Equal(c.Pools, pools[:1]) || !c.WaitingSince.Equal(first.WaitingSince) {
				t.Errorf("%s waits in %v since %s, want %v since %s", c.ID, c.Pools, c.WaitingSince, pools[:1], first.WaitingSince)
			}
			if n := w.steps(); n != 0 || len(w.timers()) != 0 {
				t.Errorf("%d timers of before opened a step, and %d are left", n, len(w.timers()))
			}
			for step, pool := range pools[:2] {
				w.serves(pool)
				if w.steps() != 1 {
					t.Errorf("step %d did not open again", step+1)
				}
			}
			if c := w.the(); len(c.Pools) != 3 {
				t.Errorf("it waits in %v", c.Pools)
			}
		})
	}
}

// The history of a merged Chat and that of the one that goes on are one: read by pages of any size, while more happens, each
// event comes once, and each Chat's own in their order.
func TestHistoryOfAMerger(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("eve", 0, "support"))
	p := w.pair(1)
	for i := range 5 {
		w.gives(p.phoneChat, []string{"dan", "eve"}[i%2])
		w.gives(p.userChat, []string{"eve", "dan"}[i%2])
	}
	w.closes(p.phoneChat)
	w.receives(p.proof)
	c := w.the()
	w.gives(c.ID, "dan")
	w.gives(c.ID, "eve")
	all := w.checked().Events
	for _, limit := range []int{1, 2, 3, 7, 50} {
		seen, last := map[string]bool{}, map[string]int64{}
		for after, pages := new(dynamo.EventPlace), 0; after != nil; pages++ {
			page, err := w.store.Events(t.Context(), c, *after, limit)
			w.must(err)
			if after = page.Next; len(page.Events) != limit && after != nil {
				t.Errorf("page %d of %d events has %d", pages, limit, len(page.Events))
			}
			for _, e := range page.Events {
				id := fmt.Sprint(e.Chat, e.Epoch, e.Type, e.Routed)
				if before, any := last[e.Chat]; seen[id] || any && e.Epoch > before {
					t.Errorf("by %d: %s again, or behind epoch %d", limit, id, before)
				}
				seen[id], last[e.Chat] = true, e.Epoch
			}
			if pages == 1 { // what happens meanwhile is newer than what was shown
				w.gives(c.ID, []string{"dan", "eve"}[limit%2])
			}
		}
		if len(seen) != len(all) {
			t.Errorf("by %d: %d events are shown, want %d", limit, len(seen), len(all))
		}
		all = w.checked().Events
	}
}

// A new customer whose two Chats merge while they wait is new for the rules that are saved after that, too.
func TestNewCustomerWhoMerges(t *testing.T) {
	t.Parallel()
	const newOnes = `{"rules": [{"id": "new", "name": "New", "enabled": true, "when": {"all": [{"field": "customer", "in": ["new"]}, {"field": "openedBy", "in": ["created"]}]},
		"to": [{"team": "sales", "strategy": "round_robin"}]}], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`
	w := newWorld(t)
	w.saveRules(newOnes)
	w.receives(text("", phoneA, "a", minute(1)), text("US.1", "", "b", minute(2)), text("US.1", phoneA, "c", minute(3)))
	before := w.the()
	w.saveRules(newOnes)
	w.serves("team:sales")
	if c := w.the(); c.Epoch < 2 || c.Routed != before.Routed+1 || !slices.Equal(c.Pools, []string{"team:sales"}) {
		t.Errorf("merged, it waited in %v; after the rules were saved again, in %v", before.Pools, c.Pools)
	}
}
