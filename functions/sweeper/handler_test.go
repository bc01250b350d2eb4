package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/costs/units"
	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

const (
	support = "team:support"
	sales   = "team:sales"
)

// inSteps is a rules document whose second pool opens after five minutes.
const inSteps = `{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"},
	{"team": "sales", "strategy": "least_loaded", "after": "5m"}]}}`

// world is a sweeper over tables and queues of its own, a day after the Chats in it were opened. There is no dispatcher,
// so every stream record in it is lost.
type world struct {
	testing.TB
	*sweeper
	tables  map[string]string
	opened  time.Time
	healthy *dynamo.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	tables, queues := serverstest.Tables(t), serverstest.Queues(t)
	w := &world{TB: t, tables: tables, opened: dynamo.Now().Add(-24 * time.Hour)}
	w.sweeper = &sweeper{store: w.client(), queues: queue.NewSender(serverstest.SQS(t)), pools: queues["PoolsQueue"], now: dynamo.Now}
	w.healthy = w.store
	w.must(w.store.SaveSettings(t.Context(), seed.Settings))
	w.must(w.store.SaveRules(t.Context(), inSteps, "alex", 0, dynamo.Now()))
	return w
}

// client is a store whose calls go through what options add.
func (w *world) client(options ...func(*dynamodb.Options)) *dynamo.Store {
	return dynamo.New(dynamodb.New(serverstest.DynamoDB(w).Options(), options...), w.tables["ChatsTable"], w.tables["TeamTable"])
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// opens makes a Chat that waits by the rules in force, since a day ago.
func (w *world) opens(id string) chat.Chat {
	w.Helper()
	rules, err := w.healthy.InForce(w.Context())
	w.must(err)
	m := chat.Message{Key: chat.Secret("s").Key(1, id), WAMID: id, Direction: chat.In, Type: "text", Text: "hello"}
	c := chat.Chat{ID: id, Number: seed.SupportNumber, Customer: chat.Customer{UserID: id, Language: "en", Country: "US"}}
	w.must(w.healthy.Commit(w.Context(), c.Opens(w.opened, c.Place(m, rules.Rules, rules.Version, rules.Settings, w.opened), chat.Arrival{Message: m, Preview: "hello"})))
	return w.chat(id)
}

// waits makes a Chat that waits, for which nobody was found, with as few requests as that takes.
func (w *world) waits(id string, rules dynamo.InForce, since time.Time) {
	m := chat.Message{Key: chat.Secret("s").Key(1, id), WAMID: id, Direction: chat.In, Type: "text", Text: "hello"}
	c := chat.Chat{ID: id, Number: seed.SupportNumber, Customer: chat.Customer{UserID: id, Language: "en", Country: "US"}}
	change := c.Opens(since, c.Place(m, rules.Rules, rules.Version, rules.Settings, since), chat.Arrival{Message: m, Preview: "hello"})
	err := w.healthy.Commit(w.Context(), change)
	if err == nil {
		err = w.healthy.Unserved(w.Context(), change.Enters()[0], chat.Event{Epoch: 1, At: w.now(), Type: chat.Nobody, Status: chat.Open, Routed: 1,
			By: chat.System, Decision: &assign.Decision{Nobody: assign.NobodyOnline}})
	}
	if err != nil {
		w.Error(err)
	}
}

func (w *world) chat(id string) chat.Chat {
	w.Helper()
	c, err := w.healthy.Chat(w.Context(), id)
	w.must(err)
	return *c
}

// served does what the assigner does with a pool in which it finds nobody.
func (w *world) served(id, pool string) chat.Timer {
	w.Helper()
	w.must(w.healthy.List(w.Context(), pool))
	e, err := w.healthy.Entry(w.Context(), id, pool)
	w.must(err)
	rules, err := w.healthy.InForce(w.Context())
	w.must(err)
	timer, ahead := e.Next(rules.Rules.Steps(e.RuleID))
	if ahead {
		w.must(w.healthy.Arm(w.Context(), timer))
	}
	e.Unarmed = false
	w.must(w.healthy.Unserved(w.Context(), *e, chat.Event{Epoch: e.Epoch, At: w.now(), Type: chat.Nobody, Status: chat.Open, Routed: e.Routed,
		By: chat.System, Decision: &assign.Decision{Nobody: assign.NobodyOnline, Step: e.Step}}))
	return timer
}

// each does something for n Chats, some at a time.
func (w *world) each(n int, do func(id string)) {
	var all sync.WaitGroup
	slots := make(chan bool, 16)
	for i := range n {
		slots <- true
		all.Go(func() { defer func() { <-slots }(); do(fmt.Sprintf("chat%04d", i)) })
	}
	all.Wait()
}

// armed counts the timers that are left, due or not.
func (w *world) armed() int {
	w.Helper()
	n := 0
	for shard := range dynamo.TimerShards {
		page, err := w.healthy.Due(w.Context(), shard, w.opened.Add(365*24*time.Hour), "", 1000)
		w.must(err)
		n += len(page.Timers) + len(page.Unreadable)
	}
	return n
}

// checked fails the test for every breach of an invariant.
func (w *world) checked() invariant.Snapshot {
	w.Helper()
	all, err := w.healthy.Snapshot(w.Context())
	w.must(err)
	for _, b := range invariant.Check(all) {
		w.Error(b)
	}
	return all
}

// signalled takes the signals from the queue: pools with the Chats they name, sorted.
func (w *world) signalled() []string {
	w.Helper()
	var found []string
	client := serverstest.SQS(w.TB)
	for {
		out, err := client.ReceiveMessage(w.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.pools, MaxNumberOfMessages: 10,
			MessageSystemAttributeNames: []sqstypes.MessageSystemAttributeName{"All"}})
		w.must(err)
		if len(out.Messages) == 0 {
			slices.Sort(found)
			return found
		}
		for _, m := range out.Messages {
			s, err := queue.ParseSignal(*m.Body)
			w.must(err)
			found = append(found, strings.TrimSpace(fmt.Sprint(s.Pool, " ", strings.Join(s.Chats, " "))))
			_, err = client.DeleteMessage(w.Context(), &sqs.DeleteMessageInput{QueueUrl: &w.pools, ReceiptHandle: m.ReceiptHandle})
			w.must(err)
		}
	}
}

// sweeps makes one sweep and compares what it signalled.
func (w *world) sweeps(want ...string) {
	w.Helper()
	w.must(w.handle(w.Context()))
	if got := w.signalled(); !slices.Equal(got, want) {
		w.Errorf("signalled %q, want %q", got, want)
	}
}

func (w *world) person(a team.Availability, teams ...string) {
	w.Helper()
	w.must(w.healthy.AddPerson(w.Context(), team.Person{ID: "dan", Name: "dan", Role: team.Agent, Active: true, Availability: a,
		Limit: team.NoLimit, Weight: 1, Teams: teams}, dynamo.Now()))
}

// Due timers are acted on once, by whichever of two sweeps comes first; those that are not due, and Chats that wait no
// more, stay as they are.
func TestTwoSweepsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 24
	w.each(n, func(id string) {
		w.opens(id)
		w.served(id, support)
	})
	for i := range 4 { // somebody took these
		_, err := w.healthy.Update(t.Context(), fmt.Sprintf("chat%04d", i), func(c chat.Chat) (*chat.Change, error) {
			change := c.PassedTo(w.now(), chat.System, "sales", "")
			return &change, nil
		})
		w.must(err)
	}
	w.sweeper.now = func() time.Time { return w.opened.Add(5*time.Minute - time.Millisecond) }
	w.must(w.timers(t.Context()))
	if got := w.armed(); got != n {
		t.Fatalf("%d timers are left a moment before they are due, want all %d", got, n)
	}
	w.sweeper.now = func() time.Time { return w.opened.Add(5 * time.Minute) }
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			if err := w.timers(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	w.sweeper.now = dynamo.Now
	now, widened := w.checked(), map[string]int{}
	for _, e := range now.Events {
		if e.Type == chat.Widened {
			widened[e.Chat]++
		}
	}
	if len(widened) != n-4 || len(now.Entries) != 2*(n-4)+4 || w.armed() != 0 {
		t.Errorf("%d Chats were widened, want %d; %d entries; %d timers left", len(widened), n-4, len(now.Entries), w.armed())
	}
	for id, times := range widened {
		if times != 1 {
			t.Errorf("%s was widened %d times", id, times)
		}
	}
}

// Each call of a sweep fails in every way, the others work; the next sweep makes it good, and nothing happens twice.
func TestASweepThatBreaksOff(t *testing.T) {
	t.Parallel()
	for _, fault := range faults.All {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for at := int64(0); ; at++ {
				id := fmt.Sprintf("chat%d", at)
				w.opens(id)
				w.served(id, support)
				injector := &faults.Injector{At: at, Fault: fault}
				w.sweeper.store = w.client(dynamodb.WithAPIOptions(injector.Add))
				_ = w.handle(t.Context()) // it may fail: that is what the alarm is for
				w.sweeper.store = w.healthy
				w.must(w.handle(t.Context()))
				if c := w.chat(id); !slices.Equal(c.Pools, []string{sales, support}) {
					t.Fatalf("call %d: it waits in %v", at, c.Pools)
				}
				if injector.Calls() <= at {
					break
				}
			}
			if n := w.armed(); n != 0 {
				t.Errorf("%d timers are left", n)
			}
			w.checked()
		})
	}
}

// A timer that can't be read, or whose Chat can't, is set aside; those behind it are acted on.
func TestTimersThatFailWheneverTheyAreTried(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"a", "i", "q"} { // one shard
		w.opens(id)
		w.served(id, support)
	}
	db := serverstest.DynamoDB(t)
	out, err := db.Query(t.Context(), &dynamodb.QueryInput{TableName: aws.String(w.tables["ChatsTable"]), KeyConditionExpression: aws.String("pk = :p"),
		ExpressionAttributeValues: dynamo.Item{":p": &types.AttributeValueMemberS{Value: fmt.Sprint("T#", 'a'%dynamo.TimerShards)}}})
	w.must(err)
	if len(out.Items) != 3 {
		t.Fatalf("%d timers are in the shard", len(out.Items))
	}
	out.Items[0]["du"] = &types.AttributeValueMemberS{Value: "when?"}
	_, err = db.PutItem(t.Context(), &dynamodb.PutItemInput{TableName: aws.String(w.tables["ChatsTable"]), Item: out.Items[0]})
	w.must(err)
	w.breaksChat("i")
	w.must(w.timers(t.Context()))
	if c := w.chat("q"); len(c.Pools) != 2 {
		t.Errorf("the one behind waits in %v", c.Pools)
	}
	aside, err := w.healthy.AsideItems(t.Context())
	if err != nil || len(aside) != 2 || w.armed() != 0 {
		t.Errorf("set aside: %+v (%v); %d timers are left", aside, err, w.armed())
	}
}

// A timer whose Chat is not there is set aside, whole, and not deleted without a trace.
func TestATimerWithoutAChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opens("a")
	timer := w.served("a", support)
	timer.Entry.Chat = "i" // of the same shard
	w.must(w.healthy.Arm(t.Context(), timer))
	w.must(w.timers(t.Context()))
	if c := w.chat("a"); len(c.Pools) != 2 {
		t.Errorf("the Chat beside it waits in %v", c.Pools)
	}
	aside, err := w.healthy.AsideItems(t.Context())
	if err != nil || len(aside) != 1 || !strings.Contains(aside[0].From, "#i#") || w.armed() != 0 {
		t.Errorf("set aside: %+v (%v); %d timers are left", aside, err, w.armed())
	}
	w.must(w.timers(t.Context()))
	w.checked()
}

// failing is a store whose queries of a partition fail as a throttled table's do, while fails says so of its key.
func (w *world) failing(fails func(pk string) bool) *dynamo.Store {
	return w.client(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("throttled", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if q, is := in.Parameters.(*dynamodb.QueryInput); is && fails(q.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS).Value) {
				return middleware.InitializeOutput{}, middleware.Metadata{}, &smithy.GenericAPIError{Code: "ThrottlingException", Message: "on purpose"}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}))
}

// The round goes on only over pools that were looked at: those that could not be read are looked at in the next sweep, and
// the sweep's error tells of each.
func TestAThrottledSweep(t *testing.T) {
	t.Parallel()
	pool := func(i int) string { return fmt.Sprintf("team:empty%02d", i) }
	between := func(first, behind int) (pools []string) {
		for i := first; i < behind; i++ {
			pools = append(pools, pool(i))
		}
		return pools
	}
	throttled := func(pk string) bool { return pk >= "W#"+pool(3) && pk < "W#"+pool(8) }
	list := func(w *world) {
		for i := range 40 {
			w.must(w.healthy.List(t.Context(), pool(i)))
		}
	}
	t.Run("some pools", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		list(w)
		w.sweeper.store = w.failing(throttled)
		err := w.handle(t.Context())
		for i := 3; i < 8; i++ {
			if err == nil || !strings.Contains(err.Error(), pool(i)) {
				t.Errorf("the sweep's error says nothing of %s: %v", pool(i), err)
			}
		}
		if got := w.signalled(); !slices.Equal(got, append(between(0, 3), between(8, poolsASweep)...)) {
			t.Errorf("signalled %q", got)
		}
		if err := w.handle(t.Context()); err == nil {
			t.Error("they fail a second time, and the sweep does not")
		}
		if got := w.signalled(); !slices.Equal(got, between(poolsASweep, 40)) {
			t.Errorf("while they fail, signalled %q, want those behind", got)
		}
		w.sweeper.store = w.healthy
		w.sweeps(between(0, poolsASweep-5)...) // the five, and the first twenty of the next round, where they stand
	})
	t.Run("the roster", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		list(w)
		w.sweeper.store = w.failing(func(pk string) bool { return pk == "P" })
		if err := w.handle(t.Context()); err == nil {
			t.Error("the sweep did not fail")
		}
		w.sweeper.store = w.healthy
		w.sweeps(between(0, poolsASweep)...)
	})
}

// A panic at one timer is that timer's failure: the others are acted on, and so is the net; the next sweep tries again.
func TestAPanicAtATimer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"a", "i", "q"} { // one shard
		w.opens(id)
		w.served(id, support)
	}
	w.sweeper.store = w.client(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("panic", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if g, is := in.Parameters.(*dynamodb.GetItemInput); is && g.Key["pk"].(*types.AttributeValueMemberS).Value == "C#i" {
				panic("on purpose")
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}))
	if err := w.handle(t.Context()); err == nil {
		t.Error("the sweep does not fail, so that no alarm tells of it")
	}
	for id, pools := range map[string]int{"a": 2, "i": 1, "q": 2} {
		if c := w.chat(id); len(c.Pools) != pools {
			t.Errorf("%s waits in %v, want %d pools", id, c.Pools, pools)
		}
	}
	if signals := w.signalled(); len(signals) == 0 {
		t.Error("the net was not cast")
	}
	w.sweeper.store = w.healthy
	w.must(w.handle(t.Context()))
	if c := w.chat("i"); len(c.Pools) != 2 {
		t.Errorf("in the next sweep i waits in %v", c.Pools)
	}
}

func (w *world) breaksChat(id string) {
	w.Helper()
	_, err := serverstest.DynamoDB(w).UpdateItem(w.Context(), &dynamodb.UpdateItemInput{TableName: aws.String(w.tables["ChatsTable"]),
		Key:                       dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "C#" + id}, "sk": &types.AttributeValueMemberS{Value: "0"}},
		UpdateExpression:          aws.String("SET oa = :bad"),
		ExpressionAttributeValues: dynamo.Item{":bad": &types.AttributeValueMemberS{Value: "when?"}}})
	w.must(err)
}

// rewritesRules puts another document in the place of the rules, which no function does.
func (w *world) rewritesRules(doc string) {
	w.Helper()
	_, err := serverstest.DynamoDB(w).UpdateItem(w.Context(), &dynamodb.UpdateItemInput{TableName: aws.String(w.tables["TeamTable"]),
		Key:                       dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "R"}, "sk": &types.AttributeValueMemberS{Value: "V#00000001"}},
		UpdateExpression:          aws.String("SET doc = :doc"),
		ExpressionAttributeValues: dynamo.Item{":doc": &types.AttributeValueMemberS{Value: doc}}})
	w.must(err)
	w.must(w.healthy.SaveSettings(w.Context(), seed.Settings)) // so that every instance loads it
}

// Each kind of loss is found by the next sweep; once it is made good, the sweep signals nothing.
func TestTheSafetyNet(t *testing.T) {
	t.Parallel()
	t.Run("the record of a waiting entry, and that of one that a step put", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.opens("lost")
		w.sweeps(support + " lost")
		w.served("lost", support)
		w.sweeps(sales + " lost") // it opens the step, and the net sees that it is not served
		w.served("lost", sales)
		w.sweeps()
	})
	t.Run("a step whose rules could not be loaded when nobody was found", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.opens("waits")
		w.rewritesRules("not JSON")
		e, err := w.healthy.Entry(t.Context(), "waits", support)
		w.must(err)
		e.Unarmed = true
		w.must(w.healthy.Unserved(t.Context(), *e, chat.Event{Epoch: e.Epoch, At: w.now(), Type: chat.Nobody, Status: chat.Open, Routed: e.Routed,
			By: chat.System, Decision: &assign.Decision{Nobody: assign.NobodyOnline}}))
		for range 2 {
			w.sweeps() // nobody could do anything about it
		}
		w.rewritesRules(inSteps)
		w.sweeps(support + " waits")
		w.served("waits", support)
		w.sweeps(sales + " waits")
		w.served("waits", sales)
		w.sweeps()
	})
	t.Run("a Chat that came just now is not lost yet", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.opened = dynamo.Now()
		w.opens("new")
		w.sweeps()
	})
	t.Run("the record of a person", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.opened = dynamo.Now()
		w.opens("waits")
		w.served("waits", support)
		w.person(team.Offline, "support")
		w.sweeps()
		_, err := w.healthy.UpdatePerson(t.Context(), "dan", dynamo.Now(), func(p *team.Person) error { p.Availability = team.Online; return nil })
		w.must(err)
		w.sweeps(support)
	})
	t.Run("a person of another team is no loss", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.opened = dynamo.Now()
		w.opens("waits")
		w.served("waits", support)
		w.person(team.Online, "sales")
		w.sweeps()
	})
	t.Run("the record of saved rules", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.opened = dynamo.Now()
		w.opens("head")
		w.served("head", support)
		w.must(w.healthy.SaveRules(t.Context(), inSteps, "alex", 1, dynamo.Now()))
		w.sweeps(support + " head")
	})
	t.Run("the record of saved rules, of a Chat in a pool that is not listed", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.opens("waits")
		w.served("waits", support)
		token, err := w.healthy.Listed(t.Context(), support)
		w.must(err)
		w.must(w.healthy.Unlist(t.Context(), support, token))
		w.must(w.healthy.SaveRules(t.Context(), `{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`, "alex", 1, dynamo.Now()))
		w.must(w.timers(t.Context()))
		w.served("waits", sales)
		token, err = w.healthy.Listed(t.Context(), sales)
		w.must(err)
		w.must(w.healthy.Unlist(t.Context(), sales, token))
		w.sweeps(sales+" waits", support+" waits")
	})
	t.Run("a listed pool in which nobody waits", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.must(w.healthy.List(t.Context(), support))
		w.sweeps(support)
	})
	t.Run("a Chat that can't be read keeps nobody else", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		for _, id := range []string{"a", "i", "q"} {
			w.opens(id)
		}
		w.breaksChat("i")
		w.sweeps(support + " a q")
	})
}

// The round comes to every open Chat, however many were opened later, and to every listed pool.
func TestTheRoundComesToAll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.opened = w.opened.Add(-time.Hour)
	w.opens("9900")
	w.opened = w.opened.Add(time.Hour)
	for i := range 70 { // of the same shard, and all served
		id := fmt.Sprintf("%02d%02d", i, 99-i)
		w.opens(id)
		w.served(id, support)
	}
	w.must(w.timers(t.Context()))
	found := 0
	for range 4 { // 25 each
		w.must(w.mend(t.Context()))
		for _, s := range w.signalled() {
			if s == support+" 9900" {
				found++
			}
		}
	}
	if found != 1 {
		t.Errorf("the one at the end of the shard was found %d times in a round, want once", found)
	}
	for i := range 60 {
		w.must(w.healthy.List(t.Context(), fmt.Sprintf("team:empty%02d", i)))
	}
	pools := map[string]bool{}
	for range 3 {
		w.must(w.mend(t.Context()))
		for _, s := range w.signalled() {
			pools[s] = strings.HasPrefix(s, "team:empty")
		}
	}
	seen := 0
	for _, empty := range pools {
		if empty {
			seen++
		}
	}
	if seen != 60 {
		t.Errorf("the round came to %d of 60 pools", seen)
	}
}

// A pool with a thousand waiting Chats in which nobody is free costs what the package comment says, and no other function
// is asked for anything: nothing is signalled, and what is written is no waiting entry.
func TestWhatASweepCosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.person(team.Offline, "support")
	w.must(w.healthy.SaveRules(t.Context(), `{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}]}}`, "alex", 1, dynamo.Now()))
	rules, err := w.healthy.InForce(t.Context())
	w.must(err)
	w.must(w.healthy.List(t.Context(), support))
	var last atomic.Int64
	w.each(1000, func(id string) { w.waits(id, rules, w.opened.Add(time.Duration(last.Add(1))*time.Millisecond)) })
	var calls, writes atomic.Int64
	count := func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("count", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			calls.Add(1)
			switch middleware.GetOperationName(ctx) {
			case "GetItem", "BatchGetItem", "Query":
			default:
				writes.Add(1)
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
	w.sweeper.store = w.client(dynamodb.WithAPIOptions(count))
	sent := &counted{queues: w.sweeper.queues}
	w.sweeper.queues = sent
	w.sweeps() // the first also loads the rules
	for n := range 3 {
		calls.Store(0)
		writes.Store(0)
		w.sweeps()
		t.Logf("sweep %d: %d requests, %d of them writes", n, calls.Load(), writes.Load())
		if calls.Load() > 62+1 || writes.Load() != 1 {
			t.Errorf("%d requests, %d of them writes; want at most 62 and the roster, and one that keeps the round", calls.Load(), writes.Load())
		}
	}
	if sent.entries != 0 {
		t.Errorf("%d signals", sent.entries)
	}
}

// I10: a sweep does not take for free whom it saw free before: those who were given Chats since then are read again, and a
// saturated pool stays quiet.
func TestASweepKnowsWhoIsFull(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.must(w.healthy.AddPerson(t.Context(), team.Person{ID: "dan", Name: "dan", Role: team.Agent, Active: true, Availability: team.Online,
		Limit: 1, Weight: 1, Teams: []string{"support"}}, dynamo.Now()))
	w.must(w.healthy.List(t.Context(), sales)) // so that the first sweep reads who is there
	w.sweeps(sales)
	c := w.opens("first")
	assigner := w.client()
	people, err := assigner.Roster(t.Context())
	w.must(err)
	want := assign.Want{Pool: assign.Pool{Team: "support"}, Strategy: assign.RoundRobin}
	choice := people.Choose(want, w.now())
	decision := assign.Decision{Pool: support}.With(choice)
	w.must(assigner.Commit(t.Context(), c.Assigned(w.now(), chat.Auto{Person: *choice.Person, Pool: want.Pool, Now: w.now(), At: choice.AssignedAt}, decision)))
	w.opens("second")
	w.served("second", support)
	w.must(w.healthy.Unlist(t.Context(), sales, w.token(sales)))
	w.sweeps(sales + " second") // the step opens, and the net sees that it is not served
	w.served("second", sales)
	w.must(w.healthy.Unlist(t.Context(), sales, w.token(sales)))
	for range 2 {
		w.sweeps()
	}
}

func (w *world) token(pool string) string {
	w.Helper()
	token, err := w.healthy.Listed(w.Context(), pool)
	w.must(err)
	return token
}

// Timers that are not due cost nothing, however many there are: a sweep reads the same units among two thousand as among
// none, and acts on the one that is due.
func TestTimersThatAreNotDueCostNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	m := units.New(serverstest.DynamoDB(t))
	w.sweeper.store = w.client(func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: m.By("sweep", http.DefaultTransport)}
	})
	costs := func() (total units.Count) {
		t.Helper()
		_, err := m.Take()
		w.must(err)
		w.must(w.timers(t.Context()))
		took, err := m.Take()
		w.must(err)
		for _, c := range took {
			total = total.Add(c)
		}
		return total
	}
	w.must(w.timers(t.Context())) // the first also loads the rules
	before := costs()
	c := w.opens("due")
	due := w.served("due", support)
	w.each(2000, func(id string) {
		later := due
		later.Entry.Chat, later.Due = id, w.now().Add(time.Hour)
		w.must(w.healthy.Arm(t.Context(), later))
	})
	if costs(); len(w.chat(c.ID).Pools) != 2 {
		t.Error("the one that is due did not open")
	}
	if after := costs(); after != before || before.Reads != 8+1 {
		t.Errorf("among two thousand a sweep costs %+v, among none %+v, want 8 units and the rules' version", after, before)
	}
}

// counted counts the signals on their way to the real queue.
type counted struct {
	queues
	entries int
}

func (c *counted) SendAll(ctx context.Context, url string, entries []queue.Entry) error {
	c.entries += len(entries)
	return c.queues.SendAll(ctx, url, entries)
}
