package dynamo

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Once makes a reply happen at most once however often a client asks for it.
type Once struct {
	Person string // whose key it is
	Key    string // Idempotency-Key, as the client chose it
	Digest []byte // of all that the client asks for: the Chat and the body
}

// onceLasts is how long a key is remembered. DynamoDB deletes the item some time after that; until then it counts as gone.
const onceLasts = 24 * time.Hour

// onceItem remembers what became of a key.
type onceItem struct {
	PK      string `dynamodbav:"pk"`
	SK      string `dynamodbav:"sk"`
	Digest  []byte `dynamodbav:"dg"`
	Message []byte `dynamodbav:"me"`
	Expires int64  `dynamodbav:"expires"` // Unix seconds: DynamoDB's time to live
}

// Reply accepts a message of the Assignee: in one transaction that holds only while Chat, epoch and owner are as decide
// saw them and the person is active with a role, the Message is put, the Chat's preview follows, and the key, if there
// is one, is remembered. preview is what a list shows of it. Nothing is sent here: the Message's stream record is what the sender goes by.
//
// A key that is known answers before decide is asked: the Message it stands for, or [chat.KeyReused] when something else
// was asked for then. decide is pure and is asked again when somebody else was first; the Message keeps the Key
// that it had first, by which Reply knows an attempt whose outcome stayed unknown. Success means accepted, once; without a key of
// the client, a repetition after an error may accept the same text twice.
func (s *Store) Reply(ctx context.Context, chatID, person string, once *Once, now time.Time, preview string, decide func(chat.Chat, team.Person) (chat.Message, error)) (chat.Message, error) {
	var last error
	var tried *chat.Message
	for n := range attempts {
		r, err := s.scene(ctx, chatID, []string{person}, once)
		if err == nil && r.once != nil && now.Unix() < r.once.Expires {
			if tried != nil && tried.Key == keyOf(r.once.Message) {
				return *tried, nil
			}
			return s.remembered(ctx, chatID, *once, *r.once)
		}
		var stored *chat.Message
		if err == nil && tried != nil {
			stored, err = s.Message(ctx, chatID, tried.Key)
		}
		if tried != nil && Again(err) { // it may be stored: that it can't be read now is not the answer
			if pause := Pause(ctx, n, err); pause != nil {
				return chat.Message{}, fmt.Errorf("%w (%w)", err, pause)
			}
			last = err
			continue
		}
		if err != nil {
			return chat.Message{}, err
		}
		if stored != nil {
			return *tried, nil
		}
		m, err := decide(r.chat, r.cast[person])
		if err != nil {
			return chat.Message{}, err
		}
		if tried != nil {
			m.Key = tried.Key // the customer may have written meanwhile, which would move it
		}
		if last = s.accept(ctx, r.chat, m, preview, once, now); last == nil {
			return m, nil
		}
		if !Again(last) {
			return chat.Message{}, last
		}
		tried = &m
		if err := Pause(ctx, n, last); err != nil {
			return chat.Message{}, fmt.Errorf("%w (%w)", last, err)
		}
	}
	return chat.Message{}, exhausted("reply in chat "+chatID, last)
}

func (s *Store) remembered(ctx context.Context, chatID string, once Once, it onceItem) (chat.Message, error) {
	if !bytes.Equal(it.Digest, once.Digest) {
		return chat.Message{}, &chat.Error{Code: chat.KeyReused, Detail: "This Idempotency-Key was used for another reply."}
	}
	m, err := s.Message(ctx, chatID, keyOf(it.Message))
	if err != nil {
		return chat.Message{}, err
	}
	if m == nil {
		return chat.Message{}, fmt.Errorf("chat %s: a known key leads to no message", chatID)
	}
	return *m, nil
}

// accept is the transaction of a reply. Write units: 2 each for the Chat (no index follows the preview), the person, a
// Message of up to 1 KB, and the key.
func (s *Store) accept(ctx context.Context, c chat.Chat, m chat.Message, preview string, once *Once, now time.Time) error {
	t := transaction{store: s}
	t.chat(c, c.Sends(m, preview), 0, equals("ep", c.Epoch), equals("ow", m.By), equals("st", string(chat.Open)))
	t.put(s.chats, newMessageItem(c.ID, m), absent())
	t.checkIn(s.team, peoplePK, m.By, able(chat.Need{Person: m.By}))
	if once != nil {
		free := name("pk").AttributeNotExists().Or(name("expires").LessThanEqual(expression.Value(now.Unix())))
		t.put(s.chats, onceItem{PK: oncePK(once.Person, once.Key), SK: selfSK, Digest: once.Digest, Message: m.Key[:],
			Expires: now.Add(onceLasts).Unix()}, &free)
	}
	return t.commit(ctx)
}
