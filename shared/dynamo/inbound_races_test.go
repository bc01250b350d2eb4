package dynamo_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// arrival is the customer's nth message, as stage.message takes it.
func (s *stage) arrival(user string, n int) chat.Arrival {
	return chat.Arrival{Preview: "hello", Message: chat.Message{Key: s.key(n), WAMID: fmt.Sprintf("wamid.%s.%d", user, n), Direction: chat.In,
		Type: "text", Text: "hello", Arrived: dynamo.Now()}}
}

// comes takes customers' messages to their Chats; the first one opens it. It returns the Chat's id.
func (s *stage) comes(user string, messages ...int) string {
	s.Helper()
	for _, n := range messages {
		s.must(s.message(s.store, user, n))
	}
	return shelfSecret.UserAddress(stageNumber, user)
}

// merge makes two Chats one.
func (s *stage) merge(a, b string) {
	s.Helper()
	merged, err := s.store.Merge(s.Context(), s.chat(a), s.chat(b), "", nil, dynamo.Now())
	s.must(err)
	if !merged {
		s.Fatal("not merged")
	}
}

// crowds lets n further messages be unread in a Chat, which are not stored; thins takes them out again.
func (s *stage) crowds(id string, n int) { s.Helper(); s.marks("ADD", id, n) }
func (s *stage) thins(id string)         { s.Helper(); s.marks("DELETE", id, chat.MaxUnread) }

func (s *stage) marks(how, id string, n int) {
	s.Helper()
	marks := &types.AttributeValueMemberBS{}
	for i := range n {
		m := shelfSecret.Key(1, fmt.Sprint("crowd", i)).Mark()
		marks.Value = append(marks.Value, m[:])
	}
	table, update := s.tables["ChatsTable"], how+" ur :m"
	_, err := serverstest.DynamoDB(s).UpdateItem(s.Context(), &dynamodb.UpdateItemInput{TableName: &table, UpdateExpression: &update,
		Key:                       dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "C#" + id}, "sk": &types.AttributeValueMemberS{Value: "0"}},
		ExpressionAttributeValues: dynamo.Item{":m": marks}})
	s.must(err)
}

// stored is how often the customer's nth message stands in any of the Chats.
func (s *stage) stored(n int, chats ...string) int {
	s.Helper()
	times := 0
	for _, id := range slices.Compact(slices.Sorted(slices.Values(chats))) {
		m, err := s.store.Message(s.Context(), id, s.key(n))
		s.must(err)
		if m != nil {
			times++
		}
	}
	return times
}

// line is a customer's Chats in a race.
type line struct {
	user      string
	id, other string // the Chat, and another that proves to be the same customer's
	from      string // was merged into it before; else the Chat itself
}

// A message that comes late, or moves nothing forward, is on its way into a Chat that somebody changes: it is refused, and
// where it comes again it is stored once, counted once, and opens the Chat if that was closed (I4).
func TestAsidesHoldWhileAsRead(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	const m = 2 // the message; the Chat has a newer one
	late := func(l line, c chat.Chat) error { return s.store.Late(ctx, c, s.arrival(l.user, m)) }
	keep := func(l line, c chat.Chat) error {
		reaction := s.arrival(l.user, m)
		reaction.Preview, reaction.Message.Type = "", chat.Reaction
		return s.store.Keep(ctx, c, reaction, true)
	}

	closes := func(l line) {
		s.must(s.gives(s.store, l.id, "alex", "amira", ""))
		s.must(s.sets(s.store, l.id, "amira", chat.Closed, chat.Key{}))
	}
	opens := func(l line) { s.comes(l.user, 5) }
	merges := func(l line) { // the message stands in the other Chat by then
		s.must(s.store.PutMessage(ctx, l.other, s.arrival(l.user, m).Message))
		s.merge(l.id, l.other)
	}
	halfway := func(l line) { // the end of a delivery that had begun before the merge
		s.must(s.store.PutMessage(ctx, l.from, s.arrival(l.user, m).Message))
	}
	twin := func(write func(line, chat.Chat) error) func(line) { // another instance of the delivery, and the Assignee reads it
		return func(l line) {
			s.must(write(l, s.chat(l.id)))
			s.must(s.gives(s.store, l.id, "alex", "amira", ""))
			s.must(s.reads(s.store, l.id, "amira", s.key(m)))
		}
	}
	for number, test := range []struct {
		what            string
		closed, counted bool // the Chat is; the message is, though it is not stored yet
		late            bool // else it moves nothing forward
		between         func(line)
		status          chat.Status // in the end
		unread          bool
	}{
		{"late, closed first", false, false, true, closes, chat.Open, true},
		{"late, merged first", false, false, true, merges, chat.Open, false},
		{"late, another instance first", false, false, true, twin(late), chat.Open, false},
		{"late, stored half way", false, false, true, halfway, chat.Open, false},
		{"late and counted, closed first", false, true, true, closes, chat.Open, true},
		{"late and counted, merged first", false, true, true, merges, chat.Open, true},
		{"late and counted, stored half way", false, true, true, halfway, chat.Open, true},
		{"kept, closed first", false, false, false, closes, chat.Closed, false},
		{"kept, merged first", false, false, false, merges, chat.Open, false},
		{"kept, another instance first", false, false, false, twin(keep), chat.Open, false},
		{"kept in a closed Chat, opened first", true, false, false, opens, chat.Open, true},
		{"kept in a closed Chat, merged first", true, false, false, merges, chat.Open, false},
	} {
		for _, before := range []bool{false, true} {
			what := fmt.Sprintf("%s (another merged before: %t)", test.what, before)
			user := fmt.Sprint("US.", number, before)
			l := line{user: user, id: s.comes(user, 1), other: s.comes(user+".other", 3)}
			if test.counted {
				_, err := s.store.Deliver(ctx, l.id, s.arrival(user, m))
				s.must(err)
			}
			s.comes(user, 4)
			if l.from = l.id; before {
				l.from = s.comes(user+".from", 0)
				s.merge(l.id, l.from)
			}
			if test.closed {
				closes(l)
			}
			c, write := s.chat(l.id), keep
			if test.late {
				write = late
			}
			test.between(l)
			if err := write(l, c); !errors.Is(err, dynamo.ErrRefused) {
				t.Errorf("%s: written as it was read (%v)", what, err)
			}
			if stored, err := s.store.Has(ctx, s.chat(l.id), s.key(m)); err != nil || !stored && !test.late {
				s.must(errors.Join(err, keep(l, s.chat(l.id))))
			}
			if test.late {
				s.comes(user, m)
			}
			if n := s.stored(m, l.id, l.other, l.from); n != 1 {
				t.Errorf("%s: stored %d times", what, n)
			}
			if c := s.chat(l.id); c.Status != test.status || slices.Contains(c.Unread, s.key(m).Mark()) != test.unread {
				t.Errorf("%s: it is %s; the message is unread: %t", what, c.Status, !test.unread)
			}
		}
	}
	s.checked()
}

// What is newest in a closed Chat, and doesn't open it, counts as unread if somebody else opened it first.
func TestTheNewestIsKeptInAChatThatOpens(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.comes("US.1", 1)
	s.becomes(id, "closed")
	c := s.chat(id)
	s.comes("US.1", 5)
	newest := s.arrival("US.1", 9)
	if err := s.store.Keep(t.Context(), c, newest, true); !errors.Is(err, dynamo.ErrRefused) {
		t.Errorf("kept as it was read: %v", err)
		return
	}
	s.must(s.store.Keep(t.Context(), s.chat(id), newest, true))
	if c := s.chat(id); !slices.Contains(c.Unread, s.key(9).Mark()) || c.Preview.At != newest.Message.Moment() {
		t.Errorf("it became %+v", c.Inbox)
	}
	s.checked()
}

// A slow instance that stores a placeholder never covers the media that came in its place, and media come where their
// placeholder is, once.
func TestPlaceholderComesFirst(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	for _, where := range []string{"alone", "merged after", "merged before"} {
		user := "US." + where
		l := line{user: user, id: s.comes(user, 1), from: s.comes(user+".from", 0)}
		placeholder, media := s.arrival(user, -1), s.arrival(user, -1)
		placeholder.Message.Type, placeholder.Message.Original = "unsupported", "media_placeholder"
		if where == "merged before" {
			s.must(s.store.Keep(ctx, s.chat(l.from), placeholder, false))
		}
		if where != "alone" {
			s.merge(l.id, l.from)
		}
		c := s.chat(l.id)
		if where != "merged before" {
			s.must(s.store.Keep(ctx, c, placeholder, false))
		}
		s.must(s.store.Reveal(ctx, c, media.Message))
		if err := s.store.Keep(ctx, c, placeholder, false); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s: stored once more (%v)", where, err)
		}
		if n := s.stored(-1, l.id, l.from); n != 1 {
			t.Errorf("%s: stored %d times", where, n)
		}
		page, err := s.store.MessagesBefore(ctx, c, s.key(0), 10)
		s.must(err)
		if len(page.Messages) != 1 || page.Messages[0].Type != "text" {
			t.Errorf("%s: it reads %+v", where, page.Messages)
		}
	}
}

// hours is a second so many hours after the stage was made.
func (s *stage) hours(n int) time.Time {
	return s.started.Truncate(time.Second).Add(time.Duration(n) * time.Hour)
}

// What a Chat knows of messages that were stamped ahead moves forward only, whatever is stored beside it.
func TestAheadMovesForwardOnly(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	aside := func(n, hours int) chat.Arrival {
		a := s.arrival("US.1", n)
		a.Preview, a.Message.Type, a.Ahead = "", chat.Reaction, s.hours(hours)
		return a
	}
	id := s.comes("US.1", 1)
	c := s.chat(id)
	s.must(s.store.Keep(ctx, c, aside(-2, 2), false))
	if err := s.store.Keep(ctx, c, aside(-1, 1), false); !errors.Is(err, dynamo.ErrRefused) {
		t.Errorf("kept as it was read: %v", err)
	}
	s.must(s.store.Keep(ctx, s.chat(id), aside(-1, 1), false))
	if c := s.chat(id); !c.Ahead.Equal(s.hours(2)) {
		t.Errorf("it is ahead until %s, want %s", c.Ahead, s.hours(2))
	}
	s.checked()
}

// Media that another instance put in the place of their placeholder meanwhile stay.
func TestMediaComeOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	id := s.comes("US.1", 1)
	placeholder := s.arrival("US.1", -1)
	placeholder.Message.Type, placeholder.Message.Original = "unsupported", "media_placeholder"
	s.must(s.store.Keep(ctx, s.chat(id), placeholder, false))
	media := func(text string) chat.Message {
		m := s.arrival("US.1", -1).Message
		m.Text, m.Arrived = text, placeholder.Message.Arrived.Add(time.Hour)
		return m
	}
	store := s.between(func() { s.must(s.store.Reveal(ctx, s.chat(id), media("first"))) })
	s.must(store.Reveal(ctx, s.chat(id), media("second")))
	m, err := s.store.Message(ctx, id, s.key(-1))
	s.must(err)
	if m.Text != "first" || !m.Arrived.Equal(placeholder.Message.Arrived) {
		t.Errorf("it reads %q, of %s", m.Text, m.Arrived)
	}
}

// A Message that exists is never written again: what a redelivery would change of it, nobody sees change.
func TestAMessageIsPutOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.comes("US.1", 1)
	again := s.arrival("US.1", 1).Message
	again.Arrived = s.started.Add(time.Hour)
	s.must(s.store.PutMessage(t.Context(), id, again))
	if m, err := s.store.Message(t.Context(), id, s.key(1)); err != nil || m.Arrived.Equal(again.Arrived) {
		t.Errorf("it became %+v (%v)", m, err)
	}
}

// At the limit of what is counted exactly, somebody changes what is unread between reading and writing: no set grows
// beyond it, and what stands beyond it is the newest, or nothing.
func TestUnreadHoldsWhileAsRead(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	const m, newest = 1, 5
	reads := func(id string) { s.must(s.reads(s.store, id, "amira", s.key(0), s.key(newest))) }
	delivers := func(id string) {
		_, err := s.store.Deliver(ctx, id, s.arrival(id, newest))
		s.must(err)
		s.must(s.store.PutMessage(ctx, id, s.arrival(id, newest).Message))
	}
	late := func(c chat.Chat) error { return s.store.Late(ctx, c, s.arrival(c.ID, m)) }
	for number, test := range []struct {
		what    string
		unread  int // of the limit, when it is read
		more    bool
		between func(id string)
		marked  bool // the message has a mark in the end; else it is among those beyond
		beyond  int  // the newest of those beyond; 0 is none
	}{
		{"the last room is taken first", chat.MaxUnread - 1, false, delivers, false, m},
		{"somebody makes room first", chat.MaxUnread, false, reads, true, 0},
		{"a newer one first", chat.MaxUnread, false, delivers, false, newest},
		{"the newest is there, and is read first", chat.MaxUnread, true, reads, true, 0},
	} {
		for _, before := range []bool{false, true} {
			what := fmt.Sprintf("%s (another merged before: %t)", test.what, before)
			user := fmt.Sprint("US.", number, before)
			id := s.comes(user, 0, 2)
			s.must(s.gives(s.store, id, "alex", "amira", ""))
			s.must(s.reads(s.store, id, "amira", s.key(2)))
			if before {
				from := s.comes(user+".from", -1)
				s.must(s.gives(s.store, from, "alex", "amira", ""))
				s.must(s.reads(s.store, from, "amira", s.key(-1)))
				s.merge(id, from)
			}
			s.crowds(id, test.unread-1)
			if test.more {
				delivers(id)
			}
			c := s.chat(id)
			test.between(id)
			if err := late(c); !errors.Is(err, dynamo.ErrRefused) {
				t.Errorf("%s: counted as it was read (%v)", what, err)
			}
			if stored, err := s.store.Has(ctx, c, s.key(m)); err != nil || !stored {
				s.must(errors.Join(err, late(s.chat(id))))
			}
			c = s.chat(id)
			beyond := chat.Key{}
			if test.beyond != 0 {
				beyond = s.key(test.beyond)
			}
			if len(c.Unread) > chat.MaxUnread || slices.Contains(c.Unread, s.key(m).Mark()) != test.marked || c.More != beyond {
				t.Errorf("%s: %d are unread, its own mark among them: %t; beyond them %s", what, len(c.Unread), !test.marked, c.More.Time())
			}
		}
	}
}

// A message finds no room for its mark, and is written as the refusal told the Chat to be. In between an aside that is
// newer comes, or somebody reads: what stands beyond the marks moves forward only, and nothing does while there is room.
func TestADeliveryWithoutRoom(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, test := range []struct {
		what    string
		between func(id string)
		marked  bool
		beyond  chat.Key
	}{
		{"an aside", func(id string) { s.must(s.store.Keep(t.Context(), s.chat(id), s.arrival(id, 9), true)) }, false, s.key(9)},
		{"somebody reads", func(id string) { s.must(s.reads(s.store, id, "amira", s.key(0))) }, true, chat.Key{}},
	} {
		id := s.owned("US."+test.what, "amira")
		s.crowds(id, chat.MaxUnread-1)
		writes := 0
		store := s.client(dynamodb.WithAPIOptions(before(func(string) {
			if writes++; writes == 2 {
				test.between(id)
			}
		})))
		_, err := store.Deliver(t.Context(), id, s.arrival(id, 5))
		if errors.Is(err, dynamo.ErrRefused) {
			_, err = store.Deliver(t.Context(), id, s.arrival(id, 5))
		}
		s.must(err)
		if c := s.chat(id); c.LastIn != s.key(5) || c.More != test.beyond || slices.Contains(c.Unread, s.key(5).Mark()) != test.marked {
			t.Errorf("%s: beyond the marks is %s; its own mark is among them: %t", test.what, c.More.Time(), !test.marked)
		}
	}
}

// Whoever reads everything that they saw leaves unread what came meanwhile.
func TestReadingLeavesWhatCameMeanwhile(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	s.crowds(id, chat.MaxUnread-1)
	s.comes("US.1", 1)
	store := s.between(func() { s.comes("US.1", 2) })
	s.must(s.reads(store, id, "amira", s.key(0), s.key(1)))
	if c := s.chat(id); c.More != s.key(2) {
		t.Errorf("beyond the marks is %s", c.More.Time())
	}
}
