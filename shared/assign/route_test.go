package assign

import "testing"

const example = `{ "rules": [
  { "id": "arabic-desk", "name": "Arabic speakers", "enabled": true,
    "when": { "all": [ {"field": "language", "in": ["ar"]}, {"field": "country", "in": ["AE", "SA"]} ] },
    "to": [ {"team": "arabic", "strategy": "least_loaded"}, {"team": "support", "strategy": "round_robin", "after": "5m"} ],
    "requires": {"languages": ["ar"]}, "previousAssignee": {"prefer": true, "within": "24h"}, "priority": "high" } ],
  "otherwise": { "to": [ {"team": "everyone", "strategy": "round_robin"} ] } }`

func TestExampleRoutes(t *testing.T) {
	t.Parallel()
	rules, err := Parse([]byte(example))
	if err != nil {
		t.Fatal(err)
	}
	got := rules.Route(Input{Language: "ar", Country: "AE"})
	if got.RuleID != "arabic-desk" || got.Pool.String() != "team:arabic;languages=ar" || got.Strategy != LeastLoaded || got.Priority != High || len(got.Steps) != 1 {
		t.Errorf("got %+v", got)
	}
	if got := rules.Route(Input{Language: "ar", Country: "EG"}); got.RuleID != OtherwiseID {
		t.Errorf("got %+v", got)
	}
}
