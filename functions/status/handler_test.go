package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatkeeper/shared/chat"
)

// seenAt closes a Chat of which everything up to its lastIn was seen.
func seenAt(c chat.Chat) string {
	return fmt.Sprintf(`{"status":"closed","ifSeenUpTo":%q}`, c.LastIn.Time().Format(time.RFC3339))
}

// S11, S17, S18: who may close and open a Chat, what it takes, and what comes of it.
func TestStatus(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.Opens("US.1", "amira")
	waiting := w.Opens("US.2", "")
	for _, test := range []struct {
		what, who, chat, body string
		want                  chat.Code
		status                chat.Status
		epoch                 int64
	}{
		{"no team member's", "bruno", c.ID, `{"status":"closed"}`, chat.NotAssignee, chat.Open, 2},
		{"no Admin's", "alex", c.ID, `{"status":"closed"}`, chat.AdminNotOwner, chat.Open, 2},
		{"an open one", "amira", c.ID, `{"status":"open"}`, "", chat.Open, 2},
		{"another status", "amira", c.ID, `{"status":"merged"}`, chat.Invalid, chat.Open, 2},
		{"no status", "amira", c.ID, `{}`, chat.Invalid, chat.Open, 2},
		{"nonsense", "amira", c.ID, `[]`, chat.BadRequest, chat.Open, 2},
		{"something else", "amira", c.ID, `{"status":"closed","x":1}`, chat.Invalid, chat.Open, 2},
		{"seen at another epoch", "amira", c.ID, `{"status":"closed","ifEpoch":1}`, chat.Stale, chat.Open, 2},
		{"seen before the customer wrote", "amira", c.ID, `{"status":"closed","ifSeenUpTo":"2026-01-01T00:00:00Z"}`, chat.NewMessage, chat.Open, 2},
		{"seen something else", "amira", c.ID, `{"status":"closed","ifSeenUpTo":"yesterday"}`, chat.Invalid, chat.Open, 2},
		{"a Chat that is not there", "amira", "x/../%00", `{"status":"closed"}`, chat.NoSuchChat, chat.Open, 2},
		{"closed", "amira", c.ID, fmt.Sprintf(`{"status":"closed","ifEpoch":2,"ifSeenUpTo":%q}`, c.LastIn), "", chat.Closed, 3},
		{"closed again", "amira", c.ID, `{"status":"closed"}`, "", chat.Closed, 3},
		{"opened by another", "bruno", c.ID, `{"status":"open"}`, chat.NotAssignee, chat.Closed, 3},
		{"opened", "amira", c.ID, `{"status":"open"}`, "", chat.Open, 4},
		{"seen by the Chat's lastIn, unread", "amira", c.ID, seenAt(c), chat.NewMessage, chat.Open, 4},
		{"seen by the Chat's lastIn, read", "amira", c.ID, seenAt(c), "", chat.Closed, 5},
	} {
		if strings.HasSuffix(test.what, ", read") {
			_, err := w.Store.Read(t.Context(), c.ID, "amira", []chat.Key{c.LastIn}, func(chat.Chat) error { return nil })
			w.Must(err)
		}
		got, shown := w.Asks(test.who, test.chat, test.body)
		if got != test.want {
			t.Errorf("%s: %q %v, want %q", test.what, got, shown, test.want)
		}
		now := w.Chat(c.ID)
		if now.Status != test.status || now.Epoch != test.epoch || now.Owner != "amira" {
			t.Errorf("%s: it is %s of %s at %d, want %s at %d", test.what, now.Status, now.Owner, now.Epoch, test.status, test.epoch)
		}
		if got == "" && (shown["status"] != string(test.status) || shown["epoch"] != float64(test.epoch)) {
			t.Errorf("%s: the answer shows %v at %v", test.what, shown["status"], shown["epoch"])
		}
	}
	if got, _ := w.Asks("amira", waiting.ID, `{"status":"closed"}`); got != chat.NotAssignee {
		t.Errorf("a waiting Chat: %q", got)
	}
	w.Checked()
}

// Once the status is stored it is answered as set, whatever can't be read after that.
func TestStoredIsAnsweredAsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.Opens("US.1", "amira")
	got, shown := w.AsksOnce("amira", c.ID, `{"status":"closed"}`)
	if got != "" || shown["status"] != "closed" || fmt.Sprint(shown["assignee"]) != "map[id:amira name:amira]" {
		t.Errorf("%q %v", got, shown)
	}
	if now := w.Chat(c.ID); now.Status != chat.Closed || now.Epoch != 3 {
		t.Errorf("it is %s at epoch %d", now.Status, now.Epoch)
	}
}
