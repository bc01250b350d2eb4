package assign

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"chatkeeper/infra/bench/side"
	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

// sameChoice fails the test if a Crowd chooses otherwise than Choose does among the same people.
func sameChoice(t interface{ Fatalf(string, ...any) }, c *Crowd, people map[string]team.Person, w Want, now time.Time) Choice {
	var all []team.Person
	for _, p := range people { // in any order
		all = append(all, p)
	}
	got, want := c.Choose(w, now), Choose(w, all, now)
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("%s for %s, prefer %q, at %s, among %d:\ngot  %+v\nwant %+v", w.Strategy, w.Pool, w.Prefer, now, len(people), got, want)
	}
	return got
}

// A Crowd that people come to, change in and are given Chats in chooses as Choose does, at any time: also when the clock
// jumps, back too, and the online of some ends or has not ended yet.
func TestCrowdChoosesAsChoose(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c, people, now := &Crowd{}, map[string]team.Person{}, noon
		puts := func(p team.Person) {
			c.Put(p)
			people[p.ID] = p
		}
		for range rapid.IntRange(0, 40).Draw(t, "people") {
			puts(anyPerson(t))
		}
		anybody := func() (team.Person, bool) {
			if len(people) == 0 {
				return team.Person{}, false
			}
			id := rapid.SampledFrom(slices.Sorted(func(yield func(string) bool) {
				for id := range people {
					if !yield(id) {
						return
					}
				}
			})).Draw(t, "who")
			return people[id], true
		}
		strategies := []Strategy{RoundRobin, LeastLoaded, Weighted, Agent, "unheard of"}
		t.Repeat(map[string]func(*rapid.T){
			"somebody is new, or quite another": func(t *rapid.T) { puts(anyPerson(t)) },
			"somebody changes": func(t *rapid.T) {
				p, ok := anybody()
				if !ok {
					t.Skip()
				}
				other := anyPerson(t)
				switch rapid.IntRange(0, 9).Draw(t, "what") {
				case 0:
					p.Availability, p.OnlineUntil = other.Availability, other.OnlineUntil
				case 1:
					p.OpenChats = other.OpenChats
				case 2:
					p.Limit = other.Limit
				case 3:
					p.Teams = other.Teams
				case 4:
					p.Languages = other.Languages
				case 5:
					p.Skills = other.Skills
				case 6:
					p.Active = other.Active
				case 7:
					p.Role = other.Role
				case 8:
					p.Weight = other.Weight
				case 9:
					p.AssignedAt, p.Turn = other.AssignedAt, other.Turn
				}
				puts(p)
			},
			"the clock": func(t *rapid.T) {
				now = noon.Add(time.Duration(rapid.IntRange(-3000, 3000).Draw(t, "ms"))*time.Millisecond + time.Duration(rapid.IntRange(0, 999_999).Draw(t, "ns")))
			},
			"the clock comes to the end of an online": func(t *rapid.T) {
				now = noon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "seconds")) * time.Second)
			},
			"a Chat comes": func(t *rapid.T) {
				w := Want{Pool: anyPool(t), Strategy: rapid.SampledFrom(strategies).Draw(t, "strategy"), Prefer: rapid.StringMatching(`([a-e][a-e0-9]{0,2})?`).Draw(t, "prefer")}
				if p, ok := anybody(); ok && rapid.Bool().Draw(t, "prefer somebody there") {
					w.Prefer = p.ID
				}
				if barred := rapid.SampledFrom([]string{"", "", "", "a", "b"}).Draw(t, "excluded"); barred != "" {
					w.Excluded = func(id string) bool { return id[:1] == barred }
				}
				choice := sameChoice(t, c, people, w, now)
				if choice.Person == nil {
					return
				}
				p := *choice.Person
				p.OpenChats++
				p.AssignedAt = choice.AssignedAt
				if choice.Turn != 0 {
					p.Turn = choice.Turn
				}
				puts(p)
			},
		})
	})
}

// More pools than are kept.
func TestCrowdOfManyPools(t *testing.T) {
	t.Parallel()
	c, people := &Crowd{}, map[string]team.Person{}
	for i := range 3 * mostPools {
		p := anAgent(fmt.Sprint("agent", i), inTeams(fmt.Sprint("team", i%(2*mostPools))))
		c.Put(p)
		people[p.ID] = p
	}
	for range 2 {
		for i := range 2 * mostPools {
			sameChoice(t, c, people, Want{Pool: Pool{Team: fmt.Sprint("team", i)}, Strategy: RoundRobin}, noon)
			if len(c.pools) > mostPools {
				t.Fatalf("%d pools are kept", len(c.pools))
			}
		}
	}
}

// Ten thousand people, of whom few are free, or all, and all are equal or none.
func TestCrowdOfTenThousand(t *testing.T) {
	t.Parallel()
	for _, free := range []int{0, 3, 10_000} {
		for _, equal := range []bool{true, false} {
			c, people := &Crowd{}, map[string]team.Person{}
			for i := range 10_000 {
				p := anAgent(fmt.Sprintf("agent%05d", i*7919%10_000))
				if i >= free {
					p.Availability = team.Offline
				}
				if !equal {
					p.OpenChats, p.Weight, p.AssignedAt = i%3, i%5, noon.Add(-time.Duration(i%4000)*time.Second)
					p.Turn = int64(i%100) * turnLength
				}
				c.Put(p)
				people[p.ID] = p
			}
			for _, strategy := range []Strategy{RoundRobin, LeastLoaded, Weighted} {
				sameChoice(t, c, people, Want{Pool: Pool{Team: "support"}, Strategy: strategy, Prefer: "agent00077"}, noon)
			}
		}
	}
}

// What a choice takes of a processor.
func BenchmarkCrowd(b *testing.B) {
	for _, n := range []int{10, 10_000} {
		for _, strategy := range []Strategy{RoundRobin, LeastLoaded, Weighted} {
			b.Run(fmt.Sprint(strategy, "/", n), func(b *testing.B) {
				c := &Crowd{}
				for i := range n {
					c.Put(anAgent(fmt.Sprintf("agent%05d", i), owns(0, team.NoLimit)))
				}
				b.ReportAllocs()
				before := side.CPU()
				for b.Loop() {
					choice := c.Choose(Want{Pool: Pool{Team: "support"}, Strategy: strategy}, noon)
					p := *choice.Person
					p.OpenChats, p.AssignedAt, p.Turn = p.OpenChats+1, choice.AssignedAt, choice.Turn
					c.Put(p)
				}
				b.ReportMetric(float64(side.CPU()-before)/float64(time.Microsecond)/float64(b.N), "cpu-µs/op")
			})
		}
	}
}
