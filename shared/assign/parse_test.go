package assign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// document is a rules document with one rule, parts of which a test replaces.
func document(replacements ...string) string {
	return strings.NewReplacer(replacements...).Replace(`{"rules": [{"id": "desk", "name": "Desk", "enabled": true,
		"when": {"field": "language", "in": ["ar"]}, "to": [{"team": "arabic", "strategy": "round_robin"}]}],
		"otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`)
}

// when is the document with another condition.
func when(condition string) string {
	return document(`{"field": "language", "in": ["ar"]}`, condition)
}

// nested is a condition that many levels deep.
func nested(levels int) string {
	return strings.Repeat(`{"not": `, levels-1) + `{"field": "language", "in": ["ar"]}` + strings.Repeat("}", levels-1)
}

func mustParse(tb testing.TB, doc string) *Rules {
	tb.Helper()
	rules, err := Parse([]byte(doc))
	if err != nil {
		tb.Fatalf("%v\n%.1000s", err, doc)
	}
	return rules
}

func TestParseProblems(t *testing.T) {
	t.Parallel()
	manyRules := `{"rules": [` + strings.Repeat("{},", MaxRules) + `{}], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`
	for _, c := range []struct {
		name, doc string
		want      string // pointer: part of the detail; several are separated by |
	}{
		{"nothing", ``, `: unexpected end`},
		{"not JSON", `{"rules": [}`, `: line 1, byte 12`},
		{"broken off", `{"rules": [{"id": "a"`, `: unexpected end`},
		{"nests without end", strings.Repeat("[", 20000), `: exceeded max depth`},
		{"an object without end", `{` + manyNames(1000) + `}`, `/x64: more names`},
		{"a list", `[]`, `: must be an object`},
		{"null", `null`, `: must be an object`},
		{"two documents", document() + ` {}`, `: after top-level value`},
		{"not UTF-8", document("Desk", "D\xffsk"), `: not UTF-8`},
		{"too large", document("Desk", strings.Repeat("x", MaxBytes)), `: larger than 300 KB`},
		{"nests deep", strings.Repeat("[", 9000) + strings.Repeat("]", 9000), strings.Repeat("/0", deepest) + `: too deep`},
		{"no rules, no otherwise", `{}`, `: "rules"|: "otherwise"`},
		{"an unknown name", document(`"rules": [`, `"version": 3, "rules": [`), `/version: known are rules, otherwise`},
		{"a name twice", document(`"enabled": true`, `"enabled": true, "enabled": false`), `/rules/0/enabled: twice`},
		{"a name with signs", document(`"enabled": true`, `"enabled": true, "a/b~c": 1`), `/rules/0/a~1b~0c: known are id`},
		{"too many rules", manyRules, `/rules: at most 1000`},
		{"rules of another type", `{"rules": {}, "otherwise": 5}`, `/rules: must be a list|/otherwise: must be an object`},
		{"an empty rule", `{"rules": [{}], "otherwise": {}}`,
			`/rules/0: "id"|/rules/0: "name"|/rules/0: "enabled"|/rules/0: "when"|/rules/0: "to"|/otherwise: "to"`},

		{"id with capitals", document(`"desk"`, `"Desk"`), `/rules/0/id: a-z`},
		{"id of otherwise", document(`"desk"`, `"otherwise"`), `/rules/0/id: choose another`},
		{"id too long", document(`"desk"`, `"`+strings.Repeat("a", 33)+`"`), `/rules/0/id: at most 32`},
		{"id is a number", document(`"desk"`, `7`), `/rules/0/id: must be a string`},
		{"id twice", strings.Replace(document(), `"rules": [`, `"rules": [{"id": "desk", "name": "N", "enabled": false,
			"when": {"field": "language", "in": ["en"]}, "to": [{"team": "a", "strategy": "round_robin"}]},`, 1), `/rules/1/id: already`},
		{"name blank", document(`"Desk"`, `"  "`), `/rules/0/name: not be empty`},
		{"name too long", document(`"Desk"`, `"`+strings.Repeat("名", 49)+`"`), `/rules/0/name: at most 48`},
		{"name over two lines", document(`"Desk"`, `"a\nb"`), `/rules/0/name: control`},
		{"enabled is a word", document(`true`, `"yes"`), `/rules/0/enabled: true or false`},
		{"enabled is null", document(`true`, `null`), `/rules/0/enabled: true or false`},

		{"empty condition", when(`{}`), `/rules/0/when: empty condition`},
		{"condition is a list", when(`[]`), `/rules/0/when: must be a condition`},
		{"all of nothing", when(`{"all": []}`), `/rules/0/when/all: not be empty`},
		{"any of nothing", when(`{"any": []}`), `/rules/0/when/any: not be empty`},
		{"not of nothing", when(`{"not": {}}`), `/rules/0/when/not: empty condition`},
		{"in nothing", when(`{"field": "language", "in": []}`), `/rules/0/when/in: not be empty`},
		{"contains nothing", when(`{"field": "text", "contains": []}`), `/rules/0/when/contains: not be empty`},
		{"contains a blank", when(`{"field": "text", "contains": ["refund", " "]}`), `/rules/0/when/contains/1: not be empty`},
		{"contains only marks", when(`{"field": "text", "contains": ["\u200b"]}`), `/rules/0/when/contains/0: look for`},
		{"a value is a number", when(`{"field": "businessNumber", "in": [1]}`), `/rules/0/when/in/0: must be a string`},
		{"two at once", when(`{"all": [{"field": "language", "in": ["ar"]}], "any": []}`), `/rules/0/when: exactly one`},
		{"a question and more", when(`{"field": "language", "in": ["ar"], "all": []}`), `/rules/0/when/all: known are field, in`},
		{"another word", when(`{"none": []}`), `/rules/0/when/none: not known`},
		{"deep inside", when(`{"all": [{"field": "language", "in": ["ar"]}, {"any": [{"not": {"field": "country", "in": ["AE", "uae"]}}]}]}`),
			`/rules/0/when/all/1/any/0/not/in/1: capital`},
		{"nine levels", when(nested(9)), `/rules/0/when/not/not/not/not/not/not/not/not: deeper than 8`},
		{"an unknown field", when(`{"field": "mood", "in": ["bad"]}`), `/rules/0/when/field: openedBy, hours`},
		{"no values", when(`{"field": "language"}`), `/rules/0/when: "in"`},
		{"the wrong question", when(`{"field": "text", "in": ["refund"]}`), `/rules/0/when/in: contains|/rules/0/when: "contains"`},

		{"language in capitals", when(`{"field": "language", "in": ["AR"]}`), `/rules/0/when/in/0: ISO 639-1`},
		{"country in full", when(`{"field": "country", "in": ["Oman"]}`), `/rules/0/when/in/0: ISO 3166`},
		{"prefix with letters", when(`{"field": "phonePrefix", "in": ["+97l"]}`), `/rules/0/when/in/0: digits`},
		{"prefix of a person", when(`{"field": "phonePrefix", "in": ["+971501"," +971", "9715012"]}`), `/rules/0/when/in/1: digits|/rules/0/when/in/2: digits`},
		{"an old customer", when(`{"field": "customer", "in": ["old"]}`), `/rules/0/when/in/0: "returning"`},
		{"opened by chance", when(`{"field": "openedBy", "in": ["chance"]}`), `/rules/0/when/in/0: "reopened"`},
		{"a type of message", when(`{"field": "messageType", "in": ["Text"]}`), `/rules/0/when/in/0: type of message`},
		{"hours of no calendar", when(`{"field": "hours", "is": "inside"}`), `/rules/0/when: "calendar"`},
		{"hours at night", when(`{"field": "hours", "calendar": "office", "is": "night"}`), `/rules/0/when/is: inside, outside`},
		{"nine calendars", when(`{"any": [` + calendars(9) + `]}`), `/rules/0/when/any/8/calendar: at most 8`},

		{"no steps", document(`[{"team": "arabic", "strategy": "round_robin"}]`, `[]`), `/rules/0/to: not be empty`},
		{"a step to nobody", document(`{"team": "arabic",`, `{`), `/rules/0/to/0: a team or a person`},
		{"a step to two", document(`{"team": "arabic",`, `{"team": "arabic", "person": "amira",`), `/rules/0/to/0: not both`},
		{"no strategy", document(`, "strategy": "round_robin"}]}],`, `}]}],`), `/rules/0/to/0: "strategy"`},
		{"an unknown strategy", document(`"arabic", "strategy": "round_robin"`, `"arabic", "strategy": "random"`), `/rules/0/to/0/strategy: round_robin, least_loaded`},
		{"a team by agent", document(`"arabic", "strategy": "round_robin"`, `"arabic", "strategy": "agent"`), `/rules/0/to/0/strategy: round_robin`},
		{"a person in turn", document(`"team": "arabic"`, `"person": "amira"`), `/rules/0/to/0/strategy: one of agent`},
		{"first step later", document(`"arabic", "strategy": "round_robin"`, `"arabic", "strategy": "round_robin", "after": "5m"`), `/rules/0/to/0/after: first step`},
		{"second step at once", steps(``), `/rules/0/to/1: must have "after"`},
		{"second step after a while", steps(`, "after": "a while"`), `/rules/0/to/1/after: "1h30m"`},
		{"second step before", steps(`, "after": "-5m"`), `/rules/0/to/1/after: whole seconds`},
		{"second step after a month", steps(`, "after": "800h"`), `/rules/0/to/1/after: up to 168h`},
		{"third step not later", steps(`, "after": "5m"}, {"team": "sales", "strategy": "round_robin", "after": "300s"`), `/rules/0/to/2/after: longer than the "5m"`},

		{"requires nothing", document(`"enabled"`, `"requires": {}, "enabled"`), `/rules/0/requires: require something`},
		{"requires no languages", document(`"enabled"`, `"requires": {"languages": []}, "enabled"`), `/rules/0/requires/languages: not be empty`},
		{"requires an unknown language", document(`"enabled"`, `"requires": {"languages": ["ar", "unknown"]}, "enabled"`), `/rules/0/requires/languages/1: ISO 639-1`},
		{"requires patience", document(`"enabled"`, `"requires": {"patience": 3}, "enabled"`), `/rules/0/requires/patience: known are languages, skills`},
		{"previous without a preference", document(`"enabled"`, `"previousAssignee": {"within": "1m"}, "enabled"`), `/rules/0/previousAssignee: "prefer"`},
		{"previous within nothing", document(`"enabled"`, `"previousAssignee": {"prefer": true, "within": "0s"}, "enabled"`), `/rules/0/previousAssignee/within: whole seconds`},
		{"urgent", document(`"enabled"`, `"priority": "urgent", "enabled"`), `/rules/0/priority: high, normal, low`},
		{"otherwise with a condition", document(`"otherwise": {`, `"otherwise": {"when": {}, `), `/otherwise/when: does not belong`},
		{"all at once", document(`"desk"`, `""`, `true`, `1`, `"ar"`, `"a"`, `"round_robin"`, `"x"`),
			`/rules/0/id: not be empty|/rules/0/enabled: true|/rules/0/when/in/0: ISO|/rules/0/to/0/strategy: one of|/otherwise/to/0/strategy: one of`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse([]byte(c.doc))
			var got Problems
			if !errors.As(err, &got) {
				t.Fatalf("got %v, want problems", err)
			}
			wanted := strings.Split(c.want, "|")
			if len(got) != len(wanted) {
				t.Fatalf("got %d problems, want %d: %v", len(got), len(wanted), got)
			}
			for i, w := range wanted {
				pointer, part, _ := strings.Cut(w, ": ")
				if got[i].Pointer != pointer || !strings.Contains(got[i].Detail, part) {
					t.Errorf("got %+v, want %s", got[i], w)
				}
			}
		})
	}
}

func manyNames(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`"x%d": 1`, i))
	}
	return strings.Join(list, ",")
}

func calendars(n int) string {
	var list []string
	for i := range n {
		list = append(list, fmt.Sprintf(`{"field": "hours", "calendar": "c%d", "is": "inside"}`, i))
	}
	return strings.Join(list, ",")
}

// steps is the document with a second step that has these members too.
func steps(more string) string {
	return document(`{"team": "arabic", "strategy": "round_robin"}`,
		`{"team": "arabic", "strategy": "round_robin"}, {"team": "support", "strategy": "least_loaded"`+more+`}`)
}

func TestParseReportsAHundredProblemsAtMost(t *testing.T) {
	t.Parallel()
	_, err := Parse([]byte(`{"rules": [` + strings.Repeat("1,", 900) + `1], "otherwise": 1}`))
	if problems := (Problems)(nil); !errors.As(err, &problems) || len(problems) != maxProblems {
		t.Errorf("got %v", err)
	}
}

func TestPrint(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, doc, want string }{
		{"the example of the design", example, ""},
		{"names in order, what is normal left out", `{"otherwise": {"to": [{"strategy": "agent", "person": "amira"}], "priority": "normal"}, "rules": []}`,
			`{"rules":[],"otherwise":{"to":[{"person":"amira","strategy":"agent"}]}}`},
		{"waits in short", steps(`, "after": "90m"}, {"team": "sales", "strategy": "round_robin", "after": "2h0m30s"`), ""},
		{"every kind of condition", when(`{"any": [{"not": {"field": "text", "contains": ["money back", "<refund>"]}},
			{"field": "hours", "calendar": "office", "is": "outside"}, {"all": [{"field": "phonePrefix", "in": ["+971", "20"]}]}]}`), ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, err := json.Marshal(mustParse(t, c.doc))
			if err != nil {
				t.Fatal(err)
			}
			want := []byte(c.want)
			if c.want == "" { // as it was but for white space, order and the way to write a time
				want = sorted(t, []byte(strings.NewReplacer("90m", "1h30m").Replace(c.doc)))
				got = sorted(t, got)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// sorted is a JSON document without white space and with the names of every object in order.
func sorted(tb testing.TB, doc []byte) []byte {
	tb.Helper()
	var v any
	if err := json.Unmarshal(doc, &v); err != nil {
		tb.Fatal(err)
	}
	out, _ := json.Marshal(v)
	return out
}

// checkRoundTrip holds what every document that can be read must keep: printed and read again it routes alike, and is
// printed alike.
func checkRoundTrip(tb interface {
	Fatalf(string, ...any)
}, doc []byte, inputs []Input) {
	rules, err := Parse(doc)
	if err != nil {
		if problems := (Problems)(nil); !errors.As(err, &problems) || len(problems) == 0 || rules != nil {
			tb.Fatalf("an error that is no problem: %v", err)
		}
		return
	}
	printed, err := json.Marshal(rules)
	if err != nil {
		tb.Fatalf("can't be printed: %v", err)
	}
	again, err := Parse(printed)
	if err != nil {
		tb.Fatalf("printed, it can't be read: %v\n%s", err, printed)
	}
	reprinted, _ := json.Marshal(again)
	if !bytes.Equal(printed, reprinted) {
		tb.Fatalf("printed\n%s\nand again\n%s", printed, reprinted)
	}
	for _, in := range inputs {
		if a, b := fmt.Sprintf("%+v", rules.Route(in)), fmt.Sprintf("%+v", again.Route(in)); a != b {
			tb.Fatalf("%+v goes to\n%s\nand, printed, to\n%s", in, a, b)
		}
	}
	rules.Check(seed, nil)
}

func TestPrintedDocumentsMeanTheSame(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc := anyDocument(t)
		if _, err := Parse(doc); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		checkRoundTrip(t, doc, rapid.SliceOfN(rapid.Custom(anyInput), 1, 10).Draw(t, "inputs"))
	})
}

// Valid documents with a few bytes or values changed: most are refused, none does harm.
func TestDamagedDocuments(t *testing.T) {
	t.Parallel()
	pieces := []string{`{}`, `[]`, `null`, `""`, `"x"`, `0`, `-1e999`, `true`, `{"all":[]}`, `"\ud800"`, `,`, `}`, `]`, `"`, `\`, "\x00", "\xff", `{"not":`, `"in":[`}
	rapid.Check(t, func(t *rapid.T) {
		doc := anyDocument(t)
		for range rapid.IntRange(1, 3).Draw(t, "changes") {
			from := rapid.IntRange(0, len(doc)).Draw(t, "from")
			to := min(len(doc), from+rapid.IntRange(0, 12).Draw(t, "length"))
			piece := rapid.SampledFrom(pieces).Draw(t, "piece")
			doc = append(append(append([]byte(nil), doc[:from]...), piece...), doc[to:]...)
		}
		checkRoundTrip(t, doc, []Input{anyInput(t)})
	})
}

// Any JSON at all.
func TestAnyJSON(t *testing.T) {
	t.Parallel()
	names := []string{"rules", "otherwise", "id", "name", "enabled", "when", "to", "requires", "priority", "all", "any", "not", "field", "in",
		"contains", "calendar", "is", "team", "person", "strategy", "after", "languages", "previousAssignee", "prefer", "x"}
	var value func(t *rapid.T, depth int) any
	value = func(t *rapid.T, depth int) any {
		kind := rapid.IntRange(0, 6).Draw(t, "kind")
		if depth == 0 && kind > 4 {
			kind = 0
		}
		switch kind {
		case 0:
			return rapid.SampledFrom([]string{"language", "text", "ar", "round_robin", "5m", "hours", ""}).Draw(t, "word")
		case 1:
			return rapid.Bool().Draw(t, "truth")
		case 2:
			return rapid.Float64Range(-1e9, 1e9).Draw(t, "number")
		case 3:
			return nil
		case 4:
			return rapid.String().Draw(t, "text")
		case 5:
			list := []any{}
			for range rapid.IntRange(0, 3).Draw(t, "items") {
				list = append(list, value(t, depth-1))
			}
			return list
		}
		object := map[string]any{}
		for range rapid.IntRange(0, 4).Draw(t, "members") {
			object[rapid.SampledFrom(names).Draw(t, "name")] = value(t, depth-1)
		}
		return object
	}
	rapid.Check(t, func(t *rapid.T) {
		doc, err := json.Marshal(map[string]any{"rules": value(t, 6), "otherwise": value(t, 4)})
		if err != nil {
			t.Fatal(err)
		}
		checkRoundTrip(t, doc, nil)
	})
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example))
	f.Add([]byte(document()))
	f.Add([]byte(when(nested(8))))
	f.Add([]byte(when(`{"any": [{"field": "text", "contains": ["Ünïcode", "退款"]}, {"field": "hours", "calendar": "c", "is": "inside"}]}`)))
	f.Add([]byte(`{"rules": [], "otherwise": {"to": [{"person": "a", "strategy": "agent"}], "requires": {"skills": ["x"]}}}`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		checkRoundTrip(t, doc, []Input{{}, {Language: "ar", Country: "AE", Text: "Ünïcode 退款", Hours: map[string]bool{"c": true}}})
	})
}
