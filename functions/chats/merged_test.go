package main

import (
	"fmt"
	"testing"

	"chatkeeper/shared/chat"
)

// The id of the first of as many Chats as may be merged into one, each into the next, leads to the one that goes on.
func TestMergedAsOftenAsMayBe(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	id := func(n int) string { return fmt.Sprintf("chat%02d", n) }
	d.writes(id(0), "hello")
	for n := range chat.MaxFrom {
		d.writes(id(n+1), "hello again")
		d.merges(id(n), id(n+1))
	}
	if c := d.chat(id(0)); c.MergedInto != id(1) {
		t.Fatalf("the first is merged into %s", c.MergedInto)
	}
	for _, n := range []int{0, 1, chat.MaxFrom} {
		if shown, err := d.get("GET /v1/chats/{chatId}", id(n), ""); err != nil || shown["id"] != id(chat.MaxFrom) {
			t.Errorf("%s leads to %v (%v)", id(n), shown["id"], err)
		}
	}
	if page := d.must("GET /v1/chats/{chatId}/messages", id(0), ""); len(page["items"].([]any)) != chat.MaxFrom+1 {
		t.Errorf("it shows %d messages, want those of all", len(page["items"].([]any)))
	}
}
