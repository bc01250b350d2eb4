package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/order"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
	"chatkeeper/shared/whatsapp"
)

// world is an assigner over tables and queues of its own.
type world struct {
	testing.TB
	*assigner
	tables map[string]string
	quiet  *invariant.Snapshot // the tables when they were checked last; nil before
	passed map[string]bool     // Chats that a serving may pass over
}

var testSecret = chat.Secret("a secret of tests")

// newWorld makes a world with these people, the seed's settings, and the seed's rules.
func newWorld(t testing.TB, people ...team.Person) *world {
	t.Helper()
	tables, queues := serverstest.Tables(t), serverstest.Queues(t)
	w := &world{TB: t, tables: tables, passed: map[string]bool{}}
	w.assigner = &assigner{
		store:   w.client(),
		queues:  queue.NewSender(serverstest.SQS(t)),
		secret:  testSecret,
		inbound: queues["InboundQueue"],
		pools:   queues["PoolsQueue"],
		now:     dynamo.Now,
	}
	w.must(w.store.SaveSettings(t.Context(), seed.Settings))
	for _, p := range people {
		w.must(w.store.AddPerson(t.Context(), p, dynamo.Now()))
	}
	w.saveRules(seed.Rules)
	return w
}

// client is a store over the world's tables, which reports a breach of I6 by an invocation of the world.
func (w *world) client(change ...func(*dynamodb.Options)) *dynamo.Store {
	w.Helper()
	o := serverstest.DynamoDB(w).Options()
	o.HTTPClient = order.Client{HTTP: o.HTTPClient, Passed: w.passed, Breach: func(err error) { w.Error(err) }}
	return dynamo.New(dynamodb.New(o, change...), w.tables["ChatsTable"], w.tables["TeamTable"])
}

func (w *world) update(ctx context.Context, body string) error {
	return w.assigner.update(order.Begin(ctx), body)
}

func (w *world) serve(ctx context.Context, signal queue.Signal) error {
	_, err := w.assigner.serve(order.Begin(ctx), signal)
	return err
}

func (w *world) saveRules(doc string) {
	w.Helper()
	f, err := w.store.InForce(w.Context())
	w.must(err)
	w.must(w.store.SaveRules(w.Context(), doc, "alex", f.Saved, dynamo.Now()))
}

// everyoneInTurn is a rules document without rules.
const everyoneInTurn = `{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`

// agent is somebody online with a capacity; 0 is none.
func agent(id string, capacity int, teams ...string) team.Person {
	p := team.Person{ID: id, Name: id, Role: team.Agent, Active: true, Availability: team.Online, Capacity: capacity,
		Limit: capacity, Weight: 1, Teams: teams}
	if capacity == 0 {
		p.Limit = team.NoLimit
	}
	return p
}

// agents are n of them: agent0, agent1 and so on.
func agents(n, capacity int, teams ...string) (all []team.Person) {
	for i := range n {
		all = append(all, agent(fmt.Sprint("agent", i), capacity, teams...))
	}
	return all
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

var lastMessage atomic.Int64

// text is a delivery of a customer's text with an id of its own.
func text(userID, phone, body string, at time.Time) map[string]any {
	m := map[string]any{
		"id": fmt.Sprintf("wamid.test%d", lastMessage.Add(1)), "timestamp": fmt.Sprint(at.Unix()),
		"type": "text", "text": map[string]any{"body": body},
	}
	if phone != "" {
		m["from"] = phone
	}
	if userID != "" {
		m["from_user_id"] = userID
	}
	return m
}

// of makes another type of the message.
func of(m map[string]any, kind string, content any) map[string]any {
	delete(m, "text")
	m["type"], m[kind] = kind, content
	return m
}

// updates takes messages apart as the webhook does.
func (w *world) updates(field string, messages ...map[string]any) []string {
	w.Helper()
	list := "messages"
	if field == "smb_message_echoes" {
		list = "message_echoes"
	}
	raw, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{
		"id": "1", "changes": []any{map[string]any{"field": field, "value": map[string]any{
			"messaging_product": "whatsapp", list: messages,
			"metadata": map[string]any{"phone_number_id": seed.SupportNumber, "display_phone_number": "15550100001"},
		}}}}}})
	w.must(err)
	split, err := whatsapp.Split(raw, time.Now())
	w.must(err)
	var bodies []string
	for _, u := range split {
		bodies = append(bodies, u.Encode())
	}
	return bodies
}

// receives delivers messages one after the other, as the queue would.
func (w *world) receives(messages ...map[string]any) {
	w.Helper()
	for _, body := range w.updates("messages", messages...) {
		w.must(w.update(w.Context(), body))
	}
}

// signal serves a pool as the queue would.
func (w *world) serves(pool string, chats ...string) {
	w.Helper()
	w.must(w.serve(w.Context(), queue.Signal{Pool: pool, Chats: chats}))
}

// nobodyAround does something while everybody who is online is away, so that Chats that open wait.
func (w *world) nobodyAround(do func()) {
	w.Helper()
	people, err := w.store.People(w.Context())
	w.must(err)
	sets := func(a team.Availability) {
		w.Helper()
		for _, p := range people {
			if p.Availability == team.Online {
				_, err := w.store.UpdatePerson(w.Context(), p.ID, dynamo.Now(), func(p *team.Person) error { p.Availability = a; return nil })
				w.must(err)
			}
		}
	}
	sets(team.Away)
	do()
	sets(team.Online)
}

// checked fails the test for every breach of an invariant, and returns the tables' content. It must not be called while
// an invocation is in progress: what waits now is what the next check of the order begins with.
func (w *world) checked() invariant.Snapshot {
	w.Helper()
	all, err := w.store.Snapshot(w.Context())
	w.must(err)
	all.PhoneAddress = testSecret.PhoneAddress
	breaches := invariant.Check(all)
	if w.quiet != nil {
		breaches = append(breaches, invariant.Order(*w.quiet, all)...)
	}
	for _, b := range breaches {
		w.Error(b)
	}
	w.quiet = &all
	w.replays(all)
	return all
}

// replays routes again by what every decision has stored: the inputs, the text of the message that it names, and the rules of
// that version.
func (w *world) replays(all invariant.Snapshot) {
	w.Helper()
	texts, versions := map[string]string{}, map[int64]*assign.Rules{}
	for _, m := range all.Messages {
		texts[m.Key.String()] = m.Text
	}
	for _, e := range all.Events {
		d := e.Decision
		if d == nil || d.Input == nil || d.Partial {
			continue
		}
		in, stored := *d.Input, false
		if in.Text, stored = texts[d.Message]; stored != (in.MessageType != "") {
			w.Errorf("%s of %s looked at a message of type %q; %q is stored: %v", e.Type, e.Chat, in.MessageType, d.Message, stored)
		}
		rules := versions[d.RulesVersion]
		if rules == nil {
			doc, err := w.store.RulesVersion(w.Context(), d.RulesVersion)
			w.must(err)
			rules, err = assign.Parse([]byte(doc))
			w.must(err)
			versions[d.RulesVersion] = rules
		}
		if r := rules.Route(in); r.RuleID != d.RuleID || r.Pool.String() != d.Pool || r.Strategy != d.Strategy || r.Priority != d.Priority {
			w.Errorf("%s of %s is stored as %+v, and again it is %+v", e.Type, e.Chat, *d, r)
		}
	}
}

// only is the one Chat that there must be.
func (w *world) only() chat.Chat {
	w.Helper()
	all := w.checked()
	if len(all.Chats) != 1 {
		w.Fatalf("there are %d Chats, want 1", len(all.Chats))
	}
	return all.Chats[0]
}

// closes closes a Chat as its Assignee would.
func (w *world) closes(id string) {
	w.Helper()
	_, err := w.store.Update(w.Context(), id, func(c chat.Chat) (*chat.Change, error) {
		if c.Status != chat.Open || c.Owner == "" {
			return nil, errors.New("nothing to close")
		}
		change := c.Closes(dynamo.Now(), chat.Actor{Kind: chat.ByPerson, ID: c.Owner})
		return &change, nil
	})
	w.must(err)
}

// record is an SQS record of one of the queues.
func record(queue, group, id, body string, received int) events.SQSMessage {
	return events.SQSMessage{MessageId: id, ReceiptHandle: id, Body: body, EventSourceARN: "arn:aws:sqs:us-east-1:000000000000:x-" + queue + ".fifo",
		Attributes: map[string]string{"MessageGroupId": group, "ApproximateReceiveCount": fmt.Sprint(received)}}
}
