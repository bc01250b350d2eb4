package assign

import (
	"encoding/json"
	"fmt"
	"strings"

	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

// seed is the business that random documents and people belong to.
var seed = team.Settings{
	Teams: []team.Team{{ID: "arabic"}, {ID: "support"}, {ID: "sales"}},
	Departments: []team.Department{
		{ID: "support", Numbers: []string{"100000000000001"}, Keywords: []string{"broken", "退款"}},
		{ID: "sales", Numbers: []string{"100000000000002"}, ReplyIDs: []string{"buy"}, AdSources: []string{"ad-1"}},
	},
	Numbers:   []team.Number{{ID: "100000000000001"}, {ID: "100000000000002"}},
	Calendars: []team.Calendar{{ID: "office", Zone: "UTC"}, {ID: "ramadan", Zone: "Asia/Dubai"}, {ID: "lost", Zone: "Mars/Olympus"}},
}

// values are what random rules ask for and random inputs have, so that they meet often.
var values = map[string][]string{
	fieldLanguage:       {"ar", "en", "es", Unknown},
	fieldCountry:        {"AE", "SA", "US", Unknown},
	fieldPhonePrefix:    {"+971", "97150", "1", "+12125", "2"},
	fieldBusinessNumber: {"100000000000001", "100000000000002"},
	fieldDepartment:     {"support", "sales"},
	fieldMessageType:    {"text", "image", "interactive"},
	fieldReplyID:        {"buy", "help", "a-reply-id-that-is-longer-than-decisions-keep"},
	fieldAdSource:       {"ad-1", "120210000000000000000000000001"},
	fieldCustomerTag:    {"VIP", "vip", "wholesale", "A tag that is longer than decisions keep"},
	fieldCustomer:       {NewCustomer, ReturningCustomer},
	fieldOpenedBy:       {Created, Reopened},
}

var words = []string{"refund", "money back", "Money", "it's", "退款", "退", "ส่ง", "فاتورة", "Straße", "#1", "re"}

var calendarIDs = []string{"office", "ramadan", "gone"}

// anyDocument draws a valid rules document.
func anyDocument(t *rapid.T) []byte {
	list := []any{}
	for i := range rapid.IntRange(0, 6).Draw(t, "rules") {
		rule := anyDestination(t)
		rule["id"] = fmt.Sprintf("rule-%d", i)
		rule["name"] = rapid.StringMatching(`[A-Za-zé名 ]{0,20}x`).Draw(t, "name")
		rule["enabled"] = rapid.IntRange(0, 9).Draw(t, "enabled") > 0
		rule["when"] = anyCondition(t, rapid.IntRange(1, 4).Draw(t, "depth"))
		list = append(list, rule)
	}
	doc, err := json.Marshal(map[string]any{"rules": list, "otherwise": anyDestination(t)})
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

func anyDestination(t *rapid.T) map[string]any {
	out := map[string]any{}
	to := []any{}
	after := 0
	for i := range rapid.IntRange(1, 3).Draw(t, "steps") {
		step := map[string]any{"team": rapid.SampledFrom([]string{"arabic", "support", "sales", "everyone", "gone"}).Draw(t, "team"),
			"strategy": rapid.SampledFrom([]string{"round_robin", "least_loaded", "weighted"}).Draw(t, "strategy")}
		if rapid.IntRange(0, 4).Draw(t, "person") == 0 {
			step = map[string]any{"person": rapid.SampledFrom([]string{"amira", "dan"}).Draw(t, "personId"), "strategy": "agent"}
		}
		if i > 0 {
			after += rapid.IntRange(1, 7200).Draw(t, "after")
			step["after"] = fmt.Sprintf("%ds", after)
		}
		to = append(to, step)
	}
	out["to"] = to
	if rapid.Bool().Draw(t, "requires") {
		out["requires"] = map[string]any{"languages": rapid.SliceOfN(rapid.SampledFrom([]string{"ar", "en", "zh"}), 1, 3).Draw(t, "languages")}
	}
	if rapid.Bool().Draw(t, "previous") {
		out["previousAssignee"] = map[string]any{"prefer": rapid.Bool().Draw(t, "prefer"), "within": "24h"}
	}
	if rapid.Bool().Draw(t, "prioritized") {
		out["priority"] = rapid.SampledFrom([]string{"high", "normal", "low"}).Draw(t, "priority")
	}
	return out
}

func anyCondition(t *rapid.T, depth int) map[string]any {
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 1 {
		kind = 5
	}
	switch kind {
	case 0, 1:
		parts := []any{}
		for range rapid.IntRange(1, 3).Draw(t, "parts") {
			parts = append(parts, anyCondition(t, depth-1))
		}
		return map[string]any{[]string{"all", "any"}[kind]: parts}
	case 2:
		return map[string]any{"not": anyCondition(t, depth-1)}
	}
	switch field := rapid.SampledFrom(fields).Draw(t, "field"); field {
	case fieldText:
		return map[string]any{"field": field, "contains": rapid.SliceOfN(rapid.SampledFrom(words), 1, 3).Draw(t, "words")}
	case fieldHours:
		return map[string]any{"field": field, "calendar": rapid.SampledFrom(calendarIDs).Draw(t, "calendar"),
			"is": rapid.SampledFrom([]string{inside, outside}).Draw(t, "is")}
	default:
		return map[string]any{"field": field, "in": rapid.SliceOfN(rapid.SampledFrom(values[field]), 1, 3).Draw(t, "values")}
	}
}

func anyInput(t *rapid.T) Input {
	one := func(field string) string {
		return rapid.SampledFrom(append([]string{""}, values[field]...)).Draw(t, field)
	}
	in := Input{
		Language: one(fieldLanguage), Country: one(fieldCountry), BusinessNumber: one(fieldBusinessNumber), Department: one(fieldDepartment),
		MessageType: one(fieldMessageType), ReplyID: one(fieldReplyID), AdSource: one(fieldAdSource), Customer: one(fieldCustomer), OpenedBy: one(fieldOpenedBy),
		PhonePrefix: PhonePrefix(rapid.SampledFrom([]string{"", "+971501234567", "12125550123", "201001234567", "442079460000"}).Draw(t, "phone")),
		Tags:        rapid.SliceOfN(rapid.SampledFrom(append([]string{"other"}, values[fieldCustomerTag]...)), 0, 3).Draw(t, "tags"),
		Text: strings.Join(rapid.SliceOfN(rapid.SampledFrom(append([]string{"REFUND", "refunds", "money", "back", "เงินส่งคืน", "我要退款", "straße", "."}, words...)),
			0, 5).Draw(t, "text"), rapid.SampledFrom([]string{" ", "  ", "", "-"}).Draw(t, "between")),
	}
	for _, id := range calendarIDs[:2] {
		if rapid.Bool().Draw(t, "known") {
			if in.Hours == nil {
				in.Hours = map[string]bool{}
			}
			in.Hours[id] = rapid.Bool().Draw(t, "inside")
		}
	}
	return in
}
