package dynamo

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/costs/units"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// reads counts the read requests of a client and the units that DynamoDB bills for them.
type reads struct {
	mu       sync.Mutex
	requests int
	units    float64
}

func (r *reads) add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("reads", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		switch in := in.Parameters.(type) {
		case *dynamodb.QueryInput:
			in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		case *dynamodb.BatchGetItemInput:
			in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		case *dynamodb.GetItemInput:
			in.ReturnConsumedCapacity = types.ReturnConsumedCapacityTotal
		}
		out, meta, err := next.HandleInitialize(ctx, in)
		if err != nil {
			return out, meta, err
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.requests++
		switch out := out.Result.(type) {
		case *dynamodb.QueryOutput:
			r.units += *out.ConsumedCapacity.CapacityUnits
		case *dynamodb.BatchGetItemOutput:
			r.units += *out.ConsumedCapacity[0].CapacityUnits
		case *dynamodb.GetItemOutput:
			r.units += *out.ConsumedCapacity.CapacityUnits
		}
		return out, meta, err
	}), middleware.Before)
}

// of runs do and returns what it read.
func (r *reads) of(do func()) (requests int, units float64) {
	r.requests, r.units = 0, 0
	do()
	return r.requests, r.units
}

type rosterStage struct {
	*testing.T
	*Store // healthy, counted by nobody
	db     *dynamodb.Client
	tables map[string]string
}

func newRosterStage(t *testing.T, people int) *rosterStage {
	t.Helper()
	tables, db := serverstest.Tables(t), serverstest.DynamoDB(t)
	s := &rosterStage{T: t, Store: New(db, tables["ChatsTable"], tables["TeamTable"]), db: db, tables: tables}
	before := Now().Add(-time.Hour)
	var all sync.WaitGroup
	slots := make(chan bool, 8)
	var failed atomic.Pointer[error]
	for first := 0; first < people; first += 25 {
		var writes []types.WriteRequest
		for i := first; i < min(first+25, people); i++ {
			item, err := marshal(newPersonItem(rosterPerson(i), before))
			s.must(err)
			writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
		}
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			if _, err := db.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{s.tables["TeamTable"]: writes}}); err != nil {
				failed.Store(&err)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		t.Fatal(*err)
	}
	return s
}

// rosterPerson has 300 bytes, as people do.
func rosterPerson(i int) team.Person {
	id := fmt.Sprintf("person-%05d", i)
	return team.Person{ID: id, Name: "Somebody with a Name " + id, Email: "somebody.with.a.name.that.is.rather.long." + id + "@customer-support.example.com", Role: team.Agent, Active: true,
		Availability: team.Online, Limit: 5, Weight: 1, Teams: []string{"customer-support"}, Languages: []string{"en", "es"}}
}

func (s *rosterStage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// instance is another process of the assigner, with a roster of its own.
func (s *rosterStage) instance(options ...func(*middleware.Stack) error) *Store {
	return New(dynamodb.New(s.db.Options(), dynamodb.WithAPIOptions(options...)), s.tables["ChatsTable"], s.tables["TeamTable"])
}

// edits changes a person as another instance would, with that instance's clock.
func (s *rosterStage) edits(i int, clock time.Time, edit func(*team.Person)) {
	s.Helper()
	_, err := s.UpdatePerson(s.Context(), rosterPerson(i).ID, clock, func(p *team.Person) error { edit(p); return nil })
	s.must(err)
}

var rosterPool = assign.Pool{Team: "customer-support"}

// current is the roster of an instance, brought up to date, by id.
func (s *rosterStage) current(instance *Store) map[string]team.Person {
	s.Helper()
	r, err := instance.Roster(s.Context())
	s.must(err)
	all := map[string]team.Person{}
	for _, p := range r.people.People() {
		all[p.ID] = p
	}
	return all
}

// crowd is more than one page of people; ten thousand in `make soak`, because the local server takes half a minute for them.
func crowd() int {
	if os.Getenv("CHATKEEPER_SOAK") != "" {
		return 10_000
	}
	return 5_000
}

// The stated bound: a cold instance reads everybody once, the fast path a page a call; later a call costs what changed
// in the last minute, whether there are ten people or ten thousand.
func TestRosterReads(t *testing.T) {
	t.Parallel()
	for _, people := range []int{10, crowd()} {
		t.Run(fmt.Sprint(people), func(t *testing.T) {
			t.Parallel()
			s := newRosterStage(t, people)
			everybody := float64(people)*300/4096 + 2 // units
			r := &reads{}
			warm := s.instance(r.add)
			for _, step := range []struct {
				what     string
				change   func()
				requests int
				units    float64
			}{
				{"cold", func() {}, people/3000 + 2, everybody},
				{"nobody changed", func() {}, 1, 1},
				{"two changed", func() {
					s.edits(3, Now(), func(p *team.Person) { p.Availability = team.Away })
					s.edits(4, Now(), func(p *team.Person) { p.Limit = 7 })
				}, 2, 3},
				{"nobody since, two in the last minute", func() {}, 1, 1},
			} {
				step.change()
				requests, units := r.of(func() {
					if got := len(s.current(warm)); got != people {
						t.Fatalf("%s: there are %d people", step.what, got)
					}
				})
				t.Logf("%s: %d requests, %.1f units", step.what, requests, units)
				if requests > step.requests || units > step.units || requests == 0 {
					t.Errorf("%s: %d requests and %.1f units, want at most %d and %.1f", step.what, requests, units, step.requests, step.units)
				}
			}
			if p := s.current(warm)[rosterPerson(4).ID]; p.Limit != 7 {
				t.Errorf("the new limit is not seen: %+v", p)
			}
			s.pageByPage(people)
		})
	}
}

// pageByPage sees that the fast path reads a page at most, and has everybody after some calls.
func (s *rosterStage) pageByPage(people int) {
	s.Helper()
	r := &reads{}
	cold := s.instance(r.add)
	for call := 1; call <= 10; call++ {
		var got *Roster
		requests, _ := r.of(func() {
			var err error
			got, err = cold.RosterAtHand(s.Context())
			s.must(err)
		})
		if got == nil && requests != 1 {
			s.Fatalf("call %d made %d requests and has no roster", call, requests)
		}
		if got != nil {
			if got.people.Len() != people || (people == 10) != (call == 1) {
				s.Errorf("call %d answers with %d people", call, got.people.Len())
			}
			return
		}
	}
	s.Error("ten calls did not read everybody")
}

// No wake-up is lost: whatever lets a person take a Chat shows in the next call, though the writer's clock is behind, or
// wrote twice in one millisecond, or the person is new.
func TestRosterSeesWhoeverGetsFree(t *testing.T) {
	t.Parallel()
	s := newRosterStage(t, 3)
	warm := s.instance()
	s.current(warm)
	now := Now()
	limit := func(i int) int { return s.current(warm)[rosterPerson(i).ID].Limit }

	s.edits(0, now.Add(-40*time.Second), func(p *team.Person) { p.Limit = 6 })
	if limit(0) != 6 {
		t.Error("a write is not seen whose time has passed")
	}
	for n := range 5 { // all in the same millisecond, each seen before the next
		s.edits(1, now, func(p *team.Person) { p.Limit = 10 + n })
		if got := limit(1); got != 10+n {
			t.Errorf("the write that makes the limit %d, in the same millisecond as others, is not seen: %d", 10+n, got)
		}
	}
	p := rosterPerson(3)
	s.must(s.AddPerson(t.Context(), p, now))
	if limit(3) != p.Limit {
		t.Error("somebody new is not seen")
	}
	s.edits(3, now, func(p *team.Person) { p.Active = false })
	if s.current(warm)[p.ID].Active {
		t.Error("somebody deactivated seems active")
	}
}

// A clock that was set back lets an instance neither answer from memory nor ask the index for what is yet to come: it reads
// everybody once, and from then on goes by the clock as it is.
func TestRosterWhenTheClockIsSetBack(t *testing.T) {
	t.Parallel()
	s := newRosterStage(t, 3)
	r := &reads{}
	warm := s.instance(r.add)
	s.current(warm)
	warm.roster.known.at = Now().Add(time.Hour) // it was read by a clock that has been set back since
	for _, limit := range []int{6, 7} {
		s.edits(0, Now(), func(p *team.Person) { p.Limit = limit })
		if got := s.current(warm)[rosterPerson(0).ID].Limit; got != limit {
			t.Errorf("the limit is %d, want %d", got, limit)
		}
	}
	if requests, _ := r.of(func() { s.current(warm) }); requests != 1 {
		t.Errorf("when nobody has changed, it makes %d requests", requests)
	}
}

// A reading counts for those who ask before it begins, and for nobody else: not for whoever asks in the same millisecond.
func TestWhoseReadingCounts(t *testing.T) {
	t.Parallel()
	s := newRosterStage(t, 3)
	r := &reads{}
	warm := s.instance(r.add)
	s.current(warm)
	first := warm.roster.begins()
	second := warm.roster.begins()
	second.at = first.at
	warm.roster.knows(second)
	if known, _ := warm.roster.state(); !known.after(first) || known.after(second) {
		t.Errorf("%+v counts, or not, for %+v", known, first)
	}
	warm.roster.knows(first)
	if known, _ := warm.roster.state(); known != second {
		t.Errorf("one that began earlier and ended later made it %+v", known)
	}
	warm.roster.forget(first)
	if _, whole := warm.roster.state(); !whole {
		t.Error("forgotten, though it was brought up to date meanwhile")
	}
	third := warm.roster.begins()
	third.at = Now().Add(time.Hour)
	warm.roster.knows(third)
	warm.roster.knows(warm.roster.begins()) // by a clock that was set back
	if known, _ := warm.roster.state(); !known.after(third) || !known.at.Before(third.at) {
		t.Errorf("the last reading left %+v", known)
	}
}

// What the comment of Roster, and the README, say of a cold instance, by AWS's published rules: a page has 1 MB, a unit of a
// strongly consistent read 4 KB. The local server's pages are a little smaller.
func TestUnitsOfAColdRoster(t *testing.T) {
	t.Parallel()
	pages, total, page := 1, 0, 0
	rounded := func(bytes int) int { return (bytes + 4095) / 4096 }
	for i := range 10_000 {
		item, err := marshal(newPersonItem(rosterPerson(i), Now()))
		if err != nil {
			t.Fatal(err)
		}
		n := units.Size(item)
		if n < 295 || n > 300 {
			t.Fatalf("a person has %d bytes", n)
		}
		if page+n > 1<<20 {
			pages, total, page = pages+1, total+rounded(page), 0
		}
		page += n
	}
	if total += rounded(page); pages != 3 || total < 720 || total > 733 {
		t.Errorf("%d requests, %d units", pages, total)
	}
}

// waiting makes a Chat that waits for the pool.
func (s *rosterStage) waiting(n int) chat.Chat {
	s.Helper()
	now := Now()
	m := chat.Message{Key: chat.Secret("s").Key(now.Unix(), fmt.Sprint(n)), Direction: chat.In, Type: "text", Text: "hello", Arrived: now}
	c := chat.Chat{ID: fmt.Sprintf("chat-%d", n), Number: "1"}
	placed := chat.Placed{Routing: assign.Routing{RuleID: "r", Pool: rosterPool, Strategy: assign.RoundRobin}, Message: m.Key}
	s.must(s.Commit(s.Context(), c.Opens(now, placed, chat.Arrival{Message: m, Preview: "hello"})))
	read, err := s.Chat(s.Context(), c.ID)
	s.must(err)
	return *read
}

// gives assigns a Chat by the roster of an instance.
func (s *rosterStage) gives(instance *Store, c chat.Chat) (assign.Choice, error) {
	s.Helper()
	r, err := instance.Roster(s.Context())
	s.must(err)
	now := Now()
	choice := r.Choose(assign.Want{Pool: rosterPool, Strategy: assign.RoundRobin}, now)
	if choice.Person == nil {
		return choice, nil
	}
	auto := chat.Auto{Person: *choice.Person, Pool: rosterPool, Now: now, At: choice.AssignedAt}
	return choice, instance.Commit(s.Context(), c.Assigned(now, auto, assign.Decision{RuleID: "r"}.With(choice)))
}

// An assignment of another instance is not in the index, so it is not seen; the transaction refuses whoever was chosen
// for that, and read again they are as they are. One's own assignments are known without a read.
func TestRosterAndAssignments(t *testing.T) {
	t.Parallel()
	s := newRosterStage(t, 2)
	r := &reads{}
	one, two := s.instance(r.add), s.instance()
	s.current(one)
	s.current(two)
	first := rosterPerson(0).ID

	c := s.waiting(0)
	choice, err := s.gives(one, c)
	s.must(err)
	if choice.Person.ID != first {
		t.Fatalf("it went to %s", choice.Person.ID)
	}
	requests, _ := r.of(func() {
		if p := s.current(one)[first]; p.OpenChats != 1 || p.Changed != 1 || !p.AssignedAt.Equal(choice.AssignedAt) {
			t.Errorf("one does not know its own assignment: %+v", p)
		}
	})
	if requests != 1 {
		t.Errorf("that took %d requests", requests)
	}
	if p := s.current(two)[first]; p.OpenChats != 0 {
		t.Errorf("two knows the assignment, so the index was written: %+v", p)
	}
	if _, err := s.gives(two, s.waiting(1)); !Again(err) {
		t.Errorf("a person who had changed was accepted: %v", err)
	}
	s.must(two.Reread(t.Context(), first))
	if p := s.current(two)[first]; p.OpenChats != 1 || p.Changed != 1 {
		t.Errorf("read again: %+v", p)
	}

	owned, err := s.Chat(t.Context(), c.ID)
	s.must(err)
	s.must(s.Commit(t.Context(), owned.Closes(Now(), chat.Actor{Kind: chat.ByPerson, ID: first})))
	for i, instance := range []*Store{one, two} {
		if p := s.current(instance)[first]; p.OpenChats != 0 || p.Changed != 2 {
			t.Errorf("instance %d did not see that a Chat was closed: %+v", i, p)
		}
	}
}

// What many read and write at once ends as it is stored.
func TestRosterSharedByMany(t *testing.T) {
	t.Parallel()
	s := newRosterStage(t, 8)
	warm := s.instance()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for n := range 5 {
				if _, err := s.UpdatePerson(t.Context(), rosterPerson(i).ID, Now(), func(p *team.Person) error { p.Limit = 100 + n; return nil }); err != nil {
					t.Error(err)
				}
				r, err := warm.Roster(t.Context())
				if err != nil {
					t.Error(err)
					return
				}
				r.Choose(assign.Want{Pool: rosterPool, Strategy: assign.LeastLoaded}, Now())
			}
		})
	}
	all.Wait()
	stored, err := s.People(t.Context())
	s.must(err)
	current := s.current(warm)
	for _, p := range stored {
		if got := current[p.ID]; got.Limit != p.Limit || got.Changed != p.Changed || !slices.Equal(got.Teams, p.Teams) {
			t.Errorf("%s is %+v, and here %+v", p.ID, p, got)
		}
	}
}
