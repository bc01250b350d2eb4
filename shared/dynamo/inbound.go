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
// if there is none: it is not open, or the message is not newer than the last one applied (a late or repeated delivery).
func (s *Store) Deliver(ctx context.Context, chatID string, a chat.Arrival) (*chat.Chat, error) {
	old, err := s.deliver(ctx, chatID, a, chat.Chat{})
	if errors.Is(err, ErrRefused) && old != nil && old.Status == chat.Open && old.Straight(a.Phone, a.Message.Key) &&
		(!hasRoom(*old) || old.Customer.PhoneSince > a.Message.Shown()) {
		return s.deliver(ctx, chatID, a, *old)
	}
	return old, err
}

// deliver counts the message as unread as the Chat as read has room for it; a Chat that was not read has room.
func (s *Store) deliver(ctx context.Context, chatID string, a chat.Arrival, read chat.Chat) (*chat.Chat, error) {
	k := a.Message.Key
	u := &update{}
	u.set("li", k[:])
	u.unread(read, k)
	u.preview(chat.Chat{}, k, chat.In, a.Preview)
	become(u, "un", "", a.Username)
	become(u, "pn", "", a.Profile)
	was, err := s.updateChat(ctx, chatID, u, equals("st", string(chat.Open)).
		And(u.straight(read, a)).
		And(older("li", k)).
		And(countsAsRead(read, k)))
	if err != nil {
		return was, err
	}
	return nil, s.named(ctx, chatID, was.Customer.Username, a)
}

// updateChat is a plain update of named attributes of a Chat. It returns what those attributes were before, and nothing
// else of the Chat; when the condition fails, the Chat as it is.
func (s *Store) updateChat(ctx context.Context, chatID string, u *update, held expression.ConditionBuilder) (*chat.Chat, error) {
	e, err := expression.NewBuilder().WithUpdate(u.b).WithCondition(held).Build()
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
	u, held := &update{}, equals("st", string(chat.Open)).And(countsAsRead(c, a.Message.Key))
	if c.LastIn.Before(a.Message.Key) { // see Arrival.Alias
		u.arrival(c, a)
		held = held.And(older("li", a.Message.Key))
		if c.Preview.Key.Before(a.Message.Key) {
			held = held.And(older("pv", a.Message.Key))
		}
	} else {
		u.unread(c, a.Message.Key)
	}
	return s.aside(ctx, c, a, u, held)
}

// Keep stores a message that neither opens the Chat nor moves it forward: a reaction, an edit, a revoke, an echo,
// history. It counts as unread if the Chat is open and counts is set. ErrRefused: stored already, or the Chat changed.
func (s *Store) Keep(ctx context.Context, c chat.Chat, a chat.Arrival, counts bool) error {
	u := &update{}
	held := equals("st", string(c.Status))
	if counts && c.Status == chat.Open {
		u.unread(c, a.Message.Key)
		held = held.And(countsAsRead(c, a.Message.Key))
	}
	if a.Preview != "" && u.preview(c, a.Message.Key, a.Message.Direction, a.Preview) {
		held = held.And(older("pv", a.Message.Key))
	}
	return s.aside(ctx, c, a, u, held)
}

// Reveal puts a message in the place of the placeholder that stands under its key, in the Chat or in one that was merged
// into it. Where none does, nothing happens.
func (s *Store) Reveal(ctx context.Context, c chat.Chat, m chat.Message) error {
	if m.Original == placeholder {
		return nil
	}
	held := equals("og", placeholder)
	for _, id := range append([]string{c.ID}, c.From...) {
		if err := s.put(ctx, newMessageItem(id, m), &held); !errors.Is(err, ErrRefused) {
			return err
		}
	}
	return nil
}

// placeholder is what WhatsApp calls a message whose media follows.
const placeholder = "media_placeholder"

// aside stores a Message together with an update of its Chat, or a check of it where there is nothing to update.
func (s *Store) aside(ctx context.Context, c chat.Chat, a chat.Arrival, u *update, held expression.ConditionBuilder) error {
	t := transaction{store: s}
	held = t.belongs(held, c, a, u)
	held = held.And(fromAsRead(c)) // a merge may have brought the Message with it
	if u.empty() {
		t.check(chatPK(c.ID), selfSK, held)
	} else {
		t.update(s.chats, chatPK(c.ID), selfSK, u, held)
	}
	t.message(c, a.Message)
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
