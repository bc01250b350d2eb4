package main

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/chat"
)

// A Monday morning that WhatsApp's time stamps count from.
var morning = time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)

const support = "team:support"

// S1, S2: a new conversation becomes a Chat, and waits in the pool that the rules in force name.
func TestNewConversationBecomesOneWaitingChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receives(text("US.1", "15550101111", "Hello, my parcel has not arrived yet", morning))
	c := w.only()
	if c.Status != chat.Open || c.Owner != "" || c.Epoch != 1 || len(c.Pools) != 1 || c.Pools[0] != support {
		t.Errorf("the Chat is %+v", c.Ownership)
	}
	if c.ID != testSecret.UserAddress(seed.SupportNumber, "US.1") {
		t.Error("a Chat that begins with a user id does not stand at its address")
	}
	if c.Customer.Language != "en" || c.Customer.Country != "US" || c.Customer.Phone != "15550101111" {
		t.Errorf("the customer is %+v", c.Customer)
	}
	events, err := w.store.History(t.Context(), c.ID)
	w.must(err)
	if len(events) != 1 || events[0].Type != chat.Created || events[0].Decision.RuleID != "support" || events[0].Decision.Input.Department != "support" {
		t.Errorf("the history is %+v", events)
	}
}

// I4: however often and however concurrently one delivery comes, it is one Message, one Chat, one unread.
func TestCopiesOfOneDeliveryAreOne(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, m := range map[string]map[string]any{
		"user id":   text("US.1", "", "Hello", morning),
		"phone":     text("", "15550102222", "Hello", morning),
		"both":      text("US.3", "15550103333", "Hello", morning),
		"old phone": text("", "15550103333", "Hello again", morning.Add(time.Second)),
	} {
		body := w.updates("messages", m)[0]
		var all sync.WaitGroup
		for range 32 {
			all.Go(func() {
				if err := w.update(t.Context(), body); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		all.Wait()
	}
	all := w.checked()
	messages := map[string]int{}
	for _, m := range all.Messages {
		messages[m.WAMID]++
	}
	if len(messages) != 4 || len(all.Messages) != 4 {
		t.Errorf("%d Messages of %d ids are stored, want 4 of 4", len(all.Messages), len(messages))
	}
	unread := 0
	for _, c := range all.Chats {
		unread += len(c.Unread)
		if c.Epoch != 1 {
			t.Errorf("Chat %s is at epoch %d", c.ID, c.Epoch)
		}
	}
	if unread != 4 {
		t.Errorf("%d messages are unread, want 4", unread)
	}
}

func TestMessagesOnAnOpenChat(t *testing.T) {
	t.Parallel()
	first := text("US.1", "", "one", morning)
	for _, test := range []struct {
		name     string
		then     []map[string]any
		messages int
		unread   int
		more     bool
	}{
		{"a newer one", []map[string]any{text("US.1", "", "two", morning.Add(time.Minute))}, 2, 2, false},
		{"the same again", []map[string]any{first}, 1, 1, false},
		{"a late one", []map[string]any{text("US.1", "", "zero", morning.Add(-time.Minute))}, 2, 2, false},
		{"two of one second", []map[string]any{text("US.1", "", "b", morning), text("US.1", "", "c", morning)}, 3, 3, false},
		{"more than are counted", many(chat.MaxUnread + 3), chat.MaxUnread + 4, chat.MaxUnread, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.receives(first)
			w.receives(test.then...)
			c := w.only()
			all := w.checked()
			if len(all.Messages) != test.messages || len(c.Unread) != test.unread || c.More.IsZero() == test.more || c.Epoch != 1 {
				t.Errorf("%d Messages, %d unread, more %v, epoch %d", len(all.Messages), len(c.Unread), !c.More.IsZero(), c.Epoch)
			}
		})
	}
}

func many(n int) []map[string]any {
	var all []map[string]any
	for i := range n {
		all = append(all, text("US.1", "", fmt.Sprint("line ", i), morning.Add(time.Duration(i+1)*time.Second)))
	}
	return all
}

// A crash between counting a message and storing its text is made good by the redelivery, once.
func TestCrashBetweenChatAndMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receives(text("US.1", "", "one", morning))
	id := w.only().ID
	second := text("US.1", "", "two", morning.Add(time.Minute))
	k := testSecret.Key(morning.Add(time.Minute).Unix(), second["id"].(string))
	_, err := w.store.Deliver(t.Context(), id, chat.Arrival{Message: chat.Message{Key: k}, Preview: "two"})
	w.must(err)
	w.receives(text("US.1", "", "three", morning.Add(2*time.Minute)))
	w.receives(second, second)
	c := w.only()
	if all := w.checked(); len(all.Messages) != 3 || len(c.Unread) != 3 {
		t.Errorf("%d Messages, %d unread, want 3 and 3", len(all.Messages), len(c.Unread))
	}
}

// S3: a customer's message re-opens a closed Chat and the rules run afresh; what was seen before re-opens nothing.
func TestReopening(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support", "sales"))
	first := text("US.1", "", "hello", morning)
	w.nobodyAround(func() { w.receives(first) })
	w.serves(support)
	id := w.only().ID
	w.closes(id)
	w.receives(first)
	if c := w.only(); c.Status != chat.Closed || c.Owner != "dan" || c.Epoch != 3 {
		t.Fatalf("a redelivery made it %+v", c.Ownership)
	}
	again := text("US.1", "", "quiero comprar una bicicleta nueva", morning.Add(time.Hour))
	body := w.updates("messages", again)[0]
	w.nobodyAround(func() {
		var all sync.WaitGroup
		for range 16 {
			all.Go(func() { w.must(w.update(t.Context(), body)) })
		}
		all.Wait()
	})
	c := w.only()
	if c.Status != chat.Open || c.Owner != "" || c.Epoch != 4 || c.OwnerEpoch != 4 || c.Pools[0] != "team:sales" {
		t.Errorf("re-opened it is %+v", c.Ownership)
	}
	late := text("US.1", "", "sent before the last one, and seen only now", morning.Add(time.Minute))
	w.serves("team:sales")
	w.closes(id)
	w.receives(late)
	if c := w.only(); c.Status != chat.Open || c.LastIn != testSecret.Key(morning.Add(time.Hour).Unix(), again["id"].(string)) {
		t.Errorf("a late, unseen message left it %s with another last message", c.Status)
	}
}

// What is no turn of the conversation never opens a Chat, and is kept where there is one.
func TestAsides(t *testing.T) {
	t.Parallel()
	at := morning.Add(time.Minute)
	for _, test := range []struct {
		name   string
		field  string
		m      map[string]any
		unread bool
	}{
		{"reaction", "messages", of(text("US.1", "", "", at), "reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"}), true},
		{"edit", "messages", of(text("US.1", "", "", at), "edit", map[string]any{"original_message_id": "wamid.x",
			"message": map[string]any{"type": "text", "text": map[string]any{"body": "better"}}}), true},
		{"revoke", "messages", of(text("US.1", "", "", at), "revoke", map[string]any{"original_message_id": "wamid.x"}), true},
		{"system", "messages", of(text("US.1", "", "", at), "system", map[string]any{"type": "customer_identity_changed"}), false},
		{"group", "messages", grouped(text("US.1", "", "to all", at)), false},
		{"echo", "smb_message_echoes", map[string]any{"id": "wamid.e", "from": "15550100001", "to_user_id": "US.1", "timestamp": fmt.Sprint(at.Unix()),
			"type": "text", "text": map[string]any{"body": "from the shop's phone"}}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 0, "support"))
			deliver := func() {
				for _, body := range w.updates(test.field, test.m) {
					w.must(w.update(t.Context(), body))
				}
			}
			deliver()
			if all := w.checked(); len(all.Chats)+len(all.Messages) != 0 {
				t.Fatalf("without a Chat it left %d Chats and %d Messages", len(all.Chats), len(all.Messages))
			}
			w.receives(text("US.1", "", "hello", morning))
			deliver()
			deliver()
			c := w.only()
			want := 1
			if test.unread {
				want = 2
			}
			if all := w.checked(); len(all.Messages) != 2 || len(c.Unread) != want {
				t.Errorf("%d Messages, %d unread, want 2 and %d", len(all.Messages), len(c.Unread), want)
			}
			w.serves(support)
			w.closes(c.ID)
			test.m["id"] = "wamid.another"
			deliver()
			if c := w.only(); c.Status != chat.Closed || len(c.Unread) != want {
				t.Errorf("on the closed Chat it left it %s with %d unread", c.Status, len(c.Unread))
			}
		})
	}
}

func grouped(m map[string]any) map[string]any {
	m["group_id"] = "group-1"
	return m
}

// I8: one customer, one Chat, whatever mix of phone number and user id arrives in whatever order.
func TestIdentities(t *testing.T) {
	t.Parallel()
	const phone, other = "15550101111", "15550109999"
	minute := func(n int) time.Time { return morning.Add(time.Duration(n) * time.Minute) }
	for _, test := range []struct {
		name     string
		messages []map[string]any
		chats    int
		phoneOf  string // the user id whose Chat has the phone number in the end
	}{
		{"phone, then both, then user id", []map[string]any{text("", phone, "a", minute(1)), text("US.1", phone, "b", minute(2)), text("US.1", "", "c", minute(3))}, 1, "US.1"},
		{"user id, then both, then phone", []map[string]any{text("US.1", "", "a", minute(1)), text("US.1", phone, "b", minute(2)), text("", phone, "c", minute(3))}, 1, "US.1"},
		{"both, then another phone, then that alone", []map[string]any{text("US.1", other, "a", minute(1)), text("US.1", phone, "b", minute(2)), text("", phone, "c", minute(3))}, 1, "US.1"},
		{"a recycled number", []map[string]any{text("US.1", phone, "a", minute(1)), text("US.2", phone, "b", minute(2)), text("", phone, "c", minute(3))}, 2, "US.2"},
		{"a recycled number, told by an old redelivery", []map[string]any{text("US.1", phone, "a", minute(2)), text("US.2", phone, "b", minute(1)), text("", phone, "c", minute(3))}, 2, "US.1"},
		{"a phone number, then a person without", []map[string]any{text("", phone, "a", minute(1)), text("US.2", "", "b", minute(2))}, 2, ""},
		{"a new phone number by a system message", []map[string]any{text("US.1", other, "a", minute(1)),
			of(text("US.1", other, "", minute(2)), "system", map[string]any{"type": "user_changed_number", "wa_id": phone}), text("", phone, "b", minute(3))}, 1, "US.1"},
		{"a new user id by a system message", []map[string]any{text("US.0", phone, "a", minute(1)),
			of(text("", phone, "", minute(2)), "system", map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			text("US.1", phone, "b", minute(3)), text("US.0", "", "an old redelivery", minute(1))}, 1, "US.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for range 2 { // the second time nothing changes
				for _, m := range test.messages {
					w.receives(m)
				}
			}
			all := w.checked()
			if len(all.Chats) != test.chats || len(all.Messages) != len(test.messages) {
				t.Fatalf("%d Chats with %d Messages, want %d with %d", len(all.Chats), len(all.Messages), test.chats, len(test.messages))
			}
			for _, c := range all.Chats {
				if has := c.Customer.Phone == phone; test.phoneOf != "" && has != (c.Customer.UserID == test.phoneOf) {
					t.Errorf("the Chat of %s has the phone number: %v", c.Customer.UserID, has)
				}
			}
		})
	}
}

// Rules that can't be loaded do not stop anybody: the last good version stays in force.
func TestBrokenRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.saveRules(everyoneInTurn)
	w.saveRules(`{"rules": "none"}`)
	w.receives(text("US.1", "", "hello", morning))
	c := w.only()
	if c.RulesVersion != 2 || c.Pools[0] != "team:everyone" {
		t.Errorf("it was routed by version %d to %v", c.RulesVersion, c.Pools)
	}
	f, err := w.store.InForce(t.Context())
	w.must(err)
	if f.Saved != 3 || f.Version != 2 || f.Broken == nil {
		t.Errorf("in force is %d of %d, broken: %v", f.Version, f.Saved, f.Broken)
	}
}
