package dynamo

import (
	"context"
	"crypto/rand"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Roster is everybody, kept in memory so that ten thousand people are not read for every Chat. [Store.Roster] brings it
// up to date by asking the index byChange who changed, and reads only them.
//
// # What it may not know
//
// Every write of a person sets changedAt, except one: being given a Chat, which would cost the index two units each
// time. So a person in the roster is as they are, but may have been given Chats since: by another instance, or by hand.
// Their true load, and the time and turn of their last assignment, are then greater than what stands here, and never
// smaller: whatever makes somebody freer (a Chat closed or passed on, a new limit, coming online) sets changedAt.
//
// # Why the choice is exact all the same
//
// Whoever is chosen here is given the Chat only if they are unchanged ([chat.Auto]); who was not is read again
// ([Store.Reread]) and the choice is made again. Say p was chosen and proves unchanged. Each q that p was put before has
// true values that are no better than the ones p was compared with, so p is the best by the true values too: round_robin
// and least_loaded order people by load and time of assignment, smallest first.
//
// The time that an assignment gets is later than anybody's (Choice.AssignedAt), too, as long as people are all in the
// same pools: the first assignment that is not known here went to whoever was best then; nobody's place has become better
// since, so they are still the first here, are read again, and so on until nothing is unknown. Where pools share only
// some of their people, an unknown assignment in the other pool may carry a later time by as much as the clocks of two
// instances differ. Weighted compares with the mean of everybody's turns: the first eight are read again, and what is
// not known of the others moves the mean by their few turns, until they are chosen themselves.
//
// "Nobody can take it" needs no proof: those who were given Chats unseen are only fuller than they look. What a decision
// tells of the person chosen is exact; of the others it tells what this instance knew, which may be a load that has grown.
//
// # The bound
//
// A cold instance reads everybody once (10,000 people of 300 bytes: three requests, 730 units). Later each call reads an
// index entry of 60 to 100 bytes for everybody who changed in the last minute (overlap) or since the last call, whichever is
// longer, and those of them whose changedAt is not the one known. Is that more than a tenth of all, reading everybody is
// cheaper, and is done. Nobody is ever deleted; whoever leaves is inactive. A choice among ten thousand takes some 25 µs of a
// processor, under weighted 100 ([assign.Crowd]).
type Roster struct {
	mu      sync.Mutex
	people  assign.Crowd
	stamps  map[string]string // changedAt of each, as read
	edition int64             // grows with every change of somebody

	unreadable map[string]error // by id

	// Everything that was committed before known is here. While a reading of everybody is on its way, known is when it
	// began, and behind where its next page begins.
	known  moment
	whole  bool
	behind Item

	turns int64 // of the last moment

	reading sync.Mutex // held while a page of everybody is read, so that callers who come together read it once
}

// moment is when a reading of the roster, or a call that wants one, began. Turn tells which of two began later; a clock does
// not tell it of two in one millisecond, and may be set back. At is for what the index is asked alone.
type moment struct {
	turn int64
	at   time.Time
}

func (m moment) after(other moment) bool { return m.turn > other.turn }

func (r *Roster) begins() moment {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.turns++
	return moment{r.turns, Now()}
}

// overlap is how much earlier than the last call the index is asked. changedAt is the clock of the writer when it
// decided, so a write that appears now may carry a time that has passed: by what an invocation lives (30 s) and by what
// the clocks of two machines differ.
const overlap = time.Minute

// stamp is a changedAt. What follows the time makes two writes in the same millisecond differ.
func stamp(t time.Time) string { return sortable(t) + "#" + rand.Text()[:6] }

// Roster returns everybody as committed when it was called, or later, but for what the comment of [Roster] says.
func (s *Store) Roster(ctx context.Context) (*Roster, error) {
	for {
		r, err := s.RosterAtHand(ctx)
		if r != nil || err != nil {
			return r, err
		}
	}
}

// RosterAtHand is Roster for a caller who can do without: it returns nil if everybody is neither in memory nor within
// one page. Then it has read one page more, so that sooner or later everybody is in memory.
func (s *Store) RosterAtHand(ctx context.Context) (*Roster, error) {
	r := &s.roster
	began := r.begins()
	for {
		known, whole := r.state()
		if !whole {
			if whole, err := s.nextPage(ctx); err != nil || !whole {
				return nil, err
			}
			continue
		}
		if known.after(began) {
			return r, nil // read in full, or brought up to date, by somebody who began later
		}
		asked := r.begins()
		if asked.at.Before(known.at) {
			r.forget(known) // the clock was set back: nobody knows what to ask for
			continue
		}
		changed, err := s.changedSince(ctx, known.at.Add(-overlap))
		if err != nil {
			return nil, err
		}
		ids, few := r.unknown(changed)
		if !few {
			r.forget(known)
			continue
		}
		if err := s.Reread(ctx, ids...); err != nil {
			return nil, err
		}
		r.knows(asked)
		return r, nil
	}
}

// nextPage reads on in a reading of everybody, and reports whether everybody is in memory now.
func (s *Store) nextPage(ctx context.Context) (bool, error) {
	r := &s.roster
	r.reading.Lock()
	defer r.reading.Unlock()
	if _, whole := r.state(); whole {
		return true, nil // read by another, while this call waited
	}
	began, in := r.begins(), s.partition(s.team, peoplePK)
	in.ExclusiveStartKey = r.next()
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return false, outcome("read roster", err)
	}
	r.add(out.Items)
	return r.turned(began, in.ExclusiveStartKey == nil, out.LastEvaluatedKey), nil
}

// changedSince lists who changed since then, by id, with their changedAt. It is strongly consistent.
func (s *Store) changedSince(ctx context.Context, t time.Time) (map[string]string, error) {
	in := s.partition(s.team, peoplePK)
	in.IndexName = aws.String(changeIndex)
	in.KeyConditionExpression = aws.String("pk = :pk AND changedAt >= :since")
	in.ExpressionAttributeValues[":since"] = str(sortable(t))
	changed := map[string]string{}
	err := s.each(ctx, in, func(item Item) error {
		changed[text(item["sk"])] = text(item["changedAt"])
		return nil
	})
	return changed, err
}

// Reread reads these people again, strongly consistent, into the roster.
func (s *Store) Reread(ctx context.Context, ids ...string) error {
	for part := range slices.Chunk(ids, maxBatch) {
		keys := make([]Item, 0, len(part))
		for _, id := range part {
			keys = append(keys, key(peoplePK, id))
		}
		items, err := s.getBatch(ctx, s.team, keys, true)
		if err != nil {
			return err
		}
		s.roster.add(items)
	}
	return nil
}

// maxBatch is how many items DynamoDB reads in one request by their keys.
const maxBatch = 100

// Choose picks who of the roster gets a Chat. The roster may not know of Chats that others gave to people, so whoever is
// chosen is read again before anybody acts on it: a read costs a tenth of a refused transaction. If that told nothing new,
// the choice stands. If they turn out to be less free, so may be those behind them, and they are read together; under
// weighted at once, because there everybody's turn counts. The transaction still decides: it takes the person only if
// unchanged. "Nobody" stands without a second look; see [Roster].
func (s *Store) Choose(ctx context.Context, people *Roster, w assign.Want, now func() time.Time) (assign.Choice, error) {
	read := map[string]bool{}
	for {
		edition := people.Edition()
		choice := people.Choose(w, now())
		if choice.Person == nil || read[choice.Person.ID] {
			return choice, nil
		}
		again := choice.Candidates
		if len(read) == 0 && w.Strategy != assign.Weighted {
			again = again[:1]
		}
		var ids []string
		for _, c := range again {
			ids = append(ids, c.PersonID)
			read[c.PersonID] = true
		}
		if err := s.Reread(ctx, ids...); err != nil || people.Edition() == edition {
			return choice, err
		}
	}
}

// Choose is [assign.Choose] among everybody as known here. The person in the answer is a copy.
func (r *Roster) Choose(w assign.Want, now time.Time) assign.Choice {
	r.mu.Lock()
	defer r.mu.Unlock()
	choice := r.people.Choose(w, now)
	if choice.Person != nil {
		p := *choice.Person
		choice.Person = &p
	}
	return choice
}

// Edition is another one whenever somebody in the roster has become another: a choice made since the edition was asked
// for stands as long as it is the same.
func (r *Roster) Edition() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.edition
}

func (r *Roster) state() (known moment, whole bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.known, r.whole
}

// unknown lists those whose changedAt is not the one that stands here, and whether they are few enough to be read one
// by one: each costs a unit, thirteen in a row cost one.
func (r *Roster) unknown(changed map[string]string) (ids []string, few bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, stamp := range changed {
		if known, ok := r.stamps[id]; !ok || known != stamp {
			ids = append(ids, id)
		}
	}
	for id := range r.unreadable { // somebody may have mended them, and no time tells
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, len(ids) <= max(maxBatch, r.people.Len()/10)
}

// add takes people as they were read, unless what stands here is newer: every write of a person raises Changed. One who
// can't be read keeps nobody else from being chosen: they stand here as somebody who may do nothing.
func (r *Roster) add(items []Item) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stamps == nil {
		r.stamps, r.unreadable = map[string]string{}, map[string]error{}
	}
	for _, item := range items {
		id := text(item["sk"])
		it, err := unmarshal[personItem](item)
		if err != nil {
			r.unreadable[id] = err
			r.put(team.Person{ID: id, Changed: -1}, text(item["changedAt"]))
			continue
		}
		if here, ok := r.people.Person(id); !ok || it.Changed > here.Changed {
			delete(r.unreadable, id)
			r.put(it.person(), it.ChangedAt)
		}
	}
}

func (r *Roster) put(p team.Person, stamp string) {
	r.people.Put(p)
	r.stamps[p.ID] = stamp
	r.edition++
}

// Unreadable are those who can't be read, by id, and why.
func (r *Roster) Unreadable() map[string]error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.unreadable)
}

// assigned notes an assignment of this instance. It was conditioned on the person being as chosen, so nothing else has
// happened to them in between.
func (r *Roster) assigned(a chat.Auto) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p, ok := r.people.Person(a.Person.ID)
	if !ok || p.Changed != a.Person.Changed {
		return
	}
	p.Changed++
	p.OpenChats++
	p.AssignedAt = a.At
	if a.Turn != 0 {
		p.Turn = a.Turn
	}
	r.people.Put(p)
	r.edition++
}

func (r *Roster) knows(until moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if until.after(r.known) {
		r.known = until
	}
}

// forget begins a reading of everybody, unless somebody did so since the roster was seen to be known until then. What
// stands here stays until it is replaced.
func (r *Roster) forget(known moment) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known.turn == known.turn {
		r.whole, r.behind = false, nil
	}
}

func (r *Roster) next() Item {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.behind
}

// turned notes that a page was read, and reports whether it was the last one.
func (r *Roster) turned(began moment, first bool, behind Item) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if first {
		r.known = began
	}
	r.whole, r.behind = behind == nil, behind
	return r.whole
}
