package assign

import (
	"fmt"
	"math/rand/v2"
	"reflect"
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

// crowdPools are few, so that what is kept of each is asked for again after people changed.
var crowdPools = []Pool{
	{Team: team.Everyone}, {Team: "support"}, {Team: "sales", Languages: []string{"ar"}}, {Team: "support", Skills: []string{"billing"}},
	{Team: "support", Languages: []string{"en", "ar"}, Skills: []string{"billing"}}, {Person: "p7"}, {Team: "nobody's"},
}

// crowdPerson is a person by chance: mostly free, and often equal to others, so that much is left to what comes last in the
// order.
func crowdPerson(chance *rand.Rand) team.Person {
	one := func(of int) bool { return chance.IntN(of) == 0 }
	p := team.Person{ID: fmt.Sprint("p", chance.IntN(50)), Name: "Somebody", Role: team.Agent, Active: !one(8), Availability: team.Online,
		OpenChats: chance.IntN(3), Limit: 3, Weight: chance.IntN(4), Turn: int64(chance.IntN(6)) * turnLength / 2, Teams: []string{"support", "sales"}}
	if one(6) {
		p.Role = []team.Role{team.Admin, ""}[chance.IntN(2)]
	}
	if one(6) {
		p.Availability = []team.Availability{team.Away, team.Offline, ""}[chance.IntN(3)]
	}
	if one(6) {
		p.Limit = chance.IntN(3)
	}
	if one(3) {
		p.Teams = p.Teams[:chance.IntN(2)]
	}
	if !one(3) {
		p.Languages = []string{"ar", "en"}[chance.IntN(2):]
	}
	if !one(3) {
		p.Skills = []string{"billing"}
	}
	if !one(3) {
		p.AssignedAt = noon.Add(time.Duration(chance.IntN(8)-5) * time.Second)
	}
	if one(4) {
		p.OnlineUntil = noon.Add(time.Duration(chance.IntN(3)-1) * time.Second)
	}
	return p
}

// changed is the person with one thing as another has it.
func changed(p, other team.Person, what int) team.Person {
	switch what {
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
	return p
}

// A Crowd that people come to, change in and are given Chats in chooses as Choose does, at any time: also when the clock
// jumps, back too, and the online of some ends or has not ended yet.
func TestCrowdChoosesAsChoose(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		// One number, so that a case is drawn quickly: what a person is like matters less than that they are many.
		chance := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "chance"), 0))
		c, people, now := &Crowd{}, map[string]team.Person{}, noon
		puts := func(p team.Person) {
			c.Put(p)
			people[p.ID] = p
		}
		for range rapid.SampledFrom([]int{1, 3, 10, 80, 80}).Draw(t, "people") {
			puts(crowdPerson(chance))
		}
		strategies := []Strategy{RoundRobin, LeastLoaded, Weighted, Agent, "unheard of"}
		t.Repeat(map[string]func(*rapid.T){
			"somebody is new, or quite another": func(t *rapid.T) { puts(crowdPerson(chance)) },
			"somebody changes": func(t *rapid.T) {
				p := c.People()[chance.IntN(c.Len())]
				puts(changed(p, crowdPerson(chance), rapid.IntRange(0, 9).Draw(t, "what")))
			},
			"the clock": func(t *rapid.T) {
				now = noon.Add(time.Duration(rapid.IntRange(-3000, 3000).Draw(t, "ms"))*time.Millisecond + time.Duration(rapid.IntRange(0, 999_999).Draw(t, "ns")))
			},
			"the clock comes to the end of an online": func(t *rapid.T) {
				now = noon.Add(time.Duration(rapid.IntRange(-1, 1).Draw(t, "seconds")) * time.Second)
			},
			"Chats come": func(t *rapid.T) {
				for range 10 {
					w := Want{Pool: crowdPools[chance.IntN(len(crowdPools))], Strategy: strategies[chance.IntN(len(strategies))]}
					if chance.IntN(3) == 0 {
						w.Prefer = fmt.Sprint("p", chance.IntN(50))
					}
					if chance.IntN(6) == 0 {
						w.Excluded = func(id string) bool { return id[1] == '1' }
					}
					choice := sameChoice(t, c, people, w, now)
					if choice.Person == nil || chance.IntN(2) == 0 {
						continue
					}
					p := *choice.Person
					p.OpenChats++
					p.AssignedAt = choice.AssignedAt
					if choice.Turn != 0 {
						p.Turn = choice.Turn
					}
					puts(p)
				}
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

// Very many people, of whom few are free, or all, and all are equal or none.
func TestCrowdOfThousands(t *testing.T) {
	t.Parallel()
	for _, free := range []int{0, 3, 2_000} {
		for _, equal := range []bool{true, false} {
			c, people := &Crowd{}, map[string]team.Person{}
			for i := range 2_000 {
				p := anAgent(fmt.Sprintf("agent%04d", i*7919%2_000))
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
				sameChoice(t, c, people, Want{Pool: Pool{Team: "support"}, Strategy: strategy, Prefer: "agent0077"}, noon)
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
