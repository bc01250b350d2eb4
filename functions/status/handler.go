// Command status opens and closes Chats for their Assignee.
package main

import (
	"context"
	"time"

	"chatkeeper/shared/access"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
)

type status struct {
	store store
	names *httpapi.NameBook
}

// store is the one call that the function makes beside finding out who asks.
type store interface {
	Act(ctx context.Context, chatID string, people []string, decide func(chat.Chat, dynamo.Cast) (*chat.Change, error)) (chat.Chat, error)
}

func (s *status) routes() httpapi.Routes {
	return httpapi.Routes{"PUT /v1/chats/{chatId}/status": s.put}
}

// wanted is the body. IfSeenUpTo is what the client saw last of the customer: the id of their message, or the Chat's
// lastIn; it counts when closing.
type wanted struct {
	Status     string `json:"status"`
	IfEpoch    *int64 `json:"ifEpoch"`
	IfSeenUpTo string `json:"ifSeenUpTo"`
}

// put makes the Chat open or closed. That it is so already is success, and writes nothing.
func (s *status) put(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	want, err := httpapi.Decode[wanted](r)
	if err != nil {
		return nil, err
	}
	var wrong []chat.Field
	if want.Status != string(chat.Open) && want.Status != string(chat.Closed) {
		wrong = append(wrong, chat.Field{Pointer: "/status", Detail: `must be "open" or "closed"`})
	}
	unseen, ok := after(want.IfSeenUpTo)
	if !ok {
		wrong = append(wrong, chat.Field{Pointer: "/ifSeenUpTo", Detail: "must be the id of a message, or a time like the Chat's lastIn"})
	}
	if wrong != nil {
		return nil, &chat.Error{Code: chat.Invalid, Detail: "The body is not valid.", Fields: wrong}
	}
	by := chat.Actor{Kind: chat.ByPerson, ID: r.Person.ID, Name: r.Person.Name}
	c, err := s.store.Act(ctx, r.Path["chatId"], []string{r.Person.ID}, func(c chat.Chat, who dynamo.Cast) (*chat.Change, error) {
		if err := access.Check(who[r.Person.ID], access.ChangeStatus, c); err != nil {
			return nil, err
		}
		if err := c.IfEpoch(want.IfEpoch); err != nil {
			return nil, err
		}
		if want.Status == string(c.Status) {
			return nil, nil
		}
		if want.Status == string(chat.Open) {
			change := c.OpensAgain(r.Now, by)
			return &change, nil
		}
		if unseen(c.LastIn) {
			return nil, &chat.Error{Code: chat.NewMessage, Detail: "The customer has written since; read that before you close.", Chat: &c}
		}
		change := c.Closes(r.Now, by)
		change.Seen = want.IfSeenUpTo != ""
		return &change, nil
	})
	if err != nil {
		return nil, err
	}
	names := s.names.Names(ctx, c.Owner)
	return &httpapi.Response{Body: httpapi.ShowChat(c, r.Person, names, r.Now)}, nil
}

// after says which messages are newer than what was seen. A time knows seconds only: of two messages within one, the
// second counts as seen with the first; an id is exact.
func after(seen string) (func(chat.Key) bool, bool) {
	if seen == "" {
		return func(chat.Key) bool { return false }, true
	}
	if k, err := chat.ParseKey(seen); err == nil {
		return k.Before, true
	}
	at, err := time.Parse(time.RFC3339, seen)
	return func(k chat.Key) bool { return k.Time().After(at) }, err == nil
}
