package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/whatsapp"
)

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

// kept is how many updates wait for a Chat, each counted once an address.
func (w *world) kept() int {
	w.Helper()
	table, begins := w.tables["ChatsTable"], "begins_with(pk, :e)"
	out, err := serverstest.DynamoDB(w.TB).Scan(w.Context(), &dynamodb.ScanInput{TableName: &table, FilterExpression: &begins,
		ExpressionAttributeValues: dynamo.Item{":e": str("E#")}})
	w.must(err)
	return len(out.Items)
}

// early is an update that begins no Chat, of a customer by a user id or a phone number or both.
type early struct {
	name  string
	field string
	value func(user, phone string) map[string]any // of the change
	reads string                                  // what is stored of it, by type; empty for a status
}

func earlies() []early {
	at := morning.Add(-time.Second)
	list := func(name string, m map[string]any) map[string]any { return map[string]any{name: []any{m}} }
	message := func(kind string, content any) func(user, phone string) map[string]any {
		return func(user, phone string) map[string]any {
			return list("messages", of(text(user, phone, "", at), kind, content))
		}
	}
	status := func(user, phone string) map[string]any {
		s := map[string]any{"id": "wamid.sent", "status": "read", "timestamp": fmt.Sprint(at.Unix())}
		if user != "" {
			s["recipient_user_id"] = user
		}
		if phone != "" {
			s["recipient_id"] = phone
		}
		return list("statuses", s)
	}
	return []early{
		{"edit", "messages", message("edit", map[string]any{"original_message_id": "wamid.x", "message": map[string]any{"type": "text", "text": map[string]any{"body": "better"}}}), "edit"},
		{"revoke", "messages", message("revoke", map[string]any{"original_message_id": "wamid.x"}), "revoke"},
		{"reaction", "messages", message("reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"}), "reaction"},
		{"system", "messages", message("system", map[string]any{"type": "customer_identity_changed"}), "system"},
		{"group", "messages", func(user, phone string) map[string]any {
			return list("messages", grouped(text(user, phone, "to all", at)))
		}, "text"},
		{"echo", "smb_message_echoes", func(user, phone string) map[string]any {
			m := text("", "", "from the shop's phone", at)
			m["from"], m["to_user_id"], m["to"] = "15550100001", user, phone
			return list("message_echoes", m)
		}, "text"},
		{"standby", "standby", func(user, phone string) map[string]any {
			return list("messages", text(user, phone, "to the agent", at))
		}, "text"},
		{"status", "messages", status, ""},
		{"standby status", "standby", status, ""},
	}
}

func (e early) body(w *world, user, phone string) string {
	return w.post(w.now(), []any{change(e.field, e.value(user, phone))})[0]
}

// in reports whether the Chat has it, once.
func (e early) in(w *world, c chat.Chat) bool {
	w.Helper()
	if e.reads == "" {
		mark := testSecret.Key(0, "wamid.sent").Mark()
		found, err := w.store.Outcomes(w.Context(), c, []chat.Mark{mark})
		w.must(err)
		return found[mark].Delivery == chat.ReadBy
	}
	n := 0
	for _, m := range w.checked().Messages {
		if m.Type == e.reads && m.Source != "" {
			n++
		}
	}
	return n == 1
}

// Whatever comes before its Chat is there once the Chat is, by whichever of its customer's names that begins or is linked;
// and nothing of it is left.
func TestWhatComesBeforeItsChat(t *testing.T) {
	t.Parallel()
	const user = "US.1"
	first := func(user, phone string) map[string]any { return text(user, phone, "hello", morning) }
	for _, e := range earlies() {
		for _, test := range []struct {
			name        string
			user, phone string // that the early one tells
			then        []map[string]any
		}{
			{"by user id", user, "", []map[string]any{first(user, "")}},
			{"by phone number", "", phoneA, []map[string]any{first("", phoneA)}},
			{"by user id, then both", user, "", []map[string]any{first(user, phoneA)}},
			{"by phone number, then both", "", phoneA, []map[string]any{first(user, phoneA)}},
			{"by both, then user id", user, phoneA, []map[string]any{first(user, "")}},
			{"by both, then phone number", user, phoneA, []map[string]any{first("", phoneA)}},
			{"by phone number, linked later", "", phoneA, []map[string]any{first(user, ""), text(user, phoneA, "it is me", minute(1))}},
			{"by user id, linked later", user, "", []map[string]any{first("", phoneA), text(user, phoneA, "it is me", minute(1))}},
		} {
			t.Run(e.name+", "+test.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				body := e.body(w, test.user, test.phone)
				w.must(w.update(t.Context(), body))
				w.must(w.update(t.Context(), body))
				if all := w.checked(); len(all.Chats)+len(all.Messages) != 0 || w.kept() == 0 {
					t.Fatalf("without a Chat it left %d Chats and %d Messages, and %d are kept", len(all.Chats), len(all.Messages), w.kept())
				}
				w.receives(test.then...)
				c := w.the()
				if !e.in(w, c) || w.kept() != 0 {
					t.Errorf("the Chat has it: %v, and %d are kept still", e.in(w, c), w.kept())
				}
				before := w.checked()
				w.must(w.update(t.Context(), body))
				if after := w.checked(); len(after.Messages) != len(before.Messages) || !slices.Equal(w.the().Unread, c.Unread) || w.kept() != 0 {
					t.Errorf("delivered again it is stored again: %d Messages, %d kept", len(after.Messages), w.kept())
				}
			})
		}
	}
}

// A customer whose user id changes before they have written: what came under the first one is found under the second.
func TestEarlyUnderAFormerUserID(t *testing.T) {
	t.Parallel()
	for _, order := range [][]int{{0, 1, 2}, {1, 0, 2}, {0, 2, 1}, {2, 0, 1}} {
		w := newWorld(t)
		steps := []string{
			earlies()[0].body(w, "US.1", ""),
			w.updates("messages", system("US.1", "", 1, map[string]any{"type": "user_changed_user_id", "user_id": "US.2", "previous_user_id": "US.1"}))[0],
			w.updates("messages", text("US.2", "", "hello", minute(2)))[0],
		}
		for _, i := range order {
			w.must(w.update(t.Context(), steps[i]))
		}
		if c := w.the(); !earlies()[0].in(w, c) {
			t.Errorf("in the order %v it is not in the Chat; %d are kept", order, w.kept())
		}
	}
}

// It is kept for a day after it was received, and no longer, whether DynamoDB has deleted it or not.
func TestEarlyForADay(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		after time.Duration
		there bool
	}{{dynamo.EarlyLasts - time.Second, true}, {dynamo.EarlyLasts, false}, {48 * time.Hour, false}} {
		w := newWorld(t)
		edit := earlies()[0]
		w.now = func() time.Time { return morning }
		body := edit.body(w, "US.1", "")
		w.must(w.update(t.Context(), body))
		w.now = func() time.Time { return morning.Add(test.after) }
		w.receives(text("US.1", "", "hello", morning.Add(test.after)))
		if c := w.the(); edit.in(w, c) != test.there {
			t.Errorf("after %s it is in the Chat: %v", test.after, !test.there)
		}
	}
	w := newWorld(t)
	w.now = func() time.Time { return morning }
	late := earlies()[0].body(w, "US.1", "")
	w.now = func() time.Time { return morning.Add(dynamo.EarlyLasts) }
	w.must(w.update(t.Context(), late))
	if w.kept() != 0 {
		t.Error("what comes when its time is over is kept")
	}
}

// interrupted is an assigner with whose nth call to DynamoDB something happens: before it, or when it is done. calls tells how
// many it made.
func (w *world) interrupted(n int64, behind bool, do func()) (sick assigner, calls *atomic.Int64) {
	calls = &atomic.Int64{}
	sick = *w.assigner
	sick.store = dynamo.New(dynamodb.New(serverstest.DynamoDB(w.TB).Options(), dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("interrupted", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			here := calls.Add(1)-1 == n
			if here && !behind {
				do()
			}
			out, metadata, err := next.HandleInitialize(ctx, in)
			if here && behind {
				do()
			}
			return out, metadata, err
		}), middleware.Before)
	})), w.tables["ChatsTable"], w.tables["TeamTable"])
	return sick, calls
}

// everywhere does something at every call of a delivery, each time with another customer, until one call has not come.
func everywhere(t *testing.T, run func(n int64, behind bool, user, phone string) *atomic.Int64) {
	t.Helper()
	for n := int64(0); ; n++ {
		for i, behind := range []bool{false, true} {
			calls := run(n, behind, fmt.Sprintf("US.%d.%d", n, i), fmt.Sprintf("1555%06d%d", n, i))
			if calls.Load() <= n {
				if n < 3 {
					t.Errorf("%d calls prove little", n)
				}
				return
			}
		}
	}
}

// An early update and the message that begins its Chat, or links it, meet at every call of either: it is in the Chat.
func TestEarlyMeetsItsChat(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		chat  bool // there is one already, by the phone number
		other bool // the early update comes into the delivery of the message; else the message into that of the update
	}{{"begun meanwhile", false, false}, {"linked meanwhile", true, false}, {"while it begins", false, true}, {"while it is linked", true, true}} {
		for _, e := range []early{earlies()[0], earlies()[7]} {
			t.Run(e.name+" "+test.name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				everywhere(t, func(n int64, behind bool, user, phone string) *atomic.Int64 {
					chatOf := func() chat.Chat {
						leads, err := w.store.Find(t.Context(), testSecret.UserAddress(seed.SupportNumber, user), "", true)
						w.must(err)
						c, err := w.goingOn(t.Context(), leads.User.Chat)
						w.must(err)
						return c
					}
					if test.chat {
						w.receives(text("", phone, "before", morning.Add(-time.Minute)))
					}
					first, second := e.body(w, user, ""), w.updates("messages", text(user, phone, "hello", morning))[0]
					if test.other {
						first, second = second, first
					}
					sick, calls := w.interrupted(n, behind, func() { w.must(w.update(t.Context(), second)) })
					w.must(sick.update(t.Context(), first))
					if calls.Load() > n && !e.inChat(w, chatOf()) {
						t.Errorf("at call %d, behind it: %v: it is not in the Chat", n, behind)
					}
					return calls
				})
				w.checked()
			})
		}
	}
}

// inChat is in for one Chat of many.
func (e early) inChat(w *world, c chat.Chat) bool {
	w.Helper()
	if e.reads == "" {
		return e.in(w, c)
	}
	page, err := w.store.MessagesBefore(w.Context(), c, chat.Key{}, 100)
	w.must(err)
	return slices.ContainsFunc(page.Messages, func(m chat.Message) bool { return m.Type == e.reads && m.Source != "" })
}

// The function dies at every call while a Chat begins or an identity is linked, and while the early update comes: when the
// queue has delivered that again, the Chat has it.
func TestEarlyAfterACrash(t *testing.T) {
	t.Parallel()
	for name, dies := range map[string]int{"while it comes": 0, "while its Chat begins": 1, "while its Chat is linked": 2} {
		for _, e := range []early{earlies()[0], earlies()[7]} {
			t.Run(e.name+" "+name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t)
				everywhere(t, func(n int64, behind bool, user, phone string) (calls *atomic.Int64) {
					bodies := []string{e.body(w, user, ""), w.updates("messages", text("", phone, "hello", morning))[0],
						w.updates("messages", text(user, phone, "it is me", minute(1)))[0]}
					if dies == 1 { // the Chat that begins has both names
						bodies = append(bodies[:1], bodies[2])
					}
					for i, body := range bodies {
						received := func(n int) []events.SQSMessage {
							return []events.SQSMessage{record("inbound", "group", user, body, n)}
						}
						if i == dies {
							ctx, dies := context.WithCancel(t.Context())
							var sick assigner
							sick, calls = w.interrupted(n, behind, dies)
							if failed := sick.group(ctx, received(1)); len(failed) == 0 {
								continue
							}
						}
						count := 2
						if dies == 1 { // brought back from the dead letters, where nothing tells that it came before
							count = 1
						}
						if failed := w.group(t.Context(), received(count)); len(failed) != 0 {
							t.Fatalf("delivered again it fails")
						}
					}
					leads, err := w.store.Find(t.Context(), testSecret.UserAddress(seed.SupportNumber, user), "", true)
					w.must(err)
					c, err := w.goingOn(t.Context(), leads.User.Chat)
					w.must(err)
					if !e.inChat(w, c) {
						t.Errorf("dead at call %d, behind it: %v: it is not in the Chat", n, behind)
					}
					return calls
				})
				w.checked()
			})
		}
	}
}

// An early update and the message that begins its Chat side by side, without anybody's order.
func TestEarlySideBySide(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	edit := earlies()[0]
	const customers = 40
	var all sync.WaitGroup
	for n := range customers {
		user, phone := fmt.Sprint("US.", n), fmt.Sprintf("1555%07d", n)
		for _, body := range []string{edit.body(w, "", phone), edit.body(w, user, ""), w.updates("messages", text(user, phone, "hello", morning))[0]} {
			all.Go(func() {
				if err := w.update(t.Context(), body); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	if stored := w.checked(); len(stored.Messages) != 3*customers || len(stored.Chats) != customers {
		t.Errorf("%d Messages in %d Chats, want %d in %d; %d are kept", len(stored.Messages), len(stored.Chats), 3*customers, customers, w.kept())
	}
}

// One that can't be taken fails nobody's message, and what stands behind it is taken.
func TestEarlyThatCannotBeTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	reaction := earlies()[2]
	w.must(w.update(t.Context(), reaction.body(w, "US.1", "")))
	user, _ := w.addresses(seed.SupportNumber, whatsapp.Identity{UserID: "US.1"})
	until := time.Now().Add(time.Hour)
	for i, body := range []string{"", "{}", `{"v":99}`, strings.Repeat("x", 1000)} {
		w.must(w.store.PutEarly(t.Context(), dynamo.Early{Address: user, ID: fmt.Sprint("0", i), Body: body}, until))
	}
	table := w.tables["ChatsTable"]
	_, err := serverstest.DynamoDB(t).PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table,
		Item: dynamo.Item{"pk": str("E#" + user), "sk": str("09"), "expires": str("soon")}})
	w.must(err)
	w.receives(text("US.1", "", "hello", morning))
	if c := w.the(); !reaction.in(w, c) || w.kept() != 5 {
		t.Errorf("the reaction is in the Chat: %v; %d are kept", reaction.in(w, c), w.kept())
	}
}

// A whole history that came first is taken in parts, and others of the customer come between them.
func TestALongHistoryComesFirst(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const n = 2*mostEarly + 20
	var past []any
	for i := range n {
		m := text("", "", fmt.Sprintf("old %03d", i), morning.Add(time.Duration(i-n)*time.Second))
		m["from"] = phoneA
		past = append(past, m)
	}
	history := w.post(w.now(), []any{change("history", map[string]any{"history": []any{map[string]any{"threads": []any{map[string]any{"id": phoneA, "messages": past}}}}})})
	var all sync.WaitGroup
	slots := make(chan bool, 8)
	for _, body := range history {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			if err := w.update(t.Context(), body); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if w.kept() != n {
		t.Fatalf("%d are kept", w.kept())
	}
	inbound := &posted{}
	w.queues = inbound
	w.receives(text("", phoneA, "hello", morning))
	for round := 1; round <= 3; round++ {
		if stored := len(w.checked().Messages); stored != min(n, round*mostEarly)+1 {
			t.Errorf("after %d rounds %d Messages are stored", round, stored)
		}
		if bodies := inbound.take(); round < 3 && len(bodies) == 1 {
			w.must(w.update(t.Context(), bodies[0]))
		} else if round < 3 || len(bodies) != 0 {
			t.Fatalf("round %d put %d messages in the queue", round, len(bodies))
		}
	}
	if w.kept() != 0 {
		t.Errorf("%d are kept", w.kept())
	}
}

// posted is a queue that holds what is sent.
type posted struct {
	mu     sync.Mutex
	bodies []string
	dedups map[string]bool
}

func (p *posted) SendAll(_ context.Context, _ string, entries []queue.Entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.dedups == nil {
		p.dedups = map[string]bool{}
	}
	for _, e := range entries {
		if e.Group != "" && !p.dedups[e.Dedup] {
			p.bodies = append(p.bodies, e.Body)
		}
		p.dedups[e.Dedup] = true
	}
	return nil
}

func (p *posted) Delay(context.Context, string, []string, time.Duration) error { return nil }

func (p *posted) take() (bodies []string) {
	bodies, p.bodies = p.bodies, nil
	return bodies
}
