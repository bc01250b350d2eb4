package main

import (
	"slices"
	"testing"
)

func TestConjuncts(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		expression string
		want       []string
	}{
		{"#0 = :0", []string{"#0 = :0"}},
		{"((#0 = :0) AND (#1 > :1)) AND (attribute_not_exists (#2))", []string{"#0 = :0", "#1 > :1", "attribute_not_exists (#2)"}},
		{"(#0 = :0) OR ((#1 = :1) AND (#2 = :2))", []string{"(#0 = :0) OR ((#1 = :1) AND (#2 = :2))"}},
		{"((#0 = :0) OR (#1 = :1)) AND (#2 IN (:2, :3))", []string{"(#0 = :0) OR (#1 = :1)", "#2 IN (:2, :3)"}},
	} {
		if got := conjuncts(test.expression); !slices.Equal(got, test.want) {
			t.Errorf("conjuncts(%q) = %q, want %q", test.expression, got, test.want)
		}
	}
}

// A request that lost a part of its condition names no placeholder that is not used: DynamoDB would refuse it, and every
// test would notice.
func TestRewrite(t *testing.T) {
	t.Parallel()
	p := newProxy(&site{"Update C 0", "Update C 0", "st = open"})
	for in, want := range map[string]string{
		`{"Key":{"pk":{"S":"C#1"},"sk":{"S":"0"}},"UpdateExpression":"SET #2 = :2","ConditionExpression":"(#0 = :0) AND (#1 = :1)",` +
			`"ExpressionAttributeNames":{"#0":"st","#1":"ep","#2":"li"},"ExpressionAttributeValues":{":0":{"S":"open"},":1":{"N":"7"},":2":{"S":"x"}}}`: `{"ConditionExpression":"(#1 = :1)",` +
			`"ExpressionAttributeNames":{"#1":"ep","#2":"li"},"ExpressionAttributeValues":{":1":{"N":"7"},":2":{"S":"x"}},` +
			`"Key":{"pk":{"S":"C#1"},"sk":{"S":"0"}},"UpdateExpression":"SET #2 = :2"}`,
		`{"Key":{"pk":{"S":"W#team:a"},"sk":{"S":"1"}},"ConditionExpression":"#0 = :0"}`: `{"Key":{"pk":{"S":"W#team:a"},"sk":{"S":"1"}},"ConditionExpression":"#0 = :0"}`,
	} {
		if got := string(p.rewrite("UpdateItem", []byte(in))); got != want {
			t.Errorf("rewritten as\n%s\nwant\n%s", got, want)
		}
	}
	if !p.seen[site{"Update C 0", "Update C 0", "ep = ?"}] {
		t.Errorf("seen: %v", p.seen)
	}
}

// An attribute that an update alters is seen as unguarded unless the condition names it, whatever the clause.
func TestBare(t *testing.T) {
	t.Parallel()
	names := map[string]string{"#0": "st", "#1": "li", "#2": "ur", "#3": "mo", "#4": "nm"}
	update := "ADD #2 :2\nDELETE #3 :3\nREMOVE #4\nSET #1 = :1\n"
	for condition, want := range map[string][]string{
		"": {"ur", "mo", "nm", "li"},
		"(#0 = :0) AND ((attribute_not_exists (#1)) OR (#1 < :1))": {"ur", "mo", "nm"},
		"(size (#2) <= :9) AND (#3 = :3) AND (#4 = :4)":            {"li"},
	} {
		if got := bare(update, condition, names); !slices.Equal(got, want) {
			t.Errorf("%q leaves %v unguarded, want %v", condition, got, want)
		}
	}
	for b, reason := range map[bareSite]bool{
		{"closed", "Update C 0", "st"}:     true,
		{"Update C 0", "Update C 0", "pt"}: true,
		{"Update C 0", "Update C 0", "nm"}: false,
		{"closed", "Update P", "role"}:     false,
	} {
		if (whyBare(b) != "") != reason {
			t.Errorf("%s: a reason is known: %t", b, !reason)
		}
	}
}
