package main

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/invariant"
)

// world is the function over tables of its own, with the people of the seed.
type world struct {
	testing.TB
	store  *dynamo.Store
	routes httpapi.Routes
}

func newWorld(t testing.TB) *world {
	t.Helper()
	tables := serverstest.Tables(t)
	w := &world{TB: t, store: dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])}
	h := status{store: w.store, names: httpapi.NewNameBook(w.store)}
	w.routes = h.routes()
	w.must(w.store.SaveSettings(t.Context(), seed.Settings))
	for _, p := range seed.People() {
		w.must(w.store.AddPerson(t.Context(), p, dynamo.Now()))
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// opens makes a Chat in which the customer has just written, and gives it to somebody; without, it waits.
func (w *world) opens(user, owner string) chat.Chat {
	w.Helper()
	rules, err := assign.Parse([]byte(seed.Rules))
	w.must(err)
	secret, now := chat.Secret("a secret of tests"), dynamo.Now()
	m := chat.Message{Key: secret.Key(now.Unix(), "wamid."+user), WAMID: "wamid." + user, Direction: chat.In, Type: "text", Text: "hello", Arrived: now}
	c := chat.Chat{ID: secret.UserAddress(seed.SupportNumber, user), Number: seed.SupportNumber, Customer: chat.Customer{UserID: user, Language: "ar"}}
	change := c.Opens(now, c.Place(m, rules, 0, seed.Settings, now), chat.Arrival{Message: m, Preview: "hello"})
	w.must(w.store.Commit(w.Context(), change))
	c = w.chat(c.ID)
	if owner != "" {
		w.must(w.store.Commit(w.Context(), c.Reassigned(now, chat.System, owner, "")))
	}
	return w.chat(c.ID)
}

func (w *world) chat(id string) chat.Chat {
	w.Helper()
	c, err := w.store.Chat(w.Context(), id)
	w.must(err)
	return *c
}

// asks sends a request as somebody, and answers with the code of the failure, or what was answered as JSON.
func (w *world) asks(person, chatID, body string, header ...string) (chat.Code, map[string]any) {
	w.Helper()
	p, err := w.store.Person(w.Context(), person)
	w.must(err)
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
		w.must(err)
		text, err := json.Marshal(response.Body)
		w.must(err)
		var shown map[string]any
		w.must(json.Unmarshal(text, &shown))
		return "", shown
	}
	return "no route", nil
}

// checked fails the test for every breach of an invariant.
func (w *world) checked() invariant.Snapshot {
	w.Helper()
	all, err := w.store.Snapshot(w.Context())
	w.must(err)
	for _, b := range invariant.Check(all, 0) {
		w.Error(b)
	}
	return all
}
