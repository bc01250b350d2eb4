package main

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// read lets the Assignee have read everything.
func (w *world) read(id string) {
	w.Helper()
	_, err := serverstest.DynamoDB(w).UpdateItem(w.Context(), &dynamodb.UpdateItemInput{TableName: aws.String(w.tables["ChatsTable"]),
		Key:              map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "C#" + id}, "sk": &types.AttributeValueMemberS{Value: "0"}},
		UpdateExpression: aws.String("REMOVE ur")})
	w.must(err)
}

// The fortieth unread message and those beyond: counted once, whatever crashes or overtakes.
func TestAtTheLimitOfUnread(t *testing.T) {
	t.Parallel()
	newest := text("US.1", "", "newest", morning.Add(time.Hour))
	key := func(m map[string]any, at time.Time) chat.Key { return testSecret.Key(at.Unix(), m["id"].(string)) }

	t.Run("a crash at the fortieth", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.receives(text("US.1", "", "one", morning))
		w.receives(many(chat.MaxUnread - 2)...)
		_, err := w.store.Deliver(t.Context(), w.onlyNow().ID, chat.Arrival{Preview: "newest", Message: chat.Message{Key: key(newest, morning.Add(time.Hour))}})
		w.must(err)
		w.receives(newest)
		if c := w.only(); !c.More.IsZero() || len(c.Unread) != chat.MaxUnread {
			t.Errorf("%d unread and more: %v", len(c.Unread), c.More)
		}
	})
	t.Run("a late one after a newer one", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.receives(text("US.1", "", "one", morning))
		w.receives(many(chat.MaxUnread - 1)...)
		stale := w.only()
		w.receives(newest)
		late := chat.Message{Key: testSecret.Key(morning.Add(-time.Hour).Unix(), "late"), WAMID: "late", Direction: chat.In, Type: "text"}
		if err := w.store.Late(t.Context(), stale, chat.Arrival{Message: late, Preview: "hello"}); !dynamo.Again(err) {
			t.Errorf("stored on what was read before the newer one: %v", err)
		}
		w.must(w.store.Late(t.Context(), w.only(), chat.Arrival{Message: late, Preview: "hello"}))
		if c := w.only(); c.More != key(newest, morning.Add(time.Hour)) {
			t.Errorf("more went back to %s", c.More)
		}
	})
	t.Run("somebody reads between two tries", func(t *testing.T) {
		t.Parallel()
		w := newWorld(t)
		w.receives(text("US.1", "", "one", morning))
		w.receives(many(chat.MaxUnread - 1)...)
		id := w.only().ID
		var once sync.Once
		reading := func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("read after a refusal",
				func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					out, metadata, err := next.HandleInitialize(ctx, in)
					if err != nil && middleware.GetOperationName(ctx) == "UpdateItem" {
						once.Do(func() { w.read(id) })
					}
					return out, metadata, err
				}), middleware.Before)
		}
		w.store = dynamo.New(dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(reading)), w.tables["ChatsTable"], w.tables["TeamTable"])
		w.receives(newest)
		if c := w.only(); c.LastIn != key(newest, morning.Add(time.Hour)) || c.Preview.Text != "newest" {
			t.Errorf("the newest message is not the last: %q", c.Preview.Text)
		}
		w.read(id)
		w.receives(newest)
		if c := w.only(); len(c.Unread) != 0 {
			t.Errorf("a redelivery of a read message is unread again")
		}
	})
}

// onlyNow is the one Chat, where the tables are in the middle of something.
func (w *world) onlyNow() chat.Chat {
	w.Helper()
	all, err := w.store.Snapshot(w.Context())
	w.must(err)
	return all.Chats[0]
}

// An older echo never covers a newer preview, however late it read the Chat.
func TestPreviewMovesForward(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receives(text("US.1", "", "one", morning))
	stale := w.only()
	w.receives(text("US.1", "", "newest", morning.Add(time.Hour)))
	echo := chat.Arrival{Preview: "older", Message: chat.Message{Source: "echo", Key: testSecret.Key(morning.Add(time.Minute).Unix(), "echo"), WAMID: "echo", Direction: chat.Out, Type: "text"}}
	if err := w.store.Keep(t.Context(), stale, echo, false); !dynamo.Again(err) {
		t.Errorf("kept on what was read before the newer one: %v", err)
	}
	w.must(w.store.Keep(t.Context(), w.only(), echo, false))
	if c := w.only(); c.Preview.Text != "newest" {
		t.Errorf("the preview is %q", c.Preview.Text)
	}
}

// I8: what a system message says about somebody we never saw touches nobody else, and one that names only the previous
// user id is understood.
func TestSystemMessages(t *testing.T) {
	t.Parallel()
	system := func(phone string, content map[string]any) map[string]any {
		return of(text("", phone, "", morning.Add(time.Minute)), "system", content)
	}
	for _, test := range []struct {
		name     string
		messages []map[string]any
		chats    int
	}{
		{"a stranger who had the phone number", []map[string]any{text("US.C", "15550101111", "I am C", morning),
			system("15550101111", map[string]any{"type": "user_changed_number", "wa_id": "15550102222", "user_id": "US.B", "previous_user_id": "US.A"}),
			text("US.B", "15550102222", "I was A", morning.Add(2*time.Minute))}, 2},
		{"no sender but the previous user id", []map[string]any{text("US.0", "", "hello", morning),
			system("", map[string]any{"type": "user_changed_user_id", "user_id": "US.1", "previous_user_id": "US.0"}),
			text("US.1", "", "hello again", morning.Add(2*time.Minute))}, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			for _, m := range test.messages {
				w.receives(m)
			}
			if all := w.checked(); len(all.Chats) != test.chats {
				t.Errorf("%d Chats, want %d", len(all.Chats), test.chats)
			}
		})
	}
}

// An old redelivery with an earlier number does not take the number back.
func TestPhoneNumberStaysTheNewest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receives(text("US.1", "15550102222", "from the new number", morning.Add(time.Hour)))
	w.receives(text("US.1", "15550101111", "from the old one, delivered late", morning))
	if c := w.only(); c.Customer.Phone != "15550102222" {
		t.Errorf("the phone number is %s", c.Customer.Phone)
	}
}

// The rules see a phone number also while it still leads to the person who had it before.
func TestRulesSeeARecycledNumber(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.saveRules(`{"rules": [{"id": "ny", "name": "NY", "enabled": true, "when": {"field": "phonePrefix", "in": ["1555"]},
		"to": [{"team": "sales", "strategy": "round_robin"}]}], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`)
	w.receives(text("US.1", "15550101111", "a", morning))
	w.receives(text("US.2", "15550101111", "b", morning.Add(time.Minute)))
	for _, c := range w.checked().Chats {
		if c.Pools[0] != "team:sales" {
			t.Errorf("%s waits for %v", c.Customer.UserID, c.Pools)
		}
	}
}

// A history says first that there is a picture, and then, under the same id and time, which.
func TestMediaOfAHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receives(text("GB.1", "447700900123", "hello", morning.Add(time.Hour)))
	deliver := func(m map[string]any) {
		m["id"] = "wamid.history"
		for _, body := range w.updates("history", m) {
			w.must(w.update(t.Context(), body))
		}
	}
	placeholder := of(text("", "447700900123", "", morning), "media_placeholder", nil)
	image := of(text("", "447700900123", "", morning), "image", map[string]any{"id": "6000000001", "mime_type": "image/jpeg"})
	for _, m := range []map[string]any{placeholder, image, placeholder, image} {
		deliver(m)
	}
	all := w.checked()
	i := slices.IndexFunc(all.Messages, func(m invariant.Message) bool { return m.WAMID == "wamid.history" })
	if len(all.Messages) != 2 || i < 0 || all.Messages[i].Type != "image" || !strings.Contains(string(all.Messages[i].Content), "6000000001") {
		t.Errorf("stored is %+v", all.Messages)
	}
}

// What can't be shown says so, and what it would have been.
func TestUnsupportedIsTold(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.receives(of(text("US.1", "", "", morning), "unsupported", map[string]any{"type": "image"}))
	w.receives(text("US.1", "", strings.Repeat("a", 250<<10), morning.Add(time.Minute)))
	for _, m := range w.checked().Messages {
		if m.Type != "unsupported" || m.Original != "image" && !(m.Original == "text" && m.Trimmed) {
			t.Errorf("stored is a %q (%q), trimmed: %v", m.Type, m.Original, m.Trimmed)
		}
	}
}

// "Nobody" is recorded again when the Chat was routed elsewhere, though the reason is the same.
func TestNobodyAfterBeingRoutedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.saveRules(everyoneInTurn)
	w.receives(text("US.1", "", "hello", morning))
	w.serves(everyone)
	w.saveRules(`{"rules": [], "otherwise": {"to": [{"team": "sales", "strategy": "round_robin"}]}}`)
	w.serves(everyone)
	w.serves("team:sales")
	history, err := w.store.History(t.Context(), w.only().ID)
	w.must(err)
	var pools []string
	for _, e := range history {
		if e.Type == chat.Nobody {
			pools = append(pools, e.Decision.Pool)
		}
	}
	if !slices.Equal(pools, []string{everyone, "team:sales"}) {
		t.Errorf("nobody is recorded for %v", pools)
	}
}

// A rules document whose pool would not fit a key is refused when it is saved, not found out when it is served.
func TestLongPool(t *testing.T) {
	t.Parallel()
	doc, err := json.Marshal(map[string]any{"rules": []any{}, "otherwise": map[string]any{
		"to": []any{map[string]any{"team": strings.Repeat("م", 100), "strategy": "round_robin"}}}})
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t)
	w.saveRules(string(doc))
	if f, err := w.store.InForce(t.Context()); err != nil || f.Broken == nil {
		t.Errorf("it is in force (%v)", err)
	}
}

// What people said of a customer's language stays, whatever the customer writes when they open the Chat again; until
// people leave it to that again.
func TestLanguageThatPeopleSaid(t *testing.T) {
	t.Parallel()
	w := newWorld(t, agent("dan", 0, "support", "sales"))
	spanish := func(second int) map[string]any {
		return text("US.1", "", "quiero comprar una bicicleta nueva", morning.Add(time.Duration(second)*time.Second))
	}
	w.receives(text("US.1", "", "Hello, my parcel has not arrived yet", morning))
	id := w.only().ID
	for i, step := range []struct {
		edit chat.Edit
		want string
	}{
		{chat.Edit{Language: new("fr")}, "fr"},
		{chat.Edit{Language: new(assign.Unknown)}, "es"},
	} {
		w.closes(id)
		_, err := w.store.EditCustomer(t.Context(), id, "dan", dynamo.Now(), func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) {
			return step.edit, nil, nil
		})
		w.must(err)
		w.receives(spanish(i + 1))
		if c := w.only(); c.Status != chat.Open || c.Customer.Language != step.want {
			t.Errorf("people said %+v: opened again, the Chat is %s and speaks %q, want %q", step.edit, c.Status, c.Customer.Language, step.want)
		}
	}
}
