package dynamo

import (
	"cmp"
	"context"
	"errors"
	"maps"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/chat"
)

// Lead is where an identity leads.
type Lead struct {
	Chat  string   // the Chat's id
	Since chat.Key // of an alias: the message that set it
	was   string   // of an alias: the Chat of another customer, to whom the identity belonged until then

	Renamed string // of a user id: the one that its customer has now; there may be no Chat yet
}

// ChatAt is where the identity led when the message with this key was written: a late message from a recycled phone number
// is its old holder's. Numbers are not recycled twice within the days that a message may be late.
func (l Lead) ChatAt(k chat.Key) string {
	if l.MovedSince(k) {
		return l.was
	}
	return l.Chat
}

// MovedSince reports whether the identity became another customer's after the message with this key.
func (l Lead) MovedSince(k chat.Key) bool { return l.was != "" && k.Before(l.Since) }

// Leads is where the identities of one message lead; nil where an identity is missing or leads nowhere yet.
type Leads struct {
	User, Phone *Lead
}

// Find reads where the addresses lead, in one request. An empty address is not read. A Chat that stands at an identity's
// own address and is merged leads on to the next; an alias may lead to a merged Chat. Weak reads cost half and may be
// stale: whoever acts on one must be refused by a condition if it was, and begin again with a strong one.
func (s *Store) Find(ctx context.Context, userAddress, phoneAddress string, strong bool) (Leads, error) {
	var keys []Item
	for _, a := range []string{userAddress, phoneAddress} {
		if a != "" {
			keys = append(keys, key(chatPK(a), selfSK))
		}
	}
	items, err := s.getAll(ctx, keys, strong)
	if err != nil {
		return Leads{}, err
	}
	var leads Leads
	for _, item := range items {
		it, err := unmarshal[chatItem](item)
		if err != nil {
			return Leads{}, err
		}
		lead := &Lead{Chat: it.To, Since: keyOf(it.Since), was: it.Was}
		if it.To == "" {
			lead.Chat = cmp.Or(it.Into, it.PK[len(chatPrefix):])
		} else {
			lead.Renamed = it.UserID
		}
		if it.PK == chatPK(userAddress) {
			leads.User = lead
		} else {
			leads.Phone = lead
		}
	}
	return leads, nil
}

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
//
// The Chat is not read, so the first update is for one that shows nothing newer and has room among its unread marks.
// Where the refusal returns another, a second update is for that one.
func (s *Store) Deliver(ctx context.Context, chatID string, a chat.Arrival) (*chat.Chat, error) {
	old, err := s.deliver(ctx, chat.Chat{ID: chatID}, a)
	if errors.Is(err, ErrRefused) && old != nil && old.Status == chat.Open && old.LastIn.Before(a.Message.Key) {
		return s.deliver(ctx, *old, a)
	}
	return old, err
}

func (s *Store) deliver(ctx context.Context, before chat.Chat, a chat.Arrival) (*chat.Chat, error) {
	held := []expression.ConditionBuilder{equals("st", string(chat.Open))}
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
	return s.aside(ctx, c, c.Receives(a), c.CountedBy(a.Message.Key), a.Message)
}

// Keep stores a message that neither opens the Chat nor moves it forward: a reaction, an edit, a revoke, an echo,
// history. It counts as unread if the Chat is open and counts is set. ErrRefused: stored already, or the Chat changed.
func (s *Store) Keep(ctx context.Context, c chat.Chat, a chat.Arrival, counts bool) error {
	var holds chat.Part
	if counts && c.Status == chat.Open {
		holds = c.CountedBy(a.Message.Key)
	}
	return s.aside(ctx, c, c.Keeps(a, counts), holds, a.Message)
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
func (s *Store) aside(ctx context.Context, before, after chat.Chat, holds chat.Part, m chat.Message) error {
	t := transaction{store: s}
	t.chat(before, after, holds, equals("st", string(before.Status)), fromAsRead(before))
	t.message(before, m)
	return t.commit(ctx)
}

// Link makes an identity lead to an existing Chat and notes it there: a phone number is where the customer was last
// seen, a user id belongs to a Chat that has none. ErrRefused: the identity leads somewhere meanwhile, or the Chat is
// merged or got another user id; look again.
func (s *Store) Link(ctx context.Context, c chat.Chat, l chat.Link, ids chat.Identities) error {
	t := transaction{store: s}
	t.link(c.ID, l)
	t.identify(c, l.Since, ids)
	return t.commit(ctx)
}

// identify notes identities on the Chat, as read, that they now lead to: a user id only where there is none (see Renew),
// a phone number only if no newer message showed another one.
func (t *transaction) identify(c chat.Chat, since chat.Key, ids chat.Identities) {
	u, held := &update{}, equals("st", string(chat.Open)).Or(equals("st", string(chat.Closed)))
	if ids.Phone != "" && c.Customer.PhoneSince.Before(since) {
		u.set("ph", ids.Phone)
		u.set("ps", since[:])
		held = held.And(older("ps", since))
	}
	if ids.UserID != "" {
		u.set("user", ids.UserID)
		held = held.And(name("user").AttributeNotExists().Or(equals("user", ids.UserID)))
	}
	if u.empty() {
		t.check(chatPK(c.ID), selfSK, held)
		return
	}
	t.update(t.store.chats, chatPK(c.ID), selfSK, u, held)
}

// Rename notes that a user id which leads nowhere is another one now, at whose address (to) its customer's Chat is, or will
// be: WhatsApp may tell of the change before any message of theirs has come. ErrRefused: it leads somewhere meanwhile.
func (s *Store) Rename(ctx context.Context, address, to, userID string, since chat.Key) error {
	return s.put(ctx, chatItem{PK: chatPK(address), SK: selfSK, To: to, UserID: userID, Since: keyBytes(since)}, absent())
}

// Renew gives a Chat the user id that WhatsApp says its customer has now, in place of the one it had: ids are made anew
// when people change their phone number. ErrRefused as Link.
func (s *Store) Renew(ctx context.Context, c chat.Chat, l chat.Link, userID string) error {
	t := transaction{store: s}
	t.link(c.ID, l)
	u := &update{}
	become(u, "user", c.Customer.UserID, userID)
	held := equals("st", string(c.Status))
	if c.Customer.UserID != "" {
		held = held.And(equals("user", c.Customer.UserID))
	} else {
		held = held.And(name("user").AttributeNotExists())
	}
	t.update(s.chats, chatPK(c.ID), selfSK, u, held)
	return t.commit(ctx)
}

// MovePhone makes a phone number lead to another Chat, because a newer message shows it with another person: numbers
// are recycled. The Chat that had it loses it, so that no reply goes to a stranger. Nothing else moves. ErrRefused: the
// number leads elsewhere meanwhile, or was seen there by a message that is newer than this one.
func (s *Store) MovePhone(ctx context.Context, l chat.Link, from, to chat.Chat, phone string) error {
	t := transaction{store: s}
	move := &update{}
	move.set("to", to.ID)
	move.set("since", l.Since[:])
	move.set("was", from.ID)
	t.update(s.chats, chatPK(l.Address), selfSK, move,
		equals("to", from.ID).And(older("since", l.Since)))
	if from.Customer.Phone == phone {
		forget := &update{}
		forget.remove("ph")
		forget.remove("ps")
		t.update(s.chats, chatPK(from.ID), selfSK, forget, equals("ph", phone))
	}
	t.identify(to, l.Since, chat.Identities{Phone: phone})
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
