package assign

import (
	"slices"
	"testing"

	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

func TestPoolText(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pool Pool
		want string
	}{
		{Pool{Team: "support"}, "team:support"},
		{Pool{Person: "amira"}, "person:amira"},
		{Pool{Team: "support", Languages: []string{"en", "ar", "en"}}, "team:support;languages=ar,en"},
		{Pool{Team: "support", Languages: []string{"ar"}, Skills: []string{"x"}}, "team:support;languages=ar;skills=x"},
		{Pool{Team: "a;languages=b,c"}, "team:a%3Blanguages%3Db%2Cc"},
		{Pool{Team: "Zürich 100%", Skills: []string{"b,a", "b"}}, "team:Z%C3%BCrich%20100%25;skills=b,b%2Ca"},
	} {
		if got := c.pool.String(); got != c.want {
			t.Errorf("%+v is %q, want %q", c.pool, got, c.want)
		}
		if back, err := ParsePool(c.want); err != nil || back.String() != c.want {
			t.Errorf("%q is read as %+v, %v", c.want, back, err)
		}
	}
}

func TestParsePoolRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "support", "team:", "person:", "team:;skills=x", "team:a;", "team:a;skills=", "team:a;skills=x,", "team:a;skills=y,x", "team:a;skills=x,x",
		"team:a;skills=x;languages=ar", "team:a;languages=ar;languages=en", "team:a;person:b", "team:a b", "team:a%", "team:a%2", "team:a%2c", "team:%61",
		"team:a%GG", "skills=x;team:a", "team:é", "team:a\n",
	} {
		if pool, err := ParsePool(text); err == nil {
			t.Errorf("%q is read as %+v", text, pool)
		}
	}
}

// Whatever the ids, the text says which pool it is: read back it has the same members, and only the same pool has it.
func TestPoolTextIsThePool(t *testing.T) {
	t.Parallel()
	id := rapid.OneOf(rapid.SampledFrom([]string{"a", "b", "a,b", "a;b", "%", "é"}), rapid.StringN(1, 8, -1))
	pool := rapid.Custom(func(t *rapid.T) Pool {
		p := Pool{Languages: rapid.SliceOfN(id, 0, 3).Draw(t, "languages"), Skills: rapid.SliceOfN(id, 0, 3).Draw(t, "skills")}
		if rapid.Bool().Draw(t, "person") {
			p.Person = id.Draw(t, "id")
		} else {
			p.Team = id.Draw(t, "id")
		}
		return p
	})
	normal := func(list []string) []string { return slices.Compact(slices.Sorted(slices.Values(list))) }
	same := func(a, b Pool) bool {
		return a.Team == b.Team && a.Person == b.Person && slices.Equal(normal(a.Languages), normal(b.Languages)) && slices.Equal(normal(a.Skills), normal(b.Skills))
	}
	rapid.Check(t, func(t *rapid.T) {
		a, b := pool.Draw(t, "a"), pool.Draw(t, "b")
		back, err := ParsePool(a.String())
		if err != nil || !same(a, back) {
			t.Fatalf("%+v is %q, and read back %+v, %v", a, a, back, err)
		}
		if (a.String() == b.String()) != same(a, b) {
			t.Fatalf("%+v is %q, and %+v is %q", a, a, b, b)
		}
	})
}

func TestFits(t *testing.T) {
	t.Parallel()
	amira := team.Person{ID: "amira", Role: team.Agent, Active: true, Languages: []string{"ar", "en"}, Skills: []string{"billing"}, Teams: []string{"arabic", "support"}}
	with := func(change func(*team.Person)) team.Person {
		p := amira
		change(&p)
		return p
	}
	admin := with(func(p *team.Person) { p.Role = team.Admin })
	for _, c := range []struct {
		name   string
		pool   Pool
		person team.Person
		want   bool
	}{
		{"a member", Pool{Team: "arabic"}, amira, true},
		{"no member", Pool{Team: "sales"}, amira, false},
		{"away and full, but a member", Pool{Team: "arabic"}, with(func(p *team.Person) { p.Availability, p.OpenChats = team.Away, 9 }), true},
		{"deactivated", Pool{Team: "arabic"}, with(func(p *team.Person) { p.Active = false }), false},
		{"without a role", Pool{Team: "arabic"}, with(func(p *team.Person) { p.Role = "" }), false},
		{"all languages", Pool{Team: "arabic", Languages: []string{"en", "ar"}}, amira, true},
		{"one language missing", Pool{Team: "arabic", Languages: []string{"en", "fr"}}, amira, false},
		{"a skill", Pool{Team: "arabic", Skills: []string{"billing"}}, amira, true},
		{"a skill missing", Pool{Team: "arabic", Skills: []string{"billing", "legal"}}, amira, false},
		{"everyone is every active Agent", Pool{Team: team.Everyone}, amira, true},
		{"everyone is not the Admins", Pool{Team: team.Everyone}, admin, false},
		{"an Admin in the team", Pool{Team: "arabic"}, admin, true},
		{"an Admin by name", Pool{Person: "amira"}, admin, true},
		{"everyone is active", Pool{Team: team.Everyone}, with(func(p *team.Person) { p.Active = false }), false},
		{"everyone with a language", Pool{Team: team.Everyone, Languages: []string{"fr"}}, amira, false},
		{"by name", Pool{Person: "amira"}, amira, true},
		{"another name", Pool{Person: "dan"}, amira, false},
		{"by name, with a language", Pool{Person: "amira", Languages: []string{"fr"}}, amira, false},
	} {
		if got := c.pool.Fits(c.person); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}
