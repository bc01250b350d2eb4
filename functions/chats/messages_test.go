package main

import (
	"fmt"
	"testing"
	"time"

	"chatkeeper/shared/chat"
)

// says puts a message on an open Chat, n seconds after the last.
func (d *desk) says(id string, n int, m chat.Message) {
	d.Helper()
	d.clock = d.clock.Add(time.Duration(n) * time.Second)
	m.Key, m.Arrived, m.Type = d.secret.Key(d.clock.Unix(), m.WAMID), d.clock, "text"
	if m.Direction == "" {
		m.Direction = chat.In
	}
	if err := d.store.PutMessage(d.Context(), id, m); err != nil {
		d.Fatal(err)
	}
}

// The id of a quoted message is shown where the message stands on the page or up to a hundred messages before it.
func TestQuoted(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens("chat", "15550101234", "the first")
	for n := range farthestQuote + 1 {
		d.says("chat", 1, chat.Message{WAMID: fmt.Sprint("wamid.", n)})
	}
	d.says("chat", 1, chat.Message{WAMID: "near", Quoted: "wamid.100"})
	d.says("chat", 1, chat.Message{WAMID: "far", Quoted: "wamid.5"})
	d.says("chat", 1, chat.Message{WAMID: "farther", Quoted: "wamid.chat"})
	var found []bool
	for _, item := range d.must("GET /v1/chats/{chatId}/messages", "chat", "limit=4")["items"].([]any) {
		_, quotes := item.(map[string]any)["quoted"]
		found = append(found, quotes)
	}
	if fmt.Sprint(found) != "[false true true false]" {
		t.Errorf("quoted are shown: %v", found)
	}
}

// What WhatsApp told of a message that the business sent is shown with it, whatever came first.
func TestOutcomeOfAMessage(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens("chat", "15550101234", "hello")
	for n, wamid := range []string{"was.read", "has.failed", "is.silent"} {
		d.says("chat", n+1, chat.Message{WAMID: wamid, Direction: chat.Out, Source: "echo"})
	}
	for _, told := range []struct {
		wamid, status string
		rank          int
		codes         []int
	}{{"was.read", "read", 3, nil}, {"was.read", "delivered", 2, nil}, {"has.failed", "failed", 4, []int{131047}}} {
		if err := d.store.Delivered(t.Context(), "chat", d.secret.Key(0, told.wamid).Mark(), told.status, told.rank, 1, told.codes); err != nil {
			t.Fatal(err)
		}
	}
	var shown []string
	for _, item := range d.must("GET /v1/chats/{chatId}/messages", "chat", "")["items"].([]any) {
		m := item.(map[string]any)
		shown = append(shown, fmt.Sprint(m["delivery"], " ", m["failure"]))
	}
	if want := "[<nil> <nil> read <nil> failed 131047 <nil> <nil>]"; fmt.Sprint(shown) != want {
		t.Errorf("shown are %v, want %v", shown, want)
	}
}
