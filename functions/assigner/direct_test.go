package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/order"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

// S3: a new Chat, and one that is opened again, belong to somebody from the start where somebody is free: one epoch, one
// event with the inputs and the choice, no waiting entry.
func TestOpensForSomebodyFree(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"))
	expect := func(epoch int64, kind chat.EventType, from, owner string) {
		t.Helper()
		c, all := w.only(), w.checked()
		if c.Status != chat.Open || c.Owner != owner || c.Epoch != epoch || c.OwnerEpoch != epoch || len(c.Pools) != 0 || len(all.Entries) != 0 {
			t.Errorf("it is %+v, with %d waiting entries", c.Ownership, len(all.Entries))
		}
		history, err := w.store.History(t.Context(), c.ID)
		w.must(err)
		e := history[len(history)-1]
		if len(history) != int(epoch) || e.Type != kind || e.From != from || e.Owner != owner || e.By.Kind != chat.ByRule {
			t.Fatalf("the last of %d events is %+v", len(history), e)
		}
		if d := e.Decision; d.Input == nil || d.Input.Department != "support" || d.RuleID != "support" || d.PersonID != owner ||
			len(d.Candidates) != 2 || d.WaitingSince != 0 {
			t.Errorf("the decision is %+v", d)
		}
	}
	w.receives(text("US.1", "", "hello", morning))
	expect(1, chat.Created, "", "dan")
	w.closes(w.only().ID)
	body := w.updates("messages", text("US.1", "", "hello again", morning.Add(time.Hour)))[0]
	var all sync.WaitGroup
	for range 16 {
		all.Go(func() { w.must(w.update(t.Context(), body)) })
	}
	all.Wait()
	expect(3, chat.Reopened, "dan", "mei")
}

// I6: nobody is given a Chat at once while another waits in the pool, whoever is free by then. Nor when nobody is free.
func TestWaitsBehindOthers(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 2, "support"))
	w.nobodyAround(func() { w.receives(text("US.1", "", "a", morning)) })
	w.receives(text("US.2", "", "b", morning), text("US.3", "", "c", morning))
	if all := w.checked(); len(all.Entries) != 3 {
		t.Fatalf("%d Chats wait, want 3", len(all.Entries))
	}
	w.serves(support)
	w.receives(text("US.4", "", "d", morning))
	for _, c := range w.checked().Chats {
		if owned := c.Customer.UserID == "US.1" || c.Customer.UserID == "US.2"; owned != (c.Owner == "dan") {
			t.Errorf("%s belongs to %q", c.Customer.UserID, c.Owner)
		}
	}
}

// I6 is about what was stored when a pool was read, and not about times: a Chat that found nobody free, and whose entry is
// stored after another was opened for somebody who came meanwhile, is not overtaken, though it carries the earlier time.
func TestStoredLaterIsNotOvertaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 1, "support"))
	w.set("dan", team.Away)
	slow := *w.assigner
	var once sync.Once
	slow.store = w.client(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("slow", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if middleware.GetOperationName(ctx) == "TransactWriteItems" {
				once.Do(func() {
					w.set("dan", team.Online)
					w.receives(text("US.2", "", "b", morning))
				})
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}))
	w.must(slow.update(order.Begin(t.Context()), w.updates("messages", text("US.1", "", "a", morning))[0]))
	all := w.checked()
	var waits, opened chat.Chat
	for _, c := range all.Chats {
		if c.Owner == "" {
			waits = c
		} else {
			opened = c
		}
	}
	if waits.Customer.UserID != "US.1" || opened.Owner != "dan" || waits.WaitingSince.After(opened.OpenedAt) {
		t.Fatalf("US.1 waits since %v as %+v, the other was opened at %v as %+v", waits.WaitingSince, waits.Ownership, opened.OpenedAt, opened.Ownership)
	}
	w.closes(opened.ID)
	w.receives(text("US.3", "", "c", morning))
	w.serves(support)
	if c, err := w.store.Chat(t.Context(), waits.ID); err != nil || c.Owner != "dan" {
		t.Errorf("it belongs to %q (%v), and waited first", c.Owner, err)
	}
	w.checked()
}

// F3: a person who is changed again and again between the choice and the transaction costs two attempts; then the Chat waits.
func TestWaitsAfterTwoRefusals(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"))
	choices := 0
	c := chat.Chat{ID: "c", Number: "1"}
	o := &openings{}
	for range 3 {
		pool := assign.Pool{Team: "support"}
		change := w.direct(t.Context(), c, chat.Placed{Routing: assign.Routing{Pool: pool, Strategy: assign.RoundRobin}}, chat.Arrival{}, o)
		if change == nil {
			break
		}
		choices++
		_, err := w.store.UpdatePerson(t.Context(), "dan", dynamo.Now(), func(*team.Person) error { return nil })
		w.must(err)
		if err := w.store.Commit(t.Context(), *change); !dynamo.Again(err) {
			t.Errorf("the transaction took a person who had changed: %v", err)
		}
	}
	if choices != mostDirect {
		t.Errorf("tried %d times, want %d", choices, mostDirect)
	}
}

// twoPools is a rules document whose two pools share everybody.
func twoPools(support, sales string) string {
	return fmt.Sprintf(`{"rules": [{"id": "sales", "name": "Sales", "enabled": true, "when": {"field": "text", "contains": ["price"]},
		"to": [{"team": "sales", "strategy": %q}]}], "otherwise": {"to": [{"team": "support", "strategy": %q}]}}`, sales, support)
}

// bothAtWork opens 4 Chats directly, lets 20 wait in one of two pools, and then serves the pools on two instances while 48
// more arrive at both.
func (w *world) bothAtWork() {
	w.Helper()
	says := []string{"hello", "price"}
	for i := range 4 {
		w.receives(text(fmt.Sprintf("US.f%d", i), "", says[i%2], morning))
	}
	w.nobodyAround(func() {
		for i := range 20 {
			w.receives(text(fmt.Sprintf("US.w%d", i), "", "hello", morning))
		}
	})
	serve := func(at *world, pool string) {
		err := errToBeContinued
		for errors.Is(err, errToBeContinued) { // as the signal that is sent then would
			err = at.serve(w.Context(), queue.Signal{Pool: pool})
		}
		if err != nil {
			w.Error(err)
		}
	}
	var all sync.WaitGroup
	instances := []*world{w, w.instance()}
	for i, pool := range []string{support, "team:sales"} {
		all.Go(func() { serve(instances[i], pool) })
	}
	slots := make(chan bool, 8)
	for i := range 48 {
		body := w.updates("messages", text(fmt.Sprintf("US.d%d", i), "", says[i/2%2], morning))[0]
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			if err := instances[i%2].update(w.Context(), body); err != nil {
				w.Error(err)
			}
		})
	}
	all.Wait()
	serve(w, support)
	serve(w, "team:sales")
}

// I2, I3, I6: the fast path on two instances and the serving of two pools reach for the same people at once.
func TestDirectAndPoolsAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(6, 8, "support", "sales")...)
	w.saveRules(twoPools("round_robin", "least_loaded"))
	w.bothAtWork()
	for _, p := range w.checked().People {
		if p.OpenChats != 8 {
			t.Errorf("%s has %d Chats, want all the room there is: 8", p.ID, p.OpenChats)
		}
	}
}

// S5: round robin is exact over everybody whom two pools share, whichever side gives the Chats: nobody gets one before all
// others have had theirs.
func TestRoundRobinIsExactWithBothAtWork(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agents(6, 0, "support", "sales")...)
	w.saveRules(twoPools("round_robin", "round_robin"))
	w.bothAtWork()
	s := w.checked()
	direct := slices.DeleteFunc(slices.Clone(s.Chats), func(c chat.Chat) bool { return c.Owner == "" || c.Epoch != 1 })
	t.Logf("%d of %d Chats were direct", len(direct), len(s.Chats))
	for _, p := range s.People {
		if p.OpenChats != 12 {
			t.Errorf("%s has %d of 72 Chats, want a sixth", p.ID, p.OpenChats)
		}
	}
}

// The burst regulates itself: once a Chat waits, those after it wait too, and are served in order. Without a burst nearly
// all are direct.
func TestOneAfterTheOtherIsDirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"), agent("amira", 0, "support"))
	for i := range 12 {
		w.receives(text(fmt.Sprintf("US.%d", i), "", "hello", morning))
	}
	for _, p := range w.checked().People {
		if p.OpenChats != 4 {
			t.Errorf("%s has %d Chats, want 4", p.ID, p.OpenChats)
		}
	}
}

// Whatever is wrong with the people, a customer's message is stored: the Chat waits, and is given away when they are mended.
func TestAMessageNeedsNoRoster(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"))
	healthy := w.store
	w.through(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("people", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if q, is := in.Parameters.(*dynamodb.QueryInput); is && q.ExpressionAttributeValues[":pk"].(*types.AttributeValueMemberS).Value == "P" {
				return middleware.InitializeOutput{}, middleware.Metadata{}, &types.ProvisionedThroughputExceededException{}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}))
	w.receives(text("US.1", "", "hello", morning))
	w.store = healthy
	if c := w.only(); !c.Waiting() {
		t.Errorf("it is %+v", c.Ownership)
	}
	w.serves(support)
	if c := w.only(); c.Owner != "dan" {
		t.Errorf("it belongs to %q", c.Owner)
	}
}

// A person to whom nothing can be given does not keep messages from being stored: the Chat waits, and another gets it.
func TestDirectToSomebodyLeftOut(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"))
	w.spoils(func(u *types.Update) bool { return u.Key["sk"].(*types.AttributeValueMemberS).Value == "dan" })
	w.receives(text("US.1", "", "hello", morning))
	if c := w.only(); !c.Waiting() || len(c.Unread) != 1 {
		t.Errorf("it is %+v", c.Ownership)
	}
	w.serves(support)
	if c := w.only(); c.Owner != "mei" {
		t.Errorf("it belongs to %q", c.Owner)
	}
}

// Somebody who can't be read is given nothing and keeps nobody else from being given something, until they are mended.
func TestAPersonWhoCantBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support"), agent("mei", 0, "support"))
	spoilt := w.personItem("dan")
	good := spoilt["openChats"]
	spoilt["openChats"] = &types.AttributeValueMemberS{Value: "some"}
	w.putsPerson(spoilt)
	w.receives(text("US.1", "", "hello", morning))
	c, err := w.store.Chat(t.Context(), testSecret.UserAddress(seed.SupportNumber, "US.1"))
	w.must(err)
	if c.Owner != "mei" {
		t.Errorf("it belongs to %q", c.Owner)
	}
	w.nobodyElse("mei", func() {
		w.receives(text("US.2", "", "hello", morning))
		spoilt["openChats"] = good
		w.putsPerson(spoilt)
		w.serves(support)
	})
	if p, err := w.store.Person(t.Context(), "dan"); err != nil || p.OpenChats != 1 {
		t.Errorf("dan, mended, is %+v (%v)", p, err)
	}
}

// nobodyElse does something while somebody is away.
func (w *world) nobodyElse(id string, do func()) {
	w.Helper()
	w.set(id, team.Away)
	do()
	w.set(id, team.Online)
}

func (w *world) personItem(id string) dynamo.Item {
	w.Helper()
	out, err := serverstest.DynamoDB(w).GetItem(w.Context(), &dynamodb.GetItemInput{TableName: aws.String(w.tables["TeamTable"]),
		Key: dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "P"}, "sk": &types.AttributeValueMemberS{Value: id}}})
	w.must(err)
	return out.Item
}

func (w *world) putsPerson(item dynamo.Item) {
	w.Helper()
	_, err := serverstest.DynamoDB(w).PutItem(w.Context(), &dynamodb.PutItemInput{TableName: aws.String(w.tables["TeamTable"]), Item: item})
	w.must(err)
}
