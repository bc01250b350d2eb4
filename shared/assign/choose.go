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
	Turn       int64          // what to store as the person's Turn; 0 unless the strategy is Weighted
	Nobody     Reason         // why nobody can take it; empty when somebody can
}

// Want says for what a person is wanted. All but the pool belongs to one waiting Chat.
type Want struct {
	Pool     Pool
	Strategy Strategy
	Prefer   string                     // the previous Assignee, if they are to be preferred; else empty
	Excluded func(personID string) bool // who may not have this Chat; nil means nobody
}

// Choose picks who of the people gets a Chat: somebody in the pool, active, online at now and below their capacity, in
// the order of the strategy. Who is preferred comes first if they are one of those.
//
// RoundRobin takes who was assigned longest ago, those never assigned first. It is exact as long as Choice.AssignedAt is
// stored with each assignment, under the fence of Person.Changed. LeastLoaded takes the fewest open Chats, then longest
// ago. Weighted is explained at turnLength; it is exact as long as Choice.Turn is stored likewise. Agent serves a pool of
// one. What is still equal is decided by id, so that the same people give the same choice. Among many, [Crowd.Choose] is
// the same and cheaper.
func Choose(w Want, people []team.Person, now time.Time) Choice {
	if !w.Strategy.known() {
		return Choice{Nobody: NoSuchStrategy}
	}
	t := newTally(w)
	if w.Strategy == Weighted {
		t.clock = readClock(w, people, now)
	}
	for i := range people {
		p := &people[i]
		s := w.Pool.standing(p)
		if s == able {
			if p.AssignedAt.After(t.latest) {
				t.latest = p.AssignedAt
			}
			s = w.free(p, now)
		}
		t.counts[s]++
		if s <= listed {
			t.add(entry{p, s, i})
		}
	}
	return t.choice(now)
}

// tally is what a choice follows from: the best few, and how many people there are of each standing.
type tally struct {
	shortlist
	counts [standings]int
	latest time.Time // when a member of the pool was last assigned
}

func newTally(w Want) tally {
	t := tally{shortlist: shortlist{strategy: w.Strategy}}
	if w.Strategy != Agent { // a pool of one leaves nothing to prefer
		t.prefer = w.Prefer
	}
	return t
}

func (t tally) choice(now time.Time) Choice {
	c := Choice{Candidates: make([]Candidate, 0, t.n)}
	if t.counts[able] == 0 {
		c.Nobody = nobodyBecause(t.counts)
	} else {
		c.Person = t.entries[0].person
		c.AssignedAt = now.Truncate(tick)
		if !c.AssignedAt.After(t.latest) {
			c.AssignedAt = t.latest.Add(tick).Truncate(tick)
		}
		if t.counts[able] > 1 {
			c.TieBreak = t.tieBreak()
		}
		if t.strategy == Weighted {
			next := turnsOf(c.Person)
			c.Turn = t.clock.turnOf(&next)
		}
	}
	for i, e := range t.entries[:t.n] {
		t.counts[e.standing]--
		candidate := Candidate{
			PersonID: e.person.ID, Name: firstRunes(e.person.Name, nameLength), Because: standingReasons[e.standing],
			OpenChats: e.person.OpenChats, Limit: e.person.Limit, Availability: e.person.Availability,
		}
		switch {
		case e.standing == able && i == 0:
			candidate.Because = t.chosenBecause()
		case e.standing == able:
			candidate.Because = t.behind(e)
		}
		candidate.Outcome = candidate.Because.outcome()
		c.Candidates = append(c.Candidates, candidate)
	}
	for s, n := range t.counts {
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
func (w Want) free(p *team.Person, now time.Time) standing {
	switch {
	case w.Excluded != nil && w.Excluded(p.ID):
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
	index    int // among the people given
}

// shortlist keeps the best few of many in order, without sorting the many.
type shortlist struct {
	strategy Strategy
	prefer   string // id of who comes first, if they can take the Chat
	clock    clock  // of Weighted
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

// compare orders those who can take the Chat before those who can't, and the former by preference and strategy.
func (l *shortlist) compare(a, b entry) int {
	if a.standing != b.standing {
		return cmp.Compare(a.standing, b.standing)
	}
	if a.standing != able {
		return cmp.Compare(a.person.ID, b.person.ID)
	}
	if l.prefer != "" && (a.person.ID == l.prefer) != (b.person.ID == l.prefer) {
		if a.person.ID == l.prefer {
			return -1
		}
		return 1
	}
	c, _ := l.order(a.person, b.person)
	return c
}

// measure is what decided the order of two people.
type measure int

const (
	byStrategy measure = iota // the strategy's own: turn by weight, open Chats, or when they were assigned
	byWeight
	byTime
	byID
)

// order compares two people who can take the Chat by the strategy, and says what decided.
func (l *shortlist) order(a, b *team.Person) (int, measure) {
	switch l.strategy {
	case LeastLoaded:
		if c := cmp.Compare(a.OpenChats, b.OpenChats); c != 0 {
			return c, byStrategy
		}
	case Weighted:
		turnsA, turnsB := turnsOf(a), turnsOf(b)
		if c := l.clock.stands(&turnsA).compare(l.clock.stands(&turnsB)); c != 0 {
			return c, byStrategy
		}
		if c := cmp.Compare(turnsB.weight, turnsA.weight); c != 0 {
			return c, byWeight
		}
	}
	if c := a.AssignedAt.Compare(b.AssignedAt); c != 0 {
		if l.strategy == LeastLoaded || l.strategy == Weighted {
			return c, byTime
		}
		return c, byStrategy
	}
	return cmp.Compare(a.ID, b.ID), byID
}

// behind is why e, who could take the Chat too, comes after the first.
func (l *shortlist) behind(e entry) Reason {
	c, by := l.order(l.entries[0].person, e.person)
	switch {
	case c > 0:
		return PreviousPreferred
	case by == byID:
		return LaterID
	case by == byWeight:
		return LowerWeight
	case by == byStrategy && l.strategy == LeastLoaded:
		return MoreOpenChats
	case by == byStrategy && l.strategy == Weighted:
		return LaterByWeight
	}
	return AssignedLater
}

// tieBreak is what put the first before the second, if neither preference nor the strategy's own measure did.
func (l *shortlist) tieBreak() Reason {
	first := l.entries[0].person
	if first.ID == l.prefer {
		return ""
	}
	switch _, by := l.order(first, l.entries[1].person); by {
	case byID:
		return FirstID
	case byTime:
		return LongestAgo
	case byWeight:
		return HigherWeight
	}
	return ""
}

func (l *shortlist) chosenBecause() Reason {
	switch {
	case l.entries[0].person.ID == l.prefer:
		return PreviousAssignee
	case l.strategy == LeastLoaded:
		return FewestOpenChats
	case l.strategy == Weighted:
		return NextByWeight
	case l.strategy == Agent:
		return NamedPerson
	}
	return LongestAgo
}
