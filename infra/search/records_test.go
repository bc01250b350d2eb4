package search

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"chatkeeper/infra/local/filter"
	"chatkeeper/infra/local/servers"
)

// item is an item of a table as DynamoDB's JSON has it.
type item map[string]json.RawMessage

// place is where an item stands.
type place struct{ table, pk, sk string }

func (i item) at(table string) place {
	return place{table, text(i["pk"]), text(i["sk"])}
}

// text reads {"S": "…"}.
func text(raw json.RawMessage) string {
	var v struct{ S string }
	_ = json.Unmarshal(raw, &v)
	return v.S
}

// operation is one write, alone or in a transaction.
type operation struct {
	TableName string
	Item, Key item
}

func (o operation) at() place {
	if o.Key != nil {
		return o.Key.at(o.TableName)
	}
	return o.Item.at(o.TableName)
}

// targets are the items that the request may change, in the order of its operations.
func (c *call) targets() []place {
	var body struct {
		operation
		TransactItems []struct{ Put, Update, Delete, ConditionCheck *operation }
	}
	if err := json.Unmarshal(c.body, &body); err != nil {
		panic(err)
	}
	if c.action != "TransactWriteItems" {
		return []place{body.at()}
	}
	var all []place
	for _, t := range body.TransactItems {
		if o := cmp.Or(t.Put, t.Update, t.Delete); o != nil {
			all = append(all, o.at())
		}
	}
	return all
}

// operations is how many a transaction has.
func (c *call) operations() int {
	var body struct{ TransactItems []json.RawMessage }
	_ = json.Unmarshal(c.body, &body)
	return len(body.TransactItems)
}

// record is an item of a table's stream, as a function is given it.
type record struct {
	place place
	event []byte
	id    string
}

// stream is the stream of a table with one shard. The local servers have streams of their own, but get slower with every
// record they ever wrote; here the proxy looks at what a write may change before and after it, while nobody else writes.
type stream struct {
	table    string
	filters  []filter.Pattern
	batch    int
	attempts int // how often the function may fail a batch before it is given up
	records  []record
	failed   int // attempts of the first record so far
	only     int // the next batch ends here, when it was bisected; 0: it need not
	busy     bool
	rests    bool // it goes on when nothing else can move
}

// wants reports whether a change of the item may pass the filters of the event source mapping.
func (s *stream) wants(p place) bool {
	event := fmt.Appendf(nil, `{"eventName":"MODIFY","dynamodb":{"Keys":{"pk":{"S":%q},"sk":{"S":%q}}}}`, p.pk, p.sk)
	return s.passes(event)
}

func (s *stream) passes(event []byte) bool {
	return slices.ContainsFunc(s.filters, func(f filter.Pattern) bool {
		matches, err := f.Matches(event)
		return err == nil && matches
	})
}

// change appends what became of an item to the stream, if anything did and the filters let it pass.
func (r *run) change(s *stream, p place, before, after item) {
	name := "MODIFY"
	switch {
	case before == nil && after == nil, same(before, after):
		return
	case before == nil:
		name = "INSERT"
	case after == nil:
		name = "REMOVE"
	}
	r.sequence++
	id := fmt.Sprintf("%032x", r.sequence)
	change := map[string]any{
		"ApproximateCreationDateTime": time.Now().Unix(), "SequenceNumber": fmt.Sprintf("%021d", r.sequence), "SizeBytes": 100,
		"StreamViewType": "NEW_AND_OLD_IMAGES",
		"Keys":           map[string]any{"pk": map[string]string{"S": p.pk}, "sk": map[string]string{"S": p.sk}},
	}
	if before != nil {
		change["OldImage"] = before
	}
	if after != nil {
		change["NewImage"] = after
	}
	event, err := json.Marshal(map[string]any{"eventID": id, "eventName": name, "eventVersion": "1.1", "eventSource": "aws:dynamodb",
		"awsRegion": servers.Region, "eventSourceARN": "arn:aws:dynamodb:" + servers.Region + ":" + servers.Account + ":table/" + s.table + "/stream/local",
		"dynamodb": change})
	if err != nil {
		panic(err)
	}
	if s.passes(event) {
		s.records = append(s.records, record{p, event, fmt.Sprintf("%021d", r.sequence)})
	}
}

func same(a, b item) bool {
	x, _ := json.Marshal(a)
	y, _ := json.Marshal(b)
	return a != nil && b != nil && bytes.Equal(x, y)
}

// forward does a request of a function for DynamoDB and puts what it changed into the streams.
func (r *run) forward(c *call) answer {
	if !c.writes() {
		return r.ask(c.action, c.header, c.body)
	}
	var followed []place
	for _, p := range c.targets() {
		if s := r.streams[p.table]; s != nil && s.wants(p) {
			followed = append(followed, p)
		}
	}
	if r.random != nil { // a transaction's records have no order among each other
		r.random.Shuffle(len(followed), func(i, j int) { followed[i], followed[j] = followed[j], followed[i] })
	}
	before := r.items(c.header, followed)
	a := r.ask(c.action, c.header, c.body)
	if a.status == http.StatusOK {
		after := r.items(c.header, followed)
		for _, p := range followed {
			r.change(r.streams[p.table], p, before[p], after[p])
		}
	}
	return a
}

// items reads some items as they are now.
func (r *run) items(header http.Header, places []place) map[place]item {
	found := map[place]item{}
	if len(places) == 0 {
		return found
	}
	type keys struct {
		Keys           []map[string]map[string]string
		ConsistentRead bool
	}
	tables := map[string]*keys{}
	for _, p := range places {
		if tables[p.table] == nil {
			tables[p.table] = &keys{ConsistentRead: true}
		}
		tables[p.table].Keys = append(tables[p.table].Keys, map[string]map[string]string{"pk": {"S": p.pk}, "sk": {"S": p.sk}})
	}
	body, err := json.Marshal(map[string]any{"RequestItems": tables})
	if err != nil {
		panic(err)
	}
	a := r.ask("BatchGetItem", header, body)
	var got struct{ Responses map[string][]item }
	if err := json.Unmarshal(a.body, &got); err != nil || a.status != http.StatusOK {
		r.broken(fmt.Errorf("read items for the stream: %d %s", a.status, a.body))
	}
	for table, items := range got.Responses {
		for _, i := range items {
			found[i.at(table)] = i
		}
	}
	return found
}

// ask asks the local DynamoDB, which looks at no signature.
func (r *run) ask(action string, header http.Header, body []byte) answer {
	req, err := http.NewRequest(http.MethodPost, r.dynamoDB, bytes.NewReader(body))
	if err != nil {
		panic(err)
	}
	for _, name := range []string{"Authorization", "Content-Type", "X-Amz-Date"} {
		req.Header.Set(name, header.Get(name))
	}
	req.Header.Set("X-Amz-Target", "DynamoDB_20120810."+action)
	res, err := r.client.Do(req)
	if err != nil {
		r.broken(fmt.Errorf("DynamoDB: %w", err))
		return answer{cut: true}
	}
	defer res.Body.Close()
	out, err := io.ReadAll(res.Body)
	if err != nil {
		r.broken(fmt.Errorf("DynamoDB: %w", err))
		return answer{cut: true}
	}
	return answer{status: res.StatusCode, body: out}
}

// describe says what a request is about, for the trace of a run.
func (c *call) describe() string {
	if c.service != "dynamodb" {
		return c.action
	}
	if c.writes() {
		var all []string
		for _, p := range c.targets() {
			all = append(all, p.pk+"/"+shown(p.sk))
		}
		return c.action + " " + strings.Join(all, " ")
	}
	var body struct {
		Key                       item
		ExpressionAttributeValues map[string]json.RawMessage
	}
	_ = json.Unmarshal(c.body, &body)
	if body.Key != nil {
		return c.action + " " + text(body.Key["pk"]) + "/" + shown(text(body.Key["sk"]))
	}
	var values []string
	for _, v := range body.ExpressionAttributeValues {
		values = append(values, shown(text(v)))
	}
	slices.Sort(values)
	return c.action + " " + strings.Join(values, " ")
}

// shown makes a key of bytes readable.
func shown(key string) string {
	return strings.Trim(fmt.Sprintf("%q", key), `"`)
}
