package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// S12, S14, S16, S18: who may give a Chat to whom, and what comes of it.
func TestReassign(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.Opens("US.1", "amira")
	w.Edits("mei", func(p *team.Person) { p.Active = false })
	long := strings.Repeat("ä", maxNote)
	for _, test := range []struct {
		what, who, body string
		want            chat.Code
		owner           string
		epoch           int64
	}{
		{"a colleague takes it", "bruno", `{"personId":"bruno"}`, chat.NotAssignee, "amira", 2},
		{"nobody", "amira", `{}`, chat.Invalid, "amira", 2},
		{"a person and a team", "amira", `{"personId":"dan","teamId":"sales"}`, chat.Invalid, "amira", 2},
		{"a person and nothing as the team", "amira", `{"personId":"dan","teamId":""}`, chat.Invalid, "amira", 2},
		{"nothing as the person", "amira", `{"personId":""}`, chat.Invalid, "amira", 2},
		{"a long note", "amira", fmt.Sprintf(`{"personId":"dan","note":%q}`, long+"ä"), chat.Invalid, "amira", 2},
		{"somebody unknown", "amira", `{"personId":"zoe"}`, chat.CannotOwn, "amira", 2},
		{"somebody impossible", "amira", fmt.Sprintf(`{"personId":%q}`, long), chat.CannotOwn, "amira", 2},
		{"somebody inactive", "alex", `{"personId":"mei"}`, chat.CannotOwn, "amira", 2},
		{"an unknown team", "amira", `{"teamId":"cooks"}`, chat.NoSuchTeam, "amira", 2},
		{"seen at another epoch", "amira", `{"personId":"dan","ifEpoch":1}`, chat.Stale, "amira", 2},
		{"the Assignee themselves", "amira", `{"personId":"amira","ifEpoch":2}`, "", "amira", 2},
		{"a colleague", "amira", fmt.Sprintf(`{"personId":"dan","note":%q}`, long), "", "dan", 3},
		{"no longer the Assignee", "amira", `{"personId":"amira"}`, chat.NotAssignee, "dan", 3},
		{"an Admin takes over", "alex", `{"personId":"alex"}`, "", "alex", 4},
		{"an Admin gives another's", "alex", `{"personId":"bruno"}`, "", "bruno", 5},
		{"to a team", "bruno", `{"teamId":"arabic","note":"Arabic, please"}`, "", "", 6},
		{"to the same team", "alex", `{"teamId":"arabic"}`, "", "", 6},
		{"to everyone", "alex", `{"teamId":"everyone"}`, "", "", 7},
		{"a waiting Chat by an Agent", "bruno", `{"personId":"bruno"}`, chat.NotAssignee, "", 7},
		{"a waiting Chat by an Admin", "alex", `{"personId":"chloe"}`, "", "chloe", 8},
	} {
		got, shown := w.Asks(test.who, c.ID, test.body)
		if got != test.want {
			t.Errorf("%s: %q %v, want %q", test.what, got, shown, test.want)
		}
		if now := w.Chat(c.ID); now.Owner != test.owner || now.Epoch != test.epoch {
			t.Errorf("%s: it is %q's at %d, want %q's at %d", test.what, now.Owner, now.Epoch, test.owner, test.epoch)
		}
		w.Checked()
	}
}

// A closed Chat changes hands and stays closed; it is nobody's load, and can't wait.
func TestReassignAClosedChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.Opens("US.1", "amira")
	w.Must(w.Store.Commit(t.Context(), c.Closes(c.OpenedAt, chat.Actor{Kind: chat.ByPerson, ID: "amira"})))
	if got, _ := w.Asks("alex", c.ID, `{"teamId":"sales"}`); got != chat.ChatClosed {
		t.Errorf("to a team: %q", got)
	}
	if got, _ := w.Asks("amira", c.ID, `{"personId":"dan"}`); got != "" {
		t.Errorf("to a colleague: %q", got)
	}
	if now := w.Chat(c.ID); now.Owner != "dan" || now.Status != chat.Closed {
		t.Errorf("it is %s of %q", now.Status, now.Owner)
	}
	w.Checked()
}

// Nothing of this prevents a reassignment; the answer tells.
func TestWarnings(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.Opens("US.1", "alex") // the customer writes Arabic
	w.Edits("bruno", func(p *team.Person) { p.Availability = team.Away })
	w.Edits("chloe", func(p *team.Person) { p.Availability = team.Offline })
	w.Edits("dan", func(p *team.Person) { p.OnlineUntil = c.OpenedAt })
	w.Edits("amira", func(p *team.Person) { p.Capacity, p.Limit = 1, 1 })
	for _, test := range []struct {
		to   string
		want []any
	}{
		{"bruno", []any{"away", "wrong_language"}},
		{"chloe", []any{"offline", "wrong_language"}},
		{"dan", []any{"offline", "wrong_language"}},
		{"mei", []any{"wrong_language"}},
		{"amira", []any{}},
	} {
		got, shown := w.Asks("alex", c.ID, fmt.Sprintf(`{"personId":%q}`, test.to))
		if warnings, _ := shown["warnings"].([]any); got != "" || !slices.Equal(warnings, test.want) {
			t.Errorf("%s: %q %v, want %v", test.to, got, shown["warnings"], test.want)
		}
	}
	other := w.Opens("US.2", "alex")
	if _, shown := w.Asks("alex", other.ID, `{"personId":"amira"}`); fmt.Sprint(shown["warnings"]) != "[at_capacity]" {
		t.Errorf("one more than she can take: %v", shown["warnings"])
	}
	w.Checked()
}

// Once the new Assignee is stored they are answered, whatever can't be read after that.
func TestStoredIsAnsweredAsStored(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.Opens("US.1", "amira")
	got, shown := w.AsksOnce("alex", c.ID, `{"personId":"bruno"}`)
	if got != "" || fmt.Sprint(shown["assignee"]) != "map[id:bruno name:bruno]" {
		t.Errorf("%q %v", got, shown)
	}
	if now := w.Chat(c.ID); now.Owner != "bruno" || now.Epoch != 3 {
		t.Errorf("it is %s's at epoch %d", now.Owner, now.Epoch)
	}
}
