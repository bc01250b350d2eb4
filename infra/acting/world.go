// Package acting lets tests of the functions by which people act on Chats ask as somebody, over tables of their own with
// the people of the seed.
package acting

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/faults"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// World is a function over tables of its own.
type World struct {
	testing.TB
	Store  *dynamo.Store
	routes httpapi.Routes
	busy   *faults.AfterWrite
}

// New makes a world for the function that has these routes.
func New(t testing.TB, routes func(*dynamo.Store, *httpapi.NameBook) httpapi.Routes) *World {
	t.Helper()
	tables := serverstest.Tables(t)
	busy := &faults.AfterWrite{Fault: faults.Throttled}
	client := dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(busy.Add))
	store := dynamo.New(client, tables["ChatsTable"], tables["TeamTable"])
	w := &World{TB: t, Store: store, routes: routes(store, httpapi.NewNameBook(store)), busy: busy}
	w.Must(store.SaveSettings(t.Context(), seed.Settings))
	for _, p := range seed.People() {
		w.Must(store.AddPerson(t.Context(), p, dynamo.Now()))
	}
	return w
}

// Must ends the test on an error.
func (w *World) Must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// Opens makes a Chat in which the customer has just written, and gives it to somebody; without, it waits.
func (w *World) Opens(user, owner string) chat.Chat {
	w.Helper()
	rules, err := assign.Parse([]byte(seed.Rules))
	w.Must(err)
	secret, now := chat.Secret("a secret of tests"), dynamo.Now()
	m := chat.Message{Key: secret.Key(now.Unix(), "wamid."+user), WAMID: "wamid." + user, Direction: chat.In, Type: "text", Text: "hello", Arrived: now}
	c := chat.Chat{ID: secret.UserAddress(seed.SupportNumber, user), Number: seed.SupportNumber, Customer: chat.Customer{UserID: user, Language: "ar"}}
	change := c.Opens(now, c.Place(m, rules, 0, seed.Settings, now), chat.Arrival{Message: m, Preview: "hello"})
	w.Must(w.Store.Commit(w.Context(), change))
	c = w.Chat(c.ID)
	if owner != "" {
		w.Must(w.Store.Commit(w.Context(), c.Reassigned(now, chat.System, owner, "")))
	}
	return w.Chat(c.ID)
}

// Chat reads a Chat.
func (w *World) Chat(id string) chat.Chat {
	w.Helper()
	c, err := w.Store.Chat(w.Context(), id)
	w.Must(err)
	return *c
}

// Asks sends a request as somebody, and answers with the code of the failure, or what was answered as JSON.
func (w *World) Asks(person, chatID, body string, header ...string) (chat.Code, map[string]any) {
	w.Helper()
	p, err := w.Store.Person(w.Context(), person)
	w.Must(err)
	r := &httpapi.Request{Person: *p, Path: map[string]string{"chatId": chatID}, Header: http.Header{}, Body: []byte(body), Now: dynamo.Now()}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	for _, handle := range w.routes {
		response, err := handle(w.Context(), r)
		var e *chat.Error
		if errors.As(err, &e) {
			shown := map[string]any{}
			for _, f := range e.Fields {
				shown[f.Pointer] = f.Detail
			}
			return e.Code, shown
		}
		w.Must(err)
		text, err := json.Marshal(response.Body)
		w.Must(err)
		var shown map[string]any
		w.Must(json.Unmarshal(text, &shown))
		return "", shown
	}
	return "no route", nil
}

// AsksOnce is Asks where nothing can be read once the write that was asked for is stored. It fails the test if nothing was
// tried to be read then.
func (w *World) AsksOnce(person, chatID, body string, header ...string) (chat.Code, map[string]any) {
	w.Helper()
	w.busy.Arm()
	defer w.busy.Disarm()
	code, shown := w.Asks(person, chatID, body, header...)
	if w.busy.Failed() == 0 {
		w.Error("nothing was read after the write")
	}
	return code, shown
}

// Edits changes a person.
func (w *World) Edits(id string, edit func(*team.Person)) {
	w.Helper()
	_, err := w.Store.UpdatePerson(w.Context(), id, dynamo.Now(), func(p *team.Person) error { edit(p); return nil })
	w.Must(err)
}

// Checked fails the test for every breach of an invariant.
func (w *World) Checked() invariant.Snapshot {
	w.Helper()
	all, err := w.Store.Snapshot(w.Context())
	w.Must(err)
	for _, b := range invariant.Check(all) {
		w.Error(b)
	}
	return all
}
