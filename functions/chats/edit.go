package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"chatkeeper/shared/access"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

// mostRead is how many messages one request may name as read.
const mostRead = 100

type readBody struct {
	Messages []string `json:"messages"`
}

// read takes messages that were on the Assignee's screen out of the unread ones.
func (h *chats) read(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	body, err := httpapi.Decode[readBody](r)
	if err != nil {
		return nil, err
	}
	if len(body.Messages) == 0 || len(body.Messages) > mostRead {
		return nil, httpapi.Invalid("/messages", fmt.Sprintf("must name 1 to %d messages", mostRead))
	}
	keys := make([]chat.Key, len(body.Messages))
	for i, id := range body.Messages {
		if keys[i], err = chat.ParseKey(id); err != nil {
			return nil, httpapi.Invalid(fmt.Sprintf("/messages/%d", i), "must be the id of a message")
		}
	}
	c, err := h.store.Read(ctx, r.Path["chatId"], r.Person.ID, keys, func(c chat.Chat) error {
		return access.Check(r.Person, access.Read, c)
	})
	if err != nil {
		return nil, err
	}
	return h.shown(ctx, r, c), nil
}

// What may be said about a customer. A Chat's item must stay small, whatever the language.
const (
	mostTags     = assign.MaxTags
	mostTagBytes = 32
)

type customerBody struct {
	Name     *string   `json:"name"`
	Language *string   `json:"language"`
	Tags     *[]string `json:"tags"`
}

// customer changes what people say about a customer. What the body leaves out stays.
func (h *chats) customer(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	body, err := httpapi.Decode[customerBody](r)
	if err != nil {
		return nil, err
	}
	if wrong := body.wrong(); len(wrong) > 0 {
		return nil, &chat.Error{Code: chat.Invalid, Detail: "The body is not valid.", Fields: wrong}
	}
	c, err := h.store.EditCustomer(ctx, r.Path["chatId"], r.Person.ID, r.Now, func(c chat.Chat, who team.Person) (chat.Edit, []chat.Need, error) {
		if err := access.Check(who, access.EditCustomer, c); err != nil {
			return chat.Edit{}, nil, err
		}
		need := chat.Need{Person: who.ID, Admin: c.Owner != who.ID}
		return body.edit(), []chat.Need{need}, nil
	})
	if err != nil {
		return nil, err
	}
	return h.shown(ctx, r, c), nil
}

func (b customerBody) wrong() []chat.Field {
	var wrong []chat.Field
	refuse := func(pointer, detail string) { wrong = append(wrong, chat.Field{Pointer: pointer, Detail: detail}) }
	if b.Name == nil && b.Language == nil && b.Tags == nil {
		refuse("", "must have name, language or tags")
	}
	if b.Name != nil && !short(*b.Name, 0, chat.MaxName) {
		refuse("/name", fmt.Sprintf("must have at most %d bytes, of characters that can be seen; empty takes it back", chat.MaxName))
	}
	if b.Language != nil && *b.Language != assign.Unknown && !isLanguage(*b.Language) {
		refuse("/language", `must be two small letters (ISO 639-1), or "unknown"`)
	}
	if b.Tags == nil {
		return wrong
	}
	if len(*b.Tags) > mostTags {
		refuse("/tags", fmt.Sprintf("must be at most %d", mostTags))
	}
	for i, tag := range *b.Tags {
		switch {
		case !short(tag, 1, mostTagBytes):
			refuse(fmt.Sprintf("/tags/%d", i), fmt.Sprintf("must have 1 to %d bytes, of characters that can be seen", mostTagBytes))
		case slices.Index(*b.Tags, tag) < i:
			refuse(fmt.Sprintf("/tags/%d", i), "stands there twice")
		}
	}
	return wrong
}

func (b customerBody) edit() chat.Edit {
	return chat.Edit{Name: b.Name, Language: b.Language, Tags: b.Tags}
}

func short(text string, least, most int) bool {
	return len(text) >= least && len(text) <= most && utf8.ValidString(text) && strings.TrimSpace(text) == text &&
		!strings.ContainsFunc(text, func(c rune) bool { return !unicode.IsPrint(c) })
}

func isLanguage(text string) bool {
	return len(text) == 2 && 'a' <= text[0] && text[0] <= 'z' && 'a' <= text[1] && text[1] <= 'z'
}
