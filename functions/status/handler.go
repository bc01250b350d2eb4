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

// store is what the function calls beside finding out who asks.
type store interface {
	Unseen(ctx context.Context, c chat.Chat, since time.Time, seen chat.Key) (bool, error)
	Act(ctx context.Context, chatID string, people []string, decide func(chat.Chat, dynamo.Cast) (*chat.Change, error)) (chat.Chat, error)
}

func (s *status) routes() httpapi.Routes {
	return httpapi.Routes{"PUT /v1/chats/{chatId}/status": s.put}
}

// wanted is the body. IfSeenUpTo is what the client saw last of the customer, and counts when closing: the id of their
// message, or a time, such as the Chat's lastIn.
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
	last, err := parseSeen(want.IfSeenUpTo)
	if err != nil {
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
		change := c.Closes(r.Now, by)
		if last == nil {
			return &change, nil
		}
		unseen, err := s.store.Unseen(ctx, c, last.second, last.message)
		if err != nil {
			return nil, err
		}
		if unseen {
			return nil, &chat.Error{Code: chat.NewMessage, Detail: "The customer has written since; read that before you close.", Chat: &c}
		}
		change.Holds = chat.InboxPart
		return &change, nil
	})
	if err != nil {
		return nil, err
	}
	names := s.names.Names(ctx, c.Owner)
	return &httpapi.Response{Body: httpapi.ShowChat(c, r.Person, names, r.Now)}, nil
}

// seen is what a client saw last of the customer. What is older than the second, and what was read, is seen too. Of the
// second itself a time covers nothing, because it can't tell two messages apart; an id covers the message that it names.
type seen struct {
	second  time.Time
	message chat.Key
}

// parseSeen reads ifSeenUpTo; nil if it is empty.
func parseSeen(text string) (*seen, error) {
	if text == "" {
		return nil, nil
	}
	if k, err := chat.ParseKey(text); err == nil {
		return &seen{k.Time(), k}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	return &seen{second: at}, err
}
