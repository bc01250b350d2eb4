// Command reply takes replies of Assignees. It stores them as queued and sends nothing.
package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"net/http"
	"slices"
	"strings"
	"time"

	"chatkeeper/shared/access"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/grapheme"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

type reply struct {
	store store
	names *httpapi.NameBook
}

type store interface {
	Chat(ctx context.Context, id string) (*chat.Chat, error)
	Message(ctx context.Context, chatID string, k chat.Key) (*chat.Message, error)
	Reply(ctx context.Context, chatID, person string, once *dynamo.Once, now time.Time, preview string, decide func(chat.Chat, team.Person) (chat.Message, error)) (chat.Message, error)
}

func (s *reply) routes() httpapi.Routes {
	return httpapi.Routes{"POST /v1/chats/{chatId}/messages": s.post}
}

// maxOnce is the most characters of an Idempotency-Key; they are printable ASCII.
const maxOnce = 255

// post accepts a reply, from the Assignee alone. With an Idempotency-Key it is accepted once, however often it is asked
// for, and whoever the Assignee is by then.
func (s *reply) post(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	chatID := r.Path["chatId"]
	once, err := onceOf(r, chatID)
	if err != nil {
		return nil, err
	}
	asked, err := httpapi.Decode[body](r)
	if err != nil {
		return nil, err
	}
	content, refers, err := asked.content()
	if err != nil {
		return nil, err
	}
	if err := s.resolve(ctx, r.Person, chatID, &content, refers); err != nil {
		return nil, err
	}
	key := chat.NewKey(r.Now)
	preview := grapheme.Preview(chat.PreviewText(content.Text, content.Type))
	m, err := s.store.Reply(ctx, chatID, r.Person.ID, once, r.Now, preview, func(c chat.Chat, p team.Person) (chat.Message, error) {
		if err := access.Check(p, access.Reply, c); err != nil {
			return chat.Message{}, err
		}
		return c.Replies(r.Now, p.ID, key, content)
	})
	if err != nil {
		return nil, err
	}
	names := s.names.Names(ctx, m.By)
	shown := httpapi.ShowMessage(m, names)
	shown.Quoted = asked.Quoted
	return &httpapi.Response{Status: http.StatusCreated, Body: shown}, nil
}

// onceOf reads the Idempotency-Key; nil if there is none. The digest is over the body as it was sent: a client that
// repeats a request repeats its bytes.
func onceOf(r *httpapi.Request, chatID string) (*dynamo.Once, error) {
	values, there := r.Header[http.CanonicalHeaderKey("Idempotency-Key")]
	if !there {
		return nil, nil
	}
	key := strings.Join(values, ",")
	printable := !strings.ContainsFunc(key, func(c rune) bool { return c < ' ' || c > '~' })
	if key == "" || len(key) > maxOnce || !printable {
		return nil, &chat.Error{Code: chat.BadRequest, Detail: "An Idempotency-Key has 1 to 255 printable ASCII characters."}
	}
	digest := sha256.New()
	digest.Write([]byte(r.Person.ID + "\x00" + chatID + "\x00"))
	digest.Write(r.Body)
	return &dynamo.Once{Person: r.Person.ID, Key: key, Digest: digest.Sum(nil)}, nil
}

// reference is a place in the body that names a Message of the Chat.
type reference struct {
	pointer string
	id      string
}

// resolve finds the Messages that a reply quotes or reacts to. They are not looked for on behalf of somebody who may not
// reply; whether they may is decided again by the write.
func (s *reply) resolve(ctx context.Context, p team.Person, chatID string, content *chat.Message, refers []reference) error {
	if len(refers) == 0 {
		return nil
	}
	c, err := s.store.Chat(ctx, chatID)
	if err != nil {
		return err
	}
	if c == nil {
		return dynamo.ErrNoChat
	}
	if access.Check(p, access.Reply, *c) != nil {
		return nil
	}
	var wrong []chat.Field
	for _, ref := range refers {
		wamid, err := s.wamid(ctx, *c, ref.id)
		if err != nil {
			return err
		}
		if wamid == "" {
			wrong = append(wrong, chat.Field{Pointer: ref.pointer, Detail: "is no Message of this Chat that WhatsApp knows"})
		}
		if ref.pointer == quotedPointer {
			content.Quoted = wamid
		} else {
			content.Target = wamid
		}
	}
	return invalid(wrong)
}

// wamid is WhatsApp's id of a Message of the Chat; empty if there is none, or if it was not sent yet.
func (s *reply) wamid(ctx context.Context, c chat.Chat, id string) (string, error) {
	key, err := chat.ParseKey(id)
	if err != nil {
		return "", nil
	}
	for _, in := range slices.Concat([]string{c.ID}, c.From) {
		m, err := s.store.Message(ctx, in, key)
		if err != nil {
			return "", err
		}
		if m != nil {
			return m.WAMID, nil
		}
	}
	return "", nil
}

func invalid(wrong []chat.Field) error {
	if len(wrong) == 0 {
		return nil
	}
	slices.SortStableFunc(wrong, func(a, b chat.Field) int { return cmp.Compare(a.Pointer, b.Pointer) })
	return &chat.Error{Code: chat.Invalid, Detail: "The body is not valid.", Fields: wrong}
}
