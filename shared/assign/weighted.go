package assign

import (
	"cmp"
	"time"

	"chatkeeper/shared/team"
)

// Weighted shares the Chats of a pool out by the weights of its people, smoothly: of n Chats among people who can all
// take them, each has n times their part of all weights, and never a whole Chat more or less. It is earliest deadline
// first over turns, which is known to be as even as whole Chats can be.
//
// Time is virtual. A person's turns follow each other turnLength divided by their weight apart; a turn begins, and is due
// when the next one begins. The pool's clock is where everybody would stand if Chats could be cut in pieces: the mean of
// the beginnings of everybody's next turn, by weight. Whoever's turn has begun by that clock may get the Chat, and of
// those the one whose turn is due first gets it.
//
// All that is kept is Person.Turn, the beginning of the last turn. The clock is read off the people, so that nothing
// has to be told when somebody comes, goes or gets another weight:
//
//   - Whoever's next turn is overdue by that clock was away, full or elsewhere meanwhile. They are owed that one Chat; what
//     else they missed is not made up for.
//   - Somebody new is like that, but in a pool where hardly a Chat was given yet they stand at its beginning with the rest.
//   - A new weight counts from the beginning of the last turn on.
//   - Who is given a Chat out of turn, as the previous Assignee, has had a turn with it, and goes on from the clock.
//
// Turns are the person's, not the pool's: somebody in two pools has had a Chat wherever it came from.
const (
	// turnLength is the length of a turn at weight 1. It is a multiple of all weights up to 22 and of most round ones, and
	// of the others so nearly that no share is off by more than a few millionths.
	turnLength int64 = 6_983_776_800
	// firstTurn is where everybody begins; 0 would be a turn that nobody had.
	firstTurn int64 = 1
	// maxWeight is the greatest weight that counts as it is: with it, sums over ten thousand people are exact.
	maxWeight = 10_000
)

// weight is the person's weight as it counts: at least 1.
func weight(p *team.Person) int64 { return int64(min(max(p.Weight, 1), maxWeight)) }

// turns are how a person stands by weight, whatever the clock says.
type turns struct {
	next   int64 // when the next one would begin if they had never been away; a length after the last one
	length int64
	weight int64
}

func turnsOf(p *team.Person) turns {
	t := turns{next: firstTurn, weight: weight(p)}
	t.length = turnLength / t.weight
	if p.Turn != 0 {
		t.next = p.Turn + t.length
	}
	return t
}

// clock is a pool's virtual time: last + sum / weights.
type clock struct {
	last    int64 // the latest turn that anybody in the pool had
	sum     int64 // of weight * (beginning of the next turn - last) over those whose turn is not overdue, less what the others are owed
	weights int64 // of those whose turn is not overdue; at least 1
}

// readClock reads the clock of a pool off its people.
func readClock(w Want, people []team.Person, now time.Time) clock {
	var last int64
	inTime := make([]turns, 0, len(people))
	for i := range people {
		p := &people[i]
		if w.Pool.standing(p) != able {
			continue
		}
		last = max(last, p.Turn)
		if w.free(p, now) == able {
			inTime = append(inTime, turnsOf(p))
		}
	}
	return clockAt(last, inTime)
}

// clockAt reads the clock off those who can take the Chat. It uses up the list.
func clockAt(last int64, inTime []turns) clock {
	c := clock{last: last, weights: 1}
	// Who is overdue counts as if their turn were due at this moment, so the clock is later with every one of them, and more
	// may be overdue. It ends: whoever is due last is not.
	overdue := 0
	for before := -1; len(inTime) > 0 && len(inTime) != before; {
		before = len(inTime)
		c.sum, c.weights = -int64(overdue)*turnLength, 0
		for i := range inTime {
			begins, _ := c.turn(&inTime[i])
			c.sum += inTime[i].weight * (begins - c.last)
			c.weights += inTime[i].weight
		}
		left := 0
		for i := range inTime {
			if c.overdue(&inTime[i]) {
				continue
			}
			if left < i {
				inTime[left] = inTime[i]
			}
			left++
		}
		inTime = inTime[:left]
		overdue += before - left
	}
	return c
}

// turn is when the next turn begins and is due: not earlier than one that was due with the last that anybody had.
func (c clock) turn(t *turns) (begins, due int64) {
	begins = max(t.next, c.last-t.length)
	return begins, begins + t.length
}

// passed reports whether the clock has come to a moment.
func (c clock) passed(at int64) bool { return c.weights*(at-c.last) <= c.sum }

func (c clock) now() int64 { return c.last + c.sum/c.weights }

// overdue reports whether the pool went on without the person for longer than a turn of theirs.
func (c clock) overdue(t *turns) bool {
	_, due := c.turn(t)
	return c.passed(due)
}

// standingInTurn is where somebody stands in the order in which people are served.
type standingInTurn struct {
	begun bool  // first those whose turn has begun,
	at    int64 // by when it is due; the others by when it begins
	since int64 // then, of those who are due at once, whoever has been for longer
}

func (c clock) stands(t *turns) standingInTurn {
	begins, due := c.turn(t)
	if c.passed(begins) {
		return standingInTurn{true, due, t.next - begins}
	}
	return standingInTurn{false, begins, 0}
}

func (a standingInTurn) compare(b standingInTurn) int {
	switch {
	case a.begun && !b.begun:
		return -1
	case b.begun && !a.begun:
		return 1
	case a.at != b.at:
		return cmp.Compare(a.at, b.at)
	}
	return cmp.Compare(a.since, b.since)
}

// turnOf is the turn that the person has with this Chat.
func (c clock) turnOf(t *turns) int64 {
	begins, due := c.turn(t)
	if c.passed(due) {
		begins = c.now() - t.length
	}
	return max(min(begins, c.now()), firstTurn)
}
