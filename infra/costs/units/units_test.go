package units

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/infra/local/servers/serverstest"
)

func text(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// One item of each kind, counted by hand.
func TestSize(t *testing.T) {
	t.Parallel()
	item := Item{
		"s":  text("ع"),                                                  // 1 + 2
		"n":  &types.AttributeValueMemberN{Value: "1234"},                // 1 + 4
		"b":  &types.AttributeValueMemberB{Value: make([]byte, 7)},       // 1 + 7
		"t":  &types.AttributeValueMemberBOOL{Value: true},               // 1 + 1
		"ss": &types.AttributeValueMemberSS{Value: []string{"a", "bc"}},  // 2 + 3 + 1 + 1 + 1 + 2
		"m":  &types.AttributeValueMemberM{Value: Item{"k": text("vv")}}, // 1 + 3 + 1 + 1 + 2
		"l":  &types.AttributeValueMemberL{Value: []types.AttributeValue{text("x")}},
	}
	if n, want := Size(item), 3+5+8+2+10+8+6; n != want {
		t.Errorf("%d bytes, want %d", n, want)
	}
}

// What each kind of request costs by AWS's published rules. Where AWS's rules and the local servers' figures agree, the
// figure that the server gives is held against it too.
func TestEveryRequestByThePublishedRules(t *testing.T) {
	t.Parallel()
	ctx, db := t.Context(), serverstest.DynamoDB(t)
	names := serverstest.Tables(t)
	chats, people := aws.String(names["ChatsTable"]), aws.String(names["TeamTable"])
	m := New(db)
	var changes []Change
	m.Changed = func(c Change) { changes = append(changes, c) }
	local := 0.0 // what the local server says
	counted := dynamodb.New(db.Options(), func(o *dynamodb.Options) {
		o.HTTPClient = &http.Client{Transport: m.By("test", http.DefaultTransport)}
	})
	key := func(pk string) Item { return Item{"pk": text(pk), "sk": text("0")} }
	with := func(pk string, bytes int, more ...string) Item {
		item := key(pk)
		for i := 0; i < len(more); i += 2 {
			item[more[i]] = text(more[i+1])
		}
		if rest := bytes - Size(item) - 1; rest > 0 {
			item["x"] = text(strings.Repeat("x", rest))
		}
		return item
	}
	put := func(table *string, item Item, condition *string) func(context.Context) error {
		return func(ctx context.Context) error {
			out, err := counted.PutItem(ctx, &dynamodb.PutItemInput{TableName: table, Item: item, ConditionExpression: condition,
				ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes})
			if err == nil {
				local = *out.ConsumedCapacity.CapacityUnits
			}
			return err
		}
	}
	update := func(table *string, pk, expression string, values Item) func(context.Context) error {
		return func(ctx context.Context) error {
			out, err := counted.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: table, Key: key(pk), UpdateExpression: &expression,
				ExpressionAttributeValues: values, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes})
			if err == nil {
				local = *out.ConsumedCapacity.CapacityUnits
			}
			return err
		}
	}
	remove := func(pk string) func(context.Context) error {
		return func(ctx context.Context) error {
			out, err := counted.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: chats, Key: key(pk), ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes})
			if err == nil {
				local = *out.ConsumedCapacity.CapacityUnits
			}
			return err
		}
	}
	get := func(pk string, strong bool) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := counted.GetItem(ctx, &dynamodb.GetItemInput{TableName: chats, Key: key(pk), ConsistentRead: &strong})
			return err
		}
	}
	transact := func(condition *string) func(context.Context) error {
		return func(ctx context.Context) error {
			_, err := counted.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: []types.TransactWriteItem{
				{Put: &types.Put{TableName: chats, Item: with("tx", 1025, "ok", "o", "ot", "1")}},
				{Update: &types.Update{TableName: chats, Key: key("c"), UpdateExpression: aws.String("SET y = :y"), ExpressionAttributeValues: Item{":y": text("y")}}},
				{Delete: &types.Delete{TableName: chats, Key: key("absent")}},
				{ConditionCheck: &types.ConditionCheck{TableName: people, Key: key("absent"), ConditionExpression: condition}},
			}})
			return err
		}
	}
	absent, there := aws.String("attribute_not_exists(pk)"), aws.String("attribute_exists(pk)")
	for _, c := range []struct {
		what    string
		do      func(context.Context) error
		writes  float64
		reads   float64
		changes int
		refused bool
		ofLocal bool // the local server says the same
	}{
		{"a put of 1,024 bytes", put(chats, with("a", 1024), nil), 1, 0, 1, false, true},
		{"a put of 1,025 bytes", put(chats, with("b", 1025), nil), 2, 0, 1, false, true},
		{"the same again", put(chats, with("b", 1025), nil), 2, 0, 0, false, true},
		{"a smaller one over it", put(chats, with("b", 100), nil), 2, 0, 1, false, true},
		{"a put that is refused, by the new item's size", put(chats, with("b", 3000), absent), 3, 0, 0, true, false},
		{"a put with two index entries", put(chats, with("c", 200, "ok", "o", "ot", "1", "sx", "s", "sa", "1"), nil), 3, 0, 1, false, true},
		{"an update that no index has", update(chats, "c", "SET z = :z", Item{":z": text("z")}), 1, 0, 1, false, true},
		{"an update that moves an index entry", update(chats, "c", "SET ok = :o", Item{":o": text("p")}), 3, 0, 1, false, true},
		{"an update that takes an index entry away", update(chats, "c", "REMOVE ok", nil), 2, 0, 1, false, true},
		{"a delete with an index entry", remove("c"), 2, 0, 1, false, true},
		{"a delete of nothing", remove("c"), 1, 0, 0, false, true},
		{"a person in the local index", put(people, with("P", 100, "changedAt", "1"), nil), 2, 0, 1, false, true},
		{"a person who moves in it", update(people, "P", "SET changedAt = :c", Item{":c": text("2")}), 3, 0, 1, false, true},
		{"a transaction: 4 + 1, 2, 2, 2", transact(absent), 11, 0, 2, false, false},
		{"the same cancelled: 4, 2, 2, 2", transact(there), 10, 0, 0, true, false},
		{"4,096 bytes to read", put(chats, with("r", 4096), nil), 4, 0, 1, false, true},
		{"4,097 bytes to read", put(chats, with("s", 4097), nil), 5, 0, 1, false, true},
		{"a strong read of 4,096 bytes", get("r", true), 0, 1, 0, false, false},
		{"a strong read of 4,097 bytes", get("s", true), 0, 2, 0, false, false},
		{"an eventual read of 4,097 bytes", get("s", false), 0, 1, 0, false, false},
		{"a strong read of nothing", get("none", true), 0, 1, 0, false, false},
		{"an eventual read of nothing", get("none", false), 0, 0.5, 0, false, false},
		{"a strong query of 4,096 bytes, filtered", func(ctx context.Context) error {
			_, err := counted.Query(ctx, &dynamodb.QueryInput{TableName: chats, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk"),
				FilterExpression: aws.String("attribute_exists(nothing)"), ExpressionAttributeValues: Item{":pk": text("r")}})
			return err
		}, 0, 1, 0, false, false},
		{"a strong query that finds nothing", func(ctx context.Context) error {
			_, err := counted.Query(ctx, &dynamodb.QueryInput{TableName: chats, ConsistentRead: aws.Bool(true), KeyConditionExpression: aws.String("pk = :pk"),
				ExpressionAttributeValues: Item{":pk": text("none")}})
			return err
		}, 0, 1, 0, false, false},
		{"an eventual query that finds nothing", func(ctx context.Context) error {
			_, err := counted.Query(ctx, &dynamodb.QueryInput{TableName: chats, KeyConditionExpression: aws.String("pk = :pk"),
				ExpressionAttributeValues: Item{":pk": text("none")}})
			return err
		}, 0, 0.5, 0, false, false},
		{"a strong batch of 4,097 bytes, a small one, and nothing", func(ctx context.Context) error {
			_, err := counted.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
				*chats: {ConsistentRead: aws.Bool(true), Keys: []Item{key("s"), key("b"), key("none")}}}})
			return err
		}, 0, 4, 0, false, false},
	} {
		changes, local = nil, 0
		err := c.do(ctx)
		if (err != nil) != c.refused {
			t.Fatalf("%s: %v", c.what, err)
		}
		took, err := m.Take()
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		var sum Count
		for _, count := range took {
			sum = sum.Add(count)
		}
		if sum.Writes != c.writes || sum.Reads != c.reads || len(changes) != c.changes || (sum.Refused == 1) != c.refused || sum.Requests != 1 {
			t.Errorf("%s: %+v and %d changes; want %v write units, %v read units, %d changes", c.what, sum, len(changes), c.writes, c.reads, c.changes)
		}
		if c.ofLocal && local != c.writes {
			t.Errorf("%s: the local server says %v, and AWS's rule %v", c.what, local, c.writes)
		}
	}
}

// SQS bills started blocks of 64 KB: those of a batch together.
func TestQueueRequestsByThePublishedRules(t *testing.T) {
	t.Parallel()
	ctx, client := t.Context(), serverstest.SQS(t)
	url := aws.String(serverstest.Queues(t)["DispatcherDeadLetters"])
	m := New(serverstest.DynamoDB(t))
	counted := sqs.New(client.Options(), func(o *sqs.Options) {
		o.HTTPClient = &http.Client{Transport: m.By("test", http.DefaultTransport)}
	})
	batch := func(sizes ...int) *sqs.SendMessageBatchInput {
		in := &sqs.SendMessageBatchInput{QueueUrl: url}
		for i, n := range sizes {
			in.Entries = append(in.Entries, sqstypes.SendMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), MessageBody: aws.String(strings.Repeat("x", n))})
		}
		return in
	}
	send := func(in *sqs.SendMessageBatchInput) error { _, err := counted.SendMessageBatch(ctx, in); return err }
	receive := func() error {
		_, err := counted.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: url, MaxNumberOfMessages: 10})
		return err
	}
	for _, c := range []struct {
		what            string
		do              func() error
		queue, messages int
	}{
		{"an empty receive", receive, 1, 0},
		{"two of 32 KB", func() error { return send(batch(32<<10, 32<<10)) }, 1, 2},
		{"their receive", receive, 1, 0},
		{"one of 64 KB and a byte", func() error { return send(batch(64<<10 + 1)) }, 2, 1},
		{"its receive", receive, 2, 0},
	} {
		if err := c.do(); err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		took, err := m.Take()
		if err != nil {
			t.Fatalf("%s: %v", c.what, err)
		}
		var sum Count
		for _, count := range took {
			sum = sum.Add(count)
		}
		if sum.Queue != c.queue || sum.Messages != c.messages {
			t.Errorf("%s: %+v, want %d requests and %d messages", c.what, sum, c.queue, c.messages)
		}
	}
}
