package assign

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

const example = `{ "rules": [
  { "id": "arabic-desk", "name": "Arabic speakers", "enabled": true,
    "when": { "all": [ {"field": "language", "in": ["ar"]}, {"field": "country", "in": ["AE", "SA"]} ] },
    "to": [ {"team": "arabic", "strategy": "least_loaded"}, {"team": "support", "strategy": "round_robin", "after": "5m"} ],
    "requires": {"languages": ["ar"]}, "previousAssignee": {"prefer": true, "within": "24h"}, "priority": "high" } ],
  "otherwise": { "to": [ {"team": "everyone", "strategy": "round_robin"} ] } }`

func TestRoute(t *testing.T) {
	t.Parallel()
	rules := mustParse(t, example)
	want := Routing{
		RuleID: "arabic-desk", RuleName: "Arabic speakers", Priority: High, Strategy: LeastLoaded,
		Pool:  Pool{Team: "arabic", Languages: []string{"ar"}},
		Steps: []Step{{Pool: Pool{Team: "support", Languages: []string{"ar"}}, Strategy: RoundRobin, After: 5 * time.Minute}},

		Previous: true, Within: 24 * time.Hour,
	}
	if got := rules.Route(Input{Language: "ar", Country: "AE"}); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	want = Routing{RuleID: OtherwiseID, Pool: Pool{Team: team.Everyone}, Strategy: RoundRobin, Priority: Normal}
	if got := rules.Route(Input{Language: "ar", Country: "EG"}); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestSteps(t *testing.T) {
	t.Parallel()
	rules := mustParse(t, strings.Replace(example, `"otherwise": { "to": [ {"team": "everyone", "strategy": "round_robin"}`,
		`"otherwise": { "to": [ {"team": "everyone", "strategy": "round_robin"}, {"person": "amira", "strategy": "agent", "after": "1h"}`, 1))
	for id, want := range map[string]string{
		"arabic-desk": "[{team:support;languages=ar round_robin 5m0s}]",
		OtherwiseID:   "[{person:amira agent 1h0m0s}]",
		"gone":        "[]",
	} {
		if got := fmt.Sprint(rules.Steps(id)); got != want {
			t.Errorf("the steps of %s are %s, want %s", id, got, want)
		}
	}
	disabled := mustParse(t, strings.Replace(example, `"enabled": true`, `"enabled": false`, 1))
	if got := disabled.Steps("arabic-desk"); len(got) > 0 {
		t.Errorf("a disabled rule has the steps %v", got)
	}
}

// A previous Assignee is preferred for as long as the rule says, to the end of it.
func TestPrefers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		routing Routing
		after   time.Duration
		want    bool
	}{
		{Routing{Previous: true, Within: 24 * time.Hour}, 24 * time.Hour, true},
		{Routing{Previous: true, Within: 24 * time.Hour}, 24*time.Hour + time.Second, false},
		{Routing{Previous: true}, 10_000 * time.Hour, true},
		{Routing{Within: 24 * time.Hour}, time.Hour, false},
	} {
		if got := c.routing.Prefers(noon, noon.Add(c.after)); got != c.want {
			t.Errorf("%+v after %s: %v", c.routing, c.after, got)
		}
	}
}

// S4, S6, S7, S8: what each question says of what customers write and who they are.
func TestConditions(t *testing.T) {
	t.Parallel()
	arabic, english := Input{Language: "ar", Country: "AE"}, Input{Language: "en", Country: "US"}
	for _, c := range []struct {
		name, when string
		in         Input
		want       bool
		because    string // as Explain has it
	}{
		{"language", `{"field": "language", "in": ["es", "ar"]}`, arabic, true, `language is "ar"`},
		{"another language", `{"field": "language", "in": ["es", "ar"]}`, english, false, `language is "en", which is not asked for`},
		{"no language is unknown", `{"field": "language", "in": ["unknown"]}`, Input{}, true, `language is "unknown"`},
		{"unknown is a language", `{"field": "language", "in": ["unknown"]}`, Input{Language: Unknown}, true, `language is "unknown"`},
		{"country", `{"field": "country", "in": ["AE"]}`, arabic, true, `country is "AE"`},
		{"no country is unknown", `{"field": "country", "in": ["unknown"]}`, Input{}, true, `country is "unknown"`},
		{"department", `{"field": "department", "in": ["sales"]}`, Input{Department: "sales"}, true, `department is "sales"`},
		{"no department", `{"field": "department", "in": ["sales"]}`, Input{}, false, `there is no department`},
		{"business number", `{"field": "businessNumber", "in": ["1"]}`, Input{BusinessNumber: "1"}, true, `businessNumber is "1"`},
		{"type of message", `{"field": "messageType", "in": ["image"]}`, Input{MessageType: "text"}, false, `messageType is "text", which is not asked for`},
		{"reply", `{"field": "replyId", "in": ["buy"]}`, Input{ReplyID: "buy"}, true, `replyId is "buy"`},
		{"ad", `{"field": "adSource", "in": ["ad-1"]}`, Input{AdSource: "ad-1"}, true, `adSource is "ad-1"`},
		{"new customer", `{"field": "customer", "in": ["new"]}`, Input{Customer: NewCustomer}, true, `customer is "new"`},
		{"re-opened", `{"field": "openedBy", "in": ["created"]}`, Input{OpenedBy: Reopened}, false, `openedBy is "reopened", which is not asked for`},
		{"one of several tags", `{"field": "customerTag", "in": ["vip"]}`, Input{Tags: []string{"old", "VIP"}}, true, `the customer has the tag "vip"`},
		{"no tag", `{"field": "customerTag", "in": ["vip"]}`, Input{Tags: []string{"vip2"}}, false, `the customer has none of the tags`},

		{"prefix with a plus", `{"field": "phonePrefix", "in": ["+971"]}`, Input{PhonePrefix: PhonePrefix("971501234567")}, true, `the phone number begins with +971`},
		{"prefix without a plus", `{"field": "phonePrefix", "in": ["97150"]}`, Input{PhonePrefix: PhonePrefix("+971501234567")}, true, `the phone number begins with 97150`},
		{"another prefix", `{"field": "phonePrefix", "in": ["971"]}`, Input{PhonePrefix: PhonePrefix("97012345678")}, false, `the phone number begins with none of the prefixes`},
		{"digits inside are no prefix", `{"field": "phonePrefix", "in": ["71"]}`, Input{PhonePrefix: PhonePrefix("971501234567")}, false, `the phone number begins with none of the prefixes`},
		{"no phone", `{"field": "phonePrefix", "in": ["1"]}`, Input{}, false, `the phone number begins with none of the prefixes`},

		{"in hours", `{"field": "hours", "calendar": "office", "is": "inside"}`, Input{Hours: map[string]bool{"office": true}}, true, `it was inside the hours of "office"`},
		{"after hours", `{"field": "hours", "calendar": "office", "is": "outside"}`, Input{Hours: map[string]bool{"office": false}}, true, `it was outside the hours of "office"`},
		{"not after hours", `{"field": "hours", "calendar": "office", "is": "outside"}`, Input{Hours: map[string]bool{"office": true}}, false, `it was inside the hours of "office"`},
		{"a calendar that is gone is not inside", `{"field": "hours", "calendar": "office", "is": "inside"}`, Input{}, false, `nothing is known of calendar "office"`},
		{"nor outside", `{"field": "hours", "calendar": "office", "is": "outside"}`, Input{}, false, `nothing is known of calendar "office"`},

		{"a word", `{"field": "text", "contains": ["refund"]}`, Input{Text: "I want a REFUND!"}, true, `the text has "refund"`},
		{"only whole words", `{"field": "text", "contains": ["fund", "refun", "refund"]}`, Input{Text: "refunds"}, false, `the text has none of the words`},
		{"a phrase over lines", `{"field": "text", "contains": ["Money Back"]}`, Input{Text: "my money\n\n  back please"}, true, `the text has "Money Back"`},
		{"a later of two begins alike", `{"field": "text", "contains": ["money back now"]}`, Input{Text: "money back, money back now"}, true, `the text has "money back now"`},
		{"capitals beyond ASCII", `{"field": "text", "contains": ["ÉTAT"]}`, Input{Text: "mauvais état"}, true, `the text has "ÉTAT"`},
		{"an accent makes another word", `{"field": "text", "contains": ["caf"]}`, Input{Text: "café"}, false, `the text has none of the words`},
		{"the other apostrophe", `{"field": "text", "contains": ["don't"]}`, Input{Text: "I don’t know"}, true, `the text has "don't"`},
		{"Arabic without its vowels", `{"field": "text", "contains": ["فاتورة"]}`, Input{Text: "أين فاتُورَة الطلب"}, true, `the text has "فاتورة"`},
		{"Arabic, whole words", `{"field": "text", "contains": ["طلب"]}`, Input{Text: "طلبي"}, false, `the text has none of the words`},
		{"Chinese inside", `{"field": "text", "contains": ["退款"]}`, Input{Text: "我想退款可以吗"}, true, `the text has "退款"`},
		{"Chinese beside Latin", `{"field": "text", "contains": ["退款"]}`, Input{Text: "iPhone退款"}, true, `the text has "退款"`},
		{"Latin beside Chinese", `{"field": "text", "contains": ["iphone"]}`, Input{Text: "我的iPhone坏了"}, true, `the text has "iphone"`},
		{"Thai inside", `{"field": "text", "contains": ["คืนเงิน"]}`, Input{Text: "อยากขอคืนเงินค่ะ"}, true, `the text has "คืนเงิน"`},
		{"Japanese inside", `{"field": "text", "contains": ["返品"]}`, Input{Text: "この商品を返品したい"}, true, `the text has "返品"`},
		{"Korean with a particle", `{"field": "text", "contains": ["환불"]}`, Input{Text: "환불해주세요"}, true, `the text has "환불"`},
		{"no text", `{"field": "text", "contains": ["refund"]}`, Input{}, false, `the text has none of the words`},
		{"signs", `{"field": "text", "contains": ["#1"]}`, Input{Text: "order#1"}, true, `the text has "#1"`},

		{"all", `{"all": [{"field": "language", "in": ["ar"]}, {"field": "country", "in": ["AE"]}]}`, arabic, true, `language is "ar"; country is "AE"`},
		{"not all", `{"all": [{"field": "language", "in": ["ar"]}, {"field": "country", "in": ["SA"]}]}`, arabic, false, `country is "AE", which is not asked for`},
		{"any", `{"any": [{"field": "language", "in": ["ar"]}, {"field": "country", "in": ["SA"]}]}`, arabic, true, `language is "ar"`},
		{"none of any", `{"any": [{"field": "language", "in": ["ar"]}, {"field": "department", "in": ["sales"]}]}`, english, false,
			`language is "en", which is not asked for; there is no department`},
		{"not", `{"not": {"field": "language", "in": ["ar"]}}`, english, true, `language is "en", which is not asked for`},
		{"not not", `{"not": {"not": {"field": "language", "in": ["ar"]}}}`, arabic, true, `language is "ar"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			rules := mustParse(t, when(c.when))
			if got := rules.Route(c.in).RuleID == "desk"; got != c.want {
				t.Errorf("holds: %v, want %v", got, c.want)
			}
			outcome := map[bool]string{true: Matched, false: NotMatched}[c.want]
			if got := rules.Explain(c.in)[0]; got.Outcome != outcome || got.Because != c.because {
				t.Errorf("explained as %+v, want %s because %s", got, outcome, c.because)
			}
		})
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	rule := func(id string, enabled bool, language string) string {
		return fmt.Sprintf(`{"id": %q, "name": "N", "enabled": %v, "when": {"field": "language", "in": [%q]}, "to": [{"team": "support", "strategy": "round_robin"}]}`, id, enabled, language)
	}
	rules := mustParse(t, `{"rules": [`+rule("off", false, "ar")+`,`+rule("first", true, "en")+`,`+rule("second", true, "ar")+`,`+rule("third", true, "ar")+
		`], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`)
	outcomes := func(in Input) string {
		var out []string
		for _, x := range rules.Explain(in) {
			out = append(out, x.RuleID+" "+x.Outcome)
		}
		return strings.Join(out, ", ")
	}
	if got, want := outcomes(Input{Language: "ar"}), "off disabled, first not_matched, second matched, third not_reached, otherwise not_reached"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got, want := outcomes(Input{}), "off disabled, first not_matched, second not_matched, third not_matched, otherwise matched"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// holds reads a condition of a document the slow and simple way.
func holds(c map[string]any, in Input) bool {
	parts := func(name string) (list []map[string]any) {
		for _, part := range c[name].([]any) {
			list = append(list, part.(map[string]any))
		}
		return list
	}
	has := func(list any, value string) bool {
		return slices.ContainsFunc(list.([]any), func(v any) bool { return v.(string) == value })
	}
	switch {
	case c["all"] != nil:
		return !slices.ContainsFunc(parts("all"), func(part map[string]any) bool { return !holds(part, in) })
	case c["any"] != nil:
		return slices.ContainsFunc(parts("any"), func(part map[string]any) bool { return holds(part, in) })
	case c["not"] != nil:
		return !holds(c["not"].(map[string]any), in)
	}
	switch c["field"] {
	case fieldLanguage:
		return has(c["in"], in.Language) || in.Language == "" && has(c["in"], Unknown)
	case fieldCountry:
		return has(c["in"], in.Country) || in.Country == "" && has(c["in"], Unknown)
	case fieldPhonePrefix:
		return slices.ContainsFunc(c["in"].([]any), func(v any) bool {
			return strings.HasPrefix(in.PhonePrefix, strings.TrimPrefix(v.(string), "+"))
		})
	case fieldBusinessNumber:
		return has(c["in"], in.BusinessNumber)
	case fieldDepartment:
		return has(c["in"], in.Department)
	case fieldMessageType:
		return has(c["in"], in.MessageType)
	case fieldReplyID:
		return has(c["in"], in.ReplyID)
	case fieldAdSource:
		return has(c["in"], in.AdSource)
	case fieldCustomer:
		return has(c["in"], in.Customer)
	case fieldOpenedBy:
		return has(c["in"], in.OpenedBy)
	case fieldCustomerTag:
		return slices.ContainsFunc(in.Tags, func(tag string) bool {
			return slices.ContainsFunc(c["in"].([]any), func(v any) bool { return strings.EqualFold(v.(string), tag) })
		})
	case fieldHours:
		isInside, known := in.Hours[c["calendar"].(string)]
		return known && isInside == (c["is"] == inside)
	}
	return slices.ContainsFunc(c["contains"].([]any), func(v any) bool { return contains(folded(in.Text), folded(v.(string))) })
}

// The index answers what reading the document rule by rule answers, also from what a decision keeps, and Explain agrees.
func TestRouteIsTheFirstRuleThatHolds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		doc := anyDocument(t)
		rules, err := Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		var read struct {
			Rules []struct {
				ID      string
				Enabled bool
				When    map[string]any
			}
		}
		if err := json.Unmarshal(doc, &read); err != nil {
			t.Fatal(err)
		}
		in := anyInput(t)
		want := OtherwiseID
		for _, r := range read.Rules {
			if r.Enabled && holds(r.When, in) {
				want = r.ID
				break
			}
		}
		if got := rules.Route(in); got.RuleID != want {
			t.Fatalf("%+v goes to %s, want %s\n%s", in, got.RuleID, want, doc)
		}
		stored, err := json.Marshal(in.Kept())
		if err != nil {
			t.Fatal(err)
		}
		var kept Input
		if err := json.Unmarshal(stored, &kept); err != nil {
			t.Fatal(err)
		}
		kept.Text = in.Text
		for _, in := range []Input{in, kept} {
			if got := rules.Route(in).RuleID; got != want {
				t.Fatalf("kept as %s it goes to %s, want %s\n%s", stored, got, want, doc)
			}
			for _, x := range rules.Explain(in) {
				if (x.Outcome == Matched) != (x.RuleID == want) || x.Because == "" {
					t.Fatalf("explained as %+v, want %s", x, want)
				}
			}
		}
	})
}

// The search for many words at once finds what a search for each of them finds.
func TestTrieFindsWhatContainsFinds(t *testing.T) {
	t.Parallel()
	letters := []string{"a", "b", " ", "'", "-", "退", "款", "ท", "é", "ف", "1", "한"}
	text := func(t *rapid.T, least, most int, label string) string {
		return strings.Join(rapid.SliceOfN(rapid.SampledFrom(letters), least, most).Draw(t, label), "")
	}
	rapid.Check(t, func(t *rapid.T) {
		var tree trie
		var list []string
		for i := range rapid.IntRange(1, 20).Draw(t, "words") {
			list = append(list, folded(text(t, 1, 4, "word")))
			if list[i] != "" {
				tree.add(list[i], int32(i))
			}
		}
		in := folded(text(t, 0, 20, "text"))
		yes := make(answers, 1)
		tree.find(in, yes)
		for i, word := range list {
			if got, want := yes.has(int32(i)), contains(in, word); got != want {
				t.Fatalf("%q in %q: %v, want %v", word, in, got, want)
			}
		}
	})
}

func TestPhonePrefix(t *testing.T) {
	t.Parallel()
	for phone, want := range map[string]string{
		"971501234567": "971501", "+971501234567": "971501", "6831234567": "683123", "6834123": "683",
		"123": "", "": "", "US.13491208655302741918": "", "+": "", "٩٧١٥٠١٢٣٤٥٦٧": "",
	} {
		if got := PhonePrefix(phone); got != want {
			t.Errorf("PhonePrefix(%q) = %q, want %q", phone, got, want)
		}
	}
}

func TestHours(t *testing.T) {
	t.Parallel()
	weekdays := map[time.Weekday][]team.Span{time.Monday: {{From: 9 * 60, To: 17 * 60}}}
	list := []team.Calendar{
		{ID: "office", Zone: "Asia/Dubai", Week: weekdays},
		{ID: "unused", Zone: "UTC", Week: weekdays},
		{ID: "lost", Zone: "Mars/Olympus", Week: weekdays},
	}
	rules := mustParse(t, when(`{"any": [{"field": "hours", "calendar": "office", "is": "inside"},
		{"field": "hours", "calendar": "lost", "is": "inside"}, {"field": "hours", "calendar": "gone", "is": "inside"}]}`))
	monday := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC) // 10 in Dubai
	if got := fmt.Sprint(rules.Hours(list, monday)); got != "map[office:true]" {
		t.Errorf("at ten: %s", got)
	}
	if got := fmt.Sprint(rules.Hours(list, monday.Add(8*time.Hour))); got != "map[office:false]" {
		t.Errorf("at six: %s", got)
	}
	if got := mustParse(t, example).Hours(list, monday); got != nil {
		t.Errorf("rules without hours ask for %v", got)
	}
}

// thousand is a document of a thousand rules, each with a few conditions, of which none but the last holds for busy.
func thousand(tb testing.TB) *Rules {
	var list []string
	for i := range MaxRules {
		condition := fmt.Sprintf(`{"all":[{"field":"language","in":["en","es"]},{"field":"businessNumber","in":["%d"]},`+
			`{"any":[{"field":"text","contains":["word%d","go %d"]},{"field":"customerTag","in":["t%d"]}]}]}`, i%50, i, i, i)
		if i == MaxRules-1 {
			condition = `{"not": {"field": "language", "in": ["ar"]}}`
		}
		list = append(list, fmt.Sprintf(`{"id":"r%d","name":"R","enabled":true,"when":%s,"to":[{"team":"t%d","strategy":"round_robin"}]}`, i, condition, i%20))
	}
	return mustParse(tb, `{"rules": [`+strings.Join(list, ",")+`], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`)
}

var busy = Input{
	Language: "en", Country: "AE", PhonePrefix: "971501", BusinessNumber: "7", Department: "support", MessageType: "text", Customer: NewCustomer,
	OpenedBy: Created, Tags: []string{"vip", "wholesale"}, Text: "Hello, where is my order? I wrote two days ago and nobody has answered the phone since.",
}

// The budget of fifty microseconds for a thousand rules is the benchmark's; what can be held here is that a routing
// allocates for its answers and the folded text, and not for rules.
func TestRouteAllocates(t *testing.T) {
	rules := thousand(t)
	if got := rules.Route(busy); got.RuleID != "r999" {
		t.Fatalf("went to %s", got.RuleID)
	}
	if got := testing.AllocsPerRun(100, func() { rules.Route(busy) }); got > 4 {
		t.Errorf("a routing allocates %v times", got)
	}
}

func BenchmarkRoute(b *testing.B) {
	for _, c := range []struct {
		name  string
		rules *Rules
	}{{"1 rule", mustParse(b, example)}, {"1000 rules", thousand(b)}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				c.rules.Route(busy)
			}
		})
	}
}

func BenchmarkParse(b *testing.B) {
	doc, err := json.Marshal(thousand(b))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(doc); err != nil {
			b.Fatal(err)
		}
	}
}
