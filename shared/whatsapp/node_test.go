package whatsapp

import (
	"encoding/json"
	"testing"
	"unicode/utf8"
)

// FuzzNode: walking over JSON finds what encoding/json finds, and walking over anything else ends.
func FuzzNode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"a":1,"b":[true,null,{"c":"\"}"}],"a":"twice"}`, `{ "\u0061" : -1.5e3 , "" : [ ] }`, `{"a"`, `{"a":`, `{"a":[1,`, `{"a":"\`, `[`, `{"a":1}}`, `{"\ud800":"\ud800"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		found := map[string]string{}
		node(raw).members(func(key []byte, value node) {
			found[string(key)] = string(value)
			value.each(func(node) {})
			_, _, _, _ = value.text(), value.number(), value.isTrue(), value.depth()
		})
		var want map[string]json.RawMessage
		if json.Unmarshal(raw, &want) != nil || raw[0] != '{' || !utf8.Valid(raw) {
			return // Split makes it UTF-8 before
		}
		if len(found) != len(want) {
			t.Fatalf("%q: found %q, not %q", raw, found, want)
		}
		for key, value := range want {
			if found[key] != string(value) {
				t.Fatalf("%q: found %q at %q, not %q", raw, found[key], key, value)
			}
		}
	})
}

// TestNumber: WhatsApp spells one number in many ways.
func TestNumber(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{
		`1794000000`: 1794000000, `"1794000000"`: 1794000000, `" 1794000000 "`: 1794000000, `1794000000.75`: 1794000000, `1.794e9`: 1794000000,
		`-5`: -5, `""`: 0, `"soon"`: 0, `null`: 0, `true`: 0, `{}`: 0, `[1]`: 0, `1e400`: 0, `"NaN"`: 0, `99999999999999999999`: 0,
	} {
		if got := node(raw).number(); got != want {
			t.Errorf("%s is read as %d", raw, got)
		}
	}
}

// TestSeconds: finer units are brought down to seconds, so that the same moment is the same number.
func TestSeconds(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]int64{
		`1794000000`: 1794000000, `"1794000000789"`: 1794000000, `1794000000789000`: 1794000000, `1794000000789000000`: 1794000000,
		`9999999999`: 9999999999, `10000000000`: 10000000, `-1`: 0, `0`: 0, `"soon"`: 0,
	} {
		if got := seconds(node(raw)); got != want {
			t.Errorf("%s is read as %d", raw, got)
		}
	}
}

// TestMayBe: a contact is believed to be the sender unless an identity that both have differs.
func TestMayBe(t *testing.T) {
	t.Parallel()
	cases := []struct {
		a, b Identity
		want bool
	}{
		{Identity{UserID: "US.1"}, Identity{UserID: "US.1", Phone: "12025550143"}, true},
		{Identity{UserID: "US.1"}, Identity{UserID: "US.2"}, false},
		{Identity{UserID: "US.1", Phone: "12025550143"}, Identity{UserID: "US.2", Phone: "12025550143"}, false},
		{Identity{Phone: "12025550143"}, Identity{Phone: "12025550144"}, false},
		{Identity{Phone: "5511900000001"}, Identity{Phone: "551100000001"}, true}, // Brazil's ninth digit
		{Identity{Phone: "5215500000001"}, Identity{Phone: "525500000001"}, true}, // Mexico's 1
		{Identity{Phone: "12025550143"}, Identity{UserID: "US.1"}, true},
		{Identity{}, Identity{UserID: "US.1"}, true},
	}
	for _, c := range cases {
		if c.a.mayBe(c.b) != c.want || c.b.mayBe(c.a) != c.want {
			t.Errorf("%v and %v: not %v", c.a, c.b, c.want)
		}
	}
}
