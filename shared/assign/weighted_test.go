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
	weight := func(w int) func(*team.Person) { return func(p *team.Person) { p.Weight = w } }
	const day = 1_000 * turnLength
	for _, c := range []struct {
		name   string
		people []team.Person
		want   string
	}{
		{"next in turn", []team.Person{anAgent("a", had(day)), anAgent("b", had(day-turnLength/2))}, "b next_by_weight, a later_by_weight"},
		{"equal in turn, the higher weight", []team.Person{anAgent("a", had(day)), anAgent("b", had(1)), anAgent("c", had(2), weight(2))},
			"c next_by_weight, b lower_weight, a later_by_weight, by higher_weight"},
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
