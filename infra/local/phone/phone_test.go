package phone_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"chatkeeper/infra/local/phone"
	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/detect"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/whatsapp"
)

const (
	appSecret = "a secret of tests"
	testKey   = "a key of tests"
)

// stage is a page over tables of its own, with the seed's people and rules, and a webhook that takes new customers to a Chat and
// its owner at once.
type stage struct {
	testing.TB
	store  *dynamo.Store
	server *httptest.Server

	mu         sync.Mutex
	deliveries [][]byte
}

func newStage(t testing.TB) *stage {
	t.Helper()
	tables := serverstest.Tables(t)
	s := &stage{TB: t, store: dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])}
	_, err := seed.Load(t.Context(), s.store, dynamo.Now())
	s.must(err)
	webhook := httptest.NewServer(http.HandlerFunc(s.webhook))
	t.Cleanup(webhook.Close)
	s.server = httptest.NewServer(phone.New(phone.Options{Store: s.store, Secret: chat.Secret(testKey), WebhookURL: webhook.URL,
		AppSecret: appSecret, Log: slog.New(slog.DiscardHandler)}))
	t.Cleanup(s.server.Close)
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *stage) webhook(w http.ResponseWriter, r *http.Request) {
	raw, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.deliveries = append(s.deliveries, raw)
	s.mu.Unlock()
	if !whatsapp.Verify([]string{appSecret}, r.Header.Get("X-Hub-Signature-256"), raw) {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	updates, err := whatsapp.Split(raw, time.Now())
	for _, u := range updates {
		if err == nil {
			err = s.arrives(r.Context(), u.Message())
		}
	}
	if err != nil {
		s.Errorf("a delivery: %v", err)
		w.WriteHeader(http.StatusServiceUnavailable)
	}
}

// arrives opens a Chat and serves its pool, once for each customer with a user id.
func (s *stage) arrives(ctx context.Context, m whatsapp.Message) error {
	secret := chat.Secret(testKey)
	c := chat.Chat{ID: secret.UserAddress(m.Number, m.Customer.UserID), Number: m.Number, Customer: chat.Customer{
		UserID: m.Customer.UserID, Language: detect.Language(m.Text), Country: detect.Country(m.Customer.UserID, "")}}
	if there, err := s.store.Chat(ctx, c.ID); err != nil || there != nil {
		return err
	}
	rules, err := s.store.InForce(ctx)
	if err != nil {
		return err
	}
	arrival := chat.Arrival{Preview: m.Text, Message: chat.Message{Key: secret.Key(m.At, m.ID), WAMID: m.ID, Direction: chat.In,
		Type: m.Type, Text: m.Text, ReplyID: m.ReplyID, Arrived: dynamo.Now()}}
	placed := c.Place(arrival.Message, rules.Rules, rules.Version, rules.Settings, dynamo.Now())
	if err := s.store.Commit(ctx, c.Opens(dynamo.Now(), placed, arrival)); err != nil {
		return err
	}
	people, err := s.store.People(ctx)
	if err != nil {
		return err
	}
	pool := placed.Routing.Pool
	e, err := s.store.Entry(ctx, c.ID, pool.String())
	if err != nil {
		return err
	}
	choice := assign.Choose(assign.Want{Pool: pool, Strategy: placed.Routing.Strategy}, people, dynamo.Now())
	decision := assign.Decision{RulesVersion: e.RulesVersion, RuleID: e.RuleID, RuleName: e.RuleName, Pool: e.Pool, Strategy: e.Strategy}.With(choice)
	if choice.Person == nil {
		if err := s.store.List(ctx, e.Pool); err != nil {
			return err
		}
		return s.store.Unserved(ctx, *e, chat.Event{Epoch: e.Epoch, At: dynamo.Now(), Type: chat.Nobody, Status: chat.Open, Routed: e.Routed,
			Decision: &decision, By: chat.Actor{Kind: chat.ByRule, ID: e.RuleID, Name: e.RuleName}})
	}
	open, err := s.store.Chat(ctx, c.ID)
	if err != nil {
		return err
	}
	auto := chat.Auto{Person: *choice.Person, Pool: pool, Now: dynamo.Now(), At: choice.AssignedAt}
	return s.store.Commit(ctx, open.Assigned(dynamo.Now(), auto, decision))
}

// asks posts as the page does and returns the status and the answer.
func (s *stage) asks(path string, body any) (int, map[string]any) {
	s.Helper()
	return s.posts(path, body, func(r *http.Request) {})
}

func (s *stage) posts(path string, body any, edit func(*http.Request)) (int, map[string]any) {
	s.Helper()
	raw, isText := body.(string)
	if !isText {
		encoded, err := json.Marshal(body)
		s.must(err)
		raw = string(encoded)
	}
	req, err := http.NewRequestWithContext(s.Context(), http.MethodPost, s.server.URL+path, strings.NewReader(raw))
	s.must(err)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	edit(req)
	res, err := s.server.Client().Do(req)
	s.must(err)
	defer res.Body.Close()
	var answer map[string]any
	s.must(json.NewDecoder(res.Body).Decode(&answer))
	return res.StatusCode, answer
}

func (s *stage) sends(who customer.Customer, number string, m customer.Message) map[string]any {
	s.Helper()
	status, answer := s.asks("/phone/send", map[string]any{"customer": who, "number": number, "message": m})
	if status != http.StatusOK || answer["status"] != 200.0 {
		s.Fatalf("sent: %d %v", status, answer)
	}
	return answer
}

func (s *stage) looks(who customer.Customer, number string) map[string]any {
	s.Helper()
	status, view := s.asks("/phone/look", map[string]any{"userId": who.UserID, "phone": who.Phone, "number": number})
	if status != http.StatusOK {
		s.Fatalf("looked: %d %v", status, view)
	}
	return view
}

// at follows names and numbers into an answer.
func (s *stage) at(v any, path ...any) any {
	s.Helper()
	for _, step := range path {
		switch step := step.(type) {
		case string:
			v = v.(map[string]any)[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				s.Fatalf("%v has no %d", v, step)
			}
			v = list[step]
		}
	}
	return v
}

func (s *stage) want(v any, want any, path ...any) {
	s.Helper()
	if got := s.at(v, path...); fmt.Sprint(got) != fmt.Sprint(want) {
		s.Errorf("%v is %v, want %v", path, got, want)
	}
}

func cairo() customer.Customer { return customer.Ready()[0] }

func TestWhatIsSentShowsWithItsOwnerAndWhy(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if v := s.looks(cairo(), seed.SupportNumber); v["chat"] != nil {
		t.Fatalf("there is a Chat before the first message: %v", v["chat"])
	}
	sent := s.sends(cairo(), seed.SupportNumber, customer.Message{Type: customer.Text, Text: customer.ExamplesIn("ar").Opening[0]})

	v := s.looks(cairo(), seed.SupportNumber)
	s.want(v, "open", "chat", "status")
	s.want(v, "Amira", "chat", "owner", "name")
	s.want(v, nil, "chat", "waiting")
	s.want(v, 2, "chat", "epoch")
	s.want(v, "1", "chat", "unread")
	s.want(v, "ar", "chat", "language")
	s.want(v, "EG", "chat", "country")
	s.want(v, 1, "rules", "inForce")
	s.want(v, "", "rules", "broken")
	s.want(v, sent["key"], "messages", 0, "key")
	s.want(v, customer.ExamplesIn("ar").Opening[0], "messages", 0, "text")
	s.want(v, "in", "messages", 0, "direction")
	s.want(v, true, "messages", 0, "unread")
	s.want(v, "Amira got it by “Arabic speakers”: of team Arabic desk, Amira has the fewest open Chats.", "why", "headline")
	s.want(v, "Arabic speakers", "why", "rule")
	s.want(v, "team Arabic desk", "why", "pool")
	s.want(v, "to whoever has the fewest open Chats", "why", "strategy")
	s.want(v, map[string]any{"name": "language", "value": "ar"}, "why", "inputs", 0)
	s.want(v, "matched", "why", "rules", 0, "outcome")
	s.want(v, "not_reached", "why", "rules", 1, "outcome")
	s.want(v, "Amira", "why", "candidates", 0, "name")
	s.want(v, true, "why", "candidates", 0, "chosen")
	s.want(v, 5, "why", "others", 0, "count")
	s.want(v, "does not belong to the pool", "why", "others", 0, "because")
	s.want(v, "Given to Amira by “Arabic speakers”, who has the fewest open Chats", "history", 0, "says")
	s.want(v, "A new Chat, waits for team Arabic desk by “Arabic speakers”", "history", 1, "says")
	s.want(v, "Amira", "people", 1, "name")
	s.want(v, 1, "people", 1, "openChats")

	if other := s.looks(cairo(), seed.SalesNumber); other["chat"] != nil {
		t.Errorf("the other business number has a Chat too: %v", other["chat"])
	}
}

func TestTheSameDeliveryAgainIsTheSameBytes(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	sent := s.sends(cairo(), seed.SalesNumber, customer.Message{Type: customer.Button, Text: "Sales", ReplyID: "sales"})
	status, answer := s.asks("/phone/again", map[string]any{"body": sent["body"]})
	if status != http.StatusOK || answer["status"] != 200.0 {
		t.Fatalf("again: %d %v", status, answer)
	}
	if len(s.deliveries) != 2 || string(s.deliveries[0]) != string(s.deliveries[1]) {
		t.Errorf("delivered:\n%s", s.deliveries)
	}
	if !strings.Contains(string(s.deliveries[0]), `"display_phone_number":"15550100002"`) {
		t.Errorf("the number is not written as WhatsApp does: %s", s.deliveries[0])
	}
}

func TestAChatThatWaitsSaysWhy(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	if status, answer := s.asks("/phone/person", map[string]any{"id": "amira", "availability": "away"}); status != http.StatusOK {
		t.Fatal(answer)
	}
	s.sends(cairo(), seed.SupportNumber, customer.Message{Type: customer.Text, Text: customer.ExamplesIn("ar").Opening[0]})
	v := s.looks(cairo(), seed.SupportNumber)
	s.want(v, nil, "chat", "owner")
	s.want(v, "team Arabic desk", "chat", "waiting", "pools", 0)
	s.want(v, "nobody in this pool is online", "chat", "waiting", "because")
	s.want(v, "It waits for team Arabic desk: nobody in this pool is online.", "why", "headline")
	s.want(v, "Amira", "why", "candidates", 0, "name")
	s.want(v, "is away", "why", "candidates", 0, "because")
	s.want(v, "Nobody could take it: nobody in this pool is online", "history", 0, "says")
	s.want(v, "team Arabic desk", "pools", 0, "words")
	s.want(v, "1", "pools", 0, "count")
}

// The page shows messages of one second as they were delivered, and explains a routing by the message that it looked at,
// whatever else was delivered with that.
func TestMessagesOfOneSecond(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.must(s.store.SaveRules(t.Context(), `{"rules": [{"id": "prices", "name": "Prices", "enabled": true, "when": {"field": "text", "contains": ["price"]},
		"to": [{"team": "everyone", "strategy": "round_robin"}]}], "otherwise": {"to": [{"team": "everyone", "strategy": "least_loaded"}]}}`, "alex", 1, dynamo.Now()))
	s.sends(cairo(), seed.SupportNumber, customer.Message{Type: customer.Text, Text: "What is the price?"})
	id := s.at(s.looks(cairo(), seed.SupportNumber), "chat", "id").(string)
	page, err := s.store.MessagesBefore(t.Context(), chat.Chat{ID: id}, chat.Key{}, 1)
	s.must(err)
	first := page.Messages[0]
	const n = 39
	for i := range n {
		m := first
		m.Key, m.Text = chat.Secret(testKey).Key(first.Key.Time().Unix(), fmt.Sprint(i)), fmt.Sprintf("n%02d", i)
		m.Arrived = first.Arrived.Add(time.Duration(i+1) * time.Microsecond)
		s.must(s.store.PutMessage(t.Context(), id, m))
	}
	v := s.looks(cairo(), seed.SupportNumber)
	s.want(v, first.Text, "messages", 0, "text")
	for i := range n {
		s.want(v, fmt.Sprintf("n%02d", i), "messages", i+1, "text")
	}
	s.want(v, "matched", "why", "rules", 0, "outcome")
}

func TestControls(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.sends(cairo(), seed.SupportNumber, customer.Message{Type: customer.Text, Text: customer.ExamplesIn("ar").Opening[0]})
	id := s.at(s.looks(cairo(), seed.SupportNumber), "chat", "id")
	for _, c := range []struct {
		path   string
		body   map[string]any
		status int
		says   string
	}{
		{"/phone/person", map[string]any{"id": "amira", "capacity": 4}, http.StatusOK, ""},
		{"/phone/person", map[string]any{"id": "amira", "capacity": -1}, http.StatusBadRequest, "capacity is between 1 and 1,000, or 0 for no limit"},
		{"/phone/person", map[string]any{"id": "amira", "availability": "asleep"}, http.StatusBadRequest, "availability is online, away or offline"},
		{"/phone/person", map[string]any{"id": "nobody", "availability": "away"}, http.StatusNotFound, "there is no such person"},
		{"/phone/chat", map[string]any{"chat": id, "as": "dan", "do": "close"}, http.StatusConflict, "Dan is not the Assignee of this Chat any more"},
		{"/phone/chat", map[string]any{"chat": "none", "as": "dan", "do": "close"}, http.StatusNotFound, "there is no such Chat"},
		{"/phone/chat", map[string]any{"chat": id, "as": "amira", "do": "burn"}, http.StatusBadRequest, "a Chat is closed or opened"},
		{"/phone/chat", map[string]any{"chat": id, "as": "amira", "do": "close"}, http.StatusOK, ""},
		{"/phone/chat", map[string]any{"chat": id, "as": "amira", "do": "close"}, http.StatusOK, ""},
		{"/phone/chat", map[string]any{"chat": id, "as": "amira", "do": "open"}, http.StatusOK, ""},
	} {
		status, answer := s.asks(c.path, c.body)
		if says, _ := answer["error"].(string); status != c.status || says != c.says {
			t.Errorf("%s %v: %d %q, want %d %q", c.path, c.body, status, says, c.status, c.says)
		}
	}
	v := s.looks(cairo(), seed.SupportNumber)
	s.want(v, "open", "chat", "status")
	s.want(v, 4, "chat", "epoch")
	s.want(v, "Amira opened it again and keeps it.", "why", "headline")
	s.want(v, "Opened again by Amira", "history", 0, "says")
	s.want(v, "Closed by Amira", "history", 1, "says")
	s.want(v, 4, "people", 1, "capacity")
	s.want(v, 1, "people", 1, "openChats")
}

func TestRulesThatCannotBeLoadedAreShown(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.must(s.store.SaveRules(t.Context(), `{"rules": 7}`, "alex", 1, dynamo.Now()))
	v := s.looks(cairo(), seed.SupportNumber)
	s.want(v, 1, "rules", "inForce")
	s.want(v, 2, "rules", "saved")
	if s.at(v, "rules", "broken") == "" {
		t.Error("it does not say why")
	}
}

func TestInventedCustomersAreKnownAsAsked(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, c := range []struct {
		name            string
		body            map[string]any
		status          int
		hasPhone, hasID bool
	}{
		{"both", map[string]any{"name": "Lima", "country": "PE", "hasPhone": true, "hasId": true}, http.StatusOK, true, true},
		{"id only", map[string]any{"name": "Lima", "country": "PE", "hasId": true, "username": "@lima"}, http.StatusOK, false, true},
		{"phone only", map[string]any{"name": "Lima", "country": "PE", "hasPhone": true}, http.StatusOK, true, false},
		{"neither", map[string]any{"name": "Lima", "country": "PE"}, http.StatusBadRequest, false, false},
		{"no name", map[string]any{"name": " ", "country": "PE", "hasId": true}, http.StatusBadRequest, false, false},
		{"no country", map[string]any{"name": "Lima", "country": "??", "hasId": true}, http.StatusBadRequest, false, false},
	} {
		status, answer := s.asks("/phone/invent", c.body)
		userID, _ := answer["userId"].(string)
		number, _ := answer["phone"].(string)
		if status != c.status || (number != "") != c.hasPhone || (userID != "") != c.hasID {
			t.Errorf("%s: %d %v", c.name, status, answer)
		}
		if c.status == http.StatusOK && detect.Country(userID, number) != "PE" {
			t.Errorf("%s: is from %s", c.name, detect.Country(userID, number))
		}
	}
}

func TestBadDeliveriesAreRefusedBeforeTheyAreSent(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for name, body := range map[string]any{
		"nobody":       map[string]any{"customer": customer.Customer{}, "number": seed.SupportNumber, "message": customer.Message{Type: "text", Text: "x"}},
		"no number":    map[string]any{"customer": cairo(), "number": "", "message": customer.Message{Type: "text", Text: "x"}},
		"empty":        map[string]any{"customer": cairo(), "number": seed.SupportNumber, "message": customer.Message{Type: "text", Text: " \n"}},
		"unknown type": map[string]any{"customer": cairo(), "number": seed.SupportNumber, "message": customer.Message{Type: "hologram"}},
	} {
		if status, answer := s.asks("/phone/send", body); status != http.StatusBadRequest {
			t.Errorf("%s: %d %v", name, status, answer)
		}
	}
	if len(s.deliveries) > 0 {
		t.Errorf("the webhook got %d deliveries", len(s.deliveries))
	}
}

// What another site could make a browser send is refused.
func TestOnlyThePageItselfMayAsk(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	own := s.server.URL
	for _, c := range []struct {
		name   string
		body   string
		edit   func(*http.Request)
		status int
	}{
		{"the page", `{}`, func(r *http.Request) {}, http.StatusOK},
		{"an older browser", `{}`, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", own) }, http.StatusOK},
		{"by the name localhost", `{}`, func(r *http.Request) { r.Host = "localhost:8081" }, http.StatusOK},
		{"another site", `{}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, http.StatusForbidden},
		{"another port", `{}`, func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, http.StatusForbidden},
		{"another origin", `{}`, func(r *http.Request) {
			r.Header.Del("Sec-Fetch-Site")
			r.Header.Set("Origin", "http://example.com")
		}, http.StatusForbidden},
		{"nobody says who", `{}`, func(r *http.Request) { r.Header.Del("Sec-Fetch-Site") }, http.StatusForbidden},
		{"a name that points here", `{}`, func(r *http.Request) { r.Host = "example.com" }, http.StatusForbidden},
		{"a form", `{}`, func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, http.StatusUnsupportedMediaType},
		{"not JSON", `{`, func(r *http.Request) {}, http.StatusBadRequest},
		{"two bodies", `{} {}`, func(r *http.Request) {}, http.StatusBadRequest},
		{"unknown field", `{"x": 1}`, func(r *http.Request) {}, http.StatusBadRequest},
		{"too long", `{"` + strings.Repeat("x", 600<<10) + `": 1}`, func(r *http.Request) {}, http.StatusRequestEntityTooLarge},
	} {
		if status, answer := s.posts("/phone/start", c.body, c.edit); status != c.status {
			t.Errorf("%s: %d %v, want %d", c.name, status, answer, c.status)
		}
	}
}

// The page holds nothing that its own policy forbids, and everything its script names.
func TestThePageKeepsItsPolicy(t *testing.T) {
	t.Parallel()
	handler := phone.New(phone.Options{Log: slog.New(slog.DiscardHandler)})
	get := func(path string) string {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "http://localhost:8081"+path, nil)
		handler.ServeHTTP(w, r)
		policy := w.Header().Get("Content-Security-Policy")
		if w.Code != http.StatusOK || !strings.HasPrefix(policy, "default-src 'self';") {
			t.Errorf("%s: %d, policy %q", path, w.Code, policy)
		}
		return w.Body.String()
	}
	html, script, style := get("/"), get("/phone/page.js"), get("/phone/page.css")
	for _, forbidden := range []string{"<style", " style=", " onclick", "<script>", "//"} {
		if strings.Contains(html, forbidden) {
			t.Errorf("the page holds %q", forbidden)
		}
	}
	for _, forbidden := range []string{"innerHTML", "insertAdjacentHTML", "outerHTML", "document.write", "eval("} {
		if strings.Contains(script, forbidden) {
			t.Errorf("the script holds %s", forbidden)
		}
	}
	if strings.Contains(style, "url(") || strings.Contains(style, "@import") {
		t.Error("the style loads something")
	}
	var ids []string
	for _, m := range regexp.MustCompile(`id="([a-z-]+)"`).FindAllStringSubmatch(html, -1) {
		ids = append(ids, m[1])
	}
	for _, m := range regexp.MustCompile(`\bel\("([a-z-]+)"\)`).FindAllStringSubmatch(script, -1) {
		if !slices.Contains(ids, m[1]) {
			t.Errorf("the script names #%s, which the page does not have", m[1])
		}
	}
}
