package httpapi_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/golang-jwt/jwt/v5"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/access"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

// bench is an API over the seed's people, with one route whose handler a case brings along.
type bench struct {
	*testing.T
	*provider
	api   *httpapi.API
	store *dynamo.Store
	log   *bytes.Buffer
}

func newBench(t *testing.T) *bench {
	t.Helper()
	tables := serverstest.Tables(t)
	b := &bench{T: t, provider: startProvider(t, rsaJWK("rsa", rsaKey())), log: &bytes.Buffer{},
		store: dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])}
	if _, err := seed.Load(t.Context(), b.store, now); err != nil {
		t.Fatal(err)
	}
	b.api = httpapi.New(httpapi.Options{Verifier: b.verifier(at(now)), People: b.store, Names: httpapi.NewNameBook(b.store),
		Now: at(now), Log: slog.New(slog.NewJSONHandler(b.log, nil))})
	return b
}

func (b *bench) token(person string) string {
	return sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa"},
		b.good(map[string]any{"sub": person, "email": person + "@example.com"}), rsaKey())
}

// event is a request of the person to the only route, "GET /v1/chats/{chatId}".
func (b *bench) event(person string) events.APIGatewayV2HTTPRequest {
	e := events.APIGatewayV2HTTPRequest{RouteKey: "GET /v1/chats/{chatId}", PathParameters: map[string]string{"chatId": "c1"},
		Headers: map[string]string{"authorization": "Bearer " + b.token(person)}}
	e.RequestContext.RequestID = "request-1"
	e.RequestContext.HTTP.Method = http.MethodGet
	return e
}

func (b *bench) send(e events.APIGatewayV2HTTPRequest, handle httpapi.Handler) events.APIGatewayV2HTTPResponse {
	b.Helper()
	out, err := b.api.Handle(httpapi.Routes{"GET /v1/chats/{chatId}": handle})(b.Context(), e)
	if err != nil {
		b.Fatal(err)
	}
	if out.Headers["X-Request-Id"] != "request-1" || out.Headers["Cache-Control"] != "no-store" {
		b.Errorf("headers: %v", out.Headers)
	}
	return out
}

func answers(body any) httpapi.Handler {
	return func(context.Context, *httpapi.Request) (*httpapi.Response, error) {
		return &httpapi.Response{Body: body}, nil
	}
}

func fails(err error) httpapi.Handler {
	return func(context.Context, *httpapi.Request) (*httpapi.Response, error) { return nil, err }
}

func problemOf(t *testing.T, out events.APIGatewayV2HTTPResponse) httpapi.Problem {
	t.Helper()
	var p httpapi.Problem
	if err := json.Unmarshal([]byte(out.Body), &p); err != nil || out.Headers["Content-Type"] != "application/problem+json" {
		t.Fatalf("no problem: %d %v %s", out.StatusCode, out.Headers, out.Body)
	}
	if p.Status != out.StatusCode || p.Title == "" || p.Type != "urn:chatkeeper:problem:"+string(p.Code) {
		t.Errorf("odd problem: %d %s", out.StatusCode, out.Body)
	}
	return p
}

// Every code of the contract has its status, wherever in a chain of errors it stands.
func TestEveryCodeHasItsStatus(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for code, status := range map[chat.Code]int{
		"bad_request": 400, "unauthenticated": 401, "unknown_person": 403, "inactive": 403, "not_assignee": 403,
		"admin_not_assignee": 403, "no_such_chat": 404, "no_such_person": 404, "no_such_team": 404, "no_such_route": 404,
		"chat_closed": 409, "chat_merged": 409, "new_message": 409, "stale": 412, "too_large": 413,
		"invalid": 422, "cannot_own": 422, "window_closed": 422, "idempotency_key_reused": 422, "try_again": 503,
	} {
		out := b.send(b.event("dan"), fails(fmt.Errorf("doing it: %w", &chat.Error{Code: code, Detail: "Because."})))
		p := problemOf(t, out)
		if out.StatusCode != status || p.Code != code || p.Detail != "Because." {
			t.Errorf("%s: %d %s", code, out.StatusCode, out.Body)
		}
		if again := out.Headers["Retry-After"] != ""; again != (status == 503) {
			t.Errorf("%s: Retry-After is %q", code, out.Headers["Retry-After"])
		}
		if ask := out.Headers["WWW-Authenticate"] != ""; ask != (status == 401) {
			t.Errorf("%s: WWW-Authenticate is %q", code, out.Headers["WWW-Authenticate"])
		}
	}
}

func TestWhatIsOurFaultTellsNothing(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	secret := "table chats-4711 says AccessDenied"
	for name, test := range map[string]struct {
		handle httpapi.Handler
		logged string
	}{
		"an error":        {fails(errors.New(secret)), secret},
		"a panic":         {func(context.Context, *httpapi.Request) (*httpapi.Response, error) { panic(secret) }, secret},
		"an unknown code": {fails(&chat.Error{Code: "made_up", Detail: secret}), secret},
		"no answer":       {fails(nil), "answered nothing"},
		"no JSON":         {answers(func() {}), "unsupported type"},
	} {
		b.log.Reset()
		out := b.send(b.event("dan"), test.handle)
		if p := problemOf(t, out); out.StatusCode != 500 || p.Code != "internal" || strings.Contains(out.Body, "4711") {
			t.Errorf("%s: %d %s", name, out.StatusCode, out.Body)
		}
		var line struct{ Msg, Error, PersonID, RequestID string }
		if err := json.Unmarshal(b.log.Bytes(), &line); err != nil || line.Msg != "request failed" || !strings.Contains(line.Error, test.logged) ||
			line.PersonID != "dan" || line.RequestID != "request-1" {
			t.Errorf("%s: the log does not say what it was: %s", name, b.log)
		}
	}
}

func TestWhatTookTooLongMayBeTriedAgain(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	out := b.send(b.event("dan"), fails(fmt.Errorf("read: %w", context.DeadlineExceeded)))
	if p := problemOf(t, out); p.Code != "try_again" {
		t.Errorf("%s", out.Body)
	}
}

func TestWhoIsLetIn(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for id, edit := range map[string]func(*team.Person){
		"mei":   func(p *team.Person) { p.Active = false },
		"chloe": func(p *team.Person) { p.Role = "" },
	} {
		if _, err := b.store.UpdatePerson(t.Context(), id, now, func(p *team.Person) error { edit(p); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	with := func(header, value string) events.APIGatewayV2HTTPRequest {
		e := b.event("dan")
		delete(e.Headers, "authorization")
		e.Headers[header] = value
		return e
	}
	other := b.event("dan")
	other.RouteKey = "GET /v1/other"
	long := b.event("dan")
	long.PathParameters["chatId"] = strings.Repeat("x", 2000)
	query := b.event("dan")
	query.RawQueryString = "limit=%zz"
	big := b.event("dan")
	big.Body = strings.Repeat("x", httpapi.MaxBody+1)
	odd := b.event("dan")
	odd.Body, odd.IsBase64Encoded = "!", true
	for _, test := range []struct {
		name      string
		event     events.APIGatewayV2HTTPRequest
		code      chat.Code
		challenge string
	}{
		{"an Agent", b.event("dan"), "", ""},
		{"the Admin, header as sam local spells it", with("Authorization", "bearer "+b.token("alex")), "", ""},
		{"no token", with("x", "y"), "unauthenticated", "Bearer"},
		{"another scheme", with("authorization", "Basic ZGFuOmRhbg=="), "unauthenticated", "Bearer"},
		{"a bad token", with("authorization", "Bearer x.y.z"), "unauthenticated", `Bearer error="invalid_token"`},
		{"nobody's account", b.event("nobody"), "unknown_person", ""},
		{"deactivated", b.event("mei"), "inactive", ""},
		{"without a role", b.event("chloe"), "inactive", ""},
		{"a route that is not the function's", other, "no_such_route", ""},
		{"an endless id", long, "no_such_chat", ""},
		{"a broken query", query, "bad_request", ""},
		{"a huge body", big, "too_large", ""},
		{"a body that is no base64", odd, "bad_request", ""},
	} {
		out := b.send(test.event, answers("let in"))
		if test.code == "" {
			if out.StatusCode != 200 || out.Body != `"let in"` {
				t.Errorf("%s: %d %s", test.name, out.StatusCode, out.Body)
			}
			continue
		}
		if p := problemOf(t, out); p.Code != test.code || out.Headers["WWW-Authenticate"] != test.challenge {
			t.Errorf("%s: %s, %q", test.name, p.Code, out.Headers["WWW-Authenticate"])
		}
	}
	for _, personal := range []string{"example.com", "Bearer", "eyJ"} {
		if strings.Contains(b.log.String(), personal) {
			t.Errorf("the log holds %q", personal)
		}
	}
}

func TestARequestAsAHandlerSeesIt(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	e := b.event("amira")
	e.RawQueryString = "status=open&assignee=a%20b"
	e.Headers["idempotency-key"] = "k1"
	e.Body, e.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(`{"text":"ä"}`)), true
	var got httpapi.Request
	out := b.send(e, func(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
		got = *r
		return &httpapi.Response{Status: http.StatusCreated, Body: 1, Header: map[string]string{"Location": "/v1/x"}}, nil
	})
	if out.StatusCode != 201 || out.Headers["Location"] != "/v1/x" || out.Headers["ETag"] != "" {
		t.Errorf("%+v", out)
	}
	if got.Person.Name != "Amira" || got.ID != "request-1" || got.Path["chatId"] != "c1" || got.Query.Get("assignee") != "a b" ||
		got.Header.Get("Idempotency-Key") != "k1" || string(got.Body) != `{"text":"ä"}` || !got.Now.Equal(now) {
		t.Errorf("%+v", got)
	}
}

func TestETags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	first := b.send(b.event("dan"), answers("one"))
	tag := first.Headers["ETag"]
	if other := b.send(b.event("dan"), answers("two")).Headers["ETag"]; tag == "" || tag == other {
		t.Fatalf("tags %q and %q", tag, other)
	}
	for header, status := range map[string]int{
		"": 200, `"other"`: 200, tag: 304, "W/" + tag: 304, `"other", ` + tag: 304, "*": 304, strings.Trim(tag, `"`): 200,
	} {
		e := b.event("dan")
		e.Headers["if-none-match"] = header
		out := b.send(e, answers("one"))
		if out.StatusCode != status || out.Headers["ETag"] != tag || (out.Body == "") != (status == 304) {
			t.Errorf("If-None-Match: %s: %d %v %q", header, out.StatusCode, out.Headers, out.Body)
		}
	}
	put := b.event("dan")
	put.RequestContext.HTTP.Method = http.MethodPut
	put.Headers["if-none-match"] = "*"
	if out := b.send(put, answers("one")); out.StatusCode != 200 || out.Headers["ETag"] != "" {
		t.Errorf("PUT: %d %v", out.StatusCode, out.Headers)
	}
}

// A denial names the Assignee, a stale change shows the Chat as it is, as the caller sees it.
func TestProblemsThatShowMore(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	c := chat.Chat{ID: "c1", Number: seed.SupportNumber, Ownership: chat.Ownership{Status: chat.Open, Owner: "mei", Epoch: 7}}
	dan := team.Person{ID: "dan", Role: team.Agent, Active: true}
	out := b.send(b.event("dan"), fails(access.Check(dan, access.Reply, c)))
	if p := problemOf(t, out); p.Code != "not_assignee" || p.Assignee == nil || *p.Assignee != (httpapi.NamedID{ID: "mei", Name: "Mei"}) || p.Chat != nil {
		t.Errorf("%s", out.Body)
	}
	out = b.send(b.event("dan"), fails(&chat.Error{Code: chat.Stale, Chat: &c}))
	p := problemOf(t, out)
	if p.Chat == nil || p.Chat.Epoch != 7 || p.Chat.Assignee.Name != "Mei" || p.Chat.BusinessNumber.Display != "+1 555 010 0001" ||
		p.Chat.Can.Reply || p.Chat.Notice == nil || p.Chat.Notice.Assignee.Name != "Mei" {
		t.Errorf("%s", out.Body)
	}
	out = b.send(b.event("dan"), fails(httpapi.Invalid("/note", "is too long")))
	if p := problemOf(t, out); len(p.Errors) != 1 || p.Errors[0] != (httpapi.Wrong{Pointer: "/note", Detail: "is too long"}) {
		t.Errorf("%s", out.Body)
	}
}

func TestShowChat(t *testing.T) {
	t.Parallel()
	viewer := team.Person{ID: "dan", Role: team.Agent, Active: true}
	key := chat.Secret("s").Key(now.Add(-time.Hour).Unix(), "w")
	names := httpapi.Names{People: map[string]string{"dan": "Dan"}}
	open := chat.Chat{ID: "c1", Number: "1", Ownership: chat.Ownership{Status: chat.Open, Owner: "dan", Epoch: 2},
		Customer: chat.Customer{Profile: "Maria", Language: "unknown", Country: "BR", UserID: "secret", Phone: "551199"},
		Inbox:    chat.Inbox{LastIn: key, Unread: []chat.Mark{{1}, {2}}, Preview: chat.Preview{At: chat.MomentOf(key, key.Time()), Direction: chat.In, Text: "olá"}}}
	got := httpapi.ShowChat(open, viewer, names, now)
	if !got.Window.Open || !got.Window.ClosesAt.Equal(now.Add(23*time.Hour)) || got.Unread != 2 || got.UnreadMore || got.Notice != nil || !got.Can.Reply ||
		got.Customer.Name != "Maria" || got.Customer.Language != "" || got.Customer.Country != "BR" || got.LastMessage.Preview != "olá" || got.Waiting != nil {
		t.Errorf("%+v", got)
	}
	if late := httpapi.ShowChat(open, viewer, names, now.Add(23*time.Hour)); late.Window.Open {
		t.Errorf("the window is open at its end")
	}
	waiting := chat.Chat{ID: "c2", Ownership: chat.Ownership{Status: chat.Open, Pools: []string{"team:support"}, WaitingSince: now}}
	got = httpapi.ShowChat(waiting, viewer, names, now)
	if got.Waiting == nil || got.Assignee != nil || got.Notice == nil || got.Notice.Assignee != nil || got.Window.Open {
		t.Errorf("%+v", got)
	}
	text := string(must(json.Marshal(httpapi.ShowChat(waiting, viewer, names, now))))
	for _, field := range []string{`"assignee":null`, `"pools":["team:support"]`, `"can":{"read":false,"reply":false,"changeStatus":false,"reassign":false}`} {
		if !strings.Contains(text, field) {
			t.Errorf("%s has no %s", text, field)
		}
	}
}

func TestLimitsAndCursors(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"": 20, "limit=1": 1, "limit=100": 100, "limit=101": 0, "limit=0": 0, "limit=-1": 0, "limit=": 0, "limit=x": 0, "limit=99999999999999999999": 0} {
		r := &httpapi.Request{Query: must(url.ParseQuery(text))}
		if n, err := httpapi.ParseLimit(r, 20, 100); n != want || (err == nil) != (want > 0) {
			t.Errorf("%q: %d, %v", text, n, err)
		}
	}
	for text, good := range map[string]bool{"": true, "limit=1": true, "cursor=x&limit=1": true, "limti=1": false, "limit=1&limit=2": false} {
		if err := httpapi.CheckQuery(&httpapi.Request{Query: must(url.ParseQuery(text))}, "limit", "cursor"); (err == nil) != good {
			t.Errorf("%q: %v", text, err)
		}
	}
	c := httpapi.NewCursors("secret")
	sealed := c.Seal("GET /v1/people", []string{"a", "b"})
	var position []string
	if err := c.Open("GET /v1/people", sealed, &position); err != nil || len(position) != 2 {
		t.Fatalf("%v %v", position, err)
	}
	changed := []byte(sealed)
	changed[len(changed)-3] ^= 1
	for name, err := range map[string]error{
		"for another list":  c.Open("GET /v1/teams", sealed, &position),
		"of another stack":  httpapi.NewCursors("other").Open("GET /v1/people", sealed, &position),
		"changed":           c.Open("GET /v1/people", string(changed), &position),
		"cut":               c.Open("GET /v1/people", sealed[:10], &position),
		"empty":             c.Open("GET /v1/people", "", &position),
		"no base64":         c.Open("GET /v1/people", "!!!", &position),
		"of another type":   c.Open("GET /v1/people", c.Seal("GET /v1/people", 7), &position),
		"padded":            c.Open("GET /v1/people", sealed+"=", &position),
		"with a line break": c.Open("GET /v1/people", sealed[:8]+"\n"+sealed[8:], &position),
	} {
		var e *chat.Error
		if !errors.As(err, &e) || e.Code != chat.BadRequest {
			t.Errorf("%s: %v", name, err)
		}
	}
}
