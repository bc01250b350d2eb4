package main

import (
	"context"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
)

// Messages a page.
const (
	usualMessages = 50
	mostMessages  = 100
)

// messages shows a page of a Chat, oldest first. before and after take the id of a message of the page that was seen; they
// are no cursors: a client that keeps up with a Chat asks after the last message it has.
func (h *chats) messages(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := httpapi.CheckQuery(r, "before", "after", "limit", "cursor"); err != nil {
		return nil, err
	}
	limit, err := httpapi.ParseLimit(r, usualMessages, mostMessages)
	if err != nil {
		return nil, err
	}
	p, err := h.messagesFrom(r)
	if err != nil {
		return nil, err
	}
	c, err := h.find(ctx, r.Path["chatId"])
	if err != nil {
		return nil, err
	}
	read := h.store.MessagesBefore
	if p.Forward {
		read = h.store.MessagesAfter
	}
	page, err := read(ctx, c, p.Key, limit)
	if err != nil {
		return nil, err
	}
	return h.showMessages(ctx, r, p, page)
}

// point is a place between two messages, and the direction in which a page goes from there.
type point struct {
	Key     chat.Key `json:"k"`
	Forward bool     `json:"f,omitempty"`
}

// messagesList names the list that a cursor of messages belongs to.
func messagesList(r *httpapi.Request) string { return "messages of " + r.Path["chatId"] }

func (h *chats) messagesFrom(r *httpapi.Request) (point, error) {
	var p point
	given := 0
	for _, name := range []string{"before", "after", "cursor"} {
		if !r.Query.Has(name) {
			continue
		}
		given++
		if name == "cursor" {
			if err := h.cursors.Open(messagesList(r), r.Query.Get(name), &p); err != nil {
				return p, err
			}
			continue
		}
		k, err := chat.ParseKey(r.Query.Get(name))
		if err != nil {
			return p, badRequest(name + " must be the id of a message.")
		}
		p = point{Key: k, Forward: name == "after"}
	}
	if given > 1 {
		return p, badRequest("Only one of before, after and cursor can be asked for.")
	}
	return p, nil
}

func (h *chats) showMessages(ctx context.Context, r *httpapi.Request, p point, page dynamo.MessagePage) (*httpapi.Response, error) {
	var people []string
	ids := map[string]string{} // by what WhatsApp calls a message
	for _, m := range page.Messages {
		people = append(people, m.By)
		if m.WAMID != "" {
			ids[m.WAMID] = m.Key.String()
		}
	}
	names, err := h.names.Names(ctx, people...)
	if err != nil {
		return nil, err
	}
	answer := httpapi.List[httpapi.ShownMessage]{Items: []httpapi.ShownMessage{}}
	for _, m := range page.Messages {
		shown := httpapi.ShowMessage(m, names)
		if shown.Quoted == "" {
			shown.Quoted = ids[m.Quoted]
		}
		answer.Items = append(answer.Items, shown)
	}
	if page.More {
		edge := page.Messages[0]
		if p.Forward {
			edge = page.Messages[len(page.Messages)-1]
		}
		answer.NextCursor = h.cursors.Seal(messagesList(r), point{Key: edge.Key, Forward: p.Forward})
	}
	return &httpapi.Response{Body: answer}, nil
}
