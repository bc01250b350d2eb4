package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

type world struct {
	testing.TB
	*dispatcher
	db     *dynamodb.Client
	tables map[string]string
	stream int
}

func newWorld(t testing.TB) *world {
	t.Helper()
	tables, queues := serverstest.Tables(t), serverstest.Queues(t)
	db := serverstest.DynamoDB(t)
	w := &world{TB: t, db: db, tables: tables, dispatcher: &dispatcher{
		store:  dynamo.New(db, tables["ChatsTable"], tables["TeamTable"]),
		queues: queue.NewSender(serverstest.SQS(t)), pools: queues["PoolsQueue"], now: dynamo.Now}}
	w.must(w.store.SaveSettings(t.Context(), seed.Settings))
	w.must(w.store.SaveRules(t.Context(), seed.Rules, "alex", 0, dynamo.Now()))
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// waiting opens a Chat that waits by the rules in force, and returns it.
func (w *world) waiting(id, text string) chat.Chat {
	w.Helper()
	rules, err := w.store.InForce(w.Context())
	w.must(err)
	m := chat.Message{Key: chat.Secret("s").Key(1, id), WAMID: id, Direction: chat.In, Type: "text", Text: text}
	c := chat.Chat{ID: id, Number: seed.SupportNumber, Customer: chat.Customer{UserID: id, Language: "en", Country: "US"}}
	placed := c.Place(m, rules.Rules, rules.Version, rules.Settings, dynamo.Now())
	w.must(w.store.Commit(w.Context(), c.Opens(dynamo.Now(), placed, chat.Arrival{Message: m, Preview: "hello"})))
	return w.chat(id)
}

func (w *world) chat(id string) chat.Chat {
	w.Helper()
	c, err := w.store.Chat(w.Context(), id)
	w.must(err)
	return *c
}

// image is an item as a stream record shows it: everything that stands under the keys now.
func (w *world) image(table, pk, prefix string) map[string]events.DynamoDBAttributeValue {
	w.Helper()
	out, err := w.db.Query(w.Context(), &dynamodb.QueryInput{TableName: aws.String(w.tables[table]), ConsistentRead: aws.Bool(true),
		KeyConditionExpression: aws.String("pk = :p and begins_with(sk, :s)"),
		ExpressionAttributeValues: map[string]types.AttributeValue{
			":p": &types.AttributeValueMemberS{Value: pk}, ":s": &types.AttributeValueMemberS{Value: prefix}}})
	w.must(err)
	if len(out.Items) != 1 {
		w.Fatalf("%d items stand at %s %s", len(out.Items), pk, prefix)
	}
	image := map[string]events.DynamoDBAttributeValue{}
	for name, v := range out.Items[0] {
		switch v := v.(type) {
		case *types.AttributeValueMemberS:
			image[name] = events.NewStringAttribute(v.Value)
		case *types.AttributeValueMemberN:
			image[name] = events.NewNumberAttribute(v.Value)
		case *types.AttributeValueMemberB:
			image[name] = events.NewBinaryAttribute(v.Value)
		case *types.AttributeValueMemberBOOL:
			image[name] = events.NewBooleanAttribute(v.Value)
		case *types.AttributeValueMemberSS:
			image[name] = events.NewStringSetAttribute(v.Value)
		default:
			w.Fatalf("attribute %s is a %T", name, v)
		}
	}
	return image
}

func (w *world) record(old, now map[string]events.DynamoDBAttributeValue) events.DynamoDBEventRecord {
	w.stream++
	either := now
	if either == nil {
		either = old
	}
	return events.DynamoDBEventRecord{EventID: fmt.Sprint("record", w.stream), Change: events.DynamoDBStreamRecord{
		SequenceNumber: fmt.Sprint(w.stream), OldImage: old, NewImage: now,
		Keys: map[string]events.DynamoDBAttributeValue{"pk": either["pk"], "sk": either["sk"]}}}
}

// signalled handles records and returns the pools that were signalled, sorted, with the Chats they name.
func (w *world) signalled(records ...events.DynamoDBEventRecord) []string {
	w.Helper()
	answer, err := w.handle(w.Context(), events.DynamoDBEvent{Records: records})
	w.must(err)
	if len(answer.BatchItemFailures) > 0 {
		w.Fatalf("failed from %v", answer.BatchItemFailures)
	}
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
			found = append(found, fmt.Sprint(s.Pool, s.Chats))
			_, err = client.DeleteMessage(w.Context(), &sqs.DeleteMessageInput{QueueUrl: &w.pools, ReceiptHandle: m.ReceiptHandle})
			w.must(err)
		}
	}
}

func want(t *testing.T, got []string, wanted ...string) {
	t.Helper()
	if !slices.Equal(got, wanted) {
		t.Errorf("signalled %v, want %v", got, wanted)
	}
}

// A new waiting entry signals its pool, once a batch; a note on it, its removal and a repetition signal nothing more.
func TestWaitingEntries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.waiting("a", "hello")
	w.waiting("b", "what is the price?")
	w.waiting("c", "hello")
	const pool = "W#team:support"
	entry := func(sk string) map[string]events.DynamoDBAttributeValue {
		for _, e := range w.entries("team:support") {
			if e.Chat == sk {
				return w.image("ChatsTable", pool, fmt.Sprintf("1#%013d#%s", e.Since.UnixMilli(), e.Chat))
			}
		}
		t.Fatalf("no entry of %s", sk)
		return nil
	}
	a, c := entry("a"), entry("c")
	first := w.record(nil, a)
	want(t, w.signalled(first, w.record(nil, c)), "team:support[a c]")
	want(t, w.signalled(first), "team:support[a]") // not known: the batch's signal was that of its last record
	want(t, w.signalled(first))                    // within five minutes the queue knows it
	b := entry("a")
	want(t, w.signalled(first, w.record(nil, b)), "team:support[a a]") // a batch that grew is a signal of its own
	noted := entry("a")
	noted["be"] = events.NewStringAttribute("nobody_online")
	want(t, w.signalled(w.record(a, noted)))
	want(t, w.signalled(w.record(a, nil)))
	routed := entry("a")
	routed["rt"] = events.NewNumberAttribute("2")
	want(t, w.signalled(w.record(a, routed)), "team:support[a]")
}

func (w *world) entries(pool string) []chat.Entry {
	w.Helper()
	page, err := w.store.Waiting(w.Context(), pool, "", 100)
	w.must(err)
	return page.Entries
}

// An entry of older rules signals its pool as any other, naming the Chat: the pool's assigner routes it again. So does the
// entry that it has then.
func TestEntryOfOlderRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	before := w.waiting("a", "hello")
	entry := w.image("ChatsTable", "W#team:support", "1#")
	w.must(w.store.SaveRules(t.Context(), `{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`, "alex", 1, dynamo.Now()))
	want(t, w.signalled(w.record(nil, entry)), "team:support[a]")
	if c := w.chat("a"); c.Routed != before.Routed {
		t.Errorf("it was routed again, to %v", c.Pools)
	}
	rules, err := w.store.InForce(t.Context())
	w.must(err)
	_, err = w.store.Reroute(t.Context(), w.entries("team:support")[0], rules, dynamo.Now())
	w.must(err)
	want(t, w.signalled(w.record(entry, nil), w.record(nil, w.image("ChatsTable", "W#team:everyone", "1#"))), "team:everyone[a]")
}

// Saved rules signal every listed pool. However many Chats wait, and however many pools are listed, that is one reading of
// the directory, and nobody behind the record waits for more.
func TestRulesSaved(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 30 {
		w.waiting(fmt.Sprint("a", i), "hello")
	}
	listed := []string{"team:sales", "team:support", "team:support;languages=zh"}
	for _, pool := range listed {
		w.must(w.store.List(t.Context(), pool))
	}
	injector := &faults.Injector{At: -1}
	w.dispatcher.store = dynamo.New(dynamodb.New(w.db.Options(), dynamodb.WithAPIOptions(injector.Add)), w.tables["ChatsTable"], w.tables["TeamTable"])
	old := w.image("TeamTable", "R", "0")
	healthy := dynamo.New(w.db, w.tables["ChatsTable"], w.tables["TeamTable"])
	w.must(healthy.SaveRules(t.Context(), `{"rules": [], "otherwise": {"to": [{"team": "sales", "strategy": "round_robin"}]}}`, "alex", 1, dynamo.Now()))
	saved := w.image("TeamTable", "R", "0")
	want(t, w.signalled(w.record(old, saved)), "team:sales[]", "team:support;languages=zh[]", "team:support[]")
	if n := injector.Calls(); n != 1 {
		t.Errorf("it took %d requests to the tables, want 1", n)
	}
	w.must(w.store.SaveSettings(t.Context(), team.Settings{Teams: []team.Team{{ID: "x", Name: "X"}}}))
	want(t, w.signalled(w.record(saved, w.image("TeamTable", "R", "0"))))
}

// Whoever can take a Chat now is wanted in every listed pool that they fit; nobody else signals anything.
func TestPeople(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name        string
		before, now func(*team.Person)
		signals     []string
	}{
		{"comes online", func(p *team.Person) { p.Availability = team.Offline }, nil, []string{"team:everyone[]", "team:support[]"}},
		{"comes back from away", func(p *team.Person) { p.Availability = team.Away }, nil, []string{"team:everyone[]", "team:support[]"}},
		{"is activated", func(p *team.Person) { p.Active = false }, nil, []string{"team:everyone[]", "team:support[]"}},
		{"gets room", func(p *team.Person) { p.Limit = 0 }, func(p *team.Person) { p.Limit = 3 }, []string{"team:everyone[]", "team:support[]"}},
		{"gets more room", func(p *team.Person) { p.Limit = 3 }, func(p *team.Person) { p.Limit = 4 }, []string{"team:everyone[]", "team:support[]"}},
		{"learns a language", nil, func(p *team.Person) { p.Languages = []string{"zh"} }, []string{"team:everyone[]", "team:support;languages=zh[]", "team:support[]"}},
		{"joins a team", func(p *team.Person) { p.Teams = nil }, nil, []string{"team:everyone[]", "team:support[]"}},
		{"changes their name", nil, func(p *team.Person) { p.Name = "Daniel" }, nil},
		{"gets less room", nil, func(p *team.Person) { p.Limit = 5 }, nil},
		{"goes away", nil, func(p *team.Person) { p.Availability = team.Away }, nil},
		{"leaves a team", nil, func(p *team.Person) { p.Teams = nil }, nil},
		{"online has ended", func(p *team.Person) { p.Availability = team.Offline },
			func(p *team.Person) { p.Availability = team.Online; p.OnlineUntil = time.UnixMilli(1) }, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, pool := range []string{"team:support", "team:support;languages=zh", "team:sales", "team:everyone"} {
				w.must(w.store.List(t.Context(), pool))
			}
			p := team.Person{ID: "dan", Role: team.Agent, Active: true, Availability: team.Online, Limit: team.NoLimit, Teams: []string{"support"}}
			before := p
			if test.before != nil {
				test.before(&before)
			}
			w.must(w.store.AddPerson(t.Context(), before, dynamo.Now()))
			old := w.image("TeamTable", "P", "dan")
			_, err := w.store.UpdatePerson(t.Context(), "dan", dynamo.Now(), func(stored *team.Person) error {
				changed := *stored
				*stored = p
				stored.Changed = changed.Changed
				if test.now != nil {
					test.now(stored)
				}
				return nil
			})
			w.must(err)
			want(t, w.signalled(w.record(old, w.image("TeamTable", "P", "dan"))), test.signals...)
		})
	}
}

// A record that can't be handled is reported; what came before it was signalled, what follows comes again.
func TestBatchFailsFromTheFirstBadRecord(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.waiting("a", "hello")
	entry := w.image("ChatsTable", "W#team:support", "1#")
	old := w.image("TeamTable", "R", "0")
	w.must(w.store.SaveRules(t.Context(), seed.Rules, "alex", 1, dynamo.Now()))
	injector := &faults.Injector{At: 0, Fault: faults.Failed} // the reading of the directory
	w.dispatcher.store = dynamo.New(dynamodb.New(w.db.Options(), dynamodb.WithAPIOptions(injector.Add)), w.tables["ChatsTable"], w.tables["TeamTable"])
	records := []events.DynamoDBEventRecord{w.record(nil, entry), w.record(old, w.image("TeamTable", "R", "0")), w.record(nil, entry)}
	answer, err := w.handle(t.Context(), events.DynamoDBEvent{Records: records})
	w.must(err)
	if len(answer.BatchItemFailures) != 1 || answer.BatchItemFailures[0].ItemIdentifier != "2" {
		t.Errorf("failed: %v, want from record 2 on", answer.BatchItemFailures)
	}
}

// A record that can't be read never will be: it is passed over, and holds up none of those behind it.
func TestARecordThatCantBeRead(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := w.waiting("a", "hello")
	entry := w.image("ChatsTable", "W#team:support", "1#")
	bad := map[string]events.DynamoDBAttributeValue{"pk": entry["pk"], "sk": entry["sk"], "ep": events.NewStringAttribute("not a number")}
	want(t, w.signalled(w.record(nil, bad), w.record(nil, entry)), fmt.Sprint(c.Pools[0], []string{"a"}))
}
