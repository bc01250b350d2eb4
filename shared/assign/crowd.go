package assign

import (
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"chatkeeper/shared/team"
)

// Crowd is many people, kept so that choosing among ten thousand of them costs about a hundredth of the requests around
// it, under Weighted a twentieth. What a choice compares stands by itself in a few bytes a person, as does who belongs to which pool, so that a walk
// over all reads little memory; only those who come among the best few are looked at whole. Whoever is put into a Crowd
// has times in whole milliseconds, as storage keeps them. The zero value is nobody. A Crowd is not safe for concurrent use.
type Crowd struct {
	people   []team.Person // in the order of ids, as are all lists here: of two who are equal the first comes first
	assigned []int64       // AssignedAt in Unix milliseconds
	open     []int
	free     []standing // as [Want.free] has it while online has not ended, and ends if it does
	until    []int64    // OnlineUntil in Unix milliseconds, where it ends
	turns    []turns
	pools    map[string]*members // by canonical text; made when first asked for

	inTime []turns // room for reading a clock
}

// ends marks the standing of somebody whose online ends by itself.
const ends standing = 1 << 7

// members are how everybody stands to a pool, whether they are free or not.
type members struct {
	pool      Pool
	standings []standing
	counts    [standings]int
}

// mostPools is how many pools are kept: a byte for each person and pool. With more of them in use at once some are made
// again, for the price of one walk over everybody.
const mostPools = 100

// Len is how many people there are.
func (c *Crowd) Len() int { return len(c.people) }

// People lists everybody in the order of ids. It is the Crowd's own list: not to be changed.
func (c *Crowd) People() []team.Person { return c.people }

// Person is the one with the id.
func (c *Crowd) Person(id string) (team.Person, bool) {
	if i, found := c.find(id); found {
		return c.people[i], true
	}
	return team.Person{}, false
}

func (c *Crowd) find(id string) (int, bool) {
	return sort.Find(len(c.people), func(i int) int { return strings.Compare(id, c.people[i].ID) })
}

// Put adds a person, or replaces the one with the same id.
func (c *Crowd) Put(p team.Person) {
	i, found := c.find(p.ID)
	if !found {
		c.people = slices.Insert(c.people, i, p)
		c.assigned = slices.Insert(c.assigned, i, 0)
		c.open = slices.Insert(c.open, i, 0)
		c.free = slices.Insert(c.free, i, able)
		c.until = slices.Insert(c.until, i, 0)
		c.turns = slices.Insert(c.turns, i, turns{})
		c.pools = nil
	} else if !sameToPools(&c.people[i], &p) {
		for _, m := range c.pools {
			m.counts[m.standings[i]]--
			m.standings[i] = m.pool.standing(&p)
			m.counts[m.standings[i]]++
		}
	}
	c.people[i], c.assigned[i], c.open[i] = p, p.AssignedAt.UnixMilli(), p.OpenChats
	c.free[i], c.until[i], c.turns[i] = freeUntil(&p), p.OnlineUntil.UnixMilli(), turnsOf(&p)
}

// sameToPools reports whether two states of a person belong to the same pools: all that [Pool.standing] asks is equal.
func sameToPools(a, b *team.Person) bool {
	return a.Role == b.Role && a.Active == b.Active && slices.Equal(a.Teams, b.Teams) &&
		slices.Equal(a.Languages, b.Languages) && slices.Equal(a.Skills, b.Skills)
}

func freeUntil(p *team.Person) standing {
	s := able
	switch {
	case p.Availability == team.Away:
		return away
	case p.Availability != team.Online:
		return offline
	case p.OpenChats >= p.Limit:
		s = atCapacity
	}
	if !p.OnlineUntil.IsZero() {
		s |= ends
	}
	return s
}

// freeAt is why somebody can't be given a Chat at a moment, or able.
func (c *Crowd) freeAt(i int, now int64) standing {
	s := c.free[i]
	if s&ends == 0 {
		return s
	}
	if c.until[i] <= now {
		return onlineEnded
	}
	return s &^ ends
}

func (c *Crowd) members(p Pool) *members {
	text := p.String()
	m, ok := c.pools[text]
	if ok {
		return m
	}
	if c.pools == nil || len(c.pools) == mostPools {
		c.pools = map[string]*members{}
	}
	p.Languages, p.Skills = slices.Clone(p.Languages), slices.Clone(p.Skills)
	m = &members{pool: p, standings: make([]standing, len(c.people))}
	for i := range c.people {
		s := m.pool.standing(&c.people[i])
		m.standings[i] = s
		m.counts[s]++
	}
	c.pools[text] = m
	return m
}

// Choose is [Choose] among everybody, to the last detail. The person in the answer is the Crowd's own until the next Put.
func (c *Crowd) Choose(w Want, now time.Time) Choice {
	if !w.Strategy.known() || w.Excluded != nil {
		return Choose(w, c.people, now)
	}
	at := now.UnixMilli()
	m, t := c.members(w.Pool), newTally(w)
	if w.Strategy == Weighted {
		t.clock = c.readClock(m, at)
	}
	t.counts = m.counts
	preferred := -1
	if i, found := c.find(t.prefer); found {
		preferred = i
	}
	var latest int64 = math.MinInt64
	leastLoaded, weighted := w.Strategy == LeastLoaded, w.Strategy == Weighted
	last := lastListed{standing: standings}
	times := c.assigned[:len(m.standings)]
	for i, s := range m.standings {
		if s != able {
			continue
		}
		assigned := times[i]
		if assigned > latest {
			latest, t.latest = assigned, c.people[i].AssignedAt
		}
		if s = c.freeAt(i, at); s != able {
			t.counts[able]--
			t.counts[s]++
		}
		if s >= last.standing && i != preferred {
			switch {
			case s > last.standing || s != able:
				continue
			case leastLoaded && c.open[i] != last.open:
				if c.open[i] > last.open {
					continue
				}
			case weighted:
				if !last.outdone(&c.turns[i], assigned, t.clock) {
					continue
				}
			case assigned >= last.assigned:
				continue
			}
		}
		t.add(entry{&c.people[i], s, i})
		if t.n == MaxCandidates {
			last = c.lastListed(&t)
		}
	}
	return t.choice(now)
}

// lastListed is the last one of a full list: whoever does not come before them is only counted. People come in the order
// of ids, so that includes whoever is equal.
type lastListed struct {
	standing standing
	open     int
	assigned int64
	turns    turns
	inTurn   standingInTurn
}

func (c *Crowd) lastListed(t *tally) lastListed {
	e := t.entries[t.n-1]
	l := lastListed{standing: e.standing, open: c.open[e.index], assigned: c.assigned[e.index]}
	if t.strategy == Weighted {
		l.turns = c.turns[e.index]
		l.inTurn = t.clock.stands(&l.turns)
	}
	return l
}

// outdone reports whether somebody who can take the Chat comes by weight before the last one listed, who can too.
func (l *lastListed) outdone(t *turns, assigned int64, c clock) bool {
	if l.inTurn.begun && t.next+t.length > l.inTurn.at { // due later, whatever the clock says
		return false
	}
	if t.next != l.turns.next || t.weight != l.turns.weight { // else they stand alike
		if order := c.stands(t).compare(l.inTurn); order != 0 {
			return order < 0
		}
		if t.weight != l.turns.weight {
			return t.weight > l.turns.weight
		}
	}
	return assigned < l.assigned
}

// readClock reads the clock of a pool off its members.
func (c *Crowd) readClock(m *members, at int64) clock {
	var last int64
	inTime := slices.Grow(c.inTime[:0], len(c.people))
	all := c.turns[:len(m.standings)]
	for i, s := range m.standings {
		if s != able {
			continue
		}
		t := &all[i]
		last = max(last, t.next-t.length) // who never had a turn has none of these
		if c.freeAt(i, at) == able {
			inTime = append(inTime, *t)
		}
	}
	c.inTime = inTime
	return clockAt(last, inTime)
}
