package assign

import (
	"cmp"
	"time"

	"chatkeeper/shared/team"
)

// MaxCandidates is how many people a Choice names, the chosen one included. Everybody else is counted by reason.
const MaxCandidates = 8

// tick is the least time between two values of Person.AssignedAt that storage keeps apart. Choice.AssignedAt is in whole
// ticks, so that two assignments in the same one do not look equal once they are stored.
const tick = time.Millisecond

// Choice is the answer to who should get a Chat.
type Choice struct {
	Person     *team.Person   // points into the people given; nil means nobody
	AssignedAt time.Time      // what to store as the person's AssignedAt: now, or a little later where others were assigned no earlier
	Candidates []Candidate    // best first, at most MaxCandidates; the chosen one, if any, is the first
	Others     map[Reason]int // everybody else, counted by reason
	TieBreak   Reason         // what decided between the chosen one and an equal; empty when nobody was equal
	Nobody     Reason         // why nobody can take it; empty when somebody can
}

// Choose picks who of the people gets the next Chat of the pool: somebody in the pool, active, online at now and below
// their capacity, in the order of the strategy. excluded, which may be nil, names people who may not have this Chat.
//
// RoundRobin takes who was assigned longest ago, those never assigned first. It is exact as long as Choice.AssignedAt is
// stored with each assignment, under the fence of Person.Changed. LeastLoaded takes the fewest open Chats, then longest
// ago. Agent serves a pool of one. What is still equal is decided by id, so that the same people give the same choice.
func Choose(pool Pool, strategy Strategy, people []team.Person, excluded func(personID string) bool, now time.Time) Choice {
	if !strategy.available() {
		return Choice{Nobody: NoSuchStrategy}
	}
	var (
		list   shortlist
		counts [standings]int
		latest time.Time
	)
	list.strategy = strategy
	for i := range people {
		p := &people[i]
		s := pool.standing(p)
		if s == able {
			if p.AssignedAt.After(latest) {
				latest = p.AssignedAt
			}
			s = free(p, excluded, now)
		}
		counts[s]++
		if s <= listed {
			list.add(entry{p, s})
		}
	}
	c := Choice{Candidates: make([]Candidate, 0, list.n)}
	if counts[able] == 0 {
		c.Nobody = nobodyBecause(counts)
	} else {
		c.Person = list.entries[0].person
		c.AssignedAt = now.Truncate(tick)
		if !c.AssignedAt.After(latest) {
			c.AssignedAt = latest.Add(tick).Truncate(tick)
		}
		if counts[able] > 1 {
			c.TieBreak = list.tieBreak()
		}
	}
	for i, e := range list.entries[:list.n] {
		counts[e.standing]--
		candidate := Candidate{
			PersonID: e.person.ID, Name: firstRunes(e.person.Name, nameLength), Because: standingReasons[e.standing],
			OpenChats: e.person.OpenChats, Limit: e.person.Limit, Availability: e.person.Availability,
		}
		switch {
		case e.standing == able && i == 0:
			candidate.Because = chosenBecause(strategy)
		case e.standing == able:
			candidate.Because = list.behind(e)
		}
		candidate.Outcome = candidate.Because.outcome()
		c.Candidates = append(c.Candidates, candidate)
	}
	for s, n := range counts {
		if n == 0 {
			continue
		}
		if c.Others == nil {
			c.Others = make(map[Reason]int)
		}
		c.Others[standingReasons[s]] += n
	}
	return c
}

// free is why a member of the pool can't be given the Chat now, or able.
func free(p *team.Person, excluded func(string) bool, now time.Time) standing {
	switch {
	case excluded != nil && excluded(p.ID):
		return isExcluded
	case p.Availability == team.Away:
		return away
	case p.Availability != team.Online:
		return offline
	case !p.Online(now):
		return onlineEnded
	case p.OpenChats >= p.Limit:
		return atCapacity
	}
	return able
}

type entry struct {
	person   *team.Person
	standing standing
}

// shortlist keeps the best few of many in order, without sorting the many.
type shortlist struct {
	strategy Strategy
	entries  [MaxCandidates]entry
	n        int
}

func (l *shortlist) add(e entry) {
	at := l.n
	for at > 0 && l.compare(e, l.entries[at-1]) < 0 {
		at--
	}
	if at == MaxCandidates {
		return
	}
	if l.n < MaxCandidates {
		l.n++
	}
	copy(l.entries[at+1:l.n], l.entries[at:l.n-1])
	l.entries[at] = e
}

// compare orders those who can take the Chat before those who can't, and the former by the strategy.
func (l *shortlist) compare(a, b entry) int {
	if a.standing != b.standing {
		return cmp.Compare(a.standing, b.standing)
	}
	if a.standing == able {
		if l.strategy == LeastLoaded && a.person.OpenChats != b.person.OpenChats {
			return cmp.Compare(a.person.OpenChats, b.person.OpenChats)
		}
		if c := a.person.AssignedAt.Compare(b.person.AssignedAt); c != 0 {
			return c
		}
	}
	return cmp.Compare(a.person.ID, b.person.ID)
}

// behind is why e, who could take the Chat too, comes after the first.
func (l *shortlist) behind(e entry) Reason {
	first := l.entries[0].person
	switch {
	case l.strategy == LeastLoaded && e.person.OpenChats > first.OpenChats:
		return MoreOpenChats
	case e.person.AssignedAt.After(first.AssignedAt):
		return AssignedLater
	}
	return LaterID
}

// tieBreak is what put the first before the second, if the strategy's own measure did not.
func (l *shortlist) tieBreak() Reason {
	switch reason := l.behind(l.entries[1]); {
	case reason == LaterID:
		return FirstID
	case reason == AssignedLater && l.strategy == LeastLoaded:
		return LongestAgo
	}
	return ""
}

func chosenBecause(s Strategy) Reason {
	switch s {
	case LeastLoaded:
		return FewestOpenChats
	case Agent:
		return NamedPerson
	}
	return LongestAgo
}
