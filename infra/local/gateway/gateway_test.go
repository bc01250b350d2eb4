package gateway

import (
	"net/http/httptest"
	"strings"
	"testing"

	"chatkeeper/infra/local/template"
)

func routesOf(t *testing.T, keys ...string) routes {
	t.Helper()
	all, err := newRoutes(targetsOf(keys...))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func targetsOf(keys ...string) []Target {
	var targets []Target
	for _, key := range keys {
		method, path, _ := strings.Cut(key, " ")
		targets = append(targets, Target{Route: template.Route{Method: method, Path: path}})
	}
	return targets
}

func TestTheMostSpecificRouteServes(t *testing.T) {
	t.Parallel()
	all := routesOf(t, "GET /chats", "POST /chats", "GET /chats/{id}", "GET /chats/waiting", "ANY /chats/{id}",
		"GET /chats/{id}/messages", "GET /files/{path+}", "ANY /{any+}", "GET /files/list")
	withDefault := routesOf(t, "GET /chats", "ANY")
	for _, c := range []struct {
		routes             routes
		method, path, want string
		parameter          string
	}{
		{all, "GET", "/chats", "GET /chats", ""},
		{all, "POST", "/chats", "POST /chats", ""},
		{all, "PUT", "/chats", "ANY /{any+}", "chats"},
		{all, "GET", "/chats/7", "GET /chats/{id}", "7"},
		{all, "GET", "/chats/a%2Fb%20c", "GET /chats/{id}", "a/b c"},
		{all, "PATCH", "/chats/7", "ANY /chats/{id}", "7"},
		{all, "GET", "/chats/waiting", "GET /chats/waiting", ""},
		{all, "DELETE", "/chats/waiting", "ANY /chats/{id}", "waiting"},
		{all, "GET", "/chats/7/messages", "GET /chats/{id}/messages", "7"},
		{all, "GET", "/chats/7/other", "ANY /{any+}", "chats/7/other"},
		{all, "GET", "/files/list", "GET /files/list", ""},
		{all, "GET", "/files/a/b", "GET /files/{path+}", "a/b"},
		{all, "GET", "/", "", ""},
		{withDefault, "GET", "/chats", "GET /chats", ""},
		{withDefault, "POST", "/else/where", "$default", ""},
		{routesOf(t, "GET /chats"), "GET", "/chats/", "", ""},
	} {
		r, parameters, ok := c.routes.find(c.method, c.path)
		got := ""
		if ok {
			got = r.key()
		}
		if got != c.want {
			t.Errorf("%s %s is served by %q, want %q", c.method, c.path, got, c.want)
		}
		for _, value := range parameters {
			if value != c.parameter {
				t.Errorf("%s %s has the parameter %q, want %q", c.method, c.path, value, c.parameter)
			}
		}
	}
}

func TestTwoRoutesForTheSameRequestsAreRefused(t *testing.T) {
	t.Parallel()
	for _, keys := range [][]string{
		{"GET /chats/{id}", "GET /chats/{chatId}"},
		{"GET /chats", "GET /chats"},
		{"GET /{any+}/more"},
	} {
		if _, err := newRoutes(targetsOf(keys...)); err == nil {
			t.Errorf("%v was taken", keys)
		}
	}
}

func TestTextStaysTextAndTheRestIsEncoded(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		contentType, body, want string
		encoded                 bool
	}{
		{"application/json", `{"a":"é"}`, `{"a":"é"}`, false},
		{"application/json; charset=utf-8", `{}`, `{}`, false},
		{"text/plain", "hi", "hi", false},
		{"application/x-www-form-urlencoded", "a=1", "a=1", false},
		{"application/xml", "<a/>", "<a/>", false},
		{"application/octet-stream", "hi", "aGk=", true},
		{"image/png", "hi", "aGk=", true},
		{"", "hi", "aGk=", true},
		{"not a type", "hi", "aGk=", true},
		{"application/json", "\xff", "/w==", true},
		{"image/png", "", "", false},
	} {
		got, encoded := encodeBody([]byte(c.body), c.contentType)
		if got != c.want || encoded != c.encoded {
			t.Errorf("%q as %q: %q, %v; want %q, %v", c.body, c.contentType, got, encoded, c.want, c.encoded)
		}
	}
}

func TestResponses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, answer string
		status       int
		contentType  string
		body         string
		cookies      int
	}{
		{"full", `{"statusCode":201,"headers":{"Content-Type":"application/json","X-A":"1"},"body":"{}","cookies":["a=1","b=2"]}`, 201, "application/json", "{}", 2},
		{"no type", `{"statusCode":200,"body":"hi"}`, 200, "text/plain;charset=UTF-8", "hi", 0},
		{"encoded", `{"statusCode":200,"body":"aGk=","isBase64Encoded":true,"headers":{"content-type":"image/png"}}`, 200, "image/png", "hi", 0},
		{"simple object", `{"ok":true}`, 200, "application/json", `{"ok":true}`, 0},
		{"simple text", `"hi"`, 200, "application/json", "hi", 0},
	} {
		w := httptest.NewRecorder()
		if err := respond(w, []byte(c.answer)); err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if w.Code != c.status || w.Header().Get("Content-Type") != c.contentType || w.Body.String() != c.body || len(w.Header()["Set-Cookie"]) != c.cookies {
			t.Errorf("%s: %d %v %q", c.name, w.Code, w.Header(), w.Body)
		}
	}
	for _, answer := range []string{`{"statusCode":"many"}`, `{"statusCode":7}`, `{"statusCode":200,"body":"?","isBase64Encoded":true}`} {
		if err := respond(httptest.NewRecorder(), []byte(answer)); err == nil {
			t.Errorf("%s was taken", answer)
		}
	}
}

func TestWhatNoFunctionSees(t *testing.T) {
	t.Parallel()
	g, err := New(targetsOf("POST /hook"), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		method, path string
		size         int
		status       int
		body         string
	}{
		{"GET", "/other", 0, 404, `{"message":"Not Found"}`},
		{"GET", "/hook", 0, 404, `{"message":"Not Found"}`},
		{"POST", "/hook", 10<<20 + 1, 413, `{"message":"Request Entity Too Large"}`},
		{"POST", "/hook", 7 << 20, 413, `{"message":"Request Entity Too Large"}`}, // more than an invocation can carry
	} {
		request := httptest.NewRequest(c.method, c.path, strings.NewReader(strings.Repeat("x", c.size)))
		request.Header.Set("Content-Type", "text/plain")
		w := httptest.NewRecorder()
		g.ServeHTTP(w, request)
		if w.Code != c.status || strings.TrimSpace(w.Body.String()) != c.body || w.Header().Get("Apigw-Requestid") == "" {
			t.Errorf("%s %s with %d bytes: %d %v %s", c.method, c.path, c.size, w.Code, w.Header(), w.Body)
		}
	}
}
