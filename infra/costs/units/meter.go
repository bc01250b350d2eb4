// Package units counts what requests to DynamoDB and SQS cost on AWS, while local servers answer them.
//
// A Meter stands on the wire, under the SDK or behind a proxy, so that it sees retries and refusals as AWS would bill them,
// and the programs that are counted stay as they are. The rules are AWS's published ones:
//
//   - A write costs a unit for each started KB of the item before or after, whichever is larger; a refused one costs the same;
//     one in a transaction twice that, a check too. DynamoDB Local's own figures for transactions are too low. A cancelled
//     transaction is counted in full: AWS says only that it is not free.
//   - An index costs a unit for each started KB of an entry that comes, goes or changes, and so two for one that moves.
//     AWS states no double price for indexes in transactions.
//   - A read costs half a unit for each started 4 KB, a strong one a whole unit; a query by the sum of what it reads, a batch
//     item by item, what is not there as something small. For single reads and queries the local server's figures are
//     right, and taken, but for a query that finds nothing, where DynamoDB Local counts nothing. A batch is counted here:
//     DynamoDB Local counts nothing for what it does not find, and Dynoxide does.
//   - A request to SQS costs one for each started 64 KB of messages.
//
// Refusals by a broken request (400 without a condition) are free on AWS and not counted.
package units

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Call says who made a request, and which: UpdateItem, SendMessageBatch.
type Call struct{ By, Operation string }

// Count is what some requests cost.
type Count struct {
	Requests int
	Refused  int     // of them, by a condition
	Writes   float64 // write units of DynamoDB, indexes included
	Reads    float64 // read units
	Queue    int     // requests as SQS bills them
	Messages int     // sent to queues
}

// Add returns the sum of two counts.
func (c Count) Add(d Count) Count {
	return Count{c.Requests + d.Requests, c.Refused + d.Refused, c.Writes + d.Writes, c.Reads + d.Reads, c.Queue + d.Queue, c.Messages + d.Messages}
}

// Change is an item that a request changed: what the table's stream tells, and the write units it cost.
type Change struct {
	Table         string
	Key           Item
	Before, After Item // nil: not there
	Units         float64
}

// Meter counts. Make it with New.
type Meter struct {
	db      *dynamodb.Client
	Changed func(Change) // told about every change, one at a time; may be nil

	writing sync.Mutex // one write at a time, so that the images around it are its own
	schemas map[string]schema

	mu     sync.Mutex
	counts map[Call]Count
	latest time.Time
	unread []error
}

// New returns a Meter. The client asks the same DynamoDB, uncounted, for items before and after a write.
func New(db *dynamodb.Client) *Meter {
	return &Meter{db: db, schemas: map[string]schema{}, counts: map[Call]Count{}}
}

// Take returns what was counted since the last Take. An error means that a request was not understood, and so not counted.
func (m *Meter) Take() (map[Call]Count, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counts, unread := m.counts, m.unread
	m.counts, m.unread = map[Call]Count{}, nil
	if len(unread) > 0 {
		return counts, fmt.Errorf("%d requests could not be counted, the first: %w", len(unread), unread[0])
	}
	return counts, nil
}

// Latest is when the last request was answered.
func (m *Meter) Latest() time.Time {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.latest
}

// By is a transport whose requests are counted under a name.
func (m *Meter) By(who string, next http.RoundTripper) http.RoundTripper {
	return transport{m, who, next}
}

type transport struct {
	*Meter
	by   string
	next http.RoundTripper
}

// RoundTrip sends the request and counts it.
func (t transport) RoundTrip(req *http.Request) (*http.Response, error) {
	service, operation, _ := strings.Cut(req.Header.Get("X-Amz-Target"), ".")
	body, err := io.ReadAll(req.Body)
	req.Body.Close()
	if err != nil {
		return nil, err
	}
	send := func(body []byte) (*http.Response, []byte, error) {
		out := req.Clone(req.Context())
		out.Body, out.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		out.Header.Set("Content-Length", strconv.Itoa(len(body)))
		res, err := t.next.RoundTrip(out)
		if err != nil {
			return nil, nil, err
		}
		answer, err := io.ReadAll(res.Body)
		res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(answer))
		return res, answer, err
	}
	var count Count
	var res *http.Response
	switch {
	case strings.HasPrefix(service, "AmazonSQS"):
		var answer []byte
		if res, answer, err = send(body); err == nil {
			count, err = queueCount(body, answer)
		}
	case slices.Contains([]string{"GetItem", "Query"}, operation):
		res, count, err = t.read(body, send)
	case operation == "BatchGetItem":
		var answer []byte
		if res, answer, err = send(body); err == nil && res.StatusCode == http.StatusOK {
			count, err = batchCount(body, answer)
		}
	case slices.Contains([]string{"PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems"}, operation):
		res, count, err = t.write(req.Context(), operation, body, send)
	default:
		err = fmt.Errorf("a request %q, which has no rule here", req.Header.Get("X-Amz-Target"))
		res, _, _ = send(body)
	}
	count.Requests = 1
	t.mu.Lock()
	defer t.mu.Unlock()
	t.latest = time.Now()
	if err != nil {
		t.unread = append(t.unread, fmt.Errorf("%s, %s: %w", t.by, operation, err))
	}
	t.counts[Call{t.by, operation}] = t.counts[Call{t.by, operation}].Add(count)
	if res == nil {
		return nil, err
	}
	return res, nil
}

type sender = func(body []byte) (*http.Response, []byte, error)

// queueCount is what a request to SQS costs: its messages or those of its answer, in started blocks of 64 KB.
func queueCount(body, answer []byte) (Count, error) {
	type message struct{ MessageBody, Body string }
	var in struct {
		MessageBody string
		Entries     []message
	}
	var out struct{ Messages []message }
	if err := json.Unmarshal(body, &in); err != nil {
		return Count{}, err
	}
	json.Unmarshal(answer, &out) // an answer without a body is one without messages
	bytes, sent := len(in.MessageBody), 0
	if in.MessageBody != "" {
		sent = 1
	}
	for _, m := range append(in.Entries, out.Messages...) {
		bytes += len(m.MessageBody) + len(m.Body)
		if m.MessageBody != "" {
			sent++
		}
	}
	return Count{Queue: started(bytes, 64<<10), Messages: sent}, nil
}

// read asks for the consumed capacity, and takes it.
func (t transport) read(body []byte, send sender) (*http.Response, Count, error) {
	var in map[string]json.RawMessage
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, Count{}, err
	}
	in["ReturnConsumedCapacity"] = json.RawMessage(`"TOTAL"`)
	asking, err := json.Marshal(in)
	if err != nil {
		return nil, Count{}, err
	}
	res, answer, err := send(asking)
	if err != nil || res.StatusCode != http.StatusOK {
		return res, Count{}, err
	}
	var out struct {
		ConsumedCapacity struct{ CapacityUnits float64 }
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return res, Count{}, err
	}
	least := 0.5
	if string(in["ConsistentRead"]) == "true" {
		least = 1
	}
	return res, Count{Reads: max(out.ConsumedCapacity.CapacityUnits, least)}, nil
}

// batchCount is what a batch of reads costs, item by item.
func batchCount(body, answer []byte) (Count, error) {
	var in struct {
		RequestItems map[string]struct {
			Keys                 []json.RawMessage
			ConsistentRead       bool
			ProjectionExpression string
		}
	}
	var out struct{ Responses map[string][]wire }
	if err := json.Unmarshal(body, &in); err != nil {
		return Count{}, err
	}
	if err := json.Unmarshal(answer, &out); err != nil {
		return Count{}, err
	}
	var count Count
	for table, asked := range in.RequestItems {
		if asked.ProjectionExpression != "" {
			return Count{}, fmt.Errorf("a batch of parts of items, which has no rule here")
		}
		each, found := 0.5, out.Responses[table]
		if asked.ConsistentRead {
			each = 1
		}
		for _, w := range found {
			item, err := w.item()
			if err != nil {
				return Count{}, err
			}
			count.Reads += each * float64(started(Size(item), 4096))
		}
		count.Reads += each * float64(len(asked.Keys)-len(found))
	}
	return count, nil
}

// operation is one write of a request.
type operation struct {
	TableName string
	Key, Item wire
}

// at is the key of the item, and the item that a put brings.
func (o operation) at(s schema) (key, put Item, err error) {
	if o.Item == nil {
		key, err = o.Key.item()
		return key, nil, err
	}
	if put, err = o.Item.item(); err != nil {
		return nil, nil, err
	}
	key = Item{}
	for _, name := range s.key {
		key[name] = put[name]
	}
	return key, put, nil
}

func (t transport) write(ctx context.Context, name string, body []byte, send sender) (*http.Response, Count, error) {
	operations, err := operationsOf(name, body)
	if err != nil {
		return nil, Count{}, err
	}
	double := 1
	if name == "TransactWriteItems" {
		double = 2
	}
	t.writing.Lock()
	defer t.writing.Unlock()
	ctx = context.WithoutCancel(ctx)
	changes := make([]Change, len(operations))
	schemas := make([]schema, len(operations))
	puts := make([]Item, len(operations))
	for i, o := range operations {
		if schemas[i], err = t.schema(ctx, o.TableName); err != nil {
			return nil, Count{}, err
		}
		changes[i].Table = o.TableName
		if changes[i].Key, puts[i], err = o.at(schemas[i]); err != nil {
			return nil, Count{}, err
		}
		if changes[i].Before, err = t.image(ctx, changes[i]); err != nil {
			return nil, Count{}, err
		}
	}
	res, answer, err := send(body)
	if err != nil {
		return nil, Count{}, err
	}
	var count Count
	if res.StatusCode != http.StatusOK {
		if bytes.Contains(answer, []byte("ConditionalCheckFailed")) || bytes.Contains(answer, []byte("TransactionCanceled")) {
			count.Refused = 1
			for i, c := range changes {
				count.Writes += float64(double * started(max(Size(c.Before), Size(puts[i])), 1024))
			}
		}
		return res, count, nil
	}
	for i := range changes {
		c := &changes[i]
		if c.After, err = t.image(ctx, *c); err != nil {
			return res, count, err
		}
		c.Units = float64(double * started(max(Size(c.Before), Size(c.After)), 1024))
		for _, index := range schemas[i].indexes {
			c.Units += float64(index.units(c.Before, c.After))
		}
		count.Writes += c.Units
		if t.Changed != nil && !reflect.DeepEqual(c.Before, c.After) {
			t.Changed(*c)
		}
	}
	return res, count, nil
}

func operationsOf(name string, body []byte) ([]operation, error) {
	if name != "TransactWriteItems" {
		var one operation
		err := json.Unmarshal(body, &one)
		return []operation{one}, err
	}
	var in struct{ TransactItems []map[string]operation }
	err := json.Unmarshal(body, &in)
	var all []operation
	for _, item := range in.TransactItems {
		for o := range maps.Values(item) {
			all = append(all, o)
		}
	}
	return all, err
}

// image reads the item as it is now.
func (m *Meter) image(ctx context.Context, c Change) (Item, error) {
	out, err := m.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &c.Table, Key: c.Key, ConsistentRead: aws.Bool(true)})
	if err != nil {
		return nil, fmt.Errorf("read an item to count its write: %w", err)
	}
	return out.Item, nil
}

// schema is what a table's writes cost by.
type schema struct {
	key     []string
	indexes []index
}

type index struct {
	key  []string // of the index
	has  []string // all attributes of an entry
	full bool     // an entry is the whole item
}

func (m *Meter) schema(ctx context.Context, table string) (schema, error) {
	if s, ok := m.schemas[table]; ok {
		return s, nil
	}
	described, err := m.db.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &table})
	if err != nil {
		return schema{}, fmt.Errorf("describe a table to count its writes: %w", err)
	}
	s := schema{key: names(described.Table.KeySchema)}
	add := func(key []types.KeySchemaElement, p *types.Projection) {
		i := index{key: names(key), full: p.ProjectionType == types.ProjectionTypeAll}
		i.has = slices.Concat(s.key, i.key, p.NonKeyAttributes)
		s.indexes = append(s.indexes, i)
	}
	for _, i := range described.Table.GlobalSecondaryIndexes {
		add(i.KeySchema, i.Projection)
	}
	for _, i := range described.Table.LocalSecondaryIndexes {
		add(i.KeySchema, i.Projection)
	}
	m.schemas[table] = s
	return s, nil
}

func names(key []types.KeySchemaElement) []string {
	var all []string
	for _, k := range key {
		all = append(all, *k.AttributeName)
	}
	return all
}

// entry is what the index holds of an item; nil: it is not in the index.
func (i index) entry(item Item) Item {
	for _, name := range i.key {
		if item[name] == nil {
			return nil
		}
	}
	if i.full {
		return item
	}
	entry := Item{}
	for _, name := range i.has {
		if item[name] != nil {
			entry[name] = item[name]
		}
	}
	return entry
}

// units is what a change of an item costs in the index.
func (i index) units(before, after Item) int {
	was, is := i.entry(before), i.entry(after)
	switch {
	case was == nil && is == nil || reflect.DeepEqual(was, is):
		return 0
	case was == nil:
		return started(Size(is), 1024)
	case is == nil:
		return started(Size(was), 1024)
	}
	for _, name := range i.key {
		if !reflect.DeepEqual(was[name], is[name]) {
			return started(Size(was), 1024) + started(Size(is), 1024)
		}
	}
	return started(max(Size(was), Size(is)), 1024)
}
