package assign

import (
	"strings"
	"testing"
	"time"

	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

// byWeights is the team support with these weights: a, b, c and so on.
func byWeights(weights ...int) []team.Person {
	var people []team.Person
	for i, w := range weights {
		people = append(people, anAgent(string(rune('a'+i)), func(p *team.Person) { p.Weight = w }))
	}
	return people
}

var weighted = Want{Pool: Pool{Team: "support"}, Strategy: Weighted}

// give gives n Chats, with a clock that stands still, and tells who got them.
func give(t interface{ Fatalf(string, ...any) }, people []team.Person, n int) string {
	var who strings.Builder
	for range n {
		c := Choose(weighted, people, noon)
		if c.Person == nil {
			t.Fatalf("nobody: %s", c.Nobody)
		}
		take(c)
		who.WriteString(c.Person.ID)
	}
	return who.String()
}

// take stores a choice as Commit does.
func take(c Choice) {
	c.Person.OpenChats++
	c.Person.AssignedAt = time.UnixMilli(c.AssignedAt.UnixMilli())
	if c.Turn != 0 {
		c.Person.Turn = c.Turn
	}
}

func TestWeightedOrder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		people []team.Person
		want   string
	}{
		{"equal weights are a round robin", byWeights(3, 3, 3), "abcabcabc"},
		{"no weight is one", byWeights(0, 1), "abababab"},
		{"twice as many", byWeights(2, 1), "abaabaaba"},
		{"a heavy one is not given a heap", byWeights(5, 1, 1), "abaacaaabaacaa"},
		{"many light ones do not hold up a heavy one", byWeights(5, 1, 1, 1, 1, 1), "abacadaeaf"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := give(t, c.people, len(c.want)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Of n Chats among people who can all take them each has n times their part of the weights, and not a whole Chat more or
// less, at any n.
func TestWeightedIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 5), rapid.IntRange(1, 150)), 1, 10).Draw(t, "weights")
		people, sum := byWeights(weights...), 0
		for _, w := range weights {
			sum += w
		}
		given := map[string]int{}
		for n := 1; n <= 400; n++ {
			given[give(t, people, 1)]++
			for i, p := range people {
				if off := given[p.ID]*sum - n*weights[i]; off >= sum || off <= -sum {
					t.Fatalf("after %d Chats: %v for %v", n, given, weights)
				}
			}
		}
	})
}

func TestWeightedExplains(t *testing.T) {
	t.Parallel()
	had := func(turn int64) func(*team.Person) { return func(p *team.Person) { p.Turn = turn } }
	after := func(people []team.Person, n int) []team.Person {
		give(t, people, n)
		return people
	}
	const day = 1_000 * turnLength
	for _, c := range []struct {
		name   string
		people []team.Person
		want   string
	}{
		{"next in turn", []team.Person{anAgent("a", had(day)), anAgent("b", had(day-turnLength/2))}, "b next_by_weight, a later_by_weight"},
		{"equal in turn, the higher weight", after(byWeights(2, 1, 1), 2), "a next_by_weight, c lower_weight, b later_by_weight, by higher_weight"},
		{"equal in turn and weight", []team.Person{anAgent("a", had(day), assignedAgo(time.Second)), anAgent("b", had(day), assignedAgo(time.Hour))},
			"b next_by_weight, a assigned_later, by longest_ago"},
		{"equal in everything", []team.Person{anAgent("a", had(day)), anAgent("b", had(day))}, "a next_by_weight, b later_id, by first_id"},
		{"who can't take it", []team.Person{anAgent("a", had(day)), anAgent("b", owns(1, 1)), anAgent("c", availability(team.Away))},
			"a next_by_weight, b at_capacity, c away"},
		{"nobody", []team.Person{anAgent("b", owns(1, 1))}, "b at_capacity, nobody: all_at_capacity"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := told(Choose(weighted, c.people, noon)); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

// Whoever was away, full, new or in another pool comes in at the clock: of the Chats from then on they get their part, and
// one more at most, whatever the others' weights are and however long it was.
func TestWeightedDoesNotMakeUpForAbsence(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		weights := rapid.SliceOfN(rapid.OneOf(rapid.IntRange(1, 3), rapid.IntRange(1, 100)), 2, 8).Draw(t, "weights")
		people, sum := byWeights(weights...), 0
		for _, w := range weights {
			sum += w
		}
		back := rapid.IntRange(0, len(people)-1).Draw(t, "who was away")
		if rapid.Bool().Draw(t, "known") {
			give(t, people, rapid.IntRange(1, 300).Draw(t, "before"))
		}
		people[back].Availability = team.Away
		give(t, people, rapid.IntRange(1, 300).Draw(t, "meanwhile"))
		people[back].Availability = team.Online
		got := 0
		for n := 1; n <= 300; n++ {
			if give(t, people, 1) == people[back].ID {
				got++
			}
			if got*sum >= n*weights[back]+2*sum {
				t.Fatalf("got %d of %d Chats, with weights %v: %s was away", got, n, weights, people[back].ID)
			}
		}
		if (got+2)*sum < 300*weights[back] {
			t.Fatalf("got only %d of 300 Chats, with weights %v: %s was away", got, weights, people[back].ID)
		}
	})
}

// Random comings, goings, new weights, Chats in other pools and Chats given out of turn: as long as somebody can take
// Chats and is not given them out of turn, they get one before their part of the Chats is two, and one for everybody
// there, more than they have.
func TestWeightedStarvesNobody(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		people := byWeights(rapid.SliceOfN(rapid.IntRange(1, 20), 2, 6).Draw(t, "weights")...)
		for range rapid.IntRange(1, 40).Draw(t, "rounds") {
			i := rapid.IntRange(0, len(people)-1).Draw(t, "who")
			switch rapid.IntRange(0, 4).Draw(t, "what") {
			case 0:
				people[i].Availability = rapid.SampledFrom([]team.Availability{team.Online, team.Away}).Draw(t, "availability")
			case 1:
				people[i].Weight = rapid.IntRange(1, 20).Draw(t, "weight")
			case 2:
				people[i].Turn += rapid.Int64Range(0, 100*turnLength).Draw(t, "elsewhere")
			case 3:
				w := weighted
				w.Prefer = people[i].ID
				if c := Choose(w, people, noon); c.Person != nil {
					take(c)
				}
			}
			if c := Choose(weighted, people, noon); c.Person != nil {
				give(t, people, rapid.IntRange(0, 20).Draw(t, "chats"))
			}
		}
		sum := 0
		for i := range people {
			people[i].Availability = team.Online
			sum += people[i].Weight
		}
		given := map[string]int{}
		for n := 1; n <= 500; n++ {
			given[give(t, people, 1)]++
			for _, p := range people {
				if slack := len(people) + 2; (given[p.ID]+slack)*sum < n*p.Weight || given[p.ID]*sum > n*p.Weight+slack*sum {
					t.Fatalf("after %d Chats: %v for %+v", n, given, people)
				}
			}
		}
	})
}

// Weights are exact at any size that the clock can reach, and at any weight.
func TestWeightedAtTheLimits(t *testing.T) {
	t.Parallel()
	people := byWeights(1_000_000, maxWeight, 0, -5)
	for i := range people {
		people[i].Turn = 1<<62 - int64(i)
	}
	given := strings.Count(give(t, people, 30_003), "a")
	if given < 14_990 || given > 15_010 {
		t.Errorf("the heaviest got %d of 30003", given)
	}
}

func preferring(id string, strategy Strategy) Want {
	return Want{Pool: Pool{Team: "support"}, Strategy: strategy, Prefer: id}
}

func TestPreviousAssignee(t *testing.T) {
	t.Parallel()
	type people = []team.Person
	for _, c := range []struct {
		name   string
		want   Want
		people people
		told   string
	}{
		{"before whose turn it is", preferring("b", RoundRobin), people{anAgent("a"), anAgent("b", assignedAgo(time.Second)), anAgent("c", assignedAgo(time.Millisecond))},
			"b previous_assignee, a previous_preferred, c assigned_later"},
		{"whose turn it is anyway", preferring("a", RoundRobin), people{anAgent("a"), anAgent("b")}, "a previous_assignee, b later_id"},
		{"with more Chats", preferring("b", LeastLoaded), people{anAgent("a", owns(1, 9)), anAgent("b", owns(5, 9)), anAgent("c", owns(6, 9))},
			"b previous_assignee, a previous_preferred, c more_open_chats"},
		{"out of turn by weight", preferring("c", Weighted), byWeights(3, 2, 1), "c previous_assignee, a previous_preferred, b previous_preferred"},
		{"full", preferring("b", RoundRobin), people{anAgent("a"), anAgent("b", owns(5, 5))}, "a longest_ago, b at_capacity"},
		{"away", preferring("b", LeastLoaded), people{anAgent("a"), anAgent("b", availability(team.Away))}, "a fewest_open_chats, b away"},
		{"not in the pool", preferring("b", RoundRobin), people{anAgent("a"), anAgent("b", inTeams("sales"))}, "a longest_ago, +1 not_in_pool"},
		{"deactivated", preferring("b", RoundRobin), people{anAgent("a"), anAgent("b", deactivated)}, "a longest_ago, +1 inactive"},
		{"gone", preferring("b", RoundRobin), people{anAgent("a")}, "a longest_ago"},
		{"full, and nobody else", preferring("a", RoundRobin), people{anAgent("a", owns(1, 1))}, "a at_capacity, nobody: all_at_capacity"},
		{"named by the rule", Want{Pool: Pool{Person: "a"}, Strategy: Agent, Prefer: "a"}, people{anAgent("a")}, "a named_person"},
		{"excluded", Want{Pool: Pool{Team: "support"}, Strategy: RoundRobin, Prefer: "a", Excluded: func(id string) bool { return id == "a" }},
			people{anAgent("a"), anAgent("b")}, "b longest_ago, a excluded"},
		{"somebody else is named", Want{Pool: Pool{Person: "a"}, Strategy: Agent, Prefer: "b"}, people{anAgent("a"), anAgent("b")}, "a named_person, +1 not_in_pool"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if got := told(Choose(c.want, c.people, noon)); got != c.told {
				t.Errorf("got  %s\nwant %s", got, c.told)
			}
		})
	}
}

// Random people: the previous Assignee gets the Chat if and only if they may take it; if not, all is as if nobody were
// preferred.
func TestPreferenceHasNoOtherEffect(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		people := rapid.SliceOfNDistinct(rapid.Custom(anyPerson), 0, 20, func(p team.Person) string { return p.ID }).Draw(t, "people")
		w := Want{Pool: anyPool(t), Strategy: rapid.SampledFrom([]Strategy{RoundRobin, LeastLoaded, Weighted}).Draw(t, "strategy")}
		without := Choose(w, people, noon)
		w.Prefer = rapid.StringMatching(`[a-e]`).Draw(t, "previous")
		if len(people) > 0 && rapid.Bool().Draw(t, "one of them") {
			w.Prefer = rapid.SampledFrom(people).Draw(t, "which").ID
		}
		with := Choose(w, people, noon)
		for _, p := range people {
			if p.ID != w.Prefer || !mayTake(w.Pool, p) {
				continue
			}
			if with.Person == nil || with.Person.ID != p.ID || with.Candidates[0].Because != PreviousAssignee || with.TieBreak != "" {
				t.Fatalf("%s is preferred and may take it, but: %s", p.ID, told(with))
			}
			if first := without.Person.ID; first != p.ID && with.Candidates[1].Because != PreviousPreferred {
				t.Fatalf("%s would have been first, but is told: %s", first, told(with))
			}
			return
		}
		if told(with) != told(without) || with.Turn != without.Turn {
			t.Fatalf("without a preference %s, with %s", told(without), told(with))
		}
	})
}
