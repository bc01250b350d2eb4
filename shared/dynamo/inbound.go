package dynamo

import (
	"context"
	"errors"
	"maps"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/chat"
)

func (s *Store) getAll(ctx context.Context, keys []Item, strong bool) ([]Item, error) {
	if len(keys) == 1 {
		pk, sk := keys[0]["pk"].(*types.AttributeValueMemberS).Value, keys[0]["sk"].(*types.AttributeValueMemberS).Value
		item, err := s.get(ctx, s.chats, pk, sk, strong)
		if err != nil || item == nil {
			return nil, err
		}
		return []Item{item}, nil
	}
	return s.getBatch(ctx, s.chats, keys, strong)
}

// getBatch reads up to a hundred items of a table by their keys, in any order; those that are not there are missing.
func (s *Store) getBatch(ctx context.Context, table string, keys []Item, strong bool) ([]Item, error) {
	var items []Item
	for n := 0; len(keys) > 0; n++ {
		if n == attempts {
			return nil, ErrUnsure
		}
		out, err := s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: map[string]types.KeysAndAttributes{
			table: {Keys: keys, ConsistentRead: &strong},
		}})
		if err != nil {
			return nil, outcome("read by keys", err)
		}
		items = append(items, out.Responses[table]...)
		if keys = out.UnprocessedKeys[table].Keys; len(keys) > 0 {
			if err := Pause(ctx, n, ErrUnsure); err != nil {
				return nil, err
			}
		}
	}
	return items, nil
}

// Deliver applies a customer message to an open Chat: one write, no read, no transaction, no index. It is the cheap
// path of nearly all traffic. nil means applied; PutMessage must follow. With ErrRefused comes the Chat as it is, or nil
// if there is none: it is not open, or the message is not newer than the last one applied (a late or repeated delivery), or
// it may have been stored under another Key ([chat.Inbox.MayHaveBeenAhead]).
//
// The Chat is not read, so the first update is for one that shows nothing newer and has room among its unread marks.
// Where the refusal returns another, a second update is for that one.
func (s *Store) Deliver(ctx context.Context, chatID string, a chat.Arrival) (*chat.Chat, error) {
	old, err := s.deliver(ctx, chat.Chat{ID: chatID, Customer: chat.Customer{Phone: a.Phone}}, a)
	newest := old != nil && old.Status == chat.Open && old.LastIn.Before(a.Message.Key) && (a.Settled || !old.MayHaveBeenAhead(a.Message.Key))
	if errors.Is(err, ErrRefused) && newest && old.Straight(a.Phone, a.Message.Key) {
		return s.deliver(ctx, *old, a)
	}
	return old, err
}

// deliver applies the message to a Chat as read; one that was not read has room, shows nothing newer, and has the phone
// number that the message shows.
func (s *Store) deliver(ctx context.Context, before chat.Chat, a chat.Arrival) (*chat.Chat, error) {
	held := append(straight(before, a), equals("st", string(chat.Open)))
	if !a.Settled {
		held = append(held, older("ah", a.Message.Key)) // see stamps.go
	}
	was, err := s.updateChat(ctx, before, before.Receives(a), before.CountedBy(a.Message.Key), held...)
	if err != nil {
		return was, err
	}
	return nil, s.named(ctx, before.ID, was.Customer.Username, a)
}

// updateChat writes what differs between the Chat as read and as it becomes, without a transaction. It returns what the
// attributes written were before, and nothing else of the Chat; when the condition fails, the Chat as it is.
func (s *Store) updateChat(ctx context.Context, before, after chat.Chat, holds chat.Part, also ...expression.ConditionBuilder) (*chat.Chat, error) {
	chatID, w := before.ID, written(before, after, holds)
	if w.err != nil {
		return nil, w.err
	}
	e, err := expression.NewBuilder().WithUpdate(w.b).WithCondition(w.condition(also...)).Build()
	if err != nil {
		return nil, err
	}
	out, err := s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.chats, Key: key(chatPK(chatID), selfSK),
		UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values(), ReturnValues: types.ReturnValueUpdatedOld,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld})
	was := Item{}
	var refused *types.ConditionalCheckFailedException
	switch {
	case err == nil:
		maps.Copy(was, out.Attributes)
	case errors.As(err, &refused) && len(refused.Item) > 0:
		was = refused.Item
	default:
		return nil, outcome("update chat "+chatID, err)
	}
	maps.Copy(was, key(chatPK(chatID), selfSK))
	it, problem := unmarshal[chatItem](was)
	if problem != nil {
		return nil, problem
	}
	c := it.chat()
	return &c, outcome("update chat "+chatID, err)
}

// PutMessage stores a Message that its Chat already counts. That it exists is success: a Message that exists has been
// done in full.
func (s *Store) PutMessage(ctx context.Context, chatID string, m chat.Message) error {
	err := s.put(ctx, newMessageItem(chatID, m), absent())
	if errors.Is(err, ErrRefused) {
		return nil
	}
	return err
}

func (s *Store) put(ctx context.Context, it any, held *expression.ConditionBuilder) error {
	item, err := marshal(it)
	if err != nil {
		return err
	}
	in := &dynamodb.PutItemInput{TableName: &s.chats, Item: item}
	if held != nil {
		e, err := expression.NewBuilder().WithCondition(*held).Build()
		if err != nil {
			return err
		}
		in.ConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = e.Condition(), e.Names(), e.Values()
	}
	_, err = s.db.PutItem(ctx, in)
	return outcome("put", err)
}

// Has reports whether the Message is stored under the Chat or one that was merged into it. It is strongly consistent.
func (s *Store) Has(ctx context.Context, c chat.Chat, k chat.Key) (bool, error) {
	for _, id := range append([]string{c.ID}, c.From...) {
		item, err := s.get(ctx, s.chats, chatPK(id), messageSK(k), true)
		if item != nil || err != nil {
			return item != nil, err
		}
	}
	return false, nil
}

// Late stores a customer message that came after a newer one was applied to the open Chat, or whose first delivery
// crashed half way: the Message and its mark in one transaction, because "late" and "already read" could not be told
// apart between the two. ErrRefused: it is stored already, or the Chat is not open any more; look again.
func (s *Store) Late(ctx context.Context, c chat.Chat, a chat.Arrival) error {
	if err := s.named(ctx, c.ID, "", a); err != nil {
		return err
	}
	if c.Status != chat.Open {
		return ErrRefused
	}
	return s.aside(ctx, c, c.Receives(a), c.CountedBy(a.Message.Key), a)
}

// Keep stores a message that neither opens the Chat nor moves it forward: a reaction, an edit, a revoke, an echo,
// history. It counts as unread if the Chat is open and counts is set. ErrRefused: stored already, or the Chat changed.
func (s *Store) Keep(ctx context.Context, c chat.Chat, a chat.Arrival, counts bool) error {
	var holds chat.Part
	if counts && c.Status == chat.Open {
		holds = c.CountedBy(a.Message.Key)
	}
	return s.aside(ctx, c, c.Keeps(a, counts), holds, a)
}

// Reveal puts a message in the place of the placeholder that stands under its key, in the Chat or in one that was merged
// into it; its place within its second too. Where none does, nothing happens.
func (s *Store) Reveal(ctx context.Context, c chat.Chat, m chat.Message) error {
	if m.Original == placeholder {
		return nil
	}
	held := equals("og", placeholder)
	for _, id := range append([]string{c.ID}, c.From...) {
		stands, err := s.Message(ctx, id, m.Key)
		if err != nil {
			return err
		}
		if stands == nil || stands.Original != placeholder {
			continue
		}
		m.Arrived = stands.Arrived
		if err := s.put(ctx, newMessageItem(id, m), &held); !errors.Is(err, ErrRefused) {
			return err
		}
	}
	return nil
}

// placeholder is what WhatsApp calls a message whose media follows.
const placeholder = "media_placeholder"

// aside stores a Message together with what it makes of its Chat, if the Chat has the status as read and no further Chat
// was merged into it: a merge may have brought the Message with it.
func (s *Store) aside(ctx context.Context, before, after chat.Chat, holds chat.Part, a chat.Arrival) error {
	t := transaction{store: s}
	held := append(t.belongs(before, a), equals("st", string(before.Status)), fromAsRead(before))
	t.chat(before, after, holds, held...)
	t.message(before, a.Message)
	return t.commit(ctx)
}

// Delivered notes WhatsApp's word on a message of ours, if it ranks higher than what is known. It stands beside the
// Message, by the hash of WhatsApp's id, because a status may come before the send has told us that id.
func (s *Store) Delivered(ctx context.Context, chatID string, message chat.Mark, status string, rank int, at int64, codes []int) error {
	u := &update{}
	become(u, "ds", "", status)
	u.set("rk", rank)
	u.set("at", at)
	if len(codes) > 0 {
		u.set("er", codes)
	}
	e, err := expression.NewBuilder().WithUpdate(u.b).
		WithCondition(name("rk").AttributeNotExists().Or(name("rk").LessThan(expression.Value(rank)))).Build()
	if err != nil {
		return err
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.chats, Key: key(chatPK(chatID), deliverySK(message)),
		UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values()})
	if err = outcome("delivery status", err); errors.Is(err, ErrRefused) {
		return nil
	}
	return err
}
