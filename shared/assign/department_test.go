package assign

import (
	"testing"

	"chatkeeper/shared/team"
)

// S7: the first department that fits a Chat is its department.
func TestDepartment(t *testing.T) {
	t.Parallel()
	departments := []team.Department{
		{ID: "support", Numbers: []string{"1"}, Keywords: []string{"Broken", "not working", "坏了"}},
		{ID: "sales", Numbers: []string{"2"}, ReplyIDs: []string{"buy"}, Keywords: []string{"price"}, AdSources: []string{"ad-1"}},
		{ID: "empty"},
	}
	for _, c := range []struct {
		name string
		in   Input
		want string
	}{
		{"nothing fits", Input{}, ""},
		{"the number", Input{BusinessNumber: "2"}, "sales"},
		{"another number", Input{BusinessNumber: "3"}, ""},
		{"a button", Input{BusinessNumber: "3", ReplyID: "buy"}, "sales"},
		{"an ad", Input{AdSource: "ad-1"}, "sales"},
		{"a word", Input{Text: "What PRICE?"}, "sales"},
		{"a phrase", Input{Text: "it is not\nworking"}, "support"},
		{"part of a word", Input{Text: "unbroken prices"}, ""},
		{"a word in Chinese", Input{Text: "我的手机坏了"}, "support"},
		{"the first that fits", Input{BusinessNumber: "2", Text: "it came broken"}, "support"},
	} {
		if got := Department(departments, c.in); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
