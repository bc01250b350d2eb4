package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

// desk is the function over tables of its own, with the seed's people and rules.
type desk struct {
	*testing.T
	*chats
	store  *dynamo.Store
	tables map[string]string
	busy   *faults.AfterWrite
	clock  time.Time
}

var alex = team.Person{ID: "alex", Role: team.Admin, Active: true}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := newBareDesk(t)
	if _, err := seed.Load(t.Context(), d.store, dynamo.Now()); err != nil {
		t.Fatal(err)
	}
	return d
}

// newBareDesk is the function over tables in which nothing is: a stack that was deployed a moment ago.
func newBareDesk(t *testing.T) *desk {
	t.Helper()
	tables := serverstest.Tables(t)
	busy := &faults.AfterWrite{Fault: faults.Throttled}
	client := dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(busy.Add))
	store := dynamo.New(client, tables["ChatsTable"], tables["TeamTable"])
	return &desk{T: t, store: store, tables: tables, busy: busy, clock: dynamo.Now().Add(-time.Hour), chats: &chats{store: store, names: httpapi.NewNameBook(store),
		cursors: httpapi.NewCursors("a secret of tests"), secret: chat.Secret("a secret of tests"), rules: &ruleBook{source: store}}}
}

// opens makes a Chat of a customer with a phone number, as the rules in force send it.
func (d *desk) opens(id, phone, text string) {
	d.Helper()
	d.opensAt(seed.SupportNumber, id, phone, text)
}

// opensAt is opens for a business number.
func (d *desk) opensAt(number, id, phone, text string) {
	d.Helper()
	d.clock = d.clock.Add(time.Second)
	f, err := d.store.InForce(d.Context())
	if err != nil {
		d.Fatal(err)
	}
	m := chat.Message{Key: d.secret.Key(d.clock.Unix(), id), WAMID: "wamid." + id, Direction: chat.In, Type: "text", Text: text, Arrived: d.clock}
	c := chat.Chat{ID: id, Number: number, Customer: chat.Customer{Phone: phone, Profile: "Layla", Language: "en"}}
	change := c.Opens(d.clock, c.Place(m, f.Rules, f.Version, f.Settings, d.clock), chat.Arrival{Message: m, Preview: text})
	change.Links = []chat.Link{{Address: d.secret.PhoneAddress(number, phone), Since: m.Key.Alone()}}
	if err := d.store.Commit(d.Context(), change); err != nil {
		d.Fatal(err)
	}
}

func (d *desk) becomes(id string, become func(chat.Chat) chat.Change) {
	d.Helper()
	d.clock = d.clock.Add(time.Second)
	_, err := d.store.Update(d.Context(), id, func(c chat.Chat) (*chat.Change, error) {
		change := become(c)
		return &change, nil
	})
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) given(id, to string) {
	d.Helper()
	d.becomes(id, func(c chat.Chat) chat.Change {
		return c.Reassigned(d.clock, chat.Actor{Kind: chat.ByPerson, ID: "alex"}, to, "")
	})
}

// get answers a route as alex sees it, taken apart as a client would.
func (d *desk) get(route, id, query string) (map[string]any, error) {
	d.Helper()
	values, err := url.ParseQuery(query)
	if err != nil {
		d.Fatal(err)
	}
	res, err := d.routes()[route](d.Context(), &httpapi.Request{Person: alex, Path: map[string]string{"chatId": id}, Query: values, Now: dynamo.Now()})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	var body map[string]any
	if err := json.Unmarshal(text, &body); err != nil {
		d.Fatal(err)
	}
	return body, nil
}

// sends is a request with a body, as somebody, answered as a client takes it apart.
func (d *desk) sends(person, route, id, body string) (map[string]any, error) {
	d.Helper()
	p, err := d.store.Person(d.Context(), person)
	if err != nil {
		d.Fatal(err)
	}
	res, err := d.routes()[route](d.Context(), &httpapi.Request{Person: *p, Path: map[string]string{"chatId": id}, Body: []byte(body), Now: dynamo.Now()})
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(res.Body)
	if err != nil {
		d.Fatal(err)
	}
	var answer map[string]any
	if err := json.Unmarshal(text, &answer); err != nil {
		d.Fatal(err)
	}
	return answer, nil
}

func (d *desk) must(route, id, query string) map[string]any {
	d.Helper()
	body, err := d.get(route, id, query)
	if err != nil {
		d.Fatal(err)
	}
	return body
}

// listed reads a list to its end.
func (d *desk) listed(filter string, limit int) []string {
	d.Helper()
	var ids []string
	query := fmt.Sprintf("%s&limit=%d", filter, limit)
	for cursor := ""; ; {
		page := d.must("GET /v1/chats", "", query+cursor)
		for _, item := range page["items"].([]any) {
			ids = append(ids, item.(map[string]any)["id"].(string))
		}
		next, more := page["nextCursor"].(string)
		if !more {
			return ids
		}
		cursor = "&cursor=" + next
	}
}

// A person's list: open Chats by last message, then closed ones by closing; whatever the size of a page.
func TestListOfAPerson(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 8 {
		id := fmt.Sprint("chat-", i)
		d.opens(id, fmt.Sprint("1555000000", i), "hello")
		d.given(id, "dan")
	}
	for _, id := range []string{"chat-5", "chat-2", "chat-7"} {
		d.becomes(id, func(c chat.Chat) chat.Change { return c.Closes(d.clock, chat.Actor{Kind: chat.ByPerson, ID: "dan"}) })
	}
	late := chat.Message{Key: d.secret.Key(d.clock.Add(time.Minute).Unix(), "late"), Direction: chat.In}
	if _, err := d.store.Deliver(t.Context(), "chat-1", chat.Arrival{Message: late, Preview: "again"}); err != nil {
		t.Fatal(err)
	}
	open, closed := []string{"chat-1", "chat-6", "chat-4", "chat-3", "chat-0"}, []string{"chat-7", "chat-2", "chat-5"}
	for limit := 1; limit < 10; limit++ {
		for filter, want := range map[string][]string{
			"assignee=dan":                    open,
			"assignee=dan&status=closed":      closed,
			"assignee=dan&status=closed,open": slices.Concat(open, closed),
			"assignee=amira":                  nil,
			"assignee=none":                   nil,
		} {
			if got := d.listed(filter, limit); !slices.Equal(got, want) {
				t.Errorf("%s, %d a page: %v, want %v", filter, limit, got, want)
			}
		}
	}
}

// More than a hundred open Chats of one person stand by opening, through to the end.
func TestListOfAVeryBusyPerson(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	var want []string
	for i := range mostRecent + 5 {
		id := fmt.Sprintf("chat-%03d", i)
		d.opens(id, fmt.Sprintf("1555%07d", i), "hello")
		d.given(id, "dan")
		want = append(want, id)
	}
	slices.Reverse(want)
	if got := d.listed("assignee=dan", 50); !slices.Equal(got, want) {
		t.Errorf("%d Chats: %v", len(got), got)
	}
}

// A customer is found by the exact number or username, however people write it, and by nothing less.
func TestSearch(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens("chat", "15550101234", "hello")
	next := chat.Arrival{Message: chat.Message{Key: d.secret.Key(d.clock.Unix()+1, "next")}, Username: "Layla_K", NamedAt: d.secret.UsernameAddress(seed.SupportNumber, "Layla_K")}
	if _, err := d.store.Deliver(t.Context(), "chat", next); err != nil {
		t.Fatal(err)
	}
	for query, want := range map[string]int{"@layla_k": 1, "LAYLA_K": 1, "@layla": 0, "@": 0, "@15550101234": 0,
		"15550101234": 1, "+1 555 010-1234": 1, "(1) 555.010.1234": 1, "1555010123": 0, "5550101234": 0, "Layla": 0, "+": 0} {
		got := d.must("GET /v1/chats", "", "q="+url.QueryEscape(query))["items"].([]any)
		if len(got) != want {
			t.Errorf("%q finds %d, want %d", query, len(got), want)
		}
	}
}

// A customer is found at every business number that has a Chat of theirs, whether the settings name it or not: on a stack
// that has no settings yet, too, and by every spelling of who they are.
func TestSearchAtAnyBusinessNumber(t *testing.T) {
	t.Parallel()
	d := newBareDesk(t)
	const numbers = 101 // more than one request reads by keys
	for n := range numbers {
		number := fmt.Sprintf("2000000000%05d", n)
		id := d.secret.UserAddress(number, "US.1")
		d.opensAt(number, id, "15550101234", "hello")
		name := chat.Arrival{Message: chat.Message{Key: d.secret.Key(d.clock.Unix()+1, number)}, Username: "layla_k", NamedAt: d.secret.UsernameAddress(number, "layla_k")}
		if _, err := d.store.Deliver(t.Context(), id, name); err != nil {
			t.Fatal(err)
		}
	}
	for _, query := range []string{"15550101234", "+1 555 010-1234", "US.1", "@layla_k", "Layla_K"} {
		got := d.must("GET /v1/chats", "", "q="+url.QueryEscape(query))["items"].([]any)
		if len(got) != numbers {
			t.Errorf("%q finds %d, want %d", query, len(got), numbers)
		}
	}
}

// What is all blanks asks for nothing; it does not ask for everything.
func TestBlankFiltersAreRefused(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens("chat", "15550101234", "hello")
	for _, name := range []string{"q", "team", "assignee", "status"} {
		for _, blanks := range []string{"", " ", "+++", "%09", "%0A", "%C2%A0", "%E3%80%80"} {
			body, err := d.get("GET /v1/chats", "", name+"="+blanks)
			if e := (*chat.Error)(nil); !errors.As(err, &e) || e.Code != chat.BadRequest {
				t.Errorf("%s=%s lists %v (%v)", name, blanks, body["items"], err)
			}
		}
	}
}

// A Chat waits in the lists of its pool once the pool is listed, and says why.
func TestWaiting(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens("chat", "15550101234", "hello")
	c, err := d.store.Chat(t.Context(), "chat")
	if err != nil {
		t.Fatal(err)
	}
	if err := d.store.List(t.Context(), c.Pools[0]); err != nil {
		t.Fatal(err)
	}
	pool, err := assign.ParsePool(c.Pools[0])
	if err != nil {
		t.Fatal(err)
	}
	e, err := d.store.Entry(t.Context(), "chat", c.Pools[0])
	if err != nil {
		t.Fatal(err)
	}
	event := chat.Event{Epoch: c.Epoch, At: d.clock, Type: chat.Nobody, Status: chat.Open, By: chat.System, Routed: c.Routed,
		Decision: &assign.Decision{Pool: c.Pools[0], Nobody: assign.NobodyOnline, Candidates: []assign.Candidate{{PersonID: "dan", Because: assign.IsAway, Limit: 1}}}}
	if err := d.store.Unserved(t.Context(), *e, event); err != nil {
		t.Fatal(err)
	}
	for filter, want := range map[string][]string{"assignee=none": {"chat"}, "team=" + pool.Team: {"chat"}, "team=arabic": nil, "team=nowhere": nil} {
		if got := d.listed(filter, 10); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", filter, got, want)
		}
	}
	shown := d.must("GET /v1/chats/{chatId}", "chat", "")
	if waiting := shown["waiting"].(map[string]any); waiting["reason"] != string(assign.NobodyOnline) {
		t.Errorf("it waits: %v", waiting)
	}

	// Why not dan, who is named; why not bruno, who is not.
	items := d.must("GET /v1/chats/{chatId}/history", "chat", "about=dan")["items"].([]any)
	about := items[0].(map[string]any)["about"].(map[string]any)
	if about["because"] != "away" || about["then"] != true || about["outcome"] != "passed" {
		t.Errorf("about dan: %v", about)
	}
	if items[1].(map[string]any)["about"] != nil {
		t.Errorf("a routing says something about dan: %v", items[1])
	}
	items = d.must("GET /v1/chats/{chatId}/history", "chat", "about=bruno")["items"].([]any)
	about = items[0].(map[string]any)["about"].(map[string]any)
	if pool.Team == "support" && (about["because"] != "not_in_pool" || about["then"] != false) {
		t.Errorf("about bruno: %v", about)
	}

	// The routing explains every rule, with the text that the decision does not copy.
	decision := items[1].(map[string]any)["decision"].(map[string]any)
	rules := decision["rules"].([]any)
	f, err := d.store.InForce(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := len(f.Rules.Explain(assign.Input{})); len(rules) != want {
		t.Errorf("%d rules are explained, want %d", len(rules), want)
	}
	if !slices.ContainsFunc(rules, func(r any) bool { return r.(map[string]any)["outcome"] == assign.Matched }) {
		t.Errorf("no rule matched: %v", rules)
	}
}

// Cursors of one Chat, or of one kind of list, are no good for another.
func TestCursorsStayWhereTheyWereMade(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for i := range 3 {
		d.opens(fmt.Sprint("chat-", i), fmt.Sprint("1555000000", i), "hello")
		d.given(fmt.Sprint("chat-", i), "dan")
	}
	cursor := d.must("GET /v1/chats/{chatId}/history", "chat-0", "limit=1")["nextCursor"].(string)
	for route, id := range map[string]string{"GET /v1/chats/{chatId}/history": "chat-1", "GET /v1/chats/{chatId}/messages": "chat-0", "GET /v1/chats": ""} {
		_, err := d.get(route, id, "cursor="+cursor)
		if e := (*chat.Error)(nil); !errors.As(err, &e) || e.Code != chat.BadRequest {
			t.Errorf("%s %s took it: %v", route, id, err)
		}
	}
	seen := []string{}
	for next := cursor; next != ""; {
		page := d.must("GET /v1/chats/{chatId}/history", "chat-0", "limit=1&cursor="+next)
		for _, e := range page["items"].([]any) {
			seen = append(seen, e.(map[string]any)["type"].(string))
		}
		next, _ = page["nextCursor"].(string)
	}
	if !slices.Equal(seen, []string{"created"}) {
		t.Errorf("after the reassignment stands %v", seen)
	}
}

// What is stored is answered as stored, whatever can't be read after that: an id is shown for a name, and why a Chat waits may
// be missing.
func TestStoredIsAnsweredAsStored(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		owner, route, body string
		done               func(chat.Chat) bool
	}{
		"read": {"amira", "POST /v1/chats/{chatId}/read", `{"messages":["%s"]}`, func(c chat.Chat) bool { return len(c.Unread) == 0 }},
		"an edit of an owned Chat": {"amira", "PATCH /v1/chats/{chatId}/customer", `{"name":"Zoë"}`,
			func(c chat.Chat) bool { return c.Customer.Name == "Zoë" }},
		"an edit of a waiting Chat": {"", "PATCH /v1/chats/{chatId}/customer", `{"name":"Zoë"}`,
			func(c chat.Chat) bool { return c.Customer.Name == "Zoë" && c.Routed == 2 }},
	} {
		d := newDesk(t)
		d.opens("chat", "15550101234", "hello")
		who := "alex"
		if test.owner != "" {
			d.given("chat", test.owner)
			who = test.owner
		}
		c, err := d.store.Chat(t.Context(), "chat")
		if err != nil {
			t.Fatal(err)
		}
		body := test.body
		if strings.Contains(body, "%s") {
			body = fmt.Sprintf(body, c.LastIn)
		}
		d.busy.Arm()
		shown, err := d.sends(who, test.route, "chat", body)
		d.busy.Disarm()
		if err != nil || d.busy.Failed() == 0 {
			t.Errorf("%s: %v, after %d reads that failed", what, err, d.busy.Failed())
			continue
		}
		if owner, _ := shown["assignee"].(map[string]any); test.owner != "" && owner["name"] != test.owner {
			t.Errorf("%s: the Assignee is shown as %v", what, owner)
		}
		if c, err = d.store.Chat(t.Context(), "chat"); err != nil || !test.done(*c) {
			t.Errorf("%s: it is not stored: %+v (%v)", what, c, err)
		}
	}
}
