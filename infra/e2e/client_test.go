package e2e_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// world is a target with the contract that it must keep.
type world struct {
	*target
	contract routers.Router
	client   *http.Client
	phones   sync.Map // of all customers who wrote
}

func newWorld(t *testing.T, tg *target) *world {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromFile("../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc.Servers = openapi3.Servers{{URL: tg.url}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return &world{target: tg, contract: router, client: &http.Client{Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// request is one request of somebody. Body is encoded as JSON, unless it is a string, which is sent as it stands.
type request struct {
	as     string // name of a token; empty: no Authorization at all
	method string
	path   string
	body   any
	header map[string]string
	breaks bool // the contract, on purpose
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	text   string
	json   map[string]any
}

// code is what a program looks at: "200", or "403 not_assignee".
func (a answer) code() string {
	if code, ok := a.json["code"].(string); ok {
		return fmt.Sprintf("%d %s", a.status, code)
	}
	return fmt.Sprint(a.status)
}

// at walks down the answer: at("assignee", "id"). nil where it ends.
func (a answer) at(path ...string) any {
	var v any = a.json
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return v
}

func (a answer) items() []map[string]any {
	list, _ := a.json["items"].([]any)
	var items []map[string]any
	for _, item := range list {
		m, _ := item.(map[string]any)
		items = append(items, m)
	}
	return items
}

func (w *world) do(t testing.TB, r request) answer {
	t.Helper()
	var body []byte
	switch b := r.body.(type) {
	case nil:
	case string:
		body = []byte(b)
	default:
		var err error
		if body, err = json.Marshal(b); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, r.method, w.url+r.path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if r.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if r.as != "" {
		req.Header.Set("Authorization", "Bearer "+w.tokens[r.as])
	}
	for name, value := range r.header {
		req.Header.Set(name, value)
	}
	input := w.checkRequest(t, req, body, r.breaks)
	res, err := w.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	a := answer{status: res.StatusCode, header: res.Header, text: string(text)}
	if len(text) > 0 && strings.Contains(res.Header.Get("Content-Type"), "json") {
		if err := json.Unmarshal(text, &a.json); err != nil {
			t.Errorf("%s %s: the answer is no JSON object: %v", r.method, r.path, err)
		}
	}
	w.checkAnswer(t, r, input, a)
	return a
}

func (w *world) checkRequest(t testing.TB, req *http.Request, body []byte, breaks bool) *openapi3filter.RequestValidationInput {
	t.Helper()
	route, parameters, err := w.contract.FindRoute(req)
	if err != nil {
		t.Errorf("%s %s is not in the contract: %v", req.Method, req.URL.Path, err)
		return nil
	}
	input := &openapi3filter.RequestValidationInput{Request: req, PathParams: parameters, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true}}
	if !breaks {
		if err := openapi3filter.ValidateRequest(req.Context(), input); err != nil {
			t.Errorf("%s %s: the request breaks the contract: %v", req.Method, req.URL.Path, err)
		}
	}
	req.Body = io.NopCloser(bytes.NewReader(body)) // the check has read it
	return input
}

// checkAnswer holds what every answer must be: as the contract says, and without anything of the inside.
func (w *world) checkAnswer(t testing.TB, r request, input *openapi3filter.RequestValidationInput, a answer) {
	t.Helper()
	if input == nil {
		return
	}
	out := &openapi3filter.ResponseValidationInput{RequestValidationInput: input, Status: a.status, Header: a.header, Options: input.Options}
	out.SetBodyBytes([]byte(a.text))
	if err := openapi3filter.ValidateResponse(context.Background(), out); err != nil {
		t.Errorf("%s %s as %q: the answer breaks the contract: %v\n%s", r.method, r.path, r.as, err, a.text)
	}
	if strings.HasPrefix(r.path, "/webhooks/") {
		return
	}
	if a.status >= http.StatusInternalServerError {
		t.Errorf("%s %s as %q: %d %s", r.method, r.path, r.as, a.status, a.text)
	}
	if a.header.Get("X-Request-Id") == "" && a.json["message"] == nil {
		t.Errorf("%s %s: the answer has no request id", r.method, r.path)
	}
	lower := strings.ToLower(a.text)
	for _, inside := range []string{"dynamodb", "chatstable", "teamtable", "amazonaws", "smithy", "goroutine", ".go:", "wamid"} {
		if strings.Contains(lower, inside) {
			t.Errorf("%s %s: the answer tells of %q: %s", r.method, r.path, inside, a.text)
		}
	}
}

// must is do with the status and code that are expected.
func (w *world) must(t testing.TB, want string, r request) answer {
	t.Helper()
	a := w.do(t, r)
	if a.code() != want {
		t.Fatalf("%s %s as %q: %s, want %s\n%s", r.method, r.path, r.as, a.code(), want, a.text)
	}
	return a
}

func (w *world) chat(t testing.TB, as, id string) answer {
	t.Helper()
	return w.must(t, "200", request{as: as, method: "GET", path: "/v1/chats/" + url.PathEscape(id)})
}

var customers atomic.Int64

// customer is somebody who writes.
type customer struct {
	phone string // empty: WhatsApp does not tell it
	user  string // WhatsApp's user id; empty: WhatsApp does not tell it
	name  string
}

// newCustomer is a customer who never wrote before: on every run another number.
func newCustomer() customer {
	var b [4]byte
	_, _ = rand.Read(b[:]) // never fails
	return customer{phone: fmt.Sprintf("1555%06d%04d", binary.BigEndian.Uint32(b[:])%1_000_000, customers.Add(1)), name: "Layla"}
}

// writes delivers a text of the customer through the signed webhook.
func (w *world) writes(t testing.TB, c customer, text string, at time.Time) {
	t.Helper()
	contact := map[string]any{"profile": map[string]any{"name": c.name}}
	message := map[string]any{"id": "wamid." + rand.Text(), "timestamp": fmt.Sprint(at.Unix()), "type": "text", "text": map[string]any{"body": text}}
	if c.phone != "" {
		w.phones.Store(c.phone, true)
		contact["wa_id"], message["from"] = c.phone, c.phone
	}
	if c.user != "" {
		contact["user_id"], message["from_user_id"] = c.user, c.user
	}
	body, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{"id": "1", "changes": []any{map[string]any{
		"field": "messages", "value": map[string]any{
			"messaging_product": "whatsapp",
			"metadata":          map[string]any{"phone_number_id": "100000000000001", "display_phone_number": "15550100001"},
			"contacts":          []any{contact},
			"messages":          []any{message},
		}}}}}})
	if err != nil {
		t.Fatal(err)
	}
	mac := hmac.New(sha256.New, []byte(w.appSecret))
	mac.Write(body)
	w.must(t, "200", request{method: "POST", path: "/webhooks/whatsapp", body: string(body),
		header: map[string]string{"X-Hub-Signature-256": "sha256=" + hex.EncodeToString(mac.Sum(nil))}})
}

// until asks again and again until it is so.
func until(t testing.TB, what string, so func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !so() {
		if time.Now().After(deadline) {
			t.Fatalf("a minute has passed: %s", what)
		}
		<-tick.C
	}
}

// chatOf finds the Chat of a customer, once it is there.
func (w *world) chatOf(t testing.TB, c customer) string {
	t.Helper()
	var id string
	until(t, "the customer has a Chat", func() bool {
		found := w.must(t, "200", request{as: "alex", method: "GET", path: "/v1/chats?q=" + url.QueryEscape("+"+c.phone)}).items()
		if len(found) == 1 {
			id, _ = found[0]["id"].(string)
		}
		return id != ""
	})
	return id
}
