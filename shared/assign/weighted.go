package assign

import (
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
//   - Whoever's turn was due before the last one that anybody in the pool got was away, full or elsewhere meanwhile. They
//     get the next Chat, and go on from the clock as it is now: what they missed is not made up for.
//   - Somebody new is like that, but in a pool where hardly a Chat was given yet they stand at its beginning with the rest.
//   - A new weight counts from the beginning of the last turn on.
//   - Who was chosen for another reason, before their turn had begun, goes on from the clock too.
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

// turn is when the person's next turn begins and is due.
func turn(p *team.Person) (begins, due int64) {
	begins = firstTurn
	if p.Turn > 0 {
		begins = p.Turn + turnLength/weight(p)
	}
	return begins, begins + turnLength/weight(p)
}

// clock is a pool's virtual time: last + sum / weights.
type clock struct {
	last    int64 // the latest turn that anybody in the pool had
	sum     int64 // of weight * (beginning of the next turn - last) over those who can take the Chat and are not behind
	weights int64 // of the same; 0 when all are behind
}

// readClock reads the clock of a pool off its people.
func readClock(w Want, people []team.Person, now time.Time) clock {
	var c clock
	for i := range people {
		if p := &people[i]; p.Turn > c.last && w.Pool.standing(p) == able {
			c.last = p.Turn
		}
	}
	for i := range people {
		p := &people[i]
		if w.Pool.standing(p) != able || w.free(p, now) != able || c.behind(p) {
			continue
		}
		begins, _ := turn(p)
		c.sum += weight(p) * (begins - c.last)
		c.weights += weight(p)
	}
	return c
}

// behind reports whether the pool went on without the person.
func (c clock) behind(p *team.Person) bool {
	_, due := turn(p)
	return due <= c.last
}

func (c clock) now() int64 {
	if c.weights == 0 {
		return c.last
	}
	return c.last + c.sum/c.weights
}

// place is the order in which people are served: those behind, then those whose turn has begun by when it is due, then
// the others by when it begins.
func (c clock) place(p *team.Person) (rank int, at int64) {
	begins, due := turn(p)
	switch {
	case c.behind(p):
		return 0, 0
	case c.weights*(begins-c.last) <= c.sum:
		return 1, due
	}
	return 2, begins
}

// turnOf is the turn that the person has with this Chat.
func (c clock) turnOf(p *team.Person) int64 {
	begins, _ := turn(p)
	if c.behind(p) {
		return max(c.now(), firstTurn)
	}
	return max(min(begins, c.now()), firstTurn)
}
