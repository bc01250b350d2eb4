package search

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
	"time"

	"chatkeeper/infra/fixtures"
	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/invariant"
)

// posts is a delivery that is taken, whatever it holds.
func posts(name string, body []byte) action { return unkept(brings(0, name, countsNever, body)) }

// recycled is the story of a number that Alice had, then Boris, whose user id changed, then Alice again: in the order in
// which it is delivered first. Some are delivered with the user id and without it.
func recycled() [][]byte {
	shows := func(c customer.Customer, userID string, second int) []byte {
		c.Phone = alice.Phone
		if c.UserID != "" {
			c.UserID = userID
		}
		wamid := fmt.Sprint("recycled", second)
		return c.Sends(seed.SupportNumber, "", wamid, at(second), customer.Message{Text: wamid}).Body
	}
	alone := customer.Customer{Name: "Somebody"}
	return [][]byte{
		shows(alone, "", 1), shows(alice, alice.UserID, 2), shows(alone, "", 30), shows(boris, boris.UserID, 10), shows(alone, "", 12),
		shows(boris, carla.UserID, 14), calledBody(boris, 13, "recycled13", carla.UserID), shows(alone, "", 15),
		shows(alice, alice.UserID, 20), shows(alone, "", 3), shows(alone, "", 22), shows(alone, "", 14), shows(alone, "", 20), shows(boris, carla.UserID, 12),
	}
}

// I4 and I8: everything that WhatsApp delivered comes again hours later, when the queues have forgotten it, through the
// functions' binaries, and again. The second time keeps the asides that found no Chat in the first; after that nothing
// changes.
func TestDeliveriesHoursLater(t *testing.T) {
	t.Parallel()
	l := newGround(t).newLane(t)
	s := &scenario{name: "hours-later", people: there(toEveryone, agent("amira", 1000))}
	if err := l.prepare(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	bodies, err := fixtures.Deliveries()
	if err != nil {
		t.Fatal(err)
	}
	bodies = append(bodies, recycled()...)
	delivers := func(seed uint64) invariant.Snapshot {
		t.Helper()
		r := l.newRun(s, plan{scenario: s.name})
		defer r.close()
		order := slices.Clone(bodies)
		if seed != 0 {
			rand.New(rand.NewPCG(seed, 0)).Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
		}
		var phases []phase
		for i, body := range order {
			phases = append(phases, phase{posts(fmt.Sprint("delivery ", i), body)})
		}
		if err := r.tell(phases, false); err != nil {
			t.Fatalf("%v\n%s", err, r.story())
		}
		all, err := l.store.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		all.PhoneAddress = l.secret.PhoneAddress
		for _, b := range invariant.Check(all) {
			t.Error(b)
		}
		slices.SortFunc(all.Messages, func(a, b invariant.Message) int {
			return cmp.Or(cmp.Compare(a.Chat, b.Chat), cmp.Compare(a.Key.String(), b.Key.String()))
		})
		slices.SortFunc(all.Chats, func(a, b chat.Chat) int { return cmp.Compare(a.ID, b.ID) })
		if err := l.ages(t.Context(), 3*time.Hour); err != nil {
			t.Fatal(err)
		}
		return all
	}
	order := rand.Uint64()
	t.Logf("shuffled by %d", order)
	first, second, third := delivers(0), delivers(order), delivers(order+1)
	if len(first.Messages) < 100 {
		t.Fatalf("%d Messages prove little", len(first.Messages))
	}
	if len(first.Chats) != len(second.Chats) {
		t.Errorf("the second time made %d Chats of %d", len(second.Chats), len(first.Chats))
	}
	stands := func(all invariant.Snapshot) map[string]string {
		in := map[string]string{}
		for _, m := range all.Messages {
			in[m.WAMID] = m.Chat
		}
		return in
	}
	for wamid, id := range stands(first) {
		if now := stands(second)[wamid]; now != id {
			t.Errorf("%s stood in %s, and then in %s", wamid, id, now)
		}
	}
	if !reflect.DeepEqual(stands(second), stands(third)) || len(second.Messages) != len(third.Messages) {
		t.Errorf("the third time made %d Messages of %d", len(third.Messages), len(second.Messages))
	}
	for i, c := range second.Chats {
		if now := third.Chats[i]; c.Epoch != now.Epoch || c.LastIn != now.LastIn || len(c.Unread) != len(now.Unread) || c.Customer.Phone != now.Customer.Phone {
			t.Errorf("the third time made %+v of %+v", now, c)
		}
	}
	whose := map[string]string{}
	for _, c := range first.Chats {
		whose[c.ID] = c.Customer.UserID
		if c.Status == chat.Merged {
			whose[c.ID] = carla.UserID // only Boris has two
		}
	}
	for second, userID := range map[int]string{1: alice.UserID, 2: alice.UserID, 3: alice.UserID, 10: carla.UserID, 12: carla.UserID,
		14: carla.UserID, 15: carla.UserID, 20: alice.UserID, 22: alice.UserID, 30: alice.UserID} {
		wamid := fmt.Sprint("recycled", second)
		if got := whose[stands(first)[wamid]]; got != userID {
			t.Errorf("%s stands with %q, want %q", wamid, got, userID)
		}
	}
}
