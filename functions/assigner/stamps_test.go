package main

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/whatsapp"
)

// stamped gives a message another time stamp; nil takes it away.
func stamped(m map[string]any, stamp any) map[string]any {
	if delete(m, "timestamp"); stamp != nil {
		m["timestamp"] = stamp
	}
	return m
}

// receivesAt delivers messages in one delivery, received at a moment of a clock that the test moves.
func (w *world) receivesAt(received time.Time, messages ...map[string]any) {
	w.Helper()
	w.now = func() time.Time { return received }
	list := []any{}
	for _, m := range messages {
		list = append(list, m)
	}
	for _, body := range w.post(received, []any{change("messages", map[string]any{"messages": list})}) {
		w.must(w.update(w.Context(), body))
	}
}

// A time stamp that can't be true neither closes a window nor keeps it open, makes nothing late and no reply early; and its
// message is stored once, whenever it comes again: with the stamp still ahead, or not any more.
func TestTimeStampsThatCannotBeTrue(t *testing.T) {
	t.Parallel()
	received := morning.Add(time.Minute)
	seconds := func(d time.Duration) string { return fmt.Sprint(received.Add(d).Unix()) }
	for name, stamp := range map[string]any{
		"missing": nil, "empty": "", "zero": "0", "the number 0": 0, "negative": "-5", "a word": "soon", "an object": map[string]any{},
		"before WhatsApp": "1230767999", "of the first computers": "1", "four minutes ahead": seconds(4 * time.Minute), "an hour ahead": seconds(time.Hour),
		"a week ahead": seconds(7 * 24 * time.Hour), "nine days ahead": seconds(9 * 24 * time.Hour), "a year ahead": seconds(365 * 24 * time.Hour), "beyond all keys": "9999999999",
	} {
		for _, first := range []bool{true, false} { // of its Chat, or on one that is open
			t.Run(fmt.Sprint(name, ", first ", first), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, agent("dan", 0, "support"))
				if !first {
					w.receivesAt(morning, text("US.1", "15550101111", "before", morning))
				}
				odd := func() map[string]any {
					m := text("US.1", "15550101111", "odd", morning)
					m["id"] = "wamid.odd"
					return stamped(m, stamp)
				}
				w.receivesAt(received, odd())
				c := w.only()
				if at := c.LastIn.Time(); !at.Equal(received) || !c.WindowCloses().Equal(received.Add(chat.Window)) {
					t.Errorf("it is of %s, and the window closes at %s", at, c.WindowCloses())
				}
				w.receivesAt(received.Add(2*time.Second), text("US.1", "15550101111", "after", received.Add(time.Second)))
				c = w.only()
				if at := c.LastIn.Time(); !at.Equal(received.Add(time.Second)) || c.Preview.Text != "after" {
					t.Errorf("the message after it is late: the last is of %s, and %q is shown", at, c.Preview.Text)
				}
				reply, err := c.Replies(received.Add(time.Minute), "dan", chat.NewKey(received.Add(time.Minute)), chat.Message{Type: "text"})
				if err != nil || !reply.Key.Time().Equal(received.Add(time.Minute)) {
					t.Errorf("a reply is of %s (%v)", reply.Key.Time(), err)
				}
				want := []string{"before", "odd", "after"}
				if first {
					want = want[1:]
				}
				if got := w.texts(c); !slices.Equal(got, want) {
					t.Errorf("it reads %q, want %q", got, want)
				}
				var read []chat.Key
				for _, m := range w.checked().Messages {
					read = append(read, m.Key)
				}
				_, err = w.store.Read(t.Context(), c.ID, c.Owner, read, func(chat.Chat) error { return nil })
				w.must(err)
				same := func(when string) {
					t.Helper()
					now := w.only()
					if len(now.Unread) != 0 || now.LastIn != c.LastIn || now.Preview != c.Preview {
						t.Errorf("%s it is unread again, or shown as the last: %+v", when, now.Inbox)
					}
					if got := w.texts(now); !slices.Equal(got, want) {
						t.Errorf("%s it reads %q", when, got)
					}
				}
				for _, later := range []time.Duration{5 * time.Minute, 2 * time.Hour, 26 * time.Hour, 7*24*time.Hour + time.Minute} {
					w.receivesAt(received.Add(later), odd())
					same(fmt.Sprint("delivered again after ", later))
				}
				w.closes(c.ID)
				w.receivesAt(received.Add(8*24*time.Hour), odd())
				if now := w.only(); now.Status != chat.Closed || len(w.checked().Messages) != len(want) {
					t.Errorf("delivered again to the closed Chat, it is %s", now.Status)
				}
			})
		}
	}
}

// A time stamp a little ahead is believed: clocks differ.
func TestTimeStampALittleAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receivesAt(morning, text("US.1", "", "hello", morning.Add(whatsapp.MaxAhead)))
	if c := w.only(); !c.LastIn.Time().Equal(morning.Add(whatsapp.MaxAhead)) || !c.Ahead.IsZero() {
		t.Errorf("it is of %s", c.LastIn.Time())
	}
}

// What was ahead is found again after two Chats became one, in the one that goes on.
func TestAheadAndMerged(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"user", "phone"} {
		w := newWorld(t)
		odd := func() map[string]any {
			m := map[string]map[string]any{"user": text("US.1", "", "odd", morning.Add(time.Hour)), "phone": text("", phoneA, "odd", morning.Add(time.Hour))}[in]
			m["id"] = "wamid.odd"
			return m
		}
		w.receivesAt(morning, text("US.1", "", "a", morning), text("", phoneA, "b", morning))
		w.receivesAt(morning.Add(time.Minute), odd())
		w.receivesAt(morning.Add(2*time.Minute), text("US.1", "", "c", morning.Add(2*time.Minute)), text("US.1", phoneA, "d", morning.Add(3*time.Minute)))
		c := w.the()
		w.receivesAt(morning.Add(3*time.Hour), odd())
		if now := w.the(); now.LastIn != c.LastIn || len(w.checked().Messages) != 5 {
			t.Errorf("in the Chat of the %s: it is stored again: %q", in, w.texts(now))
		}
	}
}

// Until the time that was told ahead has come, other messages of the Chat are stored, once, and shown as the last.
func TestMessagesWhileOneIsAhead(t *testing.T) {
	t.Parallel()
	for _, user := range []string{"US.1", ""} {
		w := newWorld(t)
		w.receivesAt(morning, text(user, "15550101111", "odd", morning.Add(10*time.Hour)))
		want := []string{"odd"}
		var all []map[string]any
		for i := range 3 {
			said := fmt.Sprint("n", i)
			m := text(user, "15550101111", said, morning.Add(time.Duration(i+1)*5*time.Hour)) // before it, at it, after it
			all, want = append(all, m), append(want, said)
			w.receivesAt(morning.Add(time.Duration(i+1)*5*time.Hour), m)
			if c := w.only(); c.Preview.Text != said {
				t.Errorf("%q is shown, want %q", c.Preview.Text, said)
			}
		}
		w.receivesAt(morning.Add(20*time.Hour), all...)
		if got := w.texts(w.only()); !slices.Equal(got, want) {
			t.Errorf("it reads %q, want %q", got, want)
		}
	}
}

// An edit, an echo and a system notice have a Key of their own like a message.
func TestAsidesStampedAhead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receivesAt(morning, text("US.1", "", "hello", morning))
	aside := func() map[string]any {
		m := of(text("US.1", "", "", morning.Add(time.Hour)), "reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"})
		m["id"] = "wamid.aside"
		return m
	}
	for _, later := range []time.Duration{time.Minute, 10 * time.Minute, 2 * time.Hour} {
		w.receivesAt(morning.Add(later), aside())
	}
	all := w.checked()
	if len(all.Messages) != 2 || len(w.only().Unread) != 2 {
		t.Errorf("%d Messages, %d unread", len(all.Messages), len(w.only().Unread))
	}
	for _, m := range all.Messages {
		if m.Key.Time().After(morning.Add(time.Minute)) {
			t.Errorf("the %s is of %s", m.Type, m.Key.Time())
		}
	}
}

// However many instances have copies of a message without a time in hand, each received at another time, it is stored once.
func TestCopiesWithoutATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := stamped(text("US.1", "15550101111", "odd", morning), nil)
	var all sync.WaitGroup
	for i := range 16 {
		body := w.post(morning.Add(time.Duration(i)*time.Second), []any{change("messages", map[string]any{"messages": []any{m}})})[0]
		all.Go(func() {
			if err := w.update(t.Context(), body); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if c := w.only(); len(w.checked().Messages) != 1 || len(c.Unread) != 1 || c.Epoch != 1 {
		t.Errorf("%d Messages, %d unread, epoch %d", len(w.checked().Messages), len(c.Unread), c.Epoch)
	}
}
