package main

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/whatsapp"
)

// named is a text of a customer as WhatsApp delivers it when they have a username.
func (w *world) named(userID, username, body string, at time.Time) string {
	w.Helper()
	raw, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": []any{map[string]any{
		"id": "1", "changes": []any{map[string]any{"field": "messages", "value": map[string]any{
			"metadata": map[string]any{"phone_number_id": seed.SupportNumber, "display_phone_number": "15550100001"},
			"contacts": []any{map[string]any{"user_id": userID, "profile": map[string]any{"name": "Layla", "username": username}}},
			"messages": []any{text(userID, "", body, at)},
		}}}}}})
	w.must(err)
	split, err := whatsapp.Split(raw, time.Now())
	w.must(err)
	if len(split) != 1 {
		w.Fatalf("%d updates", len(split))
	}
	return split[0].Encode()
}

// found are the Chats that a search for a username finds.
func (w *world) found(username string) []string {
	w.Helper()
	chats, err := w.store.ChatsNamed(w.Context(), username, []string{w.secret.UsernameAddress(seed.SupportNumber, username)})
	w.must(err)
	var ids []string
	for _, c := range chats {
		ids = append(ids, c.Customer.UserID)
	}
	return ids
}

func (w *world) finds(username, userID string) {
	w.Helper()
	if found := w.found(username); userID == "" && len(found) > 0 || userID != "" && (len(found) != 1 || found[0] != userID) {
		w.Errorf("%s finds %v, want %q", username, found, userID)
	}
}

// A customer is found by the username they have now: from the first message on, after a change in whatever state of the
// Chat, and not any more once somebody else took the name.
func TestUsernames(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	says := func(userID, username string, second int) {
		t.Helper()
		w.must(w.update(t.Context(), w.named(userID, username, "hello", morning.Add(time.Duration(second)*time.Second))))
	}
	says("US.1", "Layla.K", 10)
	w.finds("layla.k", "US.1")
	says("US.1", "layla_2", 20) // while the Chat is open
	w.finds("layla_2", "US.1")
	w.finds("layla.k", "")

	c := w.only()
	w.must(w.store.AddPerson(t.Context(), agent("dan", 0, "support"), dynamo.Now()))
	_, err := w.store.Update(t.Context(), c.ID, func(c chat.Chat) (*chat.Change, error) {
		change := c.Reassigned(dynamo.Now(), chat.System, "dan", "")
		return &change, nil
	})
	w.must(err)
	w.closes(c.ID)
	says("US.1", "layla_3", 30) // opens it again
	w.finds("layla_3", "US.1")

	says("US.2", "layla_3", 40) // somebody else has the name now
	w.finds("layla_3", "US.2")
	says("US.1", "layla_4", 50)
	says("US.1", "layla_3", 35) // an old delivery, late
	w.finds("layla_3", "US.2")
	w.finds("layla_4", "US.1")
	w.checked()
}

// Whatever call fails, of those that take a new username in: after the redelivery the name leads to the Chat.
func TestUsernameAfterACrash(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range int64(10) {
		user, injector := fmt.Sprint("US.", n), &faults.Injector{At: n, Fault: faults.Failed}
		sick := *w.assigner
		sick.store = dynamo.New(dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(injector.Add)),
			w.tables["ChatsTable"], w.tables["TeamTable"])
		for i, username := range []string{"first_", "second_"} {
			username += fmt.Sprint(n)
			body := w.named(user, username, "hello", morning.Add(time.Duration(i)*time.Second))
			if err := sick.update(t.Context(), body); err != nil {
				w.must(sick.update(t.Context(), body))
			}
			w.finds(username, user)
		}
		if n == 0 && injector.Calls() < 8 {
			t.Errorf("%d calls, which proves little", injector.Calls())
		}
	}
	w.checked()
}
