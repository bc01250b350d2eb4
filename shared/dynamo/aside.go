package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/chat"
)

// # Set aside
//
// An item that fails whenever it is tried must not hold up what stands behind it. It is taken from its place and kept
// whole, under Q#, in one transaction: at no moment is it in both places or in neither. Nothing reads it there but
// people; `make verify` lists it. To bring one back: mend what is wrong, put the item `item` where `from` says, delete it
// here. A waiting entry that is set aside leaves its Chat waiting without it, which the checker reports as I5.

// Unreadable is an item that is not what its place says.
type Unreadable struct {
	Because error // [ErrUnreadable]
	item    Item
}

func unreadable(item Item, because error) Unreadable { return Unreadable{Because: because, item: item} }

// Key is where the item stands, for logs. The keys that contain an e-mail address or a token's subject are left out.
func (u Unreadable) Key() string {
	pk, sk := text(u.item["pk"]), text(u.item["sk"])
	if pk == mailPK || pk == subjectPK {
		return pk
	}
	return pk + " " + sk
}

// Aside is an item that was set aside.
type Aside struct {
	At      string // sort key: Unix milliseconds, Chat
	Because string
	From    string // where it stood: partition key, space, sort key
}

type asideItem struct {
	PK      string `dynamodbav:"pk"`
	SK      string `dynamodbav:"sk"`
	Because string `dynamodbav:"why"`
	From    string `dynamodbav:"from"`
}

// SetAside takes an unreadable item from its place, if it is still as it was read. ErrRefused: it is not; somebody put
// another in its place, or set it aside before.
func (s *Store) SetAside(ctx context.Context, u Unreadable, now time.Time) error {
	t := transaction{store: s}
	t.aside(u.item, text(u.item["ch"]), u.Because.Error(), now)
	return t.commit(ctx)
}

// SetAsideStray takes a waiting entry from its pool whose Chat does not wait by it: there is none, somebody has it, it was
// routed elsewhere. All who end a waiting delete its entries in the same transaction, so this can't happen but by hand.
// ErrRefused: the Chat waits by it after all, or it is gone.
func (s *Store) SetAsideStray(ctx context.Context, e chat.Entry, now time.Time) error {
	return s.setAsideEntry(ctx, e, "its Chat does not wait by it", now, func(t *transaction) {
		waits := equals("st", string(chat.Open)).And(name("ow").AttributeNotExists(), equals("ep", e.Epoch), equals("rt", e.Routed),
			name("po").Contains(e.Pool))
		t.check(chatPK(e.Chat), selfSK, name("pk").AttributeNotExists().Or(expression.Not(waits)))
	})
}

// SetAsideEntry takes a waiting entry from its pool whose Chat, or Message, can't be read: nobody can be given the Chat,
// and every try would fail again.
func (s *Store) SetAsideEntry(ctx context.Context, e chat.Entry, because error, now time.Time) error {
	return s.setAsideEntry(ctx, e, because.Error(), now, func(*transaction) {})
}

func (s *Store) setAsideEntry(ctx context.Context, e chat.Entry, because string, now time.Time, also func(*transaction)) error {
	return s.setAsideAt(ctx, waitingPK(e.Pool), waitingSK(e.Priority, e.Since, e.Chat), e, because, now, also)
}

// SetAsideTimer takes away a timer whose Chat can't be read, or is not there.
func (s *Store) SetAsideTimer(ctx context.Context, tm chat.Timer, because error, now time.Time) error {
	return s.setAsideAt(ctx, timerPK(timerShard(tm.Entry.Chat)), timerSK(tm), tm.Entry, because.Error(), now, func(*transaction) {})
}

// setAsideAt sets aside the item that e was read from. Where a Chat is routed again and keeps its place, another entry
// stands under the same key: that one nobody judged.
func (s *Store) setAsideAt(ctx context.Context, pk, sk string, e chat.Entry, because string, now time.Time, also func(*transaction)) error {
	item, err := s.get(ctx, s.chats, pk, sk, true)
	if err != nil {
		return err
	}
	if it, err := unmarshal[entryItem](item); err != nil || item == nil || it.Routed != e.Routed {
		return ErrRefused
	}
	t := transaction{store: s}
	t.aside(item, e.Chat, because, now)
	also(&t)
	return t.commit(ctx)
}

// aside moves an item as read. What tells an entry from another that takes its place is the number of its routing, which
// only grows.
func (t *transaction) aside(item Item, chatID, because string, now time.Time) {
	held := name("pk").AttributeExists().And(name("rt").AttributeNotExists())
	if routed, ok := item["rt"]; ok {
		held = name("rt").Equal(expression.Value(routed))
	}
	e := t.build(expression.NewBuilder().WithCondition(held))
	t.items = append(t.items, types.TransactWriteItem{Delete: &types.Delete{TableName: &t.store.chats,
		Key: Item{"pk": item["pk"], "sk": item["sk"]}, ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values()}})
	kept, err := marshal(asideItem{PK: asidePK, SK: asideSK(now, chatID), Because: because, From: text(item["pk"]) + " " + text(item["sk"])})
	if err != nil {
		t.fail(err)
		return
	}
	kept["item"] = &types.AttributeValueMemberM{Value: item}
	put := t.build(expression.NewBuilder().WithCondition(*absent())) // two of one Chat in one millisecond
	t.items = append(t.items, types.TransactWriteItem{Put: &types.Put{TableName: &t.store.chats, Item: kept,
		ConditionExpression: put.Condition(), ExpressionAttributeNames: put.Names()}})
}

// AsideItems lists what was set aside, the oldest first.
func (s *Store) AsideItems(ctx context.Context) ([]Aside, error) {
	var all []Aside
	err := s.each(ctx, s.partition(s.chats, asidePK), func(item Item) error {
		if it, ok := readable(ctx, item, unmarshal[asideItem]); ok {
			all = append(all, Aside{At: it.SK, Because: it.Because, From: it.From})
		}
		return nil
	})
	return all, err
}

// text is a string attribute; empty if it is none.
func text(v types.AttributeValue) string {
	s, _ := v.(*types.AttributeValueMemberS)
	if s == nil {
		return ""
	}
	return s.Value
}
