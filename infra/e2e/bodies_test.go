package e2e_test

import (
	"net/url"
	"strings"
	"testing"
	"unicode/utf8"
)

// bodies that no route may swallow: each is refused with its code, and nothing happens.
func (w *world) bodies(t *testing.T) {
	t.Parallel()
	id := w.chatIn(t, "open, amira", false)
	found := w.chat(t, "alex", id)
	before := found.text
	samLocal := strings.HasPrefix(found.header.Get("Server"), "Werkzeug")
	path := "/v1/chats/" + id
	routes := []struct {
		method, path string
		field, value string // one that is good
		number       string // a field that wants a whole number; empty if there is none
	}{
		{"PUT", path + "/status", "status", `"closed"`, "ifEpoch"},
		{"PUT", path + "/assignee", "personId", `"dan"`, "ifEpoch"},
		{"POST", path + "/messages", "type", `"text"`, ""},
		{"POST", path + "/read", "messages", `["x"]`, ""},
		{"PATCH", path + "/customer", "name", `"X"`, ""},
		{"PATCH", "/v1/me", "availability", `"offline"`, ""},
	}
	deep := strings.Repeat("[", 2000) + strings.Repeat("]", 2000)
	for _, r := range routes {
		good := `"` + r.field + `": ` + r.value
		cases := map[string]string{
			"":                                  "400 bad_request",
			" ":                                 "400 bad_request",
			"null":                              "400 bad_request",
			"[]":                                "400 bad_request",
			`"text"`:                            "400 bad_request",
			"{":                                 "400 bad_request",
			"{" + good + "} {}":                 "400 bad_request",
			"{" + good + ", }":                  "400 bad_request",
			"{" + good + `, "x": "` + "\xff\"}": "400 bad_request",
			"{" + good + `, "x": "\ud800"}`:     "400 bad_request",
			`{"x": ` + deep + "}":               "400 bad_request",
			deep:                                "400 bad_request",
			"{" + good + `, "unknown": 1}`:      "422 invalid",
			"{" + good + ", " + good + "}":      "422 invalid",
			`{"` + r.field + `": null}`:         "422 invalid",
			`{"` + r.field + `": 1}`:            "422 invalid",
			`{"` + r.field + `": {}}`:           "422 invalid",
			`{"` + r.field + `": true}`:         "422 invalid",
			"{}":                                "422 invalid",
			`{"` + strings.ToUpper(r.field) + `": ` + r.value + "}":      "422 invalid",
			"{" + good + `, "x": "` + strings.Repeat("x", 70_000) + `"}`: "413 too_large",
		}
		if r.number != "" {
			for _, number := range []string{"1e400", "99999999999999999999", "1.5", `"1"`, "null", "-1e999"} {
				cases["{"+good+`, "`+r.number+`": `+number+"}"] = "422 invalid"
			}
		}
		for body, want := range cases {
			if samLocal && !utf8.ValidString(body) {
				continue // sam local itself answers 502, before any function is called
			}
			a := w.do(t, request{as: "amira", method: r.method, path: r.path, body: body, breaks: true})
			if a.code() != want {
				t.Errorf("%s %s %.80q: %s, want %s", r.method, r.path, body, a.code(), want)
			}
			if want == "422 invalid" && a.at("errors") == nil {
				t.Errorf("%s %s %.80q: no place is named", r.method, r.path, body)
			}
		}
	}
	for body, pointer := range map[string]string{
		`{"type": "text", "text": ""}`:                                       "/text",
		`{"type": "text", "text": "` + strings.Repeat("ä", 4097) + `"}`:      "/text",
		`{"type": "text"}`:                                                   "/text",
		`{"type": "poll"}`:                                                   "/type",
		`{"type": "image", "media": {}}`:                                     "/media",
		`{"type": "location", "location": {"latitude": 91, "longitude": 0}}`: "/location/latitude",
		`{"type": "text", "text": "x", "quoted": "unknown"}`:                 "/quoted",
	} {
		a := w.must(t, "422 invalid", request{as: "amira", method: "POST", path: path + "/messages", body: body, breaks: true})
		list, _ := a.at("errors").([]any)
		if first, _ := list[0].(map[string]any); first["pointer"] != pointer {
			t.Errorf("%.60s: %v, want the pointer %s", body, list, pointer)
		}
	}
	for body, pointer := range map[string]string{
		`{"messages": []}`:      "/messages",
		`{"messages": ["odd"]}`: "/messages/0",
		`{"messages": [""]}`:    "/messages/0",
	} {
		a := w.must(t, "422 invalid", request{as: "amira", method: "POST", path: path + "/read", body: body, breaks: true})
		list, _ := a.at("errors").([]any)
		if first, _ := list[0].(map[string]any); first["pointer"] != pointer {
			t.Errorf("%.60s: %v, want the pointer %s", body, list, pointer)
		}
	}
	w.must(t, "422 invalid", request{as: "amira", method: "PUT", path: path + "/assignee", breaks: true,
		body: map[string]any{"personId": "dan", "note": strings.Repeat("x", 1001)}})
	w.must(t, "422 invalid", request{as: "amira", method: "PUT", path: path + "/assignee", body: `{"personId": "dan", "teamId": "sales"}`, breaks: true})
	w.must(t, "422 invalid", request{as: "amira", method: "PATCH", path: path + "/customer", body: `{"language": "Arabic"}`, breaks: true})
	w.must(t, "422 invalid", request{as: "amira", method: "PATCH", path: path + "/customer", body: `{"tags": ["a", "a"]}`, breaks: true})
	if after := w.chat(t, "alex", id).text; after != before {
		t.Errorf("refused bodies changed the Chat\nfrom %s\nto   %s", before, after)
	}
}

// odd ids are nobody's, whatever is in them.
func (w *world) odd(t *testing.T) {
	t.Parallel()
	for _, id := range []string{"0", "C#0", "nobody", " ", "%", "a b", "ä", "\u202e", "'; DROP", `"`, `{}`, "..", "null", "\x00", "\xff", "a#open",
		strings.Repeat("x", 300), strings.Repeat("x", 3000), "M#D9J2V3C0HG5N6A8K", "{chatId}"} {
		path := "/v1/chats/" + strings.ReplaceAll(url.PathEscape(id), "..", "%2E%2E")
		for _, r := range []request{
			{method: "GET", path: path}, {method: "GET", path: path + "/messages"}, {method: "GET", path: path + "/history"},
			{method: "PUT", path: path + "/status", body: map[string]any{"status": "closed"}},
			{method: "PUT", path: path + "/assignee", body: map[string]any{"personId": "dan"}},
			{method: "POST", path: path + "/messages", body: map[string]any{"type": "text", "text": "x"}},
			{method: "POST", path: path + "/read", body: map[string]any{"messages": []string{"D9J2V3C0HG5N6A8K"}}},
			{method: "PATCH", path: path + "/customer", body: map[string]any{"name": "X"}},
		} {
			r.as = "alex"
			if a := w.do(t, r); a.code() != "404 no_such_chat" {
				t.Errorf("%s %s: %s", r.method, r.path, a.code())
			}
		}
		if id == ".." {
			continue
		}
		a := w.do(t, request{as: "alex", method: "GET", path: "/v1/people/" + url.PathEscape(id)})
		if a.code() != "404 no_such_person" {
			t.Errorf("GET /v1/people/%q: %s", id, a.code())
		}
		for _, name := range []string{"before", "after", "cursor"} {
			a := w.do(t, request{as: "alex", method: "GET", path: "/v1/chats/0/messages?" + name + "=" + url.QueryEscape(id)})
			if a.code() != "400 bad_request" {
				t.Errorf("%s=%q: %s", name, id, a.code())
			}
		}
	}
}
