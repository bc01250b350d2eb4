package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/bench/side"
	"chatkeeper/infra/costs/units"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

// full is a number for a usual run, and the one of its goal, which takes minutes to fill in.
func full(usual, design int) int {
	if os.Getenv("CHATKEEPER_BENCH_FULL") != "" {
		return design
	}
	return usual
}

func quiet(b *testing.B) {
	b.Helper()
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewJSONHandler(io.Discard, nil)))
	b.Cleanup(func() { slog.SetDefault(before) })
}

// through makes the world's requests go through whatever is added to its client.
func (w *world) through(change ...func(*dynamodb.Options)) {
	w.store = w.client(change...)
}

// fill puts n copies of an item into a table, each changed, a few batches at a time.
func (w *world) fill(table string, item units.Item, n int, change func(i int, copied units.Item)) {
	w.Helper()
	db := serverstest.DynamoDB(w)
	const most, atOnce = 25, 4 // items in a batch; the server has little use for more batches
	var all sync.WaitGroup
	var failed atomic.Pointer[error]
	slots := make(chan bool, atOnce)
	for first := 0; first < n && failed.Load() == nil; first += most {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			var batch []types.WriteRequest
			for i := first; i < min(first+most, n); i++ {
				copied := maps.Clone(item)
				change(i, copied)
				batch = append(batch, types.WriteRequest{PutRequest: &types.PutRequest{Item: copied}})
			}
			if _, err := db.BatchWriteItem(w.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{table: batch}}); err != nil {
				failed.Store(&err)
			}
		})
	}
	all.Wait()
	if err := failed.Load(); err != nil {
		w.Fatal(*err)
	}
}

// first is the first item under a partition key.
func (w *world) first(table, pk string) units.Item {
	w.Helper()
	expression := "pk = :pk"
	out, err := serverstest.DynamoDB(w).Query(w.Context(), &dynamodb.QueryInput{TableName: &table, KeyConditionExpression: &expression,
		ExpressionAttributeValues: units.Item{":pk": text1(pk)}})
	w.must(err)
	return out.Items[0]
}

func text1(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// size is what an assignment must not depend on.
type size struct {
	people, rules, waiting, chats int
	strategy                      assign.Strategy
}

// crowded is a world of a size.
func crowded(b *testing.B, size size) *world {
	b.Helper()
	people, waiting := size.people, size.waiting
	w := newWorld(b)
	w.must(w.store.AddPerson(b.Context(), agent("agent", 0), dynamo.Now().Add(-time.Hour)))
	w.fill(w.tables["TeamTable"], w.first(w.tables["TeamTable"], "P"), people-1, func(i int, p units.Item) { p["sk"] = text1(fmt.Sprint("agent", i)) })
	var doc []string
	for i := range size.rules {
		doc = append(doc, fmt.Sprintf(`{"id": "r%d", "name": "Rule %d", "enabled": true, "when": {"all": [{"field": "language", "in": ["ar"]}]}, "to": [{"team": "support", "strategy": "round_robin"}]}`, i, i))
	}
	w.saveRules(`{"rules": [` + strings.Join(doc, ",") + `], "otherwise": {"to": [{"team": "everyone", "strategy": "` + string(size.strategy) + `"}]}}`)

	// A Chat that nobody took yet, and its entry, are what the others are copied from.
	table := w.tables["ChatsTable"]
	if waiting > 0 {
		w.everybody(people, team.Offline)
	}
	w.receives(text("US.model", "", "hello", morning))
	if waiting > 0 {
		entry := w.first(table, "W#"+everyone)
		rank, _, _ := strings.Cut(entry["sk"].(*types.AttributeValueMemberS).Value, "#")
		later := dynamo.Now().AddDate(1, 0, 0).UnixMilli()
		w.fill(table, entry, waiting, func(i int, e units.Item) {
			e["sk"], e["ch"] = text1(fmt.Sprintf("%s#%013d#copy%d", rank, later+int64(i), i)), text1(fmt.Sprint("copy", i))
			e["ws"] = &types.AttributeValueMemberN{Value: fmt.Sprint(later + int64(i))}
		})
		w.everybody(people, team.Online)
		w.through() // another instance: the roster of this one does not look for what is dated an hour ago
	}
	w.assignOne()
	w.fill(table, w.first(table, "C#"+testSecret.UserAddress(seed.SupportNumber, "US.model")), size.chats, func(i int, c units.Item) { c["pk"] = text1(fmt.Sprint("C#copy", i)) })
	return w
}

// everybody is online, or away, for an hour already.
func (w *world) everybody(people int, a team.Availability) {
	for i := range people {
		id := "agent"
		if i > 0 {
			id = fmt.Sprint("agent", i-1)
		}
		_, err := w.store.UpdatePerson(w.Context(), id, dynamo.Now().Add(-time.Hour), func(p *team.Person) error { p.Availability = a; return nil })
		w.must(err)
	}
}

var writers int

// arrives has a new customer write, and gives the Chat to somebody.
func (w *world) arrives() {
	writers++
	w.receives(text(fmt.Sprintf("US.%d", writers), "", "My order has not arrived.", morning))
	w.assignOne()
}

// assignOne serves the first Chat that waits, if its time has come.
func (w *world) assignOne() {
	page, err := w.store.Waiting(w.Context(), everyone, "", 1)
	w.must(err)
	if len(page.Entries) == 0 || page.Entries[0].Since.After(dynamo.Now()) {
		return
	}
	s, err := w.serving(queue.Signal{Pool: everyone})
	w.must(err)
	done, err := s.next(w.Context())
	w.must(err)
	if done {
		w.Fatal("nobody took the Chat")
	}
}

// spent is the units of one assignment.
func (w *world) spent() float64 {
	m := units.New(serverstest.DynamoDB(w))
	plain := w.store
	w.through(func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: m.By("bench", http.DefaultTransport)}
	})
	defer func() { w.store = plain }()
	w.arrives() // reads the roster and the rules for the first time
	_, err := m.Take()
	w.must(err)
	const n = 5
	for range n {
		w.arrives()
	}
	took, err := m.Take()
	w.must(err)
	sum := 0.0
	for _, c := range took {
		sum += c.Writes + c.Reads
	}
	return sum / n
}

// What an assignment costs must not grow with what there is: CPU of the process, and units of DynamoDB.
func BenchmarkGoalFlat(b *testing.B) {
	quiet(b)
	waiting, chats := full(2_000, 100_000), full(20_000, 1_000_000)
	few := size{10, 10, 0, 1, assign.RoundRobin}
	for _, c := range []struct {
		name     string
		few, all size
	}{
		{"people-10-to-10000", few, size{10_000, 10, 0, 1, assign.RoundRobin}},
		{"people-10-to-10000-least-loaded", size{10, 10, 0, 1, assign.LeastLoaded}, size{10_000, 10, 0, 1, assign.LeastLoaded}},
		{"people-10-to-10000-weighted", size{10, 10, 0, 1, assign.Weighted}, size{10_000, 10, 0, 1, assign.Weighted}},
		{"rules-10-to-1000", few, size{10, 1000, 0, 1, assign.RoundRobin}},
		{fmt.Sprintf("waiting-10-to-%d", waiting), size{10, 10, 10, 1, assign.RoundRobin}, size{10, 10, waiting, 1, assign.RoundRobin}},
		{fmt.Sprintf("chats-1-to-%d", chats), few, size{10, 10, 0, chats, assign.RoundRobin}},
	} {
		b.Run(c.name, func(b *testing.B) {
			few, all := crowded(b, c.few), crowded(b, c.all)
			const n = 10
			each := func(w *world) func() {
				return func() {
					for range n {
						w.arrives()
					}
				}
			}
			for b.Loop() {
				side.Compare(b, 41, n, side.CPU, each(all), each(few))
			}
			b.ReportMetric(all.spent()/few.spent(), "units-ratio")
		})
	}
}

// Serving a pool, beside a bare loop of the same SDK calls on the same DynamoDB: the calls are recorded, and made again
// on a copy of the tables as they were before.
func BenchmarkGoalServing(b *testing.B) {
	quiet(b)
	const turns, n = 15, 30
	var ratios, rates []float64
	for range turns {
		w := newWorld(b, agent("a", 0), agent("b", 0), agent("c", 0))
		w.saveRules(everyoneInTurn)
		for _, id := range []string{"a", "b", "c"} {
			w.be(id, team.Offline)
		}
		for i := range n {
			w.receives(text(fmt.Sprintf("US.%d", i), "", "hello", morning))
		}
		for _, id := range []string{"a", "b", "c"} {
			w.be(id, team.Online)
		}
		copied := serverstest.Tables(b)
		renamed := map[string]string{}
		for id, table := range w.tables {
			renamed[table] = copied[id]
			out, err := serverstest.DynamoDB(b).Scan(b.Context(), &dynamodb.ScanInput{TableName: &table})
			w.must(err)
			for _, item := range out.Items {
				w.fill(copied[id], item, 1, func(int, units.Item) {})
			}
		}
		var calls []any
		w.through(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("record", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				calls = append(calls, in.Parameters)
				return next.HandleInitialize(ctx, in)
			}), middleware.Before)
		}))
		begin := side.Wall()
		w.serves(everyone)
		served := side.Wall() - begin

		db := serverstest.DynamoDB(b)
		for _, call := range calls {
			rename(call, renamed)
		}
		begin = side.Wall()
		for _, call := range calls {
			w.must(makeAgain(b.Context(), db, call))
		}
		bare := side.Wall() - begin
		ratios = append(ratios, float64(bare)/float64(served))
		rates = append(rates, n/served.Seconds())
	}
	for b.Loop() {
	}
	b.ReportMetric(side.Median(ratios), "ratio")
	b.ReportMetric(side.Median(rates), "a-second")
	b.ReportMetric(0, "ns/op")
}

func (w *world) be(id string, a team.Availability) {
	w.Helper()
	_, err := w.store.UpdatePerson(w.Context(), id, dynamo.Now(), func(p *team.Person) error { p.Availability = a; return nil })
	w.must(err)
}

// rename makes a call go to other tables.
func rename(call any, names map[string]string) {
	at := func(table **string) { other := names[**table]; *table = &other }
	switch c := call.(type) {
	case *dynamodb.QueryInput:
		at(&c.TableName)
	case *dynamodb.GetItemInput:
		at(&c.TableName)
	case *dynamodb.PutItemInput:
		at(&c.TableName)
	case *dynamodb.UpdateItemInput:
		at(&c.TableName)
	case *dynamodb.DeleteItemInput:
		at(&c.TableName)
	case *dynamodb.BatchGetItemInput:
		requests := map[string]types.KeysAndAttributes{}
		for table, keys := range c.RequestItems {
			requests[names[table]] = keys
		}
		c.RequestItems = requests
	case *dynamodb.TransactWriteItemsInput:
		c.ClientRequestToken = nil
		for _, i := range c.TransactItems {
			switch {
			case i.Put != nil:
				at(&i.Put.TableName)
			case i.Update != nil:
				at(&i.Update.TableName)
			case i.Delete != nil:
				at(&i.Delete.TableName)
			case i.ConditionCheck != nil:
				at(&i.ConditionCheck.TableName)
			}
		}
	}
}

// makeAgain makes a recorded call.
func makeAgain(ctx context.Context, db *dynamodb.Client, call any) (err error) {
	switch c := call.(type) {
	case *dynamodb.QueryInput:
		_, err = db.Query(ctx, c)
	case *dynamodb.GetItemInput:
		_, err = db.GetItem(ctx, c)
	case *dynamodb.PutItemInput:
		_, err = db.PutItem(ctx, c)
	case *dynamodb.UpdateItemInput:
		_, err = db.UpdateItem(ctx, c)
	case *dynamodb.DeleteItemInput:
		_, err = db.DeleteItem(ctx, c)
	case *dynamodb.BatchGetItemInput:
		_, err = db.BatchGetItem(ctx, c)
	case *dynamodb.TransactWriteItemsInput:
		_, err = db.TransactWriteItems(ctx, c)
	default:
		err = fmt.Errorf("no such call is known: %T", call)
	}
	return err
}
