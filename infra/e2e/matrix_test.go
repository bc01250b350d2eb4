package e2e_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// The permission table of the product, by hand: who wants to do what with a Chat in which state, and what becomes of it.
// "yes" is done, and its effect is looked at; everything else is the code of the refusal, after which the Chat must be as it
// was. Whoever looks at a Chat is told the same beforehand by its can and notice.
//
// amira is the Assignee, dan another team member, bruno was the Assignee before amira; alex is the Admin, who has a Chat of
// their own in two rows. mei is deactivated while she owns Chats. The others are tokens.
const matrix = `
caller     | chat           | look            | read               | reply              | status             | give            | pass            | edit
amira      | open, amira    | yes             | yes                | yes                | yes                | yes             | yes             | yes
amira      | closed, amira  | yes             | yes                | chat_closed        | yes                | yes             | chat_closed     | yes
dan        | open, amira    | yes             | not_assignee       | not_assignee       | not_assignee       | not_assignee    | not_assignee    | not_assignee
dan        | closed, amira  | yes             | not_assignee       | not_assignee       | not_assignee       | not_assignee    | not_assignee    | not_assignee
dan        | waiting        | yes             | not_assignee       | not_assignee       | not_assignee       | not_assignee    | not_assignee    | not_assignee
bruno      | open, amira    | yes             | not_assignee       | not_assignee       | not_assignee       | not_assignee    | not_assignee    | not_assignee
bruno      | closed, amira  | yes             | not_assignee       | not_assignee       | not_assignee       | not_assignee    | not_assignee    | not_assignee
bruno      | waiting        | yes             | not_assignee       | not_assignee       | not_assignee       | not_assignee    | not_assignee    | not_assignee
alex       | open, amira    | yes             | admin_not_assignee | admin_not_assignee | admin_not_assignee | yes             | yes             | yes
alex       | closed, amira  | yes             | admin_not_assignee | admin_not_assignee | admin_not_assignee | yes             | chat_closed     | yes
alex       | waiting        | yes             | admin_not_assignee | admin_not_assignee | admin_not_assignee | yes             | yes             | yes
amira      | merged         | yes             | chat_merged        | chat_merged        | chat_merged        | chat_merged     | chat_merged     | chat_merged
dan        | merged         | yes             | chat_merged        | chat_merged        | chat_merged        | chat_merged     | chat_merged     | chat_merged
alex       | merged         | yes             | chat_merged        | chat_merged        | chat_merged        | chat_merged     | chat_merged     | chat_merged
alex       | open, alex     | yes             | yes                | yes                | yes                | yes             | yes             | yes
alex       | closed, alex   | yes             | yes                | chat_closed        | yes                | yes             | chat_closed     | yes
mei        | open, mei      | inactive        | inactive           | inactive           | inactive           | inactive        | inactive        | inactive
mei        | closed, mei    | inactive        | inactive           | inactive           | inactive           | inactive        | inactive        | inactive
mei        | open, amira    | inactive        | inactive           | inactive           | inactive           | inactive        | inactive        | inactive
mei        | merged         | inactive        | inactive           | inactive           | inactive           | inactive        | inactive        | inactive
mei        | waiting        | inactive        | inactive           | inactive           | inactive           | inactive        | inactive        | inactive
unknown    | open, amira    | unknown_person  | unknown_person     | unknown_person     | unknown_person     | unknown_person  | unknown_person  | unknown_person
unknown    | closed, amira  | unknown_person  | unknown_person     | unknown_person     | unknown_person     | unknown_person  | unknown_person  | unknown_person
unknown    | waiting        | unknown_person  | unknown_person     | unknown_person     | unknown_person     | unknown_person  | unknown_person  | unknown_person
no token   | any            | unauthenticated | unauthenticated    | unauthenticated    | unauthenticated    | unauthenticated | unauthenticated | unauthenticated
expired    | any            | unauthenticated | unauthenticated    | unauthenticated    | unauthenticated    | unauthenticated | unauthenticated | unauthenticated
not yet    | any            | unauthenticated | unauthenticated    | unauthenticated    | unauthenticated    | unauthenticated | unauthenticated | unauthenticated
audience   | any            | unauthenticated | unauthenticated    | unauthenticated    | unauthenticated    | unauthenticated | unauthenticated | unauthenticated
issuer     | any            | unauthenticated | unauthenticated    | unauthenticated    | unauthenticated    | unauthenticated | unauthenticated | unauthenticated
alg none   | any            | unauthenticated | unauthenticated    | unauthenticated    | unauthenticated    | unauthenticated | unauthenticated | unauthenticated
hmac       | any            | unauthenticated | unauthenticated    | unauthenticated    | unauthenticated    | unauthenticated | unauthenticated | unauthenticated
not signed | any            | unauthenticated | unauthenticated    | unauthenticated    | unauthenticated    | unauthenticated | unauthenticated | unauthenticated
`

// any stands for each of these; the tokens are amira's, but for what is wrong with them.
var anyState = []string{"open, amira", "closed, amira", "waiting"}

// Routes that are about no Chat: the same for everybody who is somebody here.
const teamMatrix = `
caller     | every route
amira      | yes
dan        | yes
alex       | yes
mei        | inactive
unknown    | unknown_person
no token   | unauthenticated
expired    | unauthenticated
not yet    | unauthenticated
audience   | unauthenticated
issuer     | unauthenticated
alg none   | unauthenticated
hmac       | unauthenticated
not signed | unauthenticated
`

var statusOf = map[string]int{"chat_closed": 409, "chat_merged": 409, "not_assignee": 403, "admin_not_assignee": 403, "inactive": 403,
	"unknown_person": 403, "unauthenticated": 401}

// refused is how an answer with this code reads.
func refused(code string) string { return fmt.Sprintf("%d %s", statusOf[code], code) }

func table(text string) (columns []string, rows [][]string) {
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		var cells []string
		for cell := range strings.SplitSeq(line, "|") {
			cells = append(cells, strings.TrimSpace(cell))
		}
		if columns == nil {
			columns = cells
		} else {
			rows = append(rows, cells)
		}
	}
	return columns, rows
}

// row is one line of the matrix with the Chats that its cells use: one for all that must change nothing, and one for each
// that must change it.
type row struct {
	caller, state string
	want          map[string]string // by action
	quiet         string
	fresh         map[string]string
}

var actions = []string{"look", "read", "reply", "status", "give", "pass", "edit"}

func (w *world) matrix(t *testing.T) {
	var rows []*row
	columns, cells := table(matrix)
	for _, line := range cells {
		states := []string{line[1]}
		if line[1] == "any" {
			states = anyState
		}
		for _, state := range states {
			r := &row{caller: line[0], state: state, want: map[string]string{}, fresh: map[string]string{}}
			for i, cell := range line[2:] {
				r.want[columns[i+2]] = cell
			}
			if !w.knows(r.caller) || strings.Contains(state, "mei") && w.deactivate == nil {
				t.Logf("%q is not at hand: left out", r.caller)
				continue
			}
			rows = append(rows, r)
		}
	}
	t.Run("prepare", func(t *testing.T) {
		shared := map[string]*row{}
		for _, r := range rows {
			// Rows that may change nothing share their Chat with others of the same state.
			first := shared[r.state]
			if r.caller == "bruno" || first == nil {
				first = r
			}
			if r.caller != "bruno" {
				shared[r.state] = first
			}
			t.Run(r.caller+" "+r.state, func(t *testing.T) {
				t.Parallel()
				if first == r {
					r.quiet = w.chatIn(t, r.state, r.caller == "bruno")
				}
				for _, action := range actions[1:] {
					if r.want[action] == "yes" {
						r.fresh[action] = w.chatIn(t, r.state, false)
					}
				}
			})
		}
		t.Cleanup(func() { // once all of them are done
			for _, r := range rows {
				if r.quiet == "" {
					r.quiet = shared[r.state].quiet
				}
			}
		})
	})
	if w.deactivate != nil {
		w.deactivate()
	}
	t.Run("chats", func(t *testing.T) {
		for _, r := range rows {
			t.Run(r.caller+" "+r.state, func(t *testing.T) {
				t.Parallel()
				if r.quiet == "" {
					t.Skip("its Chat could not be prepared")
				}
				w.row(t, r)
			})
		}
	})
	t.Run("team", func(t *testing.T) {
		_, rows := table(teamMatrix)
		for _, line := range rows {
			t.Run(line[0], func(t *testing.T) {
				t.Parallel()
				if w.knows(line[0]) {
					w.teamRoutes(t, line[0], line[1])
				}
			})
		}
	})
}

// knows reports whether the caller of a row is at hand.
func (w *world) knows(caller string) bool {
	if caller == "mei" && w.meiStays {
		return false // her rows are about somebody deactivated
	}
	return caller == "no token" || w.tokens[caller] != ""
}

func token(caller string) string {
	if caller == "no token" {
		return ""
	}
	return caller
}

// chatIn makes a Chat in a state, which another person may have had before.
func (w *world) chatIn(t *testing.T, state string, hadBruno bool) string {
	t.Helper()
	c := newCustomer()
	w.writes(t, c, "Hello?", time.Now())
	id := w.chatOf(t, c)
	if state == "merged" {
		w.writes(t, customer{user: "US." + c.phone, name: c.name}, "Nobody there?", time.Now().Add(time.Second))
		w.writes(t, customer{user: "US." + c.phone, phone: c.phone, name: c.name}, "It is me again.", time.Now().Add(2*time.Second))
		until(t, "the customer has one Chat again", func() bool { return w.chat(t, "alex", id).at("id") != id })
		return id
	}
	give := func(to string) {
		w.must(t, "200", request{as: "alex", method: "PUT", path: "/v1/chats/" + id + "/assignee", body: map[string]any{"personId": to}})
	}
	if hadBruno {
		give("bruno")
	}
	status, owner, _ := strings.Cut(state, ", ")
	if status == "waiting" {
		if hadBruno {
			w.must(t, "200", request{as: "alex", method: "PUT", path: "/v1/chats/" + id + "/assignee", body: map[string]any{"teamId": "support"}})
		}
		return id
	}
	give(owner)
	if status == "closed" {
		w.must(t, "200", request{as: owner, method: "PUT", path: "/v1/chats/" + id + "/status", body: map[string]any{"status": "closed"}})
	}
	return id
}

// try does an action of the matrix with a Chat as alex sees it before.
func (w *world) try(t *testing.T, as, action, id string, before answer) answer {
	t.Helper()
	path := "/v1/chats/" + id
	switch action {
	case "read":
		list := w.must(t, "200", request{as: "alex", method: "GET", path: path + "/messages?limit=1"}).items()
		return w.do(t, request{as: as, method: "POST", path: path + "/read", body: map[string]any{"messages": []any{list[0]["id"]}}})
	case "reply":
		return w.do(t, request{as: as, method: "POST", path: path + "/messages", body: map[string]any{"type": "text", "text": "Good morning!"}})
	case "status":
		to := map[any]string{"open": "closed", "closed": "open"}[before.at("status")]
		return w.do(t, request{as: as, method: "PUT", path: path + "/status", body: map[string]any{"status": to}})
	case "give":
		return w.do(t, request{as: as, method: "PUT", path: path + "/assignee", body: map[string]any{"personId": "chloe", "note": "please"}})
	case "pass":
		return w.do(t, request{as: as, method: "PUT", path: path + "/assignee", body: map[string]any{"teamId": "sales"}})
	case "edit":
		return w.do(t, request{as: as, method: "PATCH", path: path + "/customer", body: map[string]any{"name": "Layla of " + as}})
	}
	return w.do(t, request{as: as, method: "GET", path: path})
}

func (w *world) row(t *testing.T, r *row) {
	as := token(r.caller)
	looks := map[string]answer{}
	for _, path := range []string{"", "/messages", "/history"} {
		a := w.do(t, request{as: as, method: "GET", path: "/v1/chats/" + r.quiet + path})
		looks[path] = a
		want := "200"
		if r.want["look"] != "yes" {
			want = refused(r.want["look"])
		}
		if a.code() != want {
			t.Errorf("GET %s: %s, want %s", path, a.code(), want)
		}
	}
	if told := looks[""]; r.state == "merged" && r.want["look"] == "yes" {
		if told.at("id") == r.quiet || told.at("status") != "open" || len(looks["/messages"].items()) != 3 {
			t.Errorf("a merged Chat does not lead to the one that goes on: %s", told.text)
		}
	} else if r.want["look"] == "yes" {
		for action, can := range map[string]string{"read": "read", "reply": "reply", "status": "changeStatus", "give": "reassign"} {
			if told.at("can", can) != (r.want[action] == "yes") {
				t.Errorf("can.%s is %v, and %s is %s", can, told.at("can", can), action, r.want[action])
			}
		}
		if notice := told.at("notice", "code"); r.want["reply"] == "yes" && told.at("notice") != nil || r.want["reply"] != "yes" && notice != r.want["reply"] {
			t.Errorf("the notice is %v, and a reply is %s", told.at("notice"), r.want["reply"])
		}
	}
	for _, action := range actions[1:] {
		if r.want[action] == "yes" {
			w.succeeds(t, as, action, r.fresh[action])
			continue
		}
		before := w.chat(t, "alex", r.quiet)
		a := w.try(t, as, action, r.quiet, before)
		if a.code() != refused(r.want[action]) {
			t.Errorf("%s: %s, want %s", action, a.code(), refused(r.want[action]))
		}
		if after := w.chat(t, "alex", r.quiet); after.text != before.text {
			t.Errorf("%s was refused, and changed the Chat\nfrom %s\nto   %s", action, before.text, after.text)
		}
		if strings.HasSuffix(r.want[action], "not_assignee") && a.at("assignee", "id") != before.at("assignee", "id") {
			t.Errorf("%s: the refusal names %v, the Assignee is %v", action, a.at("assignee", "id"), before.at("assignee", "id"))
		}
		if a.status == 401 && a.header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: the answer does not say how to sign in", action)
		}
	}
}

// succeeds does what must be allowed, and looks whether it has happened.
func (w *world) succeeds(t *testing.T, as, action, id string) {
	if id == "" {
		t.Errorf("%s: its Chat could not be prepared", action)
		return
	}
	before := w.chat(t, "alex", id)
	a := w.try(t, as, action, id, before)
	if a.status/100 != 2 {
		t.Errorf("%s: %s, want yes\n%s", action, a.code(), a.text)
		return
	}
	after := w.chat(t, "alex", id)
	same := map[string]bool{"assignee": true, "status": true, "epoch": true, "waiting": true} // what must stay
	check := func(what string, got, want any) {
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %s is %v, want %v", action, what, got, want)
		}
	}
	switch action {
	case "read":
		check("unread", after.at("unread"), 0)
		check("unread before", before.at("unread"), 1)
	case "reply":
		check("the direction of the last message", after.at("lastMessage", "direction"), "out")
		check("unread", after.at("unread"), before.at("unread"))
		messages := w.must(t, "200", request{as: "alex", method: "GET", path: "/v1/chats/" + id + "/messages"}).items()
		m := answer{json: messages[len(messages)-1]}
		check("its author", m.at("by", "id"), as)
		check("its delivery", m.at("delivery"), "queued")
	case "status":
		delete(same, "status")
		delete(same, "epoch")
		check("status", after.at("status"), map[any]string{"open": "closed", "closed": "open"}[before.at("status")])
	case "give", "pass":
		delete(same, "epoch")
		delete(same, "assignee")
		delete(same, "waiting")
		var e answer // newest first; why the Chat waits for its team may have come after it
		for _, item := range w.must(t, "200", request{as: "alex", method: "GET", path: "/v1/chats/" + id + "/history?limit=5"}).items() {
			if item["type"] != "waiting" {
				e.json = item
				break
			}
		}
		check("the event", e.at("type"), "reassigned")
		check("who did it", e.at("by", "id"), as)
		check("who had it", e.at("from", "id"), before.at("assignee", "id"))
		if action == "give" {
			check("the assignee", after.at("assignee", "id"), "chloe")
			check("waiting", after.at("waiting"), nil)
			check("the note", e.at("note"), "please")
		} else {
			check("the assignee", after.at("assignee"), nil)
			check("the pools", after.at("waiting", "pools"), "[team:sales]")
		}
	case "edit":
		check("the name", after.at("customer", "name"), "Layla of "+as)
		delete(same, "waiting") // it was routed again
	}
	for what := range same {
		check(what, after.at(what), before.at(what))
	}
}

func (w *world) teamRoutes(t *testing.T, caller, want string) {
	for _, path := range []string{"/v1/me", "/v1/people", "/v1/people/dan", "/v1/teams", "/v1/waiting", "/v1/chats", "/v1/chats?assignee=me",
		"/v1/chats?assignee=none", "/v1/chats?status=closed", "/v1/chats?team=support", "/v1/chats?status=open,closed&assignee=amira"} {
		a := w.do(t, request{as: token(caller), method: "GET", path: path})
		if code := map[bool]string{true: "200", false: refused(want)}[want == "yes"]; a.code() != code {
			t.Errorf("GET %s: %s, want %s", path, a.code(), code)
		}
	}
	a := w.do(t, request{as: token(caller), method: "PATCH", path: "/v1/me", body: map[string]any{"availability": "away"}})
	if code := map[bool]string{true: "200", false: refused(want)}[want == "yes"]; a.code() != code {
		t.Errorf("PATCH /v1/me: %s, want %s", a.code(), code)
	}
}
