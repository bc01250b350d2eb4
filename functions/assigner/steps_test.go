package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/costs/units"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

// inSteps is a rules document whose pools open one after the other.
const inSteps = `{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"},
	{"team": "sales", "strategy": "least_loaded", "after": "5m"}, {"team": "everyone", "strategy": "round_robin", "after": "10m"}]}}`

// timers are all that are armed, due or not.
func (w *world) timers() []chat.Timer {
	w.Helper()
	var all []chat.Timer
	for shard := range dynamo.TimerShards {
		page, err := w.store.Due(w.Context(), shard, w.now().Add(30*24*time.Hour), "", 100)
		w.must(err)
		all = append(all, page.Timers...)
	}
	return all
}

// steps opens what the timers say, as the sweeper does when they are due, and returns how many steps opened.
func (w *world) steps() int {
	w.Helper()
	opened := 0
	for _, t := range w.timers() {
		did, err := w.store.Widen(w.Context(), t, nil, w.now())
		w.must(err)
		if did {
			opened++
		}
	}
	return opened
}

// A Chat that nobody can take gets one pool more at each step, keeps its place in time, and is given away once, by
// whichever of its pools has somebody first.
func TestStepsOpenFurtherPools(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 1, "sales"))
	w.set("dan", team.Offline)
	w.saveRules(inSteps)
	w.receives(text("US.1", "", "hello", morning))
	if armed := w.timers(); len(armed) != 0 {
		t.Fatalf("%d timers are armed before anybody looked for somebody", len(armed))
	}
	w.serves(support)
	before := w.only()
	armed := w.timers()
	if len(armed) != 1 || !armed[0].Due.Equal(before.WaitingSince.Add(5*time.Minute)) || armed[0].Entry.Pool != "team:sales" || armed[0].Entry.Step != 1 {
		t.Fatalf("armed: %+v", armed)
	}
	if w.steps() != 1 {
		t.Fatal("the step did not open")
	}
	after := w.only()
	if !slices.Equal(after.Pools, []string{"team:sales", support}) || !after.WaitingSince.Equal(before.WaitingSince) ||
		after.Epoch != before.Epoch || after.Routed != before.Routed {
		t.Errorf("it became %+v", after.Ownership)
	}
	if first, err := w.store.Entry(t.Context(), after.ID, support); err != nil || first == nil || first.Step != 0 || first.Because == "" || first.Strategy != "round_robin" {
		t.Errorf("the entry of the first pool became %+v (%v)", first, err)
	}
	w.set("dan", team.Away) // another reason: the first pool is served again, and its step is not armed again
	w.serves(support)
	if armed := w.timers(); len(armed) != 0 {
		t.Errorf("armed again: %+v", armed)
	}
	w.serves("team:sales")
	if armed := w.timers(); len(armed) != 1 || armed[0].Entry.Step != 2 || armed[0].Entry.Pool != everyone {
		t.Fatalf("armed: %+v", armed)
	}
	w.steps()
	w.set("dan", team.Online)
	w.serves("team:sales")
	c := w.only()
	if c.Owner != "dan" || len(c.Pools) != 0 {
		t.Errorf("it became %+v", c.Ownership)
	}
	var seen []string
	for _, e := range w.checked().Events {
		said := string(e.Type)
		if e.Decision != nil {
			said += fmt.Sprint(" ", e.Decision.Pool, " ", e.Decision.Step)
		}
		seen = append(seen, said)
	}
	slices.Sort(seen)
	want := []string{"assigned team:sales 1", "created team:support 0", "waiting team:sales 1", "waiting team:support 0",
		"widened team:everyone 2", "widened team:sales 1"}
	if seen = slices.Compact(seen); !slices.Equal(seen, want) {
		t.Errorf("the history says %q", seen)
	}
}

// set changes somebody's availability.
func (w *world) set(id string, a team.Availability) {
	w.Helper()
	_, err := w.store.UpdatePerson(w.Context(), id, dynamo.Now(), func(p *team.Person) error { p.Availability = a; return nil })
	w.must(err)
}

// I1, I2, I5, I6 with two pools open to every Chat, served at once by people who are in one of them or in both.
func TestTwoOpenPoolsAtOnce(t *testing.T) {
	t.Parallel()
	people := []team.Person{agent("amira", 4, "support"), agent("dan", 4, "sales"), agent("mei", 4, "support", "sales")}
	w := newWorld(t, people...)
	for _, p := range people {
		w.set(p.ID, team.Offline)
	}
	w.saveRules(inSteps)
	w.customers(16)
	w.serves(support)
	if n := w.steps(); n != 16 {
		t.Fatalf("%d steps opened", n)
	}
	w.serves("team:sales")
	w.checked()
	for _, p := range people {
		w.set(p.ID, team.Online)
	}
	var all sync.WaitGroup
	for _, pool := range []string{support, "team:sales"} {
		all.Go(func() {
			err := errToBeContinued
			for errors.Is(err, errToBeContinued) { // as the signal that is sent then would
				err = w.serve(t.Context(), queue.Signal{Pool: pool})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	now := w.checked()
	owned := 0
	for _, c := range now.Chats {
		if c.Owner != "" {
			owned++
		}
	}
	if owned != 12 || len(now.Entries) != 8 {
		t.Errorf("%d Chats are owned, want 12; %d entries wait, want 8", owned, len(now.Entries))
	}
}

// A timer that does not apply any more does nothing and goes, whatever ended the waiting it was armed for; that of the
// new waiting stays.
func TestTimersThatNoLongerApply(t *testing.T) {
	t.Parallel()
	for name, ends := range map[string]func(*world, string){
		"assigned": func(w *world, _ string) { w.set("dan", team.Online); w.serves(support) },
		"assigned and closed": func(w *world, id string) {
			w.set("dan", team.Online)
			w.serves(support)
			w.closes(id)
		},
		"assigned, closed, re-opened": func(w *world, id string) {
			w.set("dan", team.Online)
			w.serves(support)
			w.closes(id)
			w.set("dan", team.Offline)
			w.receives(text("US.1", "", "again", morning.Add(time.Hour)))
			w.serves(support)
		},
		"routed again": func(w *world, _ string) { w.saveRules(inSteps); w.serves(support) },
		"passed on": func(w *world, id string) {
			_, err := w.store.Update(w.Context(), id, func(c chat.Chat) (*chat.Change, error) {
				change := c.PassedTo(w.now(), chat.Actor{Kind: chat.ByRule}, "sales", "")
				return &change, nil
			})
			w.must(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 1, "support"))
			w.set("dan", team.Offline)
			w.saveRules(inSteps)
			w.receives(text("US.1", "", "hello", morning))
			w.serves(support)
			old := w.timers()
			if len(old) != 1 {
				t.Fatalf("armed: %+v", old)
			}
			ends(w, w.only().ID)
			before := w.only()
			if did, err := w.store.Widen(t.Context(), old[0], nil, w.now()); did || err != nil {
				t.Errorf("the step opened: %t, %v", did, err)
			}
			if after := w.only(); !slices.Equal(after.Pools, before.Pools) || after.Epoch != before.Epoch {
				t.Errorf("it became %+v", after.Ownership)
			}
			for _, armed := range w.timers() {
				if armed.Entry.Epoch == old[0].Entry.Epoch && armed.Entry.Routed == old[0].Entry.Routed {
					t.Error("the old timer is still there")
				}
				if !armed.Applies(w.only()) {
					t.Errorf("a timer that does not apply is armed: %+v", armed)
				}
			}
			waitsAgain := before.Waiting() && before.RulesVersion != chat.ByHand
			if n := len(w.timers()); waitsAgain != (n == 1) {
				t.Errorf("%d timers are armed", n)
			}
		})
	}
}

// A Chat that is routed again begins with the first pool; a step whose time has passed is due at once, counted from when
// the Chat began to wait.
func TestRoutedAgainBeginsWithTheFirstPool(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.saveRules(inSteps)
	start := dynamo.Now()
	w.receives(text("US.1", "", "hello", morning))
	w.serves(support)
	w.steps()
	w.assigner.now = func() time.Time { return start.Add(time.Hour) }
	w.saveRules(inSteps)
	w.serves("team:sales") // routes it again
	if c := w.only(); !slices.Equal(c.Pools, []string{support}) || c.Routed != 2 {
		t.Fatalf("it waits in %v, routed %d times", c.Pools, c.Routed)
	}
	w.serves(support)
	page, due := dynamo.TimerPage{}, 0
	for shard := range dynamo.TimerShards {
		var err error
		page, err = w.store.Due(t.Context(), shard, w.now(), "", 10)
		w.must(err)
		due += len(page.Timers)
	}
	if due != 1 {
		t.Errorf("%d timers are due, want the one whose time has passed", due)
	}
}

// A pool that is served while the rules of its Chats can't be loaded, so that nobody knows which step is ahead, arms it
// when it is served again and they can; once.
func TestAStepOfRulesThatCouldNotBeLoaded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.saveRules(inSteps)
	w.receives(text("US.1", "", "hello", morning))
	id := w.only().ID
	serves := func(armed int) {
		t.Helper()
		w.serves(support, id)
		e, err := w.store.Entry(t.Context(), id, support)
		w.must(err)
		if n := len(w.timers()); n != armed || e.Because == "" {
			t.Errorf("%d timers are armed, want %d; nobody, because %q", n, armed, e.Because)
		}
	}
	w.rewritesRules(2, "not JSON")
	serves(0)
	serves(0)
	dan := agent("dan", 1, "support")
	dan.Availability = team.Away
	w.must(w.store.AddPerson(t.Context(), dan, dynamo.Now())) // another reason
	serves(0)
	w.rewritesRules(2, inSteps)
	serves(1)
	serves(1)
	if w.steps() != 1 {
		t.Error("the step did not open")
	}
	serves(0)
	w.checked()
}

// rewritesRules puts another document in the place of a version, which no function does.
func (w *world) rewritesRules(version int64, doc string) {
	w.Helper()
	_, err := serverstest.DynamoDB(w).UpdateItem(w.Context(), &dynamodb.UpdateItemInput{TableName: aws.String(w.tables["TeamTable"]),
		Key:                       dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "R"}, "sk": &types.AttributeValueMemberS{Value: fmt.Sprintf("V#%08d", version)}},
		UpdateExpression:          aws.String("SET doc = :doc"),
		ExpressionAttributeValues: dynamo.Item{":doc": &types.AttributeValueMemberS{Value: doc}}})
	w.must(err)
	w.must(w.store.SaveSettings(w.Context(), team.Settings{})) // so that every instance loads it
}

// A rule that names a pool twice: the second time opens nothing, and the step after it is armed.
func TestAStepWhosePoolIsOpenAlready(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.saveRules(`{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"},
		{"team": "support", "strategy": "least_loaded", "after": "5m"}, {"team": "everyone", "strategy": "round_robin", "after": "10m"}]}}`)
	w.receives(text("US.1", "", "hello", morning))
	w.serves(support)
	armed := w.timers()[0]
	rules, err := w.store.InForce(t.Context())
	w.must(err)
	following, _ := armed.Entry.Next(rules.Rules.Steps(armed.Entry.RuleID))
	if did, err := w.store.Widen(t.Context(), armed, &following, w.now()); did || err != nil {
		t.Errorf("it opened: %t, %v", did, err)
	}
	if next := w.timers(); len(next) != 1 || next[0].Entry.Pool != everyone || next[0].Entry.Step != 2 {
		t.Errorf("armed: %+v", next)
	}
}

// What fails whenever it is tried is set aside, whole, and those behind it are served.
func TestSetAside(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*world, dynamo.Item){
		"an entry that can't be read": func(w *world, entry dynamo.Item) {
			entry["rt"] = &types.AttributeValueMemberS{Value: "not a number"}
			w.puts(entry)
		},
		"an entry without a Chat": func(w *world, entry dynamo.Item) {
			entry["ch"] = &types.AttributeValueMemberS{Value: "nobody"}
			entry["sk"] = &types.AttributeValueMemberS{Value: "0#0000000000001#nobody"}
			entry["ws"], entry["pr"] = &types.AttributeValueMemberN{Value: "1"}, &types.AttributeValueMemberS{Value: "high"}
			w.puts(entry)
		},
		"an entry of a routing that is over": func(w *world, entry dynamo.Item) {
			entry["rt"] = &types.AttributeValueMemberN{Value: "7"}
			w.puts(entry)
		},
		"a Chat that has no room for an owner": func(w *world, entry dynamo.Item) {
			w.bloatsChat(entry["ch"].(*types.AttributeValueMemberS).Value)
		},
		"a Chat that the assigner panics at": func(w *world, entry dynamo.Item) {
			chat := "C#" + entry["ch"].(*types.AttributeValueMemberS).Value
			w.spoils(func(u *types.Update) bool { return u.Key["pk"].(*types.AttributeValueMemberS).Value == chat })
		},
		"a Chat that can't be read": func(w *world, entry dynamo.Item) {
			w.breaksChat(entry["ch"].(*types.AttributeValueMemberS).Value)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 0, "support"))
			w.nobodyAround(func() {
				w.receives(text("US.1", "", "hello", morning))
				head := w.entryItem(support)
				w.receives(text("US.2", "", "hello", morning), text("US.3", "", "hello", morning))
				spoil(w, head)
			})
			w.mayPass("US.1")
			w.serves(support)
			p, err := w.store.Person(t.Context(), "dan")
			w.must(err)
			want := 2
			if name == "an entry without a Chat" {
				want = 3
			}
			if p.OpenChats != want {
				t.Errorf("dan owns %d Chats, want the %d behind it", p.OpenChats, want)
			}
			if page, err := w.store.Waiting(t.Context(), support, "", 10); err != nil || len(page.Entries)+len(page.Unreadable) != 0 {
				t.Errorf("%+v still wait (%v)", page, err)
			}
			aside, err := w.store.AsideItems(t.Context())
			if err != nil || len(aside) != 1 || aside[0].Because == "" {
				t.Errorf("set aside: %+v (%v)", aside, err)
			}
		})
	}
}

// A Chat that can't be given to anybody, alone in its pool, might be the function's fault or the person's: it stays, its step
// is armed, and an alarm tells of it. It does not keep the pool from those who come next; and when it fails again with
// somebody who was given one of them, it is set aside.
func TestStuckAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"))
	w.saveRules(inSteps)
	w.nobodyAround(func() {
		w.receives(text("US.1", "", "hello", morning))
		w.bloatsChat(w.only().ID)
		w.mayPass("US.1")
	})
	w.serves(support)
	if listed, err := w.store.Listed(t.Context(), support); err != nil || listed == "" || len(w.timers()) != 1 {
		t.Errorf("the pool is listed as %q (%v), with %d timers", listed, err, len(w.timers()))
	}
	if page, err := w.store.Waiting(t.Context(), support, "", 10); err != nil || len(page.Entries) != 1 {
		t.Errorf("%d wait (%v), want the one", len(page.Entries), err)
	}
	w.receives(text("US.2", "", "hello", morning), text("US.3", "", "hello", morning))
	w.serves(support)
	w.served(support, map[string]int{"dan": 1, "mei": 1}, 1)
}

// served compares how many Chats people have, and how many were set aside; nobody waits in the pool.
func (w *world) served(pool string, chats map[string]int, aside int) {
	w.Helper()
	for id, want := range chats {
		if p, err := w.store.Person(w.Context(), id); err != nil || p.OpenChats != want {
			w.Errorf("%s has %d Chats (%v), want %d", id, p.OpenChats, err, want)
		}
	}
	if page, err := w.store.Waiting(w.Context(), pool, "", 10); err != nil || len(page.Entries) != 0 {
		w.Errorf("%d wait (%v)", len(page.Entries), err)
	}
	if items, err := w.store.AsideItems(w.Context()); err != nil || len(items) != aside {
		w.Errorf("set aside: %v (%v), want %d", items, err, aside)
	}
}

// Two that can't be given to anybody, before all others: those are served.
func TestStuckTogether(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"))
	w.nobodyAround(func() {
		w.receives(text("US.1", "", "hello", morning), text("US.2", "", "hello", morning))
		for _, c := range w.checked().Chats {
			w.bloatsChat(c.ID)
			w.mayPass(c.Customer.UserID)
		}
		for i := range 4 {
			w.receives(text(fmt.Sprint("GB.", i), "", "hello", morning))
		}
	})
	w.serves(support)
	w.served(support, map[string]int{"dan": 2, "mei": 2}, 2)
}

// A person to whom nothing can be given is left out, and holds up nobody: no Chat is set aside for their sake, also where
// only one waits.
func TestLeftOut(t *testing.T) {
	t.Parallel()
	for _, n := range []int{1, 6} {
		w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"))
		w.saveRules(supportBy("round_robin", ""))
		w.nobodyAround(func() { w.customers(n) })
		w.spoils(func(u *types.Update) bool { return u.Key["sk"].(*types.AttributeValueMemberS).Value == "dan" })
		w.serves(support)
		w.checked()
		w.served(support, map[string]int{"dan": 0, "mei": n}, 0)
	}
}

// What fails once and not again is nobody's fault.
func TestAPanicThatPasses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"))
	w.nobodyAround(func() { w.customers(3) })
	var once sync.Once
	w.spoils(func(*types.Update) (first bool) { once.Do(func() { first = true }); return first })
	w.serves(support)
	w.checked()
	w.served(support, map[string]int{"dan": 3}, 0)
}

// Where nothing works it is nobody's fault but ours: everything stays, and it ends.
func TestNothingWorks(t *testing.T) {
	t.Parallel()
	for _, n := range []int{2, 12} { // until all were tried, or too many
		w := newWorld(t, agents(12, 0, "support")...)
		w.nobodyAround(func() { w.customers(n) })
		healthy := w.store
		w.spoils(func(*types.Update) bool { return true })
		w.serves(support)
		w.store = healthy
		if listed, err := w.store.Listed(t.Context(), support); err != nil || listed == "" || len(w.checked().Entries) != n {
			t.Errorf("the pool is listed as %q (%v), and %d wait, want all %d", listed, err, len(w.checked().Entries), n)
		}
	}
}

// An entry of a strategy that only newer code knows keeps nobody from being served behind it.
func TestAnUnknownStrategy(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"))
	w.nobodyAround(func() {
		w.receives(text("US.1", "", "hello", morning))
		item := w.entryItem(support)
		w.receives(text("US.2", "", "hello", morning))
		item["sg"] = &types.AttributeValueMemberS{Value: "by_mood"}
		w.puts(item)
		w.mayPass("US.1")
	})
	w.serves(support)
	if p, err := w.store.Person(t.Context(), "dan"); err != nil || p.OpenChats != 1 {
		t.Errorf("dan is %+v (%v)", p, err)
	}
	if page, err := w.store.Waiting(t.Context(), support, "", 10); err != nil || len(page.Entries) != 1 || page.Entries[0].Because != assign.NoSuchStrategy {
		t.Errorf("%+v wait (%v)", page.Entries, err)
	}
}

// mayPass says that a serving has a reason to pass over a customer's Chat.
func (w *world) mayPass(userID string) {
	w.passed[testSecret.UserAddress(seed.SupportNumber, userID)] = true
}

// spoils makes the assigner panic at every transaction with such an update.
func (w *world) spoils(at func(*types.Update) bool) {
	w.through(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("panic", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if t, is := in.Parameters.(*dynamodb.TransactWriteItemsInput); is {
				for _, i := range t.TransactItems {
					if i.Update != nil && at(i.Update) {
						panic("on purpose")
					}
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}))
}

// bloatsChat makes a Chat's item so large that DynamoDB lets it grow no more.
func (w *world) bloatsChat(id string) {
	w.Helper()
	db, table := serverstest.DynamoDB(w), aws.String(w.tables["ChatsTable"])
	key := dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "C#" + id}, "sk": &types.AttributeValueMemberS{Value: "0"}}
	out, err := db.GetItem(w.Context(), &dynamodb.GetItemInput{TableName: table, Key: key})
	w.must(err)
	const most, names = 400 << 10, len("bloat")
	for size := most - units.Size(out.Item) - names + 100; ; size-- { // servers count sets by a few bytes less than the published rule
		out.Item["bloat"] = &types.AttributeValueMemberS{Value: strings.Repeat("x", size)}
		_, err := db.PutItem(w.Context(), &dynamodb.PutItemInput{TableName: table, Item: out.Item})
		if err == nil {
			return
		}
		if !strings.Contains(err.Error(), "ValidationException") {
			w.Fatal(err)
		}
	}
}

// entryItem is the one item that waits in a pool.
func (w *world) entryItem(pool string) dynamo.Item {
	w.Helper()
	out, err := serverstest.DynamoDB(w).Query(w.Context(), &dynamodb.QueryInput{TableName: aws.String(w.tables["ChatsTable"]), ConsistentRead: aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :p"), ExpressionAttributeValues: dynamo.Item{":p": &types.AttributeValueMemberS{Value: "W#" + pool}}})
	w.must(err)
	if len(out.Items) != 1 {
		w.Fatalf("%d items wait in %s", len(out.Items), pool)
	}
	return out.Items[0]
}

func (w *world) puts(item dynamo.Item) {
	w.Helper()
	_, err := serverstest.DynamoDB(w).PutItem(w.Context(), &dynamodb.PutItemInput{TableName: aws.String(w.tables["ChatsTable"]), Item: item})
	w.must(err)
}

// breaksChat spoils an attribute that no condition looks at.
func (w *world) breaksChat(id string) {
	w.Helper()
	_, err := serverstest.DynamoDB(w).UpdateItem(w.Context(), &dynamodb.UpdateItemInput{TableName: aws.String(w.tables["ChatsTable"]),
		Key:                       dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "C#" + id}, "sk": &types.AttributeValueMemberS{Value: "0"}},
		UpdateExpression:          aws.String("SET oa = :bad"),
		ExpressionAttributeValues: dynamo.Item{":bad": &types.AttributeValueMemberS{Value: "when?"}}})
	w.must(err)
}
