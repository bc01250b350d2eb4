package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

const inSales = "team:sales"

// toSales sends everybody to sales.
const toSales = `{"rules": [], "otherwise": {"to": [{"team": "sales", "strategy": "round_robin"}]}}`

// queued makes a world in which n Chats wait for support since nobody was around; every third asks about prices. It returns
// their ids in the order of waiting.
func queued(t testing.TB, n int, people ...team.Person) (*world, []string) {
	t.Helper()
	w := newWorld(t, people...)
	w.saveRules(supportBy("round_robin", ""))
	var ids []string
	w.nobodyAround(func() {
		for i := range n {
			user, body := fmt.Sprint("US.", i), "hello"
			if i%3 == 0 {
				body = "what is the price?"
			}
			w.receives(text(user, "", body, minute(i)))
			ids = append(ids, testSecret.UserAddress(seed.SupportNumber, user))
		}
	})
	return w, ids
}

// writes is what a request writes: the type of the event that it adds to a history; empty if it adds none.
func writes(in any) string {
	var item dynamo.Item
	switch in := in.(type) {
	case *dynamodb.PutItemInput:
		item = in.Item
	case *dynamodb.TransactWriteItemsInput:
		for _, i := range in.TransactItems {
			if i.Put != nil && strings.HasPrefix(i.Put.Item["sk"].(*types.AttributeValueMemberS).Value, "H#") {
				item = i.Put.Item
			}
		}
	}
	if ty, ok := item["ty"].(*types.AttributeValueMemberS); ok {
		return ty.Value
	}
	return ""
}

// watched is an instance of the assigner that tells of each of its requests before it makes it.
func (w *world) watched(tell func(in any)) *world {
	other := w.instance()
	other.through(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("watch", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			tell(in.Parameters)
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}))
	return other
}

// version is that of the rules in force.
func (w *world) version() int64 {
	w.Helper()
	f, err := w.store.InForce(w.Context())
	w.must(err)
	return f.Version
}

// No Chat is given away by rules that are not in force any more, however far behind the head it stands and though somebody
// is free the whole time; what newer rules send elsewhere goes there.
func TestNothingIsGivenByOlderRules(t *testing.T) {
	t.Parallel()
	const n = 3 * pageSize
	w, ids := queued(t, n, agent("dan", 0, "support"), agent("eve", 0, "sales"))
	w.saveRules(bySales)
	w.serves(support)
	w.serves(inSales)
	owners := map[string]int{}
	for _, e := range w.checked().Events {
		if e.Type == chat.Assigned {
			owners[e.Owner]++
			if e.Decision.RulesVersion != w.version() {
				t.Errorf("%s was given to %s by version %d", e.Chat, e.Owner, e.Decision.RulesVersion)
			}
			if price := slices.Index(ids, e.Chat)%3 == 0; price != (e.Owner == "eve") {
				t.Errorf("%s, which asks about prices: %v, went to %s", e.Chat, price, e.Owner)
			}
		}
	}
	if owners["dan"] != n-n/3 || owners["eve"] != n/3 {
		t.Errorf("dan and eve got %v of %d", owners, n)
	}
}

// Rules are saved before each request of a serving in which somebody is free: the Chat is given by the rules before only if
// these were in force when the serving asked for the last time, right before the transaction.
func TestRulesSavedDuringAServing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("eve", 0, "sales"))
	for at, more := 0, true; more && !t.Failed(); at++ {
		w.saveRules(supportBy("round_robin", ""))
		user := fmt.Sprint("US.", at)
		w.nobodyAround(func() { w.receives(text(user, "", "hello", minute(at))) })
		calls, saved, asked := 0, -1, -1
		watched := w.watched(func(in any) {
			if calls == at {
				saved = calls
				w.saveRules(toSales)
			}
			if _, asks := in.(*dynamodb.BatchGetItemInput); asks {
				asked = calls
			}
			if writes(in) == string(chat.Assigned) && saved >= 0 && saved <= asked {
				t.Errorf("rules were saved before call %d, and after call %d the Chat is given away by those before", saved, asked)
			}
			calls++
		})
		watched.serves(support)
		more = calls > at
		w.serves(support)
		w.serves(inSales)
		c, err := w.store.Chat(t.Context(), testSecret.UserAddress(seed.SupportNumber, user))
		w.must(err)
		if c.Owner == "" {
			t.Errorf("before call %d: it waits in %v", at, c.Pools)
		}
	}
	w.checked()
}

// While Chats are routed again, and while it is put on record why nobody takes them, whoever comes online is served after
// at most atOnce more of them; and in the end none is left out.
func TestNewcomersComeBetween(t *testing.T) {
	t.Parallel()
	for what, busy := range map[string]struct {
		with  chat.EventType
		begin func(w *world)
		named bool
	}{
		"routing again":         {chat.Routed, func(w *world) { w.saveRules(supportBy("least_loaded", "")) }, false},
		"telling why nobody":    {chat.Nobody, func(*world) {}, true},
		"telling those renamed": {chat.Nobody, func(w *world) { w.saveRules(supportBy("least_loaded", "")); w.reroutes() }, true},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			const n, newcomers = 3 * pageSize, 4
			w, ids := queued(t, n, agents(newcomers, 1, "support")...)
			for i := range newcomers {
				w.set(fmt.Sprint("agent", i), team.Away)
			}
			busy.begin(w)
			came, given, between, most := 0, 0, 0, 0
			watched := w.watched(func(in any) {
				switch writes(in) {
				case string(busy.with):
					if between++; between == 1 && came < newcomers {
						w.set(fmt.Sprint("agent", came), team.Online)
						came++
					}
				case string(chat.Assigned):
					given++
					most, between = max(most, between), 0
				}
			})
			if !busy.named {
				ids = nil
			}
			watched.serves(support, ids...)
			if given != newcomers || most > atOnce {
				t.Errorf("%d of %d newcomers were served, one after %d others; want all, after %d at most", given, newcomers, most, atOnce)
			}
			for _, e := range w.checked().Entries {
				if e.RulesVersion != w.version() {
					t.Errorf("%s waits by version %d", e.Chat, e.RulesVersion)
				}
			}
			w.serves(support, ids...)
			w.told(n - newcomers)
		})
	}
}

// told fails the test unless n Chats wait, and each has its reason on record.
func (w *world) told(n int) {
	w.Helper()
	all := w.checked()
	if len(all.Entries) != n {
		w.Errorf("%d Chats wait, want %d", len(all.Entries), n)
	}
	for _, e := range all.Entries {
		if page := w.head(e.Pool); e.Because == "" && slices.Contains(page, e.Chat) {
			w.Errorf("nobody says why %s waits", e.Chat)
		}
	}
}

// head are the Chats of a pool's first page.
func (w *world) head(pool string) (ids []string) {
	w.Helper()
	page, err := w.store.Waiting(w.Context(), pool, "", pageSize)
	w.must(err)
	for _, e := range page.Entries {
		ids = append(ids, e.Chat)
	}
	return ids
}

// expiring is a context whose deadline comes when over is closed.
type expiring struct {
	context.Context
	over chan struct{}
}

func (c *expiring) Done() <-chan struct{} { return c.over }

func (c *expiring) Err() error {
	select {
	case <-c.over:
		return context.DeadlineExceeded
	default:
		return c.Context.Err()
	}
}

// A serving whose time runs out signals the pool anew, naming the Chats that are left to tell, under an id of its own, and
// the next one goes on where it ended: each Chat is routed again once. When all are, the next serving looks for no more.
func TestAReviewGoesOn(t *testing.T) {
	t.Parallel()
	w, ids := queued(t, 3*pageSize)
	w.serves(support) // so that it is listed
	w.saveRules(supportBy("least_loaded", ""))
	routed, behind := 0, []string{}
	ctx := &expiring{t.Context(), make(chan struct{})}
	watched := w.watched(func(in any) {
		if q, is := in.(*dynamodb.QueryInput); is && q.ExclusiveStartKey != nil {
			behind = append(behind, q.ExclusiveStartKey["sk"].(*types.AttributeValueMemberS).Value)
		}
		if writes(in) == string(chat.Routed) {
			if routed++; routed == pageSize+atOnce+5 {
				close(ctx.over)
			}
		}
	})
	signal := queue.Signal{Pool: support, Chats: ids[70:]}.Entry("cause")
	w.must(watched.signals(ctx, []events.SQSMessage{record("pools", "p", "m1", signal.Body, 1)}))
	kept, err := w.store.Review(t.Context(), support)
	w.must(err)
	if kept.Version != w.version() || kept.Done >= kept.Version || !strings.HasSuffix(kept.After, ids[pageSize-1]) {
		t.Fatalf("after %d Chats the review has come to %+v", routed, kept)
	}
	out, err := serverstest.SQS(t).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &w.pools})
	w.must(err)
	if len(out.Messages) != 1 {
		t.Fatalf("%d signals were sent", len(out.Messages))
	}
	again, err := queue.ParseSignal(*out.Messages[0].Body)
	w.must(err)
	if again.Pool != support || !slices.Equal(again.Chats, ids[70:]) {
		t.Errorf("it signals %+v", again)
	}
	behind = nil
	w.must(watched.signals(t.Context(), []events.SQSMessage{record("pools", "p", "m2", *out.Messages[0].Body, 1)}))
	if len(behind) == 0 || behind[0] != kept.After {
		t.Errorf("it goes on behind %v, want %s", behind, kept.After)
	}
	for _, c := range w.checked().Chats {
		if c.RulesVersion != w.version() || c.Routed != 2 {
			t.Errorf("%s waits by version %d and was routed %d times", c.ID, c.RulesVersion, c.Routed)
		}
	}
	if kept, err := w.store.Review(t.Context(), support); err != nil || kept.Done != w.version() {
		t.Errorf("the review has come to %+v (%v)", kept, err)
	}
	// I10: a serving of a pool where nothing is to be done makes the same few requests, however many wait.
	requests, wrote := 0, 0
	w.watched(func(in any) {
		requests++
		switch in.(type) {
		case *dynamodb.GetItemInput, *dynamodb.QueryInput, *dynamodb.BatchGetItemInput:
		default:
			wrote++
		}
	}).serves(support)
	if requests > 12 || wrote != 1 {
		t.Errorf("a serving in which there is nothing to do makes %d requests, %d of them writes", requests, wrote)
	}
}

// Rules that are saved while Chats are routed by those before: at most atOnce more follow the older ones, and all follow the
// newest in the end.
func TestRulesSavedDuringAReview(t *testing.T) {
	t.Parallel()
	w, _ := queued(t, 3*pageSize)
	w.saveRules(supportBy("least_loaded", ""))
	before, late, routed := w.version(), 0, 0
	watched := w.watched(func(in any) {
		if writes(in) != string(chat.Routed) {
			return
		}
		if routed++; routed == pageSize+atOnce+2 {
			w.saveRules(bySales)
		}
		for _, i := range in.(*dynamodb.TransactWriteItemsInput).TransactItems {
			if i.Put != nil && i.Put.Item["rv"] != nil && routed > pageSize+atOnce+2 {
				if i.Put.Item["rv"].(*types.AttributeValueMemberN).Value == fmt.Sprint(before) {
					late++
				}
			}
		}
	})
	watched.serves(support)
	if late >= atOnce {
		t.Errorf("%d Chats followed rules that others had taken the place of", late)
	}
	for _, c := range w.checked().Chats {
		if c.RulesVersion != w.version() {
			t.Errorf("%s waits by version %d", c.ID, c.RulesVersion)
		}
	}
}

// Rules that send everybody where they are do not go round in circles: each Chat is routed again once, and the signal of its
// new entry finds nothing older.
func TestRoutedAgainToTheSamePool(t *testing.T) {
	t.Parallel()
	w, ids := queued(t, pageSize+5)
	w.saveRules(supportBy("round_robin", ""))
	w.serves(support)
	w.serves(support, ids...)
	for _, c := range w.checked().Chats {
		if c.Routed != 2 {
			t.Errorf("%s was routed %d times", c.ID, c.Routed)
		}
	}
}

// What a person decided about a Chat stays, also behind the first page.
func TestPassedByHandStays(t *testing.T) {
	t.Parallel()
	w, ids := queued(t, pageSize+5)
	for _, id := range []string{ids[0], ids[pageSize+2]} {
		_, err := w.store.Update(t.Context(), id, func(c chat.Chat) (*chat.Change, error) {
			change := c.PassedTo(dynamo.Now(), chat.System, "support", "")
			return &change, nil
		})
		w.must(err)
	}
	w.saveRules(toSales)
	w.serves(support)
	if left := w.head(support); !slices.Equal(left, []string{ids[0], ids[pageSize+2]}) {
		t.Errorf("%d Chats wait in support, want the two that were passed to it", len(left))
	}
	if n := len(w.checked().Entries); n != pageSize+5 {
		t.Errorf("%d Chats wait", n)
	}
}

// A Chat that can't be routed again, because its item may not grow or the assigner panics at it, is given to nobody by the
// rules before, stays where it is, and holds up none of those behind it. One whose entry is a stray's is set aside.
func TestAChatThatCantBeRoutedAgain(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		spoil func(w *world, id string)
		aside int
	}{
		"it may not grow": {func(w *world, id string) { w.bloatsChat(id) }, 0},
		"a panic": {func(w *world, id string) {
			w.spoils(func(u *types.Update) bool { return u.Key["pk"].(*types.AttributeValueMemberS).Value == "C#"+id })
		}, 0},
		"it can't be read": {func(w *world, id string) { w.breaksChat(id) }, 1},
		"a stray": {func(w *world, id string) {
			item := w.first(w.tables["ChatsTable"], "W#"+support)
			item["rt"] = &types.AttributeValueMemberN{Value: "7"}
			w.puts(item)
		}, 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w, ids := queued(t, 3, agent("dan", 0, "support"))
			test.spoil(w, ids[0])
			w.saveRules(`{"rules": [{"id": "r", "name": "R", "enabled": true, "when": {"field": "country", "in": ["US"]},
				"to": [{"team": "support", "strategy": "round_robin"}], "requires": {"languages": ["ar", "en"]}}],
				"otherwise": {"to": [{"team": "sales", "strategy": "round_robin"}]}}`)
			_, err := w.store.UpdatePerson(t.Context(), "dan", dynamo.Now(), func(p *team.Person) error { p.Languages = []string{"ar", "en"}; return nil })
			w.must(err)
			w.serves(support)
			w.serves(support + ";languages=ar,en")
			p, err := w.store.Person(t.Context(), "dan")
			w.must(err)
			if p.OpenChats != 2 {
				t.Errorf("dan has %d Chats, want the two behind it", p.OpenChats)
			}
			if left := w.head(support); len(left)+test.aside != 1 {
				t.Errorf("%v wait in support", left)
			}
			if items, err := w.store.AsideItems(t.Context()); err != nil || len(items) != test.aside {
				t.Errorf("set aside: %v (%v)", items, err)
			}
		})
	}
}

// Every single fault on every single call of a serving that routes Chats again: delivered again, all follow the rules in
// force, and everything holds.
func TestFaultsOfAReview(t *testing.T) {
	t.Parallel()
	for _, fault := range faults.All {
		t.Run(string(fault), func(t *testing.T) {
			t.Parallel()
			w, ids := queued(t, 2)
			for at, more := int64(0), true; more; at++ {
				doc := supportBy("least_loaded", "")
				if at%2 == 1 {
					doc = inSteps
				}
				w.saveRules(doc)
				injector := &faults.Injector{At: at, Fault: fault}
				sick := w.instance()
				sick.through(dynamodb.WithAPIOptions(injector.Add))
				err := errToBeContinued
				for tries := 0; err != nil && tries < 3; tries++ {
					err = sick.serve(t.Context(), queue.Signal{Pool: support, Chats: ids})
				}
				w.must(err)
				more = injector.Calls() > at
				for _, c := range w.checked().Chats {
					if c.RulesVersion != w.version() {
						t.Errorf("call %d: %s waits by version %d", at, c.ID, c.RulesVersion)
					}
				}
			}
		})
	}
}

// Two servings of one pool at once, as when a message comes again while the function that had it still runs: each Chat is
// routed again once.
func TestTwoReviewsAtOnce(t *testing.T) {
	t.Parallel()
	w, _ := queued(t, pageSize+atOnce)
	w.saveRules(bySales)
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			err := errToBeContinued
			for errors.Is(err, errToBeContinued) {
				err = w.instance().serve(t.Context(), queue.Signal{Pool: support})
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, c := range w.checked().Chats {
		if c.RulesVersion != w.version() || c.Routed != 2 {
			t.Errorf("%s waits by version %d and was routed %d times", c.ID, c.RulesVersion, c.Routed)
		}
	}
}
