package search

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// scenario is a small story about few people and few messages.
type scenario struct {
	name   string
	people func(context.Context, *dynamo.Store) error // who is there and which rules are in force
	before []phase                                    // what has happened before anything can go wrong
	phases []phase
	ripens time.Duration                // how long after what was before the story begins
	chats  int                          // how many Chats go on in the end; 0: it depends on who was first
	whose  map[string]customer.Customer // in whose Chat a message must stand, where that could be mistaken

	capacities bool // people get other capacities: only decisions tell whether there was room

	start    stored
	promised promises
}

// phase is what is done at once. The next one begins when nothing moves any more.
type phase []action

// action is what WhatsApp or a person does: a request to a function, or a change by an Admin.
type action struct {
	name     string
	function string                                     // its logical id
	event    func(*run) []byte                          // its request
	directly func(context.Context, *dynamo.Store) error // instead of a request
	then     func(r *run, status int, body []byte) error

	unanswered bool // the function answers nothing; that it did not fail is all there is to know
}

// promises are what was acknowledged.
type promises struct {
	wamids  []string                   // of messages
	unread  map[chat.Mark]bool         // messages that nobody was told they had read, and whether they must count as unread
	replies map[string]map[string]bool // ids that were told, by text
}

func noPromises() promises {
	return promises{unread: map[chat.Mark]bool{}, replies: map[string]map[string]bool{}}
}

func (p promises) clone() promises {
	out := promises{wamids: slices.Clone(p.wamids), unread: maps.Clone(p.unread), replies: map[string]map[string]bool{}}
	for text, ids := range p.replies {
		out.replies[text] = maps.Clone(ids)
	}
	return out
}

// check holds the tables against every promise: the invariants, what was acknowledged, and that nobody waits whom somebody
// could take.
func (r *run) check(ctx context.Context) (invariant.Snapshot, error) {
	all, err := r.store.Snapshot(ctx)
	if err != nil {
		return all, err
	}
	all.PhoneAddress = r.secret.PhoneAddress
	var broken []error
	for _, b := range invariant.Check(all) {
		broken = append(broken, errors.New(b.String()))
	}
	chats := map[string]chat.Chat{}
	unread, live := map[chat.Mark]bool{}, 0
	for _, c := range all.Chats {
		chats[c.ID] = c
		if c.Status != chat.Merged {
			live++
		}
		for _, m := range c.Unread {
			unread[m] = true
		}
	}
	if r.scenario.chats > 0 && live != r.scenario.chats && r.counting {
		broken = append(broken, fmt.Errorf("I8: %d Chats go on, want %d", live, r.scenario.chats))
	}
	for m, must := range r.kept.unread {
		if must && !unread[m] {
			broken = append(broken, fmt.Errorf("I4: the message with the mark %x does not count as unread, and nobody has read it", m))
		}
	}
	for m := range unread {
		if _, may := r.kept.unread[m]; !may {
			broken = append(broken, fmt.Errorf("I4: the message with the mark %x counts as unread, and somebody has read it", m))
		}
	}
	byWAMID, byText := map[string]map[chat.Key]bool{}, map[string]int{}
	for _, m := range all.Messages {
		if byWAMID[m.WAMID] == nil {
			byWAMID[m.WAMID] = map[chat.Key]bool{} // one that is stored in two Chats of a merger has one Key, and is shown once
		}
		byWAMID[m.WAMID][m.Key] = true
		if m.Direction == chat.Out {
			byText[m.Text]++
		}
		in := chats[m.Chat]
		for in.Status == chat.Merged {
			in = chats[in.MergedInto]
		}
		if who, told := r.scenario.whose[m.WAMID]; told && in.Customer.UserID != who.UserID {
			broken = append(broken, fmt.Errorf("I8: the message %s of %s stands with %s", m.WAMID, who.UserID, in.Customer.UserID))
		}
	}
	for _, wamid := range r.kept.wamids {
		if len(byWAMID[wamid]) != 1 {
			broken = append(broken, fmt.Errorf("I4: the message %s was acknowledged and is stored %d times", wamid, len(byWAMID[wamid])))
		}
	}
	for text, ids := range r.kept.replies {
		if len(ids) != 1 || byText[text] != 1 {
			broken = append(broken, fmt.Errorf("the reply %q was acknowledged under %d ids and is stored %d times", text, len(ids), byText[text]))
		}
	}
	byHand := map[string]bool{} // may have more than they have room for
	for _, e := range all.Events {
		if e.Type == chat.Reassigned || e.Type == chat.OpenedBy {
			byHand[e.Owner] = true
		}
	}
	for _, p := range all.People {
		if p.OpenChats > p.Limit && !byHand[p.ID] && !r.scenario.capacities {
			broken = append(broken, fmt.Errorf("I3: %s was given %d Chats and takes %d", p.ID, p.OpenChats, p.Limit))
		}
	}
	rules, err := r.store.InForce(ctx)
	if err != nil {
		return all, err
	}
	for _, e := range all.Entries {
		if e.RulesVersion < rules.Version {
			broken = append(broken, fmt.Errorf("the Chat %s waits in %s by version %d of the rules, and %d is in force", e.Chat, e.Pool, e.RulesVersion, rules.Version))
		}
		pool, err := assign.ParsePool(e.Pool)
		if err != nil {
			return all, err
		}
		for _, p := range all.People {
			if pool.Fits(p) && p.CanTake(dynamo.Now()) {
				broken = append(broken, fmt.Errorf("I10: the Chat %s waits in %s, and %s could take it", e.Chat, e.Pool, p.ID))
			}
		}
	}
	if len(broken) > 0 {
		return all, fmt.Errorf("%w:\n%w", errNotKept, errors.Join(broken...))
	}
	return all, nil
}

// storyBegan is when customers begin to write; each message comes seconds after the one before. It is long enough ago that
// no story reaches the present: what is stamped ahead of its receipt is not believed.
var storyBegan = time.Now().Add(-3 * time.Hour).Truncate(time.Second)

// customers.
var (
	alice = customer.Customer{Name: "Alice", UserID: "GB.00000000000000000001", Phone: "440000000001"}
	boris = customer.Customer{Name: "Boris", UserID: "GB.00000000000000000002", Phone: "440000000002"}
	carla = customer.Customer{Name: "Carla", UserID: "GB.00000000000000000003", Phone: "440000000003"}
)

// chatOf is the id of a customer's Chat as people have it on their screens: perhaps since before it was merged.
func (r *run) chatOf(c customer.Customer) string {
	var user, phone string
	if c.UserID != "" {
		user = r.secret.UserAddress(seed.SupportNumber, c.UserID)
	}
	if c.Phone != "" {
		phone = r.secret.PhoneAddress(seed.SupportNumber, c.Phone)
	}
	leads, err := r.store.Find(context.Background(), user, phone, true)
	if err != nil {
		r.broken(err)
	}
	switch {
	case leads.User != nil:
		return leads.User.Chat
	case leads.Phone != nil:
		return leads.Phone.Chat
	}
	return user
}

// at is a second of the story.
func at(second int) time.Time { return storyBegan.Add(time.Duration(second) * time.Second) }

// key is the Key of a message at a second of the story.
func (r *run) key(second int, wamid string) chat.Key { return r.secret.Key(at(second).Unix(), wamid) }

// writes is a message, at a second of the story.
func writes(c customer.Customer, second int, wamid string) action {
	return brings(second, wamid, counts, c.Sends(seed.SupportNumber, "", wamid, at(second), customer.Message{Text: "My order has not arrived"}).Body)
}

// reacts is a message that opens nothing, and counts as unread only if the Chat is open.
func reacts(c customer.Customer, second int, wamid string) action {
	return brings(second, wamid, mayCount, c.Sends(seed.SupportNumber, "", wamid, at(second), customer.Message{Type: customer.Reaction, Target: "wamid.x"}).Body)
}

// isCalled is WhatsApp's word that a customer has another user id from now on.
func isCalled(c customer.Customer, second int, wamid, userID string) action {
	return brings(second, wamid, countsNever, calledBody(c, second, wamid, userID))
}

func calledBody(c customer.Customer, second int, wamid, userID string) []byte {
	body, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{"id": "1", "changes": []any{map[string]any{
		"field": "messages", "value": map[string]any{"messaging_product": "whatsapp", "metadata": map[string]any{"phone_number_id": seed.SupportNumber},
			"messages": []any{map[string]any{"id": wamid, "timestamp": fmt.Sprint(at(second).Unix()), "from_user_id": userID, "type": "system",
				"system": map[string]any{"type": "user_changed_user_id", "user_id": userID, "previous_user_id": c.UserID}}}}}}}}})
	if err != nil {
		panic(err)
	}
	return body
}

// Whether a message counts as unread.
const (
	counts      = "counts"
	mayCount    = "may count"
	countsNever = "counts never"
)

// unkept is a delivery that is stored only if there is a Chat for it.
func unkept(a action) action {
	a.then = func(_ *run, status int, _ []byte) error {
		if status != http.StatusOK {
			return fmt.Errorf("a delivery was refused: %d", status)
		}
		return nil
	}
	return a
}

// brings is a delivery of WhatsApp's.
func brings(second int, wamid, unread string, body []byte) action {
	mac := hmac.New(sha256.New, []byte(appSecret))
	mac.Write(body)
	event := request(http.MethodPost, "/webhooks/whatsapp", "", nil, string(body),
		map[string]string{"x-hub-signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil))})
	return action{name: "WhatsApp brings " + wamid, function: "WebhookFunction", event: func(*run) []byte { return event },
		then: func(r *run, status int, _ []byte) error {
			if status != http.StatusOK {
				return fmt.Errorf("a delivery was refused: %d", status)
			}
			r.kept.wamids = append(r.kept.wamids, wamid)
			if unread != countsNever {
				r.kept.unread[r.key(second, wamid).Mark()] = unread == counts
			}
			return nil
		}}
}

// reads is the Assignee's word that a message was on their screen.
func reads(person string, c customer.Customer, second int, wamid string) action {
	a := asks(person, "ChatsFunction", http.MethodPost, "/v1/chats/{chatId}/read", c, func(r *run) string {
		k := r.key(second, wamid)
		if _, counts := r.kept.unread[k.Mark()]; counts {
			r.kept.unread[k.Mark()] = false // it may be read though no answer comes, and when asked again somebody else has the Chat
		}
		return `{"messages":["` + k.String() + `"]}`
	}, nil)
	otherwise := a.then
	a.then = func(r *run, status int, body []byte) error {
		if status == http.StatusOK {
			delete(r.kept.unread, r.key(second, wamid).Mark())
		}
		return otherwise(r, status, body)
	}
	return a
}

// request is an event of the HTTP API.
func request(method, route, path string, parameters map[string]string, body string, headers map[string]string) []byte {
	if path == "" {
		path = route
	}
	headers["content-type"], headers["host"] = "application/json", "localhost"
	event, err := json.Marshal(events.APIGatewayV2HTTPRequest{Version: "2.0", RouteKey: method + " " + route, RawPath: path, Headers: headers,
		PathParameters: parameters, Body: body, RequestContext: events.APIGatewayV2HTTPRequestContext{RouteKey: method + " " + route,
			Stage: "$default", RequestID: "search", TimeEpoch: time.Now().UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{Method: method, Path: path}}})
	if err != nil {
		panic(err)
	}
	return event
}

// asks is a request of somebody about a Chat. Whatever is decided is fine, as long as it is decided.
func asks(person, function, method, route string, c customer.Customer, body func(*run) string, header map[string]string) action {
	return action{name: person + " " + method + " " + route, function: function, event: func(r *run) []byte {
		id := r.chatOf(c)
		headers := map[string]string{"authorization": "Bearer " + r.tokens[person]}
		maps.Copy(headers, header)
		return request(method, route, "/v1/chats/"+id, map[string]string{"chatId": id}, body(r), headers)
	}, then: func(r *run, status int, body []byte) error {
		switch status {
		case http.StatusOK, http.StatusCreated:
			return nil
		case http.StatusForbidden, http.StatusConflict, http.StatusUnprocessableEntity, http.StatusPreconditionFailed:
			if r.counting { // what was before must be as the story needs it
				return nil
			}
		case http.StatusNotFound:
			if r.counting && r.mayBeFirst {
				return nil
			}
		}
		return fmt.Errorf("answer %d: %s", status, body)
	}}
}

// says is a body that is the same in every run.
func says(body string) func(*run) string { return func(*run) string { return body } }

func sets(person, status string, c customer.Customer) action {
	return asks(person, "StatusFunction", http.MethodPut, "/v1/chats/{chatId}/status", c, says(`{"status":"`+status+`"}`), nil)
}

func gives(person string, c customer.Customer, to string) action {
	return asks(person, "ReassignFunction", http.MethodPut, "/v1/chats/{chatId}/assignee", c, says(to), nil)
}

// knows is what somebody says about a customer.
func knows(person string, c customer.Customer, what string) action {
	return asks(person, "ChatsFunction", http.MethodPatch, "/v1/chats/{chatId}/customer", c, says(what), nil)
}

func replies(person string, c customer.Customer, text string) action {
	a := asks(person, "ReplyFunction", http.MethodPost, "/v1/chats/{chatId}/messages", c, says(`{"type":"text","text":"`+text+`"}`),
		map[string]string{"idempotency-key": "key of " + text})
	otherwise := a.then
	a.then = func(r *run, status int, body []byte) error {
		if status != http.StatusCreated {
			return otherwise(r, status, body)
		}
		var m struct{ ID string }
		if err := json.Unmarshal(body, &m); err != nil {
			return err
		}
		if r.kept.replies[text] == nil {
			r.kept.replies[text] = map[string]bool{}
		}
		r.kept.replies[text][m.ID] = true
		return nil
	}
	return a
}

// is makes somebody available or not.
func is(person string, availability team.Availability) action {
	event := func(r *run) []byte {
		return request(http.MethodPatch, "/v1/me", "", nil, `{"availability":"`+string(availability)+`"}`,
			map[string]string{"authorization": "Bearer " + r.tokens[person]})
	}
	return action{name: person + " is " + string(availability), function: "MeFunction", event: event, then: func(_ *run, status int, body []byte) error {
		if status != http.StatusOK && status != http.StatusForbidden {
			return fmt.Errorf("answer %d: %s", status, body)
		}
		return nil
	}}
}

// edits is what an Admin changes about somebody.
func edits(what, person string, edit func(*team.Person)) action {
	return action{name: what, directly: func(ctx context.Context, store *dynamo.Store) error {
		_, err := store.UpdatePerson(ctx, person, dynamo.Now(), func(p *team.Person) error { edit(p); return nil })
		return err
	}}
}

// saves is an Admin's new rules.
func saves(doc string, after int64) action {
	return action{name: "rules are saved", directly: func(ctx context.Context, store *dynamo.Store) error {
		return store.SaveRules(ctx, doc, "alex", after, dynamo.Now())
	}}
}

// agent is somebody online.
func agent(id string, limit int, teams ...string) team.Person {
	return team.Person{ID: id, Name: id, Email: id + "@example.com", Role: team.Agent, Active: true, Availability: team.Online,
		Capacity: limit, Limit: limit, Weight: 1, Teams: teams, Languages: []string{"en"}}
}

func away(p team.Person) team.Person {
	p.Availability = team.Offline
	return p
}

var admin = team.Person{ID: "alex", Name: "Alex", Email: "alex@example.com", Role: team.Admin, Active: true, Availability: team.Offline, Limit: team.NoLimit, Weight: 1}

// there is who is there, with an Admin; and these rules.
func there(rules string, people ...team.Person) func(context.Context, *dynamo.Store) error {
	return func(ctx context.Context, store *dynamo.Store) error {
		if err := store.SaveSettings(ctx, seed.Settings); err != nil {
			return err
		}
		for _, p := range append([]team.Person{admin}, people...) {
			if err := store.AddPerson(ctx, p, dynamo.Now()); err != nil {
				return err
			}
		}
		return store.SaveRules(ctx, rules, "alex", 0, dynamo.Now())
	}
}

// sweeps is the minute's sweep. Steps open in it; what else it does must not be needed.
func sweeps() action {
	return action{name: "a sweep", function: "SweeperFunction", unanswered: true, event: func(*run) []byte {
		return []byte(`{"version":"0","source":"aws.events","detail-type":"Scheduled Event","detail":{}}`)
	}}
}

const (
	toEveryone = `{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`
	toSupport  = `{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "least_loaded"}]}}`
	toSales    = `{"rules": [], "otherwise": {"to": [{"team": "sales", "strategy": "round_robin"}]}}`
	// inSteps lets sales help support after a second.
	inSteps = `{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "least_loaded"}, {"team": "sales", "strategy": "round_robin", "after": "1s"}]}}`
	// byPhone sends one customer to sales and the others to support.
	byPhone = `{"rules": [{"id": "one", "name": "One", "enabled": true, "when": {"field": "phonePrefix", "in": ["441100"]},
		"to": [{"team": "sales", "strategy": "round_robin"}]}], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}]}}`
	// byLanguage sends Arabic to sales and the rest to support.
	byLanguage = `{"rules": [{"id": "one", "name": "One", "enabled": true, "when": {"field": "language", "in": ["ar"]},
		"to": [{"team": "sales", "strategy": "round_robin"}]}], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}]}}`
)

// byID and byPhoneOnly are messages of the same person under one of their identities.
func byID(c customer.Customer) customer.Customer        { c.Phone = ""; return c }
func byPhoneOnly(c customer.Customer) customer.Customer { c.UserID = ""; return c }

// scenarios are those of the model that the protocol was searched with.
func scenarios() []*scenario {
	one := func(p ...action) []phase { return []phase{p} }
	return []*scenario{
		{name: "first-message", people: there(toEveryone, agent("amira", 3), agent("dan", 3)),
			phases: one(writes(alice, 1, "a1"))},
		{name: "two-groups", people: there(toEveryone, agent("amira", 3)),
			before: one(writes(alice, 1, "a1")),
			phases: one(writes(byID(alice), 2, "a2"), writes(byPhoneOnly(alice), 3, "a3"))},
		{name: "two-groups-first", people: there(toEveryone, agent("amira", 3)),
			phases: one(writes(alice, 1, "a1"), writes(byPhoneOnly(alice), 2, "a2"))},
		{name: "late-message", people: there(toEveryone, agent("amira", 3)),
			before: one(writes(alice, 9, "a1")),
			phases: one(writes(alice, 4, "a2"), writes(alice, 10, "a3"))},
		{name: "message-on-closed", people: there(toEveryone, agent("amira", 3), agent("dan", 3)),
			before: []phase{{writes(alice, 1, "a1")}, {gives("alex", alice, `{"personId":"amira"}`)}, {sets("amira", "closed", alice)}},
			phases: one(writes(alice, 2, "a2"), sets("amira", "open", alice))},
		{name: "message-vs-close", people: there(toEveryone, agent("amira", 1)),
			before: one(writes(alice, 1, "a1")),
			phases: one(writes(alice, 2, "a2"), sets("amira", "closed", alice))},
		{name: "close-makes-room", people: there(toEveryone, agent("amira", 1)),
			before: []phase{{writes(alice, 1, "a1")}, {writes(boris, 2, "b1")}},
			phases: one(sets("amira", "closed", alice), writes(carla, 3, "c1"))},
		{name: "reassign-vs-assign", people: there(toSupport, agent("amira", 2, "support"), agent("dan", 2, "sales")),
			phases: one(writes(alice, 1, "a1"), gives("alex", alice, `{"personId":"dan"}`), gives("alex", alice, `{"teamId":"sales"}`))},
		{name: "shared-person", people: there(byPhone, agent("amira", 1, "support", "sales")),
			phases: one(writes(alice, 1, "a1"), writes(customer.Customer{Name: "Boris", UserID: boris.UserID, Phone: "441100000002"}, 2, "b1"))},
		{name: "comes-online", people: there(toEveryone, away(agent("amira", 2))),
			phases: one(writes(alice, 1, "a1"), is("amira", team.Online))},
		{name: "rules-saved", people: there(toSupport, agent("dan", 2, "sales")),
			phases: one(writes(alice, 1, "a1"), saves(toSales, 1), writes(boris, 2, "b1"))},
		{name: "rules-vs-newcomer", people: there(toSupport, away(agent("dan", 1, "sales"))),
			before: one(writes(alice, 1, "a1"), writes(boris, 2, "b1")),
			phases: one(saves(toSales, 1), is("dan", team.Online))},
		{name: "rules-to-the-same-pool", people: there(toSupport, away(agent("amira", 1, "support"))),
			before: one(writes(alice, 1, "a1"), writes(boris, 2, "b1")),
			phases: one(saves(toSupport, 1), is("amira", team.Online))},
		{name: "membership-lost", people: there(toSupport, agent("amira", 2, "support"), agent("dan", 1, "support")),
			phases: one(writes(alice, 1, "a1"), edits("amira leaves support", "amira", func(p *team.Person) { p.Teams = nil }), writes(boris, 2, "b1"))},
		{name: "membership-gained", people: there(toSupport, agent("amira", 2, "sales")),
			phases: one(writes(alice, 1, "a1"), edits("amira joins support", "amira", func(p *team.Person) { p.Teams = []string{"sales", "support"} }))},
		{name: "deactivate-vs-assign", people: there(toEveryone, agent("amira", 2), agent("dan", 1)),
			phases: one(writes(alice, 1, "a1"), edits("amira is deactivated", "amira", func(p *team.Person) { p.Active = false }), writes(boris, 2, "b1"))},
		{name: "reply-vs-reassign", people: there(toSupport, agent("amira", 2, "support"), agent("dan", 2, "sales")),
			before: one(writes(alice, 1, "a1")),
			phases: one(replies("amira", alice, "On it."), gives("amira", alice, `{"personId":"dan"}`), replies("dan", alice, "Me too."))},
		{name: "reply-vs-close", people: there(toSupport, agent("amira", 2, "support")),
			before: one(writes(alice, 1, "a1")),
			phases: one(replies("amira", alice, "On it."), sets("amira", "closed", alice), writes(alice, 2, "a2"))},
		{name: "step-vs-assign", ripens: time.Second, people: there(inSteps, away(agent("amira", 2, "support")), agent("dan", 1, "sales")),
			before: one(writes(alice, 1, "a1")),
			phases: one(is("amira", team.Online), sweeps(), writes(boris, 2, "b1"))},
		{name: "step-vs-reassign", ripens: time.Second, people: there(inSteps, away(agent("amira", 2, "support")), agent("dan", 1, "sales")),
			before: one(writes(alice, 1, "a1")),
			phases: one(sweeps(), gives("alex", alice, `{"teamId":"support"}`), saves(toSales, 1))},
		{name: "step-in-two-sweeps", ripens: time.Second, people: there(inSteps, away(agent("amira", 2, "support")), away(agent("dan", 1, "sales"))),
			before: one(writes(alice, 1, "a1")),
			phases: one(sweeps(), sweeps(), is("dan", team.Online))},

		// What people do beside owning.
		{name: "read-vs-message", people: there(toSupport, agent("amira", 2, "support"), agent("dan", 2, "sales")),
			before: one(writes(alice, 1, "a1")),
			phases: one(reads("amira", alice, 1, "a1"), writes(alice, 2, "a2"), gives("alex", alice, `{"personId":"dan"}`))},
		{name: "edit-vs-assign", people: there(byLanguage, away(agent("amira", 2, "support")), agent("dan", 2, "sales")),
			before: one(writes(alice, 1, "a1")),
			phases: one(knows("alex", alice, `{"language":"ar"}`), is("amira", team.Online), writes(alice, 2, "a2"))},

		// Two Chats that prove to be one customer's.
		{name: "merge", chats: 1, people: there(toEveryone, agent("amira", 3), agent("dan", 3)),
			before: []phase{{writes(byPhoneOnly(alice), 1, "a1")}, {writes(byID(alice), 2, "a2")}},
			phases: one(writes(alice, 3, "a3"), writes(byPhoneOnly(alice), 4, "a4"), writes(byID(alice), 5, "a5"))},
		{name: "merge-at-once", chats: 1, people: there(toEveryone, agent("amira", 3), agent("dan", 3)),
			phases: one(writes(byPhoneOnly(alice), 1, "a1"), writes(byID(alice), 2, "a2"), writes(alice, 3, "a3"))},
		{name: "merge-waiting", chats: 2, people: there(toEveryone, away(agent("amira", 3))),
			before: []phase{{writes(byPhoneOnly(alice), 1, "a1")}, {writes(byID(alice), 2, "a2")}},
			phases: one(writes(alice, 3, "a3"), is("amira", team.Online), writes(boris, 4, "b1"))},
		{name: "merge-vs-acts", chats: 1, people: there(toEveryone, agent("amira", 3), away(agent("dan", 3, "support"))),
			before: []phase{{writes(byPhoneOnly(alice), 1, "a1")}, {gives("alex", byPhoneOnly(alice), `{"personId":"dan"}`)}, {writes(byID(alice), 2, "a2")}},
			phases: one(reacts(alice, 3, "a3"), sets("amira", "closed", byID(alice)), replies("dan", byPhoneOnly(alice), "On it."), gives("dan", byPhoneOnly(alice), `{"teamId":"support"}`))},
		{name: "merge-reopens", chats: 1, people: there(toEveryone, agent("amira", 3), agent("dan", 1)),
			before: []phase{{writes(byPhoneOnly(alice), 1, "a1")}, {writes(byID(alice), 2, "a2")},
				{gives("alex", byID(alice), `{"personId":"amira"}`)}, {sets("amira", "closed", byID(alice))}},
			phases: one(reacts(alice, 3, "a3"), reads("amira", byID(alice), 2, "a2"), writes(byPhoneOnly(alice), 4, "a4"))},
		{name: "merge-vs-rules", chats: 1, people: there(toSupport, agent("dan", 3, "sales")),
			before: []phase{{writes(byPhoneOnly(alice), 1, "a1")}, {writes(byID(alice), 2, "a2")}},
			phases: one(reacts(alice, 3, "a3"), saves(toSales, 1))},
		{name: "merge-vs-step", chats: 1, ripens: time.Second, people: there(inSteps, away(agent("amira", 2, "support")), away(agent("dan", 2, "sales"))),
			before: []phase{{writes(byPhoneOnly(alice), 1, "a1")}, {writes(byID(alice), 2, "a2")}},
			phases: one(sweeps(), reacts(alice, 3, "a3"), is("dan", team.Online))},
		{name: "merge-of-three", chats: 1, people: there(toEveryone, agent("amira", 9)),
			before: []phase{{writes(byPhoneOnly(alice), 1, "a1")}, {writes(customer.Customer{Name: "Alice", Phone: carla.Phone}, 2, "a2")}},
			phases: one(writes(byID(alice), 3, "a3"), writes(alice, 4, "a4"), reacts(customer.Customer{UserID: alice.UserID, Phone: carla.Phone}, 5, "a5"))},
		{name: "new-user-id", chats: 1, people: there(toEveryone, agent("amira", 9)),
			before: one(writes(alice, 1, "a1")),
			phases: one(isCalled(alice, 3, "s1", carla.UserID), writes(byID(carla), 4, "a2"), writes(byID(alice), 2, "a3"))},
		{name: "new-user-id-before-anything", chats: 1, people: there(toEveryone, agent("amira", 9)),
			phases: one(unkept(isCalled(alice, 3, "s1", carla.UserID)), writes(byID(carla), 4, "a2"), writes(byID(alice), 2, "a3"))},
		{name: "recycled-number", chats: 2, people: there(toEveryone, agent("amira", 9)),
			before: one(writes(alice, 1, "a1")),
			phases: one(writes(customer.Customer{Name: "Boris", UserID: boris.UserID, Phone: alice.Phone}, 4, "b1"), writes(byID(alice), 5, "a2"), writes(byPhoneOnly(alice), 2, "a3")),
			whose:  map[string]customer.Customer{"a1": alice, "a2": alice, "a3": alice, "b1": boris}},
		{name: "number-comes-back", chats: 2, people: there(toEveryone, agent("amira", 9)),
			before: []phase{{writes(alice, 1, "a1")}, {writes(customer.Customer{Name: "Boris", UserID: boris.UserID, Phone: alice.Phone}, 4, "b1")}},
			phases: one(writes(alice, 6, "a2"), writes(byPhoneOnly(alice), 2, "a3"), writes(byPhoneOnly(alice), 5, "b2")),
			whose:  map[string]customer.Customer{"a1": alice, "a2": alice, "a3": alice, "b1": boris, "b2": boris}},
		{name: "one-message-in-two-groups", people: there(toEveryone, agent("amira", 9)),
			before: one(writes(alice, 1, "a1")),
			phases: one(writes(customer.Customer{Name: "Boris", UserID: boris.UserID, Phone: alice.Phone}, 4, "b1"), writes(byPhoneOnly(alice), 4, "b1"), writes(byID(alice), 5, "a2"))},
	}
}
