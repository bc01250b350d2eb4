package whatsapp_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"chatkeeper/infra/fixtures"
	"chatkeeper/shared/whatsapp"
)

var (
	receivedAt = time.UnixMilli(1_794_900_000_123)
	key        = []byte("a key of the tests")
)

// delivery wraps the content of a value in the field messages.
func delivery(value string) []byte {
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"200000000000001","changes":[{"field":"messages","value":{` +
		`"metadata":{"display_phone_number":"12025550101","phone_number_id":"100000000000001"},` + value + `}}]}]}`)
}

func split(t testing.TB, raw []byte) []whatsapp.Update {
	t.Helper()
	updates, err := whatsapp.Split(raw, receivedAt)
	if err != nil {
		t.Fatal(err)
	}
	return updates
}

// only splits a delivery that holds one update.
func only(t testing.TB, raw []byte) whatsapp.Update {
	t.Helper()
	updates := split(t, raw)
	if len(updates) != 1 {
		t.Fatalf("%d updates, not one", len(updates))
	}
	return updates[0]
}

// TestNotJSON: nothing but a JSON object is a delivery, and the error does not quote what it was.
func TestNotJSON(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{"", " ", "null", "[]", `"text"`, "5", "{", `{"entry":[}`, `{"entry":[]} more`, "\xff{}", "<html>",
		`{"a":` + strings.Repeat("[", 10_001) + strings.Repeat("]", 10_001) + "}"} {
		updates, err := whatsapp.Split([]byte(raw), receivedAt)
		if !errors.Is(err, whatsapp.ErrNotJSON) || len(updates) > 0 {
			t.Errorf("%.20q: %d updates, error %v", raw, len(updates), err)
		}
	}
	if got := split(t, []byte(" \n{\"entry\" : [ ] }\n")); len(got) != 0 {
		t.Errorf("white space: %v", got)
	}
}

// TestTooLarge: a message that the queue or the tables could not hold is kept with its ids, identities, type and time. It
// still opens its Chat, in the place and under the name that it would have had.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	message := func(body string) []byte {
		return delivery(`"contacts":[{"profile":{"name":"Nora Feld"},"wa_id":"12025550143"}],"messages":[{"from":"12025550143","from_user_id":"US.1",` +
			`"id":"wamid.large","timestamp":"1794000000","type":"text","text":{"body":"` + body + `"}}]`)
	}
	small := only(t, message("small"))
	cases := []struct {
		label, body string
		trimmed     bool
	}{
		{"just below", strings.Repeat("a", 180<<10), false},
		{"above", strings.Repeat("a", 200<<10), true},
		{"the whole delivery", strings.Repeat("a", 3<<20), true},
		{"65,536 Arabic letters, escaped", strings.Repeat(`\u0631`, 65_536), false},
		{"the same, too many", strings.Repeat(`\u0631`, 120_000), true},
		{"what HTML escapes", strings.Repeat("<", 180<<10), false},
		{"bytes that are not UTF-8, each becoming three", strings.Repeat("\xffa", 80<<10), true},
	}
	for _, c := range cases {
		u := only(t, message(c.body))
		if u.Trimmed != c.trimmed {
			t.Errorf("%s: trimmed is %v", c.label, u.Trimmed)
		}
		encoded := u.Encode()
		if len(encoded) > whatsapp.MaxUpdateSize {
			t.Errorf("%s: %d bytes", c.label, len(encoded))
		}
		if u.Group(key) != small.Group(key) || u.DedupID(key) != small.DedupID(key) {
			t.Errorf("%s: other group or deduplication id than a small one", c.label)
		}
		got, want := u.Message(), small.Message()
		if got.ID != want.ID || got.At != want.At || got.Customer != want.Customer || got.Name != want.Name || got.Effect() != whatsapp.Opens {
			t.Errorf("%s: read as %s, %d, %s", c.label, got.ID, got.At, got.Effect())
		}
		if c.trimmed && (got.Type != whatsapp.TypeUnsupported || got.Original != "text" || !got.Trimmed) {
			t.Errorf("%s: type %s (%s)", c.label, got.Type, got.Original)
		}
		if !c.trimmed && got.Text == "" {
			t.Errorf("%s: the text is lost", c.label)
		}
	}
	if got := only(t, message(strings.Repeat(`\u0631`, 65_536))).Message().Text; got != strings.Repeat("ر", 65_536) {
		t.Errorf("a long text came back with %d bytes", len(got))
	}
}

// TestTooDeep: what is nested deeper than any reader after us should have to take is reduced alike.
func TestTooDeep(t *testing.T) {
	t.Parallel()
	for depth, trimmed := range map[int]bool{10: false, 60: false, 65: true, 5_000: true} {
		u := only(t, delivery(`"messages":[{"from":"12025550143","id":"wamid.deep","type":"list","list":`+
			strings.Repeat("[", depth)+strings.Repeat("]", depth)+`}]`))
		if m := u.Message(); u.Trimmed != trimmed || m.ID != "wamid.deep" || m.Original != "list" || m.Effect() != whatsapp.Opens {
			t.Errorf("depth %d: trimmed %v, message %s %s", depth, u.Trimmed, m.ID, m.Effect())
		}
	}
}

// TestTrimmedKeepsItsMeaning: an edit, a status or a system change that is too large is still one.
func TestTrimmedKeepsItsMeaning(t *testing.T) {
	t.Parallel()
	pad := `"pad":"` + strings.Repeat("x", 300<<10) + `"`
	edit := only(t, delivery(`"messages":[{"from":"12025550143","id":"wamid.1","type":"edit",`+pad+`}]`)).Message()
	if edit.Effect() != whatsapp.Keeps || !edit.Trimmed {
		t.Errorf("edit %s", edit.Effect())
	}
	status := only(t, delivery(`"statuses":[{"id":"wamid.2","status":"read","timestamp":1794000000,"recipient_id":"12025550143","biz_opaque_callback_data":"reply-1",`+pad+`}]`))
	if s := status.Status(); s.ID != "wamid.2" || s.Status != "read" || s.At != 1794000000 || s.Customer.Phone != "12025550143" || s.Callback != "reply-1" {
		t.Errorf("status %+v", s)
	}
	first := only(t, delivery(pad+`,"user_actions":[1]`))
	second := only(t, delivery(pad+`,"user_actions":[2]`))
	if !first.Trimmed || first.DedupID(key) == second.DedupID(key) {
		t.Error("two large changes of another kind are taken for one")
	}
}

// TestHistory: one delivery may bring thousands of old messages. Each is an update of its own, and none opens a Chat.
func TestHistory(t *testing.T) {
	t.Parallel()
	var messages strings.Builder
	const n = 12_000
	for i := range n {
		if i > 0 {
			messages.WriteByte(',')
		}
		from := "447700900123"
		if i%2 == 1 {
			from = "12025550101"
		}
		fmt.Fprintf(&messages, `{"from":%q,"id":"wamid.%d","timestamp":"%d","type":"text","text":{"body":"Old words, number %d, and a few more to fill the line"}}`, from, i, 1_700_000_000+i, i)
	}
	raw := delivery(`"history":[{"threads":[{"id":"447700900123","messages":[` + messages.String() + `]}]}]`)
	updates := split(t, raw)
	if len(updates) != n {
		t.Fatalf("%d updates of %d bytes", len(updates), len(raw))
	}
	for i, u := range updates {
		m := u.Message()
		wantDirection := whatsapp.In
		if i%2 == 1 {
			wantDirection = whatsapp.Out
		}
		if m.ID != fmt.Sprintf("wamid.%d", i) || m.Direction != wantDirection || m.Customer.Phone != "447700900123" || m.Effect() != whatsapp.KeepsQuietly {
			t.Fatalf("message %d: %+v %s", i, m, m.Effect())
		}
	}
}

// TestIdentityChangesFirst: the order of a delivery is kept, but a change of identity comes before what follows from it.
func TestIdentityChangesFirst(t *testing.T) {
	t.Parallel()
	var got []string
	for _, u := range split(t, delivery(`"messages":[{"id":"1","type":"text"},{"id":"2","type":"system"},{"id":"3","type":"text"}],"statuses":[{"id":"4"},{"id":"5"}]`)) {
		got = append(got, u.Message().ID)
	}
	if fmt.Sprint(got) != "[2 1 3 4 5]" {
		t.Errorf("order %v", got)
	}
}

// TestPosition: each update knows its place in the delivery, across entries, changes, lists and the threads of a history; one
// that is handled first keeps the place where it stood.
func TestPosition(t *testing.T) {
	t.Parallel()
	raw := `{"entry":[{"changes":[{"field":"messages","value":{"messages":[{"id":"0","type":"text"},{"id":"1","type":"system"}],"statuses":[{"id":"2"}]}},` +
		`{"field":"messages","value":{"messages":[{"id":"3","type":"system"}]}}]},` +
		`{"changes":[{"field":"history","value":{"history":[{"threads":[{"id":"12025550143","messages":[{"id":"4"},{"id":"5"}]},{"id":"12025550144","messages":[{"id":"6"}]}]}]}},` +
		`{"field":"account_alerts","value":{"id":"7"}},{"field":"standby","value":{"standby":{"messages":[{"id":"8"}]}}}]}]}`
	seen := 0
	for i, u := range split(t, []byte(raw)) {
		travelled, err := whatsapp.ParseUpdate(u.Encode())
		if err != nil {
			t.Fatal(err)
		}
		if m := travelled.Message(); m.ID != fmt.Sprint(m.Position) || m.Position != travelled.Position {
			t.Errorf("update %d, with the id %s, says it stands at %d", i, m.ID, m.Position)
		}
		seen++
	}
	if seen != 9 {
		t.Errorf("%d updates", seen)
	}
}

// TestGroup: updates of one customer and number go one after the other, whatever they are about, and nobody else waits for them.
func TestGroup(t *testing.T) {
	t.Parallel()
	message := func(number, rest string) whatsapp.Update {
		return only(t, []byte(`{"entry":[{"id":"a","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":`+number+`},`+rest+`}}]}]}`))
	}
	nora := message(`"1"`, `"messages":[{"id":"m1","from":"12025550143","from_user_id":"US.1","type":"text"}]`)
	phone := message(`"1"`, `"messages":[{"id":"m1","from":"12025550143","type":"text"}]`)
	same := []struct {
		label string
		as    whatsapp.Update
		u     whatsapp.Update
	}{
		{"another message", nora, message(`"1"`, `"messages":[{"id":"m2","from":"12025550143","from_user_id":"US.1","type":"image"}]`)},
		{"without the phone", nora, message(`"1"`, `"messages":[{"id":"m3","from_user_id":"US.1","type":"text"}]`)},
		{"with another phone", nora, message(`"1"`, `"messages":[{"id":"m4","from":"12025550144","from_user_id":"US.1","type":"text"}]`)},
		{"BSUID in from", nora, message(`"1"`, `"messages":[{"id":"m5","from":"US.1","type":"text"}]`)},
		{"BSUID in the contact", nora, message(`"1"`, `"contacts":[{"wa_id":"12025550143","user_id":"US.1"}],"messages":[{"id":"m6","from":"12025550143","type":"text"}]`)},
		{"the number as a number", nora, message(`1`, `"messages":[{"id":"m7","from_user_id":"US.1","type":"text"}]`)},
		{"a status", nora, message(`"1"`, `"statuses":[{"id":"m8","status":"read","recipient_id":"12025550143","recipient_user_id":"US.1"}]`)},
		{"an echo", nora, message(`"1"`, `"message_echoes":[{"id":"m9","to":"12025550143","to_user_id":"US.1","type":"text"}]`)},
		{"who they become", nora, message(`"1"`, `"messages":[{"id":"m10","from_user_id":"US.0","type":"system","system":{"user_id":"US.1"}}]`)},
		{"phone only, with plus", phone, message(`"1"`, `"messages":[{"id":"m11","from":"+12025550143","type":"text"}]`)},
		{"phone only, a status", phone, message(`"1"`, `"statuses":[{"id":"m12","status":"failed","recipient_id":"12025550143"}]`)},
	}
	for _, c := range same {
		if c.u.Group(key) != c.as.Group(key) {
			t.Errorf("%s: another group", c.label)
		}
	}
	different := []whatsapp.Update{
		nora, phone,
		message(`"2"`, `"messages":[{"id":"m1","from":"12025550143","from_user_id":"US.1","type":"text"}]`),
		message(`"1"`, `"messages":[{"id":"m1","from":"12025550143","from_user_id":"US.2","type":"text"}]`),
		message(`"1"`, `"messages":[{"id":"m1","from":"12025550144","type":"text"}]`),
		message(`"1"`, `"messages":[{"id":"m1","type":"text"}]`),
		message(`"11"`, `"messages":[{"id":"m1","type":"text"}]`),
	}
	groups := map[string]bool{}
	for _, u := range different {
		groups[u.Group(key)] = true
	}
	if len(groups) != len(different) {
		t.Errorf("%d groups for %d customers", len(groups), len(different))
	}
	if nora.Group(key) == nora.Group([]byte("another key")) {
		t.Error("the group does not depend on the key")
	}
}

// TestDedupID: a redelivery is recognised whenever and beside whatever it comes, and nothing else is taken for one.
func TestDedupID(t *testing.T) {
	t.Parallel()
	base := only(t, delivery(`"messages":[{"id":"m1","from":"12025550143","timestamp":"1794000000","type":"text","text":{"body":"x"}}]`))
	later, err := whatsapp.Split(delivery(`"moon":"full","contacts":[],"messages":[ {"type":"text", "from":"12025550143","text":{"body":"x"},"id":"m1","timestamp":1794000000} ]`), receivedAt.Add(time.Hour))
	if err != nil || later[0].DedupID(key) != base.DedupID(key) {
		t.Errorf("a redelivery in another spelling is new (%v)", err)
	}
	other := only(t, delivery(`"user_actions":[{"type":"click"}]`))
	if spaced := only(t, []byte(strings.ReplaceAll(string(delivery(`"user_actions":[{"type":"click"}]`)), ":", " : "))); spaced.DedupID(key) != other.DedupID(key) {
		t.Error("white space makes another update of another kind")
	}
	unlike := []string{
		`"messages":[{"id":"m1","from":"12025550143","timestamp":"1794000000","type":"text","text":{"body":"x"}}]`,
		`"messages":[{"id":"m2","from":"12025550143","timestamp":"1794000000","type":"text","text":{"body":"x"}}]`,
		`"messages":[{"id":"m1","from":"12025550143","timestamp":"1794000000","type":"image"}]`,
		`"messages":[{"from":"12025550143","timestamp":"1794000000","type":"text","text":{"body":"x"}}]`,
		`"messages":[{"from":"12025550143","timestamp":"1794000000","type":"text","text":{"body":"y"}}]`,
		`"message_echoes":[{"id":"m1","to":"12025550143","timestamp":"1794000000","type":"text","text":{"body":"x"}}]`,
		`"statuses":[{"id":"m1","status":"sent","timestamp":"1794000000"}]`,
		`"statuses":[{"id":"m1","status":"read","timestamp":"1794000000"}]`,
		`"statuses":[{"id":"m1","status":"read","timestamp":"1794000001"}]`,
		`"statuses":[{"id":"m1","status":"read","timestamp":"1794000000","recipient_type":"group","recipient_id":"g","recipient_participant_id":"1"}]`,
		`"statuses":[{"id":"m1","status":"read","timestamp":"1794000000","recipient_type":"group","recipient_id":"g","recipient_participant_id":"2"}]`,
		`"user_actions":[{"type":"click"}]`,
		`"user_actions":[{"type":"click","at":2}]`,
	}
	ids := map[string]string{}
	for _, value := range unlike {
		id := only(t, delivery(value)).DedupID(key)
		if before := ids[id]; before != "" {
			t.Errorf("taken for one:\n%s\n%s", before, value)
		}
		ids[id] = value
	}
}

func TestParseUpdate(t *testing.T) {
	t.Parallel()
	for _, body := range []string{"", "{}", "null", "[]", `{"v":0,"body":{}}`, `{"v":2,"kind":"message","body":{}}`, `{"v":"1"}`} {
		if u, err := whatsapp.ParseUpdate(body); err == nil {
			t.Errorf("%q was read as %+v", body, u)
		}
	}
}

// FuzzSplit: whatever comes, it does not panic, always gives the same, and everything it gives fits the queue and is read.
func FuzzSplit(f *testing.F) {
	for _, fixture := range fixtures.All() {
		f.Add(fixture.Body)
	}
	f.Add([]byte(`{"entry":[{"changes":[{"value":{"contacts":[{"profile":{"name":"\ufffe\uffff\ud800"}}],"messages":[{"id":"\ufffe\uffff\ud800","from":"\u0000"}]}}]}]}`))
	f.Add([]byte("{\"entry\":[{\"changes\":[{\"value\":{\"statuses\":[{\"id\":\"\xff\xef\xbf\xbf\"}]}}]}]}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		updates, err := whatsapp.Split(raw, receivedAt)
		if (err == nil) != isObject(raw) {
			t.Fatalf("error %v", err)
		}
		again, _ := whatsapp.Split(raw, receivedAt)
		for i, u := range updates {
			body := u.Encode()
			if body != again[i].Encode() {
				t.Fatal("split differently the second time")
			}
			if len(body) > whatsapp.MaxUpdateSize || !utf8.ValidString(body) || strings.ContainsAny(body, "\ufffe\uffff") {
				t.Fatalf("SQS would refuse %q", body)
			}
			travelled, err := whatsapp.ParseUpdate(body)
			if err != nil {
				t.Fatalf("%v: %q", err, body)
			}
			if len(u.Group(key)) != 64 || len(u.DedupID(key)) != 64 {
				t.Fatal("ids have another length")
			}
			m := travelled.Message()
			if m.ID == "" || len(m.ID) > 512 || m.At < 0 || m.At > 9_999_999_999 || len(m.Content) > 64<<10 || !utf8.ValidString(m.Text) {
				t.Fatalf("message %+v", m)
			}
			if m.Effect() == whatsapp.Opens && (u.Kind != whatsapp.KindMessage || m.Direction != whatsapp.In || m.Customer == whatsapp.Identity{}) {
				t.Fatalf("opens a Chat: %+v", m)
			}
			if s := travelled.Status(); s.ID == "" || s.Rank() < 0 {
				t.Fatalf("status %+v", s)
			}
		}
	})
}

func isObject(raw []byte) bool {
	var object map[string]json.RawMessage
	return json.Unmarshal(raw, &object) == nil && object != nil
}

func BenchmarkSplit(b *testing.B) {
	for _, name := range []string{"text-phone-and-bsuid", "status-sent", "unsupported-each-type"} {
		b.Run(name, func(b *testing.B) {
			raw := fixtures.Named(name)
			b.ReportAllocs()
			for b.Loop() {
				updates, err := whatsapp.Split(raw, receivedAt)
				if err != nil {
					b.Fatal(err)
				}
				for _, u := range updates {
					_, _, _ = u.Encode(), u.Group(key), u.DedupID(key)
				}
			}
		})
	}
}
