package filter

import (
	"encoding/json"
	"testing"
)

func TestMatches(t *testing.T) {
	t.Parallel()
	const event = `{"eventName": "INSERT", "n": 7, "big": 12345678901234567890, "yes": true, "none": null, "tags": ["a", "b"],
		"dynamodb": {"Keys": {"pk": {"S": "W#everyone"}, "sk": {"S": "0"}}, "NewImage": {"load": {"N": "3"}}}}`
	for _, c := range []struct {
		pattern string
		want    bool
	}{
		{`{"eventName": ["INSERT"]}`, true},
		{`{"eventName": ["MODIFY", "INSERT"]}`, true},
		{`{"eventName": ["MODIFY"]}`, false},
		{`{"eventName": ["insert"]}`, false},
		{`{"eventName": [{"equals-ignore-case": "insert"}]}`, true},
		{`{"absent": ["x"]}`, false},
		{`{"n": [7]}`, true},
		{`{"n": [7.0]}`, true},
		{`{"n": ["7"]}`, false},
		{`{"big": [12345678901234567890]}`, true},
		{`{"big": [12345678901234567891]}`, false},
		{`{"yes": [true]}`, true},
		{`{"yes": [false]}`, false},
		{`{"none": [null]}`, true},
		{`{"absent": [null]}`, false},
		{`{"tags": ["b"]}`, true},
		{`{"tags": ["c"]}`, false},
		{`{"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "W#"}]}}}}`, true},
		{`{"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "C#"}, {"prefix": "W#"}]}}}}`, true},
		{`{"dynamodb": {"Keys": {"pk": {"S": [{"prefix": "C#"}]}}}}`, false},
		{`{"dynamodb": {"Keys": {"pk": {"S": [{"suffix": "one"}]}}}}`, true},
		{`{"dynamodb": {"Keys": {"pk": {"S": ["W#everyone"]}, "sk": {"S": ["1"]}}}}`, false},
		{`{"eventName": ["INSERT"], "dynamodb": {"Keys": {"sk": {"S": ["0"]}}}}`, true},
		{`{"eventName": [{"anything-but": "REMOVE"}]}`, true},
		{`{"eventName": [{"anything-but": ["REMOVE", "INSERT"]}]}`, false},
		{`{"eventName": [{"anything-but": {"prefix": "INS"}}]}`, false},
		{`{"absent": [{"anything-but": "x"}]}`, false},
		{`{"eventName": [{"exists": true}]}`, true},
		{`{"eventName": [{"exists": false}]}`, false},
		{`{"dynamodb": {"OldImage": {"pk": {"S": [{"exists": false}]}}}}`, true},
		{`{"dynamodb": {"OldImage": {"pk": {"S": [{"exists": true}]}}}}`, false},
		{`{"n": [{"numeric": ["=", 7]}]}`, true},
		{`{"n": [{"numeric": [">", 5, "<=", 7]}]}`, true},
		{`{"n": [{"numeric": [">=", 5, "<", 7]}]}`, false},
		{`{"dynamodb": {"NewImage": {"load": {"N": [{"numeric": ["=", 3]}]}}}}`, false}, // a number as text, as on AWS
		{`{"dynamodb": {"NewImage": {"load": {"N": ["3"]}}}}`, true},
		{`{"$or": [{"eventName": ["REMOVE"]}, {"n": [7]}]}`, true},
		{`{"$or": [{"eventName": ["REMOVE"]}, {"n": [8]}], "yes": [true]}`, false},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		if got, err := p.Matches([]byte(event)); err != nil || got != c.want {
			t.Errorf("%s: %v, %v; want %v", c.pattern, got, err, c.want)
		}
	}
}

func TestParseRefusesWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	for _, pattern := range []string{
		``, `[]`, `{}`, `{"a": "x"}`, `{"a": []}`, `{"a": {}}`, `{"a": [["x"]]}`, `{"a": ["x"]} more`,
		`{"a": [{"wildcard": "x*"}]}`, `{"a": [{"cidr": "10.0.0.0/24"}]}`, `{"a": [{"prefix": 1}]}`,
		`{"a": [{"prefix": "x", "suffix": "y"}]}`, `{"a": [{"exists": "yes"}]}`, `{"a": [{"numeric": ["!", 1]}]}`,
		`{"a": [{"numeric": [">", "1"]}]}`, `{"a": [{"numeric": [">"]}]}`, `{"a": [{"anything-but": []}]}`, `{"$or": ["x"]}`,
	} {
		if _, err := Parse(pattern); err == nil {
			t.Errorf("%s was taken", pattern)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"a": [{"numeric": [">", 1]}]}`, `{"a": 2}`)
	f.Add(`{"$or": [{"a": ["x"]}, {"b": {"c": [{"exists": false}]}}]}`, `{"a": ["x", {"b": null}]}`)
	f.Fuzz(func(t *testing.T, pattern, event string) {
		p, err := Parse(pattern)
		if err != nil || !json.Valid([]byte(event)) {
			return
		}
		if _, err := p.Matches([]byte(event)); err != nil {
			t.Errorf("valid JSON is refused: %v", err)
		}
	})
}
