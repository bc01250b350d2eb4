package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
)

// S10, S17, S18: who may reply, and what is stored of it.
func TestReply(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.Opens("US.1", "amira")
	const hello = `{"type":"text","text":"hello"}`
	if got, shown := w.Asks("amira", c.ID, hello); got != "" || shown["delivery"] != "queued" || shown["direction"] != "out" || shown["text"] != "hello" ||
		fmt.Sprint(shown["by"]) != "map[id:amira name:Amira]" {
		t.Errorf("the Assignee's is answered %q %v", got, shown)
	}
	_, first := w.Asks("amira", c.ID, hello, "Idempotency-Key", "one")
	again, second := w.Asks("amira", c.ID, hello, "Idempotency-Key", "one")
	if again != "" || first["id"] != second["id"] || first["id"] == nil {
		t.Errorf("the same key: %q, %v and %v", again, first["id"], second["id"])
	}
	for _, test := range []struct {
		what, who, body, key string
		want                 chat.Code
	}{
		{"the same key, another body", "amira", `{"type":"text","text":"hullo"}`, "one", chat.KeyReused},
		{"the same key, somebody else", "bruno", hello, "one", chat.NotAssignee},
		{"a key that is none", "amira", hello, "ä", chat.BadRequest},
		{"a colleague", "bruno", hello, "", chat.NotAssignee},
		{"an Admin", "alex", hello, "", chat.AdminNotOwner},
	} {
		var header []string
		if test.key != "" {
			header = []string{"Idempotency-Key", test.key}
		}
		if got, _ := w.Asks(test.who, c.ID, test.body, header...); got != test.want {
			t.Errorf("%s: %q, want %q", test.what, got, test.want)
		}
	}
	quote := fmt.Sprintf(`{"type":"text","text":"yes","quoted":%q}`, c.LastIn)
	if got, shown := w.Asks("amira", c.ID, quote); got != "" || shown["quoted"] != c.LastIn.String() {
		t.Errorf("quoting the customer: %q %v", got, shown)
	}
	unsent := fmt.Sprintf(`{"type":"reaction","reaction":{"messageId":%q,"emoji":"👍"}}`, first["id"])
	if got, shown := w.Asks("amira", c.ID, unsent); got != chat.Invalid || shown["/reaction/messageId"] == nil {
		t.Errorf("a reaction to what was not sent: %q %v", got, shown)
	}
	w.Must(w.Store.Commit(t.Context(), w.Chat(c.ID).Reassigned(dynamo.Now(), chat.System, "bruno", "")))
	if got, shown := w.Asks("amira", c.ID, hello, "Idempotency-Key", "one"); got != "" || shown["id"] != first["id"] {
		t.Errorf("a known key of the former Assignee: %q %v", got, shown)
	}
	if got, _ := w.Asks("amira", c.ID, hello); got != chat.NotAssignee {
		t.Errorf("the former Assignee: %q", got)
	}
	all := w.Checked()
	out := 0
	for _, m := range all.Messages {
		if m.Direction == chat.Out {
			out++
			if m.Text == "yes" && m.Quoted != "wamid.US.1" {
				t.Errorf("it quotes %q", m.Quoted)
			}
		}
	}
	if out != 3 {
		t.Errorf("%d replies are stored, want 3", out)
	}
}

// More than 24 hours after the customer's last message only a template goes.
func TestWindow(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	c := chat.Chat{}
	c.LastIn = chat.Secret("s").Key(at.Unix(), "wamid")
	for _, test := range []struct {
		after time.Duration
		kind  string
		open  bool
	}{
		{0, "text", true}, {24*time.Hour - time.Second, "text", true}, {24 * time.Hour, "text", false}, {24 * time.Hour, "template", true},
		{-time.Minute, "text", true},
	} {
		now := at.Add(test.after)
		m, err := c.Replies(now, "amira", chat.NewKey(now), chat.Message{Type: test.kind})
		if (err == nil) != test.open {
			t.Errorf("a %s after %s: %v", test.kind, test.after, err)
		}
		if err == nil && m.Key.Time().Before(c.LastIn.Time()) {
			t.Errorf("a %s after %s stands before what it answers", test.kind, test.after)
		}
	}
}

// What may be sent, as WhatsApp gets it, and what is refused where.
func TestBodies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ä", 4096)
	for _, test := range []struct {
		body string
		want string // Content, or the pointers that are wrong
	}{
		{`{"type":"text","text":"hi"}`, ``},
		{`{"type":"text","text":"` + long + `"}`, ``},
		{`{"type":"text","text":"` + long + `ä"}`, `/text`},
		{`{"type":"text","text":" "}`, `/text`},
		{`{"type":"text"}`, `/text`},
		{`{"text":"hi"}`, `/text /type`},
		{`{"type":"text","text":"hi","previewUrl":true}`, `{"preview_url":true}`},
		{`{"type":"text","text":"hi","media":{"id":"1"}}`, `/media`},
		{`{"type":"image","media":{"link":"https://example.com/a.jpg","caption":"a"}}`, `{"caption":"a","link":"https://example.com/a.jpg"}`},
		{`{"type":"image","media":{"link":"ftp://example.com/a.jpg"}}`, `/media/link`},
		{`{"type":"image","media":{"link":"https://example.com/a.jpg","id":"1"}}`, `/media`},
		{`{"type":"image","previewUrl":true}`, `/media /previewUrl`},
		{`{"type":"audio","media":{"id":"1","voice":true}}`, `{"id":"1","voice":true}`},
		{`{"type":"audio","media":{"id":"1","caption":"x"}}`, `/media/caption`},
		{`{"type":"sticker","media":{"id":"1","filename":"x"}}`, `/media/filename`},
		{`{"type":"document","media":{"id":"1","filename":"x.pdf"}}`, `{"filename":"x.pdf","id":"1"}`},
		{`{"type":"location","location":{"latitude":25.2,"longitude":55.3,"name":"Here"}}`, `{"latitude":25.2,"longitude":55.3,"name":"Here"}`},
		{`{"type":"location","location":{"latitude":91,"longitude":-181}}`, `/location/latitude /location/longitude`},
		{`{"type":"location","location":{"latitude":0}}`, `/location`},
		{`{"type":"contacts","contacts":[{"name":{"formatted":"A B","first":"A"},"phones":[{"phone":"+1 555","type":"WORK"}]}]}`,
			`{"contacts":[{"name":{"first_name":"A","formatted_name":"A B"},"phones":[{"phone":"+1 555","type":"WORK"}]}]}`},
		{`{"type":"contacts","contacts":[{"name":{"formatted":"A B"}}]}`, `/contacts/0/name`},
		{`{"type":"contacts","contacts":[]}`, `/contacts`},
		{`{"type":"reaction","reaction":{"messageId":"x","emoji":"👩‍🚀"}}`, ``},
		{`{"type":"reaction","reaction":{"messageId":"x","emoji":""}}`, ``},
		{`{"type":"reaction","reaction":{"messageId":"x","emoji":"ok"}}`, `/reaction/emoji`},
		{`{"type":"reaction","reaction":{"messageId":"x"}}`, `/reaction`},
		{`{"type":"reaction","reaction":{"messageId":"x","emoji":"👍"},"quoted":"y"}`, `/quoted`},
		{`{"type":"interactive","interactive":{"type":"button","body":"Pick","buttons":[{"id":"a","title":"A"}]}}`,
			`{"action":{"buttons":[{"reply":{"id":"a","title":"A"},"type":"reply"}]},"body":{"text":"Pick"},"type":"button"}`},
		{`{"type":"interactive","interactive":{"type":"button","body":"Pick","buttons":[{"id":"a","title":"A"},{"id":"a","title":"B"}]}}`, `/interactive/buttons/1`},
		{`{"type":"interactive","interactive":{"type":"button","body":"","open":"x","buttons":[]}}`, `/interactive/body /interactive/buttons /interactive/open`},
		{`{"type":"interactive","interactive":{"type":"list","body":"Pick","open":"Menu","sections":[{"rows":[{"id":"a","title":"A"}]}]}}`,
			`{"action":{"button":"Menu","sections":[{"rows":[{"id":"a","title":"A"}]}]},"body":{"text":"Pick"},"type":"list"}`},
		{`{"type":"interactive","interactive":{"type":"list","body":"Pick","open":"Menu","sections":[{"rows":[]},{"title":"t","rows":[{"id":"a","title":""}]}]}}`,
			`/interactive/sections/0/rows /interactive/sections/0/title /interactive/sections/1/rows/0/title`},
		{`{"type":"interactive","interactive":{"type":"cta_url","body":"See","link":{"title":"Open","url":"https://example.com"}}}`,
			`{"action":{"name":"cta_url","parameters":{"display_text":"Open","url":"https://example.com"}},"body":{"text":"See"},"type":"cta_url"}`},
		{`{"type":"interactive","interactive":{"type":"flow","body":"See"}}`, `/interactive/type`},
		{`{"type":"template","template":{"name":"hello_world","language":"en_US"}}`, `{"language":{"code":"en_US"},"name":"hello_world"}`},
		{`{"type":"template","template":{"name":"Hello","language":"english"}}`, `/template/language /template/name`},
		{`{"type":"template","template":{"name":"a","language":"en","components":[{"type":"body","parameters":[{"type":"text","text":"x"}]},{"type":"button","subType":"url","index":0,"parameters":[{"type":"text","text":"y"}]}]}}`,
			`{"components":[{"parameters":[{"text":"x","type":"text"}],"type":"body"},{"index":"0","parameters":[{"text":"y","type":"text"}],"sub_type":"url","type":"button"}],"language":{"code":"en"},"name":"a"}`},
		{`{"type":"template","template":{"name":"a","language":"en","components":[{"type":"button","parameters":[]}]}}`,
			`/template/components/0/index /template/components/0/parameters /template/components/0/subType`},
		{`{"type":"poll"}`, `/type`},
		{`{"type":1}`, `/type`},
		{`{"type":"text","text":null}`, `/text`},
	} {
		if got := reading(t, []byte(test.body)); got != test.want {
			t.Errorf("%.120s\n got %s\nwant %s", test.body, got, test.want)
		}
	}
}

// reading is the Content of a body, or the pointers that are wrong in it.
func reading(t *testing.T, text []byte) string {
	t.Helper()
	asked, err := httpapi.Decode[body](&httpapi.Request{Body: text})
	if err != nil {
		return pointers(t, err)
	}
	m, _, err := asked.content()
	if err != nil {
		return pointers(t, err)
	}
	return string(m.Content)
}

func pointers(t *testing.T, err error) string {
	t.Helper()
	e, ok := err.(*chat.Error)
	if !ok || e.Code != chat.Invalid && e.Code != chat.BadRequest {
		t.Fatalf("an error of another kind: %v", err)
	}
	var list []string
	for _, f := range e.Fields {
		list = append(list, f.Pointer)
	}
	return strings.Join(list, " ")
}

// Whatever comes is taken, with Content that is JSON of an object and a text within bounds, or refused; nothing panics.
func FuzzBody(f *testing.F) {
	f.Add([]byte(`{"type":"text","text":"hi"}`))
	f.Add([]byte(`{"type":"interactive","interactive":{"type":"list","body":"Pick","open":"Menu","sections":[{"rows":[{"id":"a","title":"A"}]}]}}`))
	f.Add([]byte(`{"type":"template","template":{"name":"a","language":"en","components":[{"type":"button","index":-1}]}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if got := reading(t, text); strings.HasPrefix(got, "{") && !strings.HasSuffix(got, "}") {
			t.Errorf("%q", got)
		}
	})
}

// Once a reply is stored it is answered as accepted, whatever can't be read after that: a client that was told of a failure
// would send it again. An id is shown for a name.
func TestAcceptedIsAnsweredAsAccepted(t *testing.T) {
	t.Parallel()
	for what, header := range map[string][]string{"without a key": nil, "with a key": {"Idempotency-Key", "one"}} {
		w := newWorld(t)
		c := w.Opens("US.1", "amira")
		got, shown := w.AsksOnce("amira", c.ID, `{"type":"text","text":"hello"}`, header...)
		if got != "" || shown["delivery"] != "queued" || fmt.Sprint(shown["by"]) != "map[id:amira name:amira]" {
			t.Errorf("%s: %q %v", what, got, shown)
		}
		replies := 0
		for _, m := range w.Checked().Messages {
			if m.Direction == chat.Out {
				replies++
			}
		}
		if replies != 1 {
			t.Errorf("%s: %d replies are stored", what, replies)
		}
	}
}
