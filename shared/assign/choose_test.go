package assign

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

// noon is when the tests choose.
var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// anAgent is online, in the team support, with no Chats, no limit, and never assigned; changes make them another.
func anAgent(id string, changes ...func(*team.Person)) team.Person {
	p := team.Person{ID: id, Name: strings.ToUpper(id), Role: team.Agent, Active: true, Availability: team.Online, Limit: team.NoLimit, Teams: []string{"support"}}
	for _, change := range changes {
		change(&p)
	}
	return p
}

func owns(n, limit int) func(*team.Person) {
	return func(p *team.Person) { p.OpenChats, p.Limit = n, limit }
}

func assignedAgo(d time.Duration) func(*team.Person) {
	return func(p *team.Person) { p.AssignedAt = noon.Add(-d) }
}

func availability(a team.Availability) func(*team.Person) {
	return func(p *team.Person) { p.Availability = a }
}

func onlineUntil(at time.Time) func(*team.Person) {
	return func(p *team.Person) { p.OnlineUntil = at }
}

func speaks(languages ...string) func(*team.Person) {
	return func(p *team.Person) { p.Languages = languages }
}

func inTeams(teams ...string) func(*team.Person) { return func(p *team.Person) { p.Teams = teams } }

func deactivated(p *team.Person) { p.Active = false }

func withoutRole(p *team.Person) { p.Role = "" }

// told is a choice in one line: candidates with reasons, others by reason, the tie-break, why nobody.
func told(c Choice) string {
	var parts []string
	for _, x := range c.Candidates {
		parts = append(parts, x.PersonID+" "+string(x.Because))
	}
	for _, reason := range slices.Sorted(func(yield func(Reason) bool) {
		for r := range c.Others {
			if !yield(r) {
				return
			}
		}
	}) {
		parts = append(parts, fmt.Sprintf("+%d %s", c.Others[reason], reason))
	}
	if c.TieBreak != "" {
		parts = append(parts, "by "+string(c.TieBreak))
	}
	if c.Nobody != "" {
		parts = append(parts, "nobody: "+string(c.Nobody))
	}
	return strings.Join(parts, ", ")
}

// S5: Chats are spread over those who are available.
func TestChoose(t *testing.T) {
	t.Parallel()
	support := Pool{Team: "support"}
	arabic := Pool{Team: "support", Languages: []string{"ar"}}
	type people = []team.Person
	for _, c := range []struct {
		name     string
		pool     Pool
		strategy Strategy
		people   people
		excluded string
		want     string
	}{
		{"longest ago", support, RoundRobin,
			people{anAgent("a", assignedAgo(time.Minute)), anAgent("b", assignedAgo(time.Hour)), anAgent("c", assignedAgo(2*time.Minute))}, "",
			"b longest_ago, c assigned_later, a assigned_later"},
		{"never is longer than any time", support, RoundRobin,
			people{anAgent("a", assignedAgo(1000*time.Hour)), anAgent("b")}, "", "b longest_ago, a assigned_later"},
		{"equals by id", support, RoundRobin, people{anAgent("b"), anAgent("a")}, "", "a longest_ago, b later_id, by first_id"},
		{"load does not matter in turn", support, RoundRobin,
			people{anAgent("a", owns(9, 10), assignedAgo(time.Hour)), anAgent("b", owns(0, 10), assignedAgo(time.Minute))}, "",
			"a longest_ago, b assigned_later"},
		{"fewest Chats", support, LeastLoaded,
			people{anAgent("a", owns(3, 10)), anAgent("b", owns(1, 10), assignedAgo(time.Second)), anAgent("c", owns(2, 10))}, "",
			"b fewest_open_chats, c more_open_chats, a more_open_chats"},
		{"as few, longest ago", support, LeastLoaded,
			people{anAgent("a", owns(1, 10), assignedAgo(time.Minute)), anAgent("b", owns(1, 10), assignedAgo(time.Hour)), anAgent("c", owns(2, 10))}, "",
			"b fewest_open_chats, a assigned_later, c more_open_chats, by longest_ago"},
		{"as few, as long ago", support, LeastLoaded, people{anAgent("b", owns(1, 10)), anAgent("a", owns(1, 10))}, "",
			"a fewest_open_chats, b later_id, by first_id"},
		{"the named person", Pool{Person: "dan"}, Agent, people{anAgent("a"), anAgent("dan")}, "", "dan named_person, +1 not_in_pool"},

		{"full, away, offline and gone home are passed over", support, RoundRobin,
			people{anAgent("a", owns(2, 2)), anAgent("b", availability(team.Away)), anAgent("c", availability(team.Offline)),
				anAgent("d", onlineUntil(noon)), anAgent("e", onlineUntil(noon.Add(1)))}, "",
			"e longest_ago, a at_capacity, d online_ended, b away, c offline"},
		{"others are only counted", support, RoundRobin,
			people{anAgent("a"), anAgent("b", inTeams("sales")), anAgent("c", deactivated), anAgent("d", withoutRole), anAgent("e", inTeams())}, "",
			"a longest_ago, +1 inactive, +1 no_role, +2 not_in_pool"},
		{"what is required", arabic, RoundRobin, people{anAgent("a"), anAgent("b", speaks("en", "ar"))}, "", "b longest_ago, +1 lacks_language"},
		{"an excluded person", support, RoundRobin, people{anAgent("a"), anAgent("b")}, "a", "b longest_ago, a excluded"},
		{"eight are named", support, RoundRobin,
			people{anAgent("j"), anAgent("i"), anAgent("h"), anAgent("g"), anAgent("f"), anAgent("e"), anAgent("d"), anAgent("c"), anAgent("b"), anAgent("a"), anAgent("z", owns(1, 1))}, "",
			"a longest_ago, b later_id, c later_id, d later_id, e later_id, f later_id, g later_id, h later_id, +1 at_capacity, +2 later_in_order, by first_id"},

		{"nobody there", support, RoundRobin, nil, "", "nobody: no_members"},
		{"nobody in the team", support, RoundRobin, people{anAgent("a", inTeams("sales"))}, "", "+1 not_in_pool, nobody: no_members"},
		{"no such person", Pool{Person: "x"}, Agent, people{anAgent("a")}, "", "+1 not_in_pool, nobody: no_members"},
		{"nobody active", support, RoundRobin, people{anAgent("a", deactivated), anAgent("b", withoutRole)}, "", "+1 inactive, +1 no_role, nobody: nobody_active"},
		{"nobody who speaks it", arabic, RoundRobin, people{anAgent("a"), anAgent("b", deactivated)}, "", "+1 inactive, +1 lacks_language, nobody: nobody_qualified"},
		{"nobody online", support, LeastLoaded, people{anAgent("a", availability(team.Away)), anAgent("b", availability(team.Offline), owns(3, 3))}, "",
			"a away, b offline, nobody: nobody_online"},
		{"all full", support, LeastLoaded, people{anAgent("a", owns(3, 3)), anAgent("b", owns(4, 3))}, "", "a at_capacity, b at_capacity, nobody: all_at_capacity"},
		{"some full, some away", support, LeastLoaded, people{anAgent("a", owns(3, 3)), anAgent("b", availability(team.Away))}, "", "a at_capacity, b away, nobody: online_at_capacity"},
		{"all excluded", Pool{Person: "a"}, Agent, people{anAgent("a")}, "a", "a excluded, nobody: all_excluded"},
		{"the rest excluded", support, RoundRobin, people{anAgent("a"), anAgent("b", owns(1, 1))}, "a", "b at_capacity, a excluded, nobody: rest_excluded"},
		{"a strategy of another version", support, "skills_first", people{anAgent("a")}, "", "nobody: no_such_strategy"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var excluded func(string) bool
			if c.excluded != "" {
				excluded = func(id string) bool { return id == c.excluded }
			}
			got := Choose(Want{Pool: c.pool, Strategy: c.strategy, Excluded: excluded}, c.people, noon)
			if told(got) != c.want {
				t.Errorf("got  %s\nwant %s", told(got), c.want)
			}
			if (got.Person == nil) != (got.Nobody != "") || got.Person != nil && got.Person.ID != got.Candidates[0].PersonID {
				t.Errorf("chose %+v", got.Person)
			}
		})
	}
}

func TestCandidatesAreAsTheyWere(t *testing.T) {
	t.Parallel()
	long := anAgent("b", availability(team.Away))
	long.Name = strings.Repeat("ü", 30)
	got := Choose(Want{Pool: Pool{Team: "support"}, Strategy: RoundRobin}, []team.Person{anAgent("a", owns(3, 5)), long}, noon).Candidates
	want := []Candidate{
		{"a", "A", Chosen, LongestAgo, 3, 5, team.Online},
		{"b", strings.Repeat("ü", 24), Passed, IsAway, 0, team.NoLimit, team.Away},
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestEveryReasonHasWords(t *testing.T) {
	t.Parallel()
	for _, reason := range []Reason{LongestAgo, FewestOpenChats, NextByWeight, NamedPerson, PreviousAssignee, AssignedLater, MoreOpenChats,
		LaterByWeight, LowerWeight, PreviousPreferred, HigherWeight, FirstID} {
		if reason.Words() == string(reason) {
			t.Errorf("%q has no words", reason)
		}
	}
	for s, reason := range standingReasons {
		if reason.Words() == string(reason) || reason == "" {
			t.Errorf("standing %d has the reason %q without words", s, reason)
		}
	}
	if got := Reason("of_tomorrow").Words(); got != "of_tomorrow" {
		t.Errorf("got %q", got)
	}
}

// AssignedAt never goes back, whatever the clock of the one who chooses: else the turn would not be exact.
func TestAssignedAtGoesForward(t *testing.T) {
	t.Parallel()
	people := []team.Person{anAgent("a", assignedAgo(-time.Minute)), anAgent("b"), anAgent("elsewhere", inTeams("sales"), assignedAgo(-time.Hour))}
	if got, want := Choose(Want{Pool: Pool{Team: "support"}, Strategy: RoundRobin}, people, noon).AssignedAt, noon.Add(time.Minute+tick); !got.Equal(want) {
		t.Errorf("got %v, want %v", got, want)
	}
	if got := Choose(Want{Pool: Pool{Team: "support"}, Strategy: RoundRobin}, people[1:2], noon.Add(tick-1)).AssignedAt; !got.Equal(noon) {
		t.Errorf("got %v, want %v", got, noon)
	}
}

func anyPerson(t *rapid.T) team.Person {
	maybe := func(label string, of int) bool { return rapid.IntRange(1, of).Draw(t, label) > 1 }
	p := team.Person{
		ID: rapid.StringMatching(`[a-e][a-e0-9]{0,2}`).Draw(t, "id"), Active: maybe("active", 6),
		Role:         rapid.SampledFrom([]team.Role{team.Agent, team.Agent, team.Agent, team.Admin, ""}).Draw(t, "role"),
		Availability: rapid.SampledFrom([]team.Availability{team.Online, team.Online, team.Online, team.Away, team.Offline, ""}).Draw(t, "availability"),
		OpenChats:    rapid.IntRange(0, 4).Draw(t, "openChats"), Limit: rapid.SampledFrom([]int{1, 3, 5, team.NoLimit}).Draw(t, "limit"),
		Languages: rapid.SliceOfN(rapid.SampledFrom([]string{"ar", "en"}), 0, 2).Draw(t, "languages"),
		Skills:    rapid.SliceOfN(rapid.SampledFrom([]string{"billing"}), 0, 1).Draw(t, "skills"),
		Teams:     rapid.SliceOfN(rapid.SampledFrom([]string{"support", "sales"}), 0, 2).Draw(t, "teams"),
	}
	if maybe("assigned", 3) {
		p.AssignedAt = noon.Add(time.Duration(rapid.IntRange(-5, 2).Draw(t, "assignedAt")) * time.Second)
	}
	if maybe("turned", 3) {
		p.Turn = rapid.Int64Range(1, 3*turnLength).Draw(t, "turn")
	}
	p.Weight = rapid.IntRange(0, 3).Draw(t, "weight")
	if !maybe("until", 3) {
		p.OnlineUntil = noon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "onlineUntil")) * time.Second)
	}
	return p
}

func anyPool(t *rapid.T) Pool {
	p := Pool{Team: rapid.SampledFrom([]string{"support", "sales", team.Everyone}).Draw(t, "team")}
	if rapid.IntRange(0, 5).Draw(t, "person") == 0 {
		p = Pool{Person: rapid.StringMatching(`[a-e]`).Draw(t, "personId")}
	}
	if rapid.Bool().Draw(t, "requires") {
		p.Languages = rapid.SliceOfN(rapid.SampledFrom([]string{"ar", "en"}), 0, 2).Draw(t, "required languages")
		p.Skills = rapid.SliceOfN(rapid.SampledFrom([]string{"billing"}), 0, 1).Draw(t, "required skills")
	}
	return p
}

// mayTake is who may be given a Chat of the pool, written down once more from the contract (invariant I3).
func mayTake(pool Pool, p team.Person) bool {
	member := pool.Person == p.ID || pool.Team != "" && slices.Contains(p.Teams, pool.Team) || pool.Team == team.Everyone && p.Role == team.Agent
	for _, l := range pool.Languages {
		member = member && slices.Contains(p.Languages, l)
	}
	for _, s := range pool.Skills {
		member = member && slices.Contains(p.Skills, s)
	}
	return member && p.Active && p.Role != "" && p.Availability == team.Online &&
		(p.OnlineUntil.IsZero() || noon.Before(p.OnlineUntil)) && p.OpenChats < p.Limit
}

// Random people and pools: the chosen one is in the pool, online and below capacity; somebody is chosen if anybody may
// take it; least_loaded picks nobody fuller, round_robin nobody more recent; and everybody is accounted for.
func TestChosenMayTakeIt(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.SliceOfNDistinct(rapid.Custom(anyPerson), 0, 20, func(p team.Person) string { return p.ID }).Draw(t, "people")
		pool := anyPool(t)
		strategy := rapid.SampledFrom([]Strategy{RoundRobin, LeastLoaded, Weighted, Agent}).Draw(t, "strategy")
		barred := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "excluded")
		want := Want{Pool: pool, Strategy: strategy, Excluded: func(id string) bool { return id == barred }}
		got := Choose(want, people, noon)

		free := 0
		for _, p := range people {
			if p.ID == barred || !mayTake(pool, p) {
				continue
			}
			free++
			switch {
			case got.Person == nil:
				t.Fatalf("nobody (%s), though %s may take it", got.Nobody, p.ID)
			case strategy == LeastLoaded && p.OpenChats < got.Person.OpenChats:
				t.Fatalf("chose %s with %d Chats, though %s has %d", got.Person.ID, got.Person.OpenChats, p.ID, p.OpenChats)
			case strategy == RoundRobin && p.AssignedAt.Before(got.Person.AssignedAt):
				t.Fatalf("chose %s of %v, though %s is of %v", got.Person.ID, got.Person.AssignedAt, p.ID, p.AssignedAt)
			}
		}
		if got.Person != nil && (!mayTake(pool, *got.Person) || got.Person.ID == barred) {
			t.Fatalf("chose %+v", got.Person)
		}
		if (got.Person == nil) != (free == 0) || (got.Nobody == "") != (free > 0) {
			t.Fatalf("%d may take it, chose %v, nobody %q", free, got.Person, got.Nobody)
		}
		counted := len(got.Candidates)
		for _, n := range got.Others {
			counted += n
		}
		if counted != len(people) || len(got.Candidates) > MaxCandidates {
			t.Fatalf("%d people, told: %s", len(people), told(got))
		}
		shuffled := rapid.Permutation(people).Draw(t, "another order")
		if again := Choose(want, shuffled, noon); told(again) != told(got) {
			t.Fatalf("in another order: %s, was %s", told(again), told(got))
		}
	})
}

// Round robin over n equal people is even after any number of Chats, with clocks that stand still or go back.
func TestRoundRobinIsEven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 12).Draw(t, "people")
		var people []team.Person
		for i := range n {
			people = append(people, anAgent(fmt.Sprintf("p%d", i)))
		}
		given := map[string]int{}
		for range rapid.IntRange(0, 60).Draw(t, "chats") {
			now := noon.Add(time.Duration(rapid.IntRange(-3000, 3000).Draw(t, "clock")) * time.Microsecond)
			c := Choose(Want{Pool: Pool{Team: "support"}, Strategy: RoundRobin}, people, now)
			given[c.Person.ID]++
			c.Person.AssignedAt = time.UnixMilli(c.AssignedAt.UnixMilli()) // as it is stored
			c.Person.OpenChats++
			least, most := given[people[0].ID], given[people[0].ID]
			for _, p := range people {
				least, most = min(least, given[p.ID]), max(most, given[p.ID])
			}
			if most-least > 1 {
				t.Fatalf("given: %v", given)
			}
		}
	})
}

func crowd(n int) []team.Person {
	var people []team.Person
	for i := range n {
		p := anAgent(fmt.Sprintf("person-%05d", i*7919%n), owns(i%20, 19), assignedAgo(time.Duration(i*104729%n)*time.Second))
		p.Weight, p.Turn = 1+i%7, turnLength*int64(1+i*31%n)/int64(n)
		if i%3 == 0 {
			p.Teams = []string{"sales"}
		}
		if i%5 == 0 {
			p.Availability = team.Away
		}
		people = append(people, p)
	}
	return people
}

func TestChooseAllocates(t *testing.T) {
	people := crowd(10_000)
	for strategy, most := range map[Strategy]float64{RoundRobin: 4, LeastLoaded: 4, Weighted: 5} {
		want := Want{Pool: Pool{Team: "support"}, Strategy: strategy, Prefer: people[7].ID}
		if got := testing.AllocsPerRun(10, func() { Choose(want, people, noon) }); got > most {
			t.Errorf("a choice by %s among ten thousand allocates %v times", strategy, got)
		}
	}
}

func BenchmarkChoose(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		people := crowd(n)
		for _, strategy := range []Strategy{RoundRobin, LeastLoaded, Weighted} {
			b.Run(fmt.Sprint(strategy, " ", n), func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					Choose(Want{Pool: Pool{Team: "support"}, Strategy: strategy}, people, noon)
				}
			})
		}
	}
}
