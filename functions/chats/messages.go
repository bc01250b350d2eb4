package main

import (
	"context"
	"strconv"
	"strings"

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
	return h.showMessages(ctx, r, p, c, page)
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

func (h *chats) showMessages(ctx context.Context, r *httpapi.Request, p point, c chat.Chat, page dynamo.MessagePage) (*httpapi.Response, error) {
	var people []string
	for _, m := range page.Messages {
		people = append(people, m.By)
	}
	names := h.names.Names(ctx, people...)
	quoted, err := h.quoted(ctx, c, page.Messages)
	if err != nil {
		return nil, err
	}
	outcomes, err := h.outcomes(ctx, c, page.Messages)
	if err != nil {
		return nil, err
	}
	answer := httpapi.List[httpapi.ShownMessage]{Items: []httpapi.ShownMessage{}}
	for _, m := range page.Messages {
		shown := httpapi.ShowMessage(m, names)
		shown.Quoted = quoted[m.Quoted]
		if o, known := outcomes[h.mark(m)]; known && m.WAMID != "" {
			shown.Delivery, shown.Failure = string(o.Delivery), failure(o)
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

// farthestQuote is how many messages before a page are looked through for those that it quotes: WhatsApp names a quoted
// message by an id that no item is found by.
const farthestQuote = 100

// quoted finds the messages that a page quotes, on the page or shortly before it: by what WhatsApp calls a message.
func (h *chats) quoted(ctx context.Context, c chat.Chat, page []chat.Message) (map[string]string, error) {
	ids, missing := map[string]string{}, false
	for _, m := range page { // a quoted message stands before the one that quotes it
		if m.Quoted != "" && ids[m.Quoted] == "" {
			missing = true
		}
		if m.WAMID != "" {
			ids[m.WAMID] = m.Key.String()
		}
	}
	if !missing {
		return ids, nil
	}
	before, err := h.store.MessagesBefore(ctx, c, page[0].Key, farthestQuote)
	if err != nil {
		return nil, err
	}
	for _, m := range before.Messages {
		if m.WAMID != "" {
			ids[m.WAMID] = m.Key.String()
		}
	}
	return ids, nil
}

// outcomes are WhatsApp's words on the messages of ours on a page.
func (h *chats) outcomes(ctx context.Context, c chat.Chat, page []chat.Message) (map[chat.Mark]dynamo.Outcome, error) {
	var marks []chat.Mark
	for _, m := range page {
		if m.Direction == chat.Out && m.WAMID != "" {
			marks = append(marks, h.mark(m))
		}
	}
	if marks == nil {
		return nil, nil
	}
	return h.store.Outcomes(ctx, c, marks)
}

// mark is the hash of WhatsApp's id of a message, by which its statuses are kept.
func (h *chats) mark(m chat.Message) chat.Mark { return h.secret.Key(0, m.WAMID).Mark() }

// failure is WhatsApp's codes of a failed send, as https://developers.facebook.com/docs/whatsapp/cloud-api/support/error-codes
// lists them.
func failure(o dynamo.Outcome) string {
	var codes []string
	for _, code := range o.Errors {
		codes = append(codes, strconv.Itoa(code))
	}
	return strings.Join(codes, ", ")
}
