package assign

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

// colleagues are the people of the business that rules are checked against.
var colleagues = []team.Person{
	{ID: "alex", Role: team.Admin, Active: true},
	{ID: "amira", Role: team.Agent, Active: true, Languages: []string{"ar", "en"}, Teams: []string{"arabic", "support"}},
	{ID: "dan", Role: team.Agent, Active: true, Languages: []string{"en"}, Teams: []string{"support"}},
	{ID: "gone", Role: team.Agent, Languages: []string{"es"}, Teams: []string{"sales"}},
}

func TestCheck(t *testing.T) {
	t.Parallel()
	to := func(step string) string { return document(`"team": "arabic", "strategy": "round_robin"`, step) }
	disabled := func(doc string) string { return strings.Replace(doc, "true", "false", 1) }
	for _, c := range []struct {
		name, doc        string
		errors, warnings string // pointer: part of the detail; several are separated by |
	}{
		{"all is well", document(), "", ""},
		{"an unknown team", to(`"team": "legal", "strategy": "round_robin"`), `/rules/0/to/0/team: no team "legal"`, ""},
		{"in a disabled rule it is a warning", disabled(to(`"team": "legal", "strategy": "round_robin"`)), "", `/rules/0/to/0/team: no team "legal"`},
		{"an unknown team at the end", strings.Replace(document(), "everyone", "nobody", 1), `/otherwise/to/0/team: no team "nobody"`, ""},
		{"an unknown person", to(`"person": "zoe", "strategy": "agent"`), `/rules/0/to/0/person: no person "zoe"`, ""},
		{"an inactive person", to(`"person": "gone", "strategy": "agent"`), "", `/rules/0/to/0/person: "gone" is deactivated`},
		{"an Admin by name", to(`"person": "alex", "strategy": "agent"`), "", ""},
		{"a person without the language", strings.Replace(to(`"person": "dan", "strategy": "agent"`), `"enabled"`, `"requires": {"languages": ["ar"]}, "enabled"`, 1),
			"", `/rules/0/to/0/person: "dan" lacks a language`},
		{"a team of the deactivated", to(`"team": "sales", "strategy": "round_robin"`), "", `/rules/0/to/0/team: deactivated`},
		{"a team without the language", strings.Replace(document(), `"enabled"`, `"requires": {"languages": ["fr"]}, "enabled"`, 1), "", `/rules/0/to/0/team: languages and skills`},
		{"an unknown department", when(`{"all": [{"field": "language", "in": ["ar"]}, {"not": {"field": "department", "in": ["sales", "legal"]}}]}`),
			`/rules/0/when/all/1/not/in/1: no department "legal"`, ""},
		{"an unknown number", when(`{"any": [{"field": "businessNumber", "in": ["7"]}]}`), `/rules/0/when/any/0/in/0: no business number "7"`, ""},
		{"an unknown calendar", when(`{"field": "hours", "calendar": "night", "is": "inside"}`), `/rules/0/when/calendar: no calendar "night"`, ""},
		{"a calendar in an unknown zone", when(`{"field": "hours", "calendar": "lost", "is": "inside"}`), `/rules/0/when/calendar: time zone of calendar "lost"`, ""},
		{"a later step and the previous Assignee", strings.Replace(steps(`, "after": "5m"`), `"enabled"`, `"previousAssignee": {"prefer": true}, "enabled"`, 1), "", ""},
		{"a step that adds nobody", strings.Replace(document(), `{"team": "arabic", "strategy": "round_robin"}`,
			`{"team": "arabic", "strategy": "round_robin"}, {"team": "arabic", "strategy": "least_loaded", "after": "5m"}`, 1), "", `/rules/0/to/1: step 0 has opened the same pool`},
		{"a preference without a choice", strings.Replace(to(`"person": "dan", "strategy": "agent"`), `"enabled"`, `"previousAssignee": {"prefer": true}, "enabled"`, 1), "",
			`/rules/0/previousAssignee: the rule names the person`},
		{"weights that are all equal", to(`"team": "arabic", "strategy": "weighted"`), "", ""},
		{"not to prefer has its effect", strings.Replace(document(), `"enabled"`, `"previousAssignee": {"prefer": false}, "enabled"`, 1), "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			errors, warnings := mustParse(t, c.doc).Check(seed, colleagues)
			compareProblems(t, "errors", errors, c.errors)
			compareProblems(t, "warnings", warnings, c.warnings)
		})
	}
}

func compareProblems(t *testing.T, what string, got []Problem, want string) {
	t.Helper()
	wanted := strings.FieldsFunc(want, func(r rune) bool { return r == '|' })
	if len(got) != len(wanted) {
		t.Fatalf("got %s %v, want %s", what, got, want)
	}
	for i, w := range wanted {
		pointer, part, _ := strings.Cut(w, ": ")
		if got[i].Pointer != pointer || !strings.Contains(got[i].Detail, part) {
			t.Errorf("got %s %+v, want %s", what, got[i], w)
		}
	}
}

func TestCheckFindsRulesThatAreNeverReached(t *testing.T) {
	t.Parallel()
	const (
		arabic    = `{"field": "language", "in": ["ar"]}`
		emirates  = `{"field": "country", "in": ["AE"]}`
		twoTongue = `{"field": "language", "in": ["en", "ar"]}`
	)
	for _, c := range []struct {
		name, first, second string
		want                bool
	}{
		{"the same", arabic, arabic, true},
		{"another", arabic, emirates, false},
		{"a part of the values", twoTongue, arabic, true},
		{"more values", arabic, twoTongue, false},
		{"narrowed", arabic, `{"all": [` + emirates + `,` + arabic + `]}`, true},
		{"widened", arabic, `{"any": [` + emirates + `,` + arabic + `]}`, false},
		{"one of an any", `{"any": [` + emirates + `,` + arabic + `]}`, arabic, true},
		{"in another order", `{"all": [` + emirates + `,` + arabic + `]}`, `{"all": [` + arabic + `,` + emirates + `]}`, true},
		{"an any of parts", twoTongue, `{"any": [` + arabic + `, {"field": "language", "in": ["en"]}]}`, true},
		{"the opposite", arabic, `{"not": ` + arabic + `}`, false},
		{"the opposite of more", `{"not": ` + arabic + `}`, `{"not": ` + twoTongue + `}`, true},
		{"the opposite of less", `{"not": ` + twoTongue + `}`, `{"not": ` + arabic + `}`, false},
		{"a longer prefix", `{"field": "phonePrefix", "in": ["+971"]}`, `{"field": "phonePrefix", "in": ["97150"]}`, true},
		{"a shorter prefix", `{"field": "phonePrefix", "in": ["97150"]}`, `{"field": "phonePrefix", "in": ["971"]}`, false},
		{"a longer phrase", `{"field": "text", "contains": ["Money"]}`, `{"field": "text", "contains": ["money back"]}`, true},
		{"a longer word", `{"field": "text", "contains": ["money"]}`, `{"field": "text", "contains": ["moneyback"]}`, false},
		{"the tag in capitals", `{"field": "customerTag", "in": ["VIP"]}`, `{"field": "customerTag", "in": ["vip"]}`, true},
		{"other hours", `{"field": "hours", "calendar": "office", "is": "inside"}`, `{"field": "hours", "calendar": "office", "is": "outside"}`, false},
		{"a rule for all customers", `{"field": "customer", "in": ["returning", "new"]}`, arabic, true},
		{"this or not this", `{"any": [` + emirates + `, {"not": ` + emirates + `}]}`, arabic, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rule := func(id, condition string) string {
				return fmt.Sprintf(`{"id": %q, "name": "N", "enabled": true, "when": %s, "to": [{"team": "support", "strategy": "round_robin"}]}`, id, condition)
			}
			doc := `{"rules": [` + rule("first", c.first) + `,` + rule("second", c.second) + `], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`
			errors, warnings := mustParse(t, doc).Check(seed, colleagues)
			got := slices.ContainsFunc(warnings, func(p Problem) bool {
				return p.Pointer == "/rules/1" && strings.Contains(p.Detail, `never reached: rule "first"`)
			})
			if got != c.want || len(errors) > 0 {
				t.Errorf("never reached: %v, want %v (%v, %v)", got, c.want, errors, warnings)
			}
			_, warnings = mustParse(t, strings.Replace(doc, "true", "false", 1)).Check(seed, colleagues)
			if len(warnings) > 0 {
				t.Errorf("behind a disabled rule: %v", warnings)
			}
		})
	}
}

// A rule that is said to be never reached is never reached.
func TestNeverReachedIsNever(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc := anyDocument(t)
		rules, err := Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		_, warnings := rules.Check(seed, colleagues)
		never := map[string]bool{}
		for i := range rules.rules {
			if slices.ContainsFunc(warnings, func(p Problem) bool { return p.Pointer == fmt.Sprintf("/rules/%d", i) }) {
				never[rules.rules[i].id] = true
			}
		}
		for range 10 {
			in := anyInput(t)
			if in.Customer == "" || in.OpenedBy == "" { // never so in life
				continue
			}
			if id := rules.Route(in).RuleID; never[id] {
				t.Fatalf("%s takes %+v\n%s", id, in, doc)
			}
		}
	})
}

func BenchmarkCheck(b *testing.B) {
	rules := thousand(b)
	for b.Loop() {
		rules.Check(seed, colleagues)
	}
}
