// Command chats shows Chats: lists, one Chat, its messages and its history. It also takes what changes a Chat without
// changing who answers for it: that its Assignee has read, and what is known of the customer.
package main

import (
	"context"
	"log/slog"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

type chats struct {
	store   store
	names   *httpapi.NameBook
	cursors httpapi.Cursors
	secret  chat.Secret // finds a Chat by what WhatsApp calls the customer
	rules   *ruleBook
	recent  int // another number for mostRecent; 0 in production
}

// store is what the function reads and writes, beside finding out who asks.
type store interface {
	Chat(ctx context.Context, id string) (*chat.Chat, error)
	Entry(ctx context.Context, chatID, pool string) (*chat.Entry, error)
	Person(ctx context.Context, id string) (*team.Person, error)
	Directory(ctx context.Context) ([]string, error)

	ChatsIn(ctx context.Context, statuses []chat.Status, after dynamo.Place, limit int) (dynamo.ChatPage, error)
	ChatsOf(ctx context.Context, personID string, status chat.Status, after dynamo.Place, limit int) (dynamo.ChatPage, error)
	RecentChatsOf(ctx context.Context, personID string, most int) ([]chat.Chat, bool, error)
	WaitingChats(ctx context.Context, pools []string, after dynamo.Place, limit int) (dynamo.ChatPage, error)
	Numbers(ctx context.Context) ([]string, error)
	Settings(ctx context.Context) (team.Settings, error)
	ChatsAt(ctx context.Context, addresses []string) ([]chat.Chat, error)
	ChatsNamed(ctx context.Context, username string, addresses []string) ([]chat.Chat, error)

	Message(ctx context.Context, chatID string, k chat.Key) (*chat.Message, error)
	MessagesBefore(ctx context.Context, c chat.Chat, k chat.Key, limit int) (dynamo.MessagePage, error)
	MessagesAfter(ctx context.Context, c chat.Chat, k chat.Key, limit int) (dynamo.MessagePage, error)
	Outcomes(ctx context.Context, c chat.Chat, messages []chat.Mark) (map[chat.Mark]dynamo.Outcome, error)
	Events(ctx context.Context, c chat.Chat, after dynamo.EventPlace, limit int) (dynamo.EventPage, error)

	Read(ctx context.Context, chatID, person string, messages []chat.Key, may func(chat.Chat) error) (chat.Chat, error)
	EditCustomer(ctx context.Context, chatID, person string, now time.Time, decide func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error)) (chat.Chat, error)
}

func (h *chats) routes() httpapi.Routes {
	return httpapi.Routes{
		"GET /v1/chats":                     h.list,
		"GET /v1/chats/{chatId}":            h.one,
		"GET /v1/chats/{chatId}/messages":   h.messages,
		"GET /v1/chats/{chatId}/history":    h.history,
		"POST /v1/chats/{chatId}/read":      h.read,
		"PATCH /v1/chats/{chatId}/customer": h.customer,
	}
}

// one shows a Chat, with why it waits if it does.
func (h *chats) one(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := httpapi.CheckQuery(r); err != nil {
		return nil, err
	}
	c, err := h.find(ctx, r.Path["chatId"])
	if err != nil {
		return nil, err
	}
	return h.shown(ctx, r, c), nil
}

// shown answers with a Chat. It can't fail: the Chat may be what a write has just stored.
func (h *chats) shown(ctx context.Context, r *httpapi.Request, c chat.Chat) *httpapi.Response {
	shown := httpapi.ShowChat(c, r.Person, h.names.Names(ctx, c.Owner), r.Now)
	if shown.Waiting != nil {
		shown.Waiting.Reason = h.reason(ctx, c)
	}
	return &httpapi.Response{Body: shown}
}

// reason is why nobody could take a waiting Chat when its pools were last served; empty before that, and when it can't be
// read.
func (h *chats) reason(ctx context.Context, c chat.Chat) assign.Reason {
	for _, pool := range c.Pools {
		e, err := h.store.Entry(ctx, c.ID, pool)
		if err != nil {
			slog.WarnContext(ctx, "reason not read", "chat", c.ID, "error", err)
			continue
		}
		if e != nil && e.Because != "" {
			return e.Because
		}
	}
	return ""
}

// maxID is the longest id that is looked for; ours are far shorter.
const maxID = 128

// find reads a Chat to view it; a merged one gives the one that goes on: as many merges away as Chats may stand behind one.
func (h *chats) find(ctx context.Context, id string) (chat.Chat, error) {
	for range chat.MaxFrom + 1 {
		if id == "" || len(id) > maxID {
			break
		}
		c, err := h.store.Chat(ctx, id)
		switch {
		case err != nil:
			return chat.Chat{}, err
		case c == nil:
			return chat.Chat{}, dynamo.ErrNoChat
		case c.Status != chat.Merged:
			return *c, nil
		}
		id = c.MergedInto
	}
	return chat.Chat{}, dynamo.ErrNoChat
}
