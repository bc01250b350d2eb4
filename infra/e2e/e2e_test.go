package e2e_test

import (
	"strings"
	"testing"
	"time"
)

// S1, S9 to S19: the product from outside. Its parts share one stack, because starting one takes longer than any of them.
func TestFromOutside(t *testing.T) {
	t.Parallel()
	w := newWorld(t, newTarget(t))
	t.Run("a working day", w.story)
	// From here on nobody is given a Chat automatically: what a part sets up stays so.
	people := []string{"alex", "amira", "bruno", "chloe", "dan"}
	if w.tokens["mei"] != "" && w.do(t, request{as: "mei", method: "GET", path: "/v1/me"}).code() == "200" {
		people = append(people, "mei")
		w.meiStays = w.deactivate == nil
	}
	everybody := func(availability string) {
		for _, id := range people {
			w.must(t, "200", request{as: id, method: "PATCH", path: "/v1/me", body: map[string]any{"availability": availability}})
		}
	}
	everybody("away")
	if w.deactivate == nil {
		defer everybody("online") // as they were found
	}
	t.Run("parts", func(t *testing.T) { // side by side, and all done before the log is looked at
		t.Run("replies and conditions", w.conditions)
		t.Run("lists", w.lists)
		t.Run("bodies", w.bodies)
		t.Run("odd addresses", w.odd)
	})
	t.Run("matrix", w.matrix)
	if w.checkRights != nil {
		t.Run("rights", w.checkRights)
	}
	if w.said == nil {
		return
	}
	log := w.said.String()
	w.phones.Range(func(phone, _ any) bool {
		if strings.Contains(log, phone.(string)) {
			t.Errorf("the log tells the phone number %s", phone)
		}
		return true
	})
	for _, private := range []string{"wamid.", "Hello?", "Good morning!", "Layla", "@example.com", "Bearer", "eyJ"} {
		if at := strings.Index(log, private); at >= 0 {
			t.Errorf("the log tells %q: …%s…", private, log[max(0, at-200):min(len(log), at+100)])
		}
	}
}

// story is README's walk through: a customer writes, somebody owns the Chat, another may only look, an Admin moves it, and
// the customer opens it again.
func (w *world) story(t *testing.T) {
	c := newCustomer()
	w.writes(t, c, "Hello?", time.Now())
	id := w.chatOf(t, c)
	path := "/v1/chats/" + id
	var owner string
	until(t, "the Chat has an owner", func() bool {
		owner, _ = w.chat(t, "alex", id).at("assignee", "id").(string)
		return owner != ""
	})
	if w.tokens[owner] == "" {
		t.Skipf("there is no token for %s", owner)
	}
	other := map[bool]string{true: "dan", false: "amira"}[owner != "dan"]
	reply := request{method: "POST", path: path + "/messages", body: map[string]any{"type": "text", "text": "Good morning!"}}
	as := func(who string, r request) request { r.as = who; return r }

	seen := w.chat(t, other, id)
	if seen.at("notice", "code") != "not_assignee" || seen.at("notice", "assignee", "id") != owner || seen.at("can", "reply") != false {
		t.Errorf("%s sees %s", other, seen.text)
	}
	w.must(t, "403 not_assignee", as(other, reply))
	w.must(t, "403 admin_not_assignee", as("alex", reply))
	w.must(t, "201", as(owner, reply))
	moved := w.must(t, "200", request{as: "alex", method: "PUT", path: path + "/assignee", body: map[string]any{"personId": other, "note": "holiday"}})
	if moved.at("assignee", "id") != other || moved.at("warnings") == nil {
		t.Errorf("moved: %s", moved.text)
	}
	w.must(t, "403 not_assignee", as(owner, reply))
	w.must(t, "403 not_assignee", request{as: owner, method: "PUT", path: path + "/status", body: map[string]any{"status": "closed"}})
	w.must(t, "201", as(other, reply))
	w.must(t, "200", request{as: other, method: "PUT", path: path + "/status", body: map[string]any{"status": "closed"}})
	w.must(t, "409 chat_closed", as(other, reply))
	w.must(t, "200", request{as: other, method: "PUT", path: path + "/status", body: map[string]any{"status": "open"}})
	w.must(t, "200", request{as: other, method: "PUT", path: path + "/status", body: map[string]any{"status": "closed"}})
	w.writes(t, c, "Are you there?", time.Now().Add(time.Second))
	until(t, "the customer's message opens the Chat again", func() bool {
		now := w.chat(t, "alex", id)
		return now.at("status") == "open" && now.at("assignee") != nil
	})
	kinds := ""
	for _, e := range w.must(t, "200", request{as: "dan", method: "GET", path: path + "/history?limit=50&about=dan"}).items() {
		kinds = e["type"].(string) + " " + kinds
		if d, ok := e["decision"].(map[string]any); ok {
			if rules, _ := d["rules"].([]any); len(rules) == 0 {
				t.Errorf("a decision without rules: %v", e)
			}
			if d["result"].(map[string]any)["personId"] != nil && e["about"] == nil {
				t.Errorf("nothing about dan: %v", e)
			}
		}
	}
	if !strings.HasPrefix(kinds, "created ") || !strings.Contains(kinds, "reassigned closed opened closed reopened ") {
		t.Errorf("the history is %s", kinds)
	}
}

// conditions: what a request may ask for before it is done.
func (w *world) conditions(t *testing.T) {
	t.Parallel()
	id := w.chatIn(t, "open, amira", false)
	path := "/v1/chats/" + id
	before := w.chat(t, "amira", id)

	another := before.at("epoch").(float64) + 1 // a Chat that found its owner at once is still at its first
	stale := w.must(t, "412 stale", request{as: "amira", method: "PUT", path: path + "/status", body: map[string]any{"status": "closed", "ifEpoch": another}})
	if stale.at("chat", "epoch") != before.at("epoch") {
		t.Errorf("a stale request is told %s", stale.text)
	}
	w.must(t, "412 stale", request{as: "alex", method: "PUT", path: path + "/assignee", body: map[string]any{"personId": "dan", "ifEpoch": another}})
	w.must(t, "409 new_message", request{as: "amira", method: "PUT", path: path + "/status", body: map[string]any{"status": "closed", "ifSeenUpTo": "2020-01-01T00:00:00Z"}})
	again := w.must(t, "200", request{as: "amira", method: "PUT", path: path + "/status", body: map[string]any{"status": "open", "ifEpoch": before.at("epoch")}})
	if again.at("epoch") != before.at("epoch") {
		t.Error("the same status again raised the epoch")
	}
	again = w.must(t, "200", request{as: "alex", method: "PUT", path: path + "/assignee", body: map[string]any{"personId": "amira"}})
	if again.at("epoch") != before.at("epoch") {
		t.Error("the same Assignee again raised the epoch")
	}
	w.must(t, "422 cannot_own", request{as: "amira", method: "PUT", path: path + "/assignee", body: map[string]any{"personId": "nobody"}})
	w.must(t, "404 no_such_team", request{as: "amira", method: "PUT", path: path + "/assignee", body: map[string]any{"teamId": "nowhere"}})
	w.must(t, "404 no_such_person", request{as: "amira", method: "GET", path: path + "/history?about=nobody"})

	once := request{as: "amira", method: "POST", path: path + "/messages", header: map[string]string{"Idempotency-Key": id},
		body: map[string]any{"type": "text", "text": "Once."}}
	first := w.must(t, "201", once)
	if second := w.must(t, "201", once); second.at("id") != first.at("id") {
		t.Errorf("the same key gave %v and %v", first.at("id"), second.at("id"))
	}
	once.body = map[string]any{"type": "text", "text": "Twice."}
	w.must(t, "422 idempotency_key_reused", once)
	items := w.must(t, "200", request{as: "amira", method: "GET", path: path + "/messages"}).items()
	if len(items) != 2 {
		t.Errorf("%d messages, want the customer's and one reply", len(items))
	}

	a := w.chat(t, "amira", id)
	if tag := a.header.Get("ETag"); tag == "" {
		t.Error("no ETag")
	} else {
		w.must(t, "304", request{as: "amira", method: "GET", path: path, header: map[string]string{"If-None-Match": tag}})
		if dan := w.chat(t, "dan", id).header.Get("ETag"); dan == tag {
			t.Error("two people who may do different things see the same ETag")
		}
	}

	late := newCustomer()
	w.writes(t, late, "Long ago", time.Now().Add(-25*time.Hour))
	old := w.chatOf(t, late)
	w.must(t, "200", request{as: "alex", method: "PUT", path: "/v1/chats/" + old + "/assignee", body: map[string]any{"personId": "amira"}})
	w.must(t, "422 window_closed", request{as: "amira", method: "POST", path: "/v1/chats/" + old + "/messages", body: map[string]any{"type": "text", "text": "Hello"}})
	w.must(t, "201", request{as: "amira", method: "POST", path: "/v1/chats/" + old + "/messages",
		body: map[string]any{"type": "template", "template": map[string]any{"name": "are_you_there", "language": "en"}}})
}

// lists: pages are complete, in order and without repetition, and cursors are taken from us alone.
func (w *world) lists(t *testing.T) {
	t.Parallel()
	for range 5 {
		w.chatIn(t, "open, chloe", false)
		w.chatIn(t, "closed, chloe", false)
	}
	for _, filter := range []string{"assignee=chloe", "assignee=chloe&status=closed", "assignee=chloe&status=open,closed", "status=open,closed", "assignee=none", "team=support"} {
		seen := map[any]bool{}
		cursor := ""
		for n := 0; ; n++ {
			path := "/v1/chats?limit=3&" + filter
			if cursor != "" {
				path += "&cursor=" + cursor
			}
			a := w.must(t, "200", request{as: "dan", method: "GET", path: path})
			for _, c := range a.items() {
				if seen[c["id"]] {
					t.Errorf("%s: %v comes twice", filter, c["id"])
				}
				seen[c["id"]] = true
			}
			if cursor, _ = a.at("nextCursor").(string); cursor == "" {
				break
			}
			if n == 0 {
				w.tampered(t, filter, cursor)
			}
			if n > 500 {
				t.Fatalf("%s has no end", filter)
			}
		}
		if want := map[string]int{"assignee=chloe": 5, "assignee=chloe&status=closed": 5, "assignee=chloe&status=open,closed": 10}[filter]; len(seen) < want {
			t.Errorf("%s: %d Chats, want %d", filter, len(seen), want)
		}
	}
	for _, query := range []string{"status=merged", "status=", "status=open,open", "assignee=", "team=support&assignee=me", "team=support&status=closed",
		"q=1&status=open", "limit=0", "limit=101", "limit=x", "limit=1&limit=2", "unknown=1", "cursor=", "cursor=x", "q=" + strings.Repeat("9", 200)} {
		w.must(t, "400 bad_request", request{as: "dan", method: "GET", path: "/v1/chats?" + query, breaks: true})
	}
}

func (w *world) tampered(t *testing.T, filter, cursor string) {
	for i := range cursor {
		changed := []byte(cursor)
		if changed[i]++; changed[i] == 'z'+1 || changed[i] == 'Z'+1 || changed[i] == '9'+1 {
			changed[i] = 'a'
		}
		if i%7 == 0 {
			w.must(t, "400 bad_request", request{as: "dan", method: "GET", path: "/v1/chats?limit=3&" + filter + "&cursor=" + string(changed)})
		}
	}
	for _, path := range []string{"/v1/chats?assignee=amira&cursor=", "/v1/people?cursor=", "/v1/waiting?cursor=", "/v1/teams?cursor="} {
		w.must(t, "400 bad_request", request{as: "dan", method: "GET", path: path + cursor})
	}
}
