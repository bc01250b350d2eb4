package dynamo

import (
	"bytes"
	"maps"
	"reflect"
	"slices"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/chat"
)

// # Writes of a Chat
//
// Every write of an existing Chat is a pair of values from package chat: the Chat as read and the Chat as it becomes.
// The attributes to write are those in which the two items differ, and the condition of the write follows from them,
// by the table below. No caller picks a condition for what it writes; it only adds what its decision looked at beside
// that (chat.Part), and what the protocol asks for.
//
// A write of a Chat that was not read starts from an empty Chat. It may alter only what is guarded by order or by room.

// guard says what must hold in the stored item when a write alters an attribute.
type guard int

const (
	// byEpoch: owner, status and routing are as read. The epoch alone would not do: a step opens a further pool, and newer
	// rules route again, without raising it.
	byEpoch guard = iota + 1
	// asRead: the attribute is as read.
	asRead
	// byOrder: the stored value is smaller than the new one, or absent. Where the attribute goes, it is as read.
	byOrder
	// byRoom: unread marks are added only where they fit, and taken without a condition: taking a mark leaves the others
	// alone, and a mark that is not there is no error.
	byRoom
	// byUnread: the unread marks and the greatest message beyond them are as read.
	byUnread
	// byLanguage: the language and whether people said it are as read.
	byLanguage
	// byUser: the user id is as read, and the phone number, which proves whose it is.
	byUser
	// byShowing: of the phone number and the moment when it was shown last, the stored moment is earlier where the number
	// changes with a later one. Where only the moment does, it may be the same, and the number is as read. Else both are.
	byShowing
)

// guarded is how an attribute of a Chat is guarded. Where one of with is written too, its guard is enough: the attribute
// belongs to what that one orders.
type guarded struct {
	by   guard
	with []string
}

// guards has every attribute of chatItem that a write can alter. The test of this table reads the struct tags.
var guards = map[string]guarded{
	"ep": {by: byEpoch}, "oe": {by: byEpoch}, "rt": {by: byEpoch}, "rv": {by: byEpoch}, "oa": {by: byEpoch},
	"ca": {by: byEpoch}, "ws": {by: byEpoch}, "st": {by: byEpoch}, "ow": {by: byEpoch}, "pr": {by: byEpoch},
	"po": {by: byEpoch}, "fr": {by: byEpoch}, "in": {by: byEpoch},
	"ok": {by: byEpoch}, "ot": {by: byEpoch}, "sx": {by: byEpoch}, "sa": {by: byEpoch},

	"li": {by: byOrder}, "ur": {by: byRoom}, "mo": {by: byUnread}, "ah": {by: byOrder},
	"pv": {by: byOrder}, "pd": {by: asRead, with: []string{"pv"}}, "pt": {by: asRead, with: []string{"pv"}},

	"user": {by: byUser}, "ph": {by: byShowing}, "pa": {by: byShowing}, "pf": {by: byOrder},
	"un": {by: asRead, with: []string{"pv", "li"}}, "pn": {by: asRead, with: []string{"pv", "li"}},
	"nm": {by: asRead}, "tg": {by: asRead}, "ct": {by: asRead}, "lg": {by: byLanguage}, "lh": {by: byLanguage},
}

// parts are the attributes that must be as read where a decision looked at a part of the Chat. What others of them
// imply is left out: a username changes only together with a message.
var parts = map[chat.Part][]string{
	chat.OwnershipPart: {"ep", "rt", "po"},
	chat.InboxPart:     {"li", "ur", "mo"},
	chat.IdentityPart:  {"user", "ph"},
	chat.Whole:         {"ep", "rt", "po", "li", "ur", "mo", "ah", "pv", "user", "ph", "pa", "pf", "nm", "tg", "lg", "lh", "ct"},
}

// chatWrite is the update of a Chat's item and the condition under which it is right.
type chatWrite struct {
	update
	held map[string]expression.ConditionBuilder // by what is asked, so that nothing is asked twice
	err  error
}

// written compares a Chat as read with what it becomes.
func written(before, after chat.Chat, holds chat.Part) *chatWrite {
	w := &chatWrite{held: map[string]expression.ConditionBuilder{}}
	old, err := marshal(newChatItem(before))
	if err != nil {
		w.err = err
		return w
	}
	now, err := marshal(newChatItem(after))
	if err != nil {
		w.err = err
		return w
	}
	all := maps.Clone(old)
	maps.Copy(all, now)
	differs := map[string]bool{}
	for attribute := range all {
		differs[attribute] = !same(old[attribute], now[attribute])
	}
	for _, attribute := range sortedKeys(differs) {
		if differs[attribute] {
			w.change(attribute, old, now)
			w.guard(attribute, old, now, differs)
		}
	}
	for part, attributes := range parts {
		if holds&part != 0 {
			w.asRead(old, attributes...)
		}
	}
	return w
}

// change writes one attribute: sets that others also write grow and shrink by members, everything else is set or removed.
func (w *chatWrite) change(attribute string, old, now Item) {
	gained, lost := members(now[attribute], old[attribute]), members(old[attribute], now[attribute])
	switch {
	case now[attribute] == nil:
		if marks, ok := old[attribute].(*types.AttributeValueMemberBS); ok {
			w.take(attribute, marks)
			return
		}
		w.remove(attribute)
	case growing[attribute] && gained != nil && lost == nil:
		w.add(attribute, gained)
	case growing[attribute] && lost != nil && gained == nil:
		w.take(attribute, lost)
	default:
		w.set(attribute, now[attribute])
	}
}

// growing are the sets that a write alters by naming members.
var growing = map[string]bool{"ur": true, "fr": true}

func (w *chatWrite) guard(attribute string, old, now Item, differs map[string]bool) {
	g := guards[attribute]
	if slices.ContainsFunc(g.with, func(leader string) bool { return differs[leader] && now[leader] != nil }) {
		return
	}
	switch g.by {
	case byEpoch:
		w.asRead(old, parts[chat.OwnershipPart]...)
	case byOrder:
		if now[attribute] == nil {
			w.asRead(old, attribute)
			return
		}
		w.holds(attribute+" <", name(attribute).AttributeNotExists().Or(name(attribute).LessThan(expression.Value(now[attribute]))))
	case byRoom:
		if gained := members(now[attribute], old[attribute]); gained != nil {
			room := chat.MaxUnread - count(gained)
			w.holds(attribute+" room", name(attribute).AttributeNotExists().Or(name(attribute).Size().LessThanEqual(expression.Value(room))))
		}
	case byUnread:
		w.asRead(old, "ur", "mo")
	case byLanguage:
		w.asRead(old, "lg", "lh")
	case byUser:
		w.asRead(old, "user", "ph")
	case byShowing:
		w.showing(old, now, differs)
	default:
		w.asRead(old, attribute)
	}
}

func (w *chatWrite) showing(old, now Item, differs map[string]bool) {
	earlier := now["pa"] != nil && bytes.Compare(bytesOf(old["pa"]), bytesOf(now["pa"])) < 0
	switch {
	case !earlier:
		w.asRead(old, "ph", "pa")
	case differs["ph"]:
		w.holds("pa <", name("pa").AttributeNotExists().Or(name("pa").LessThan(expression.Value(now["pa"]))))
	default:
		w.asRead(old, "ph")
		w.holds("pa <=", name("pa").AttributeNotExists().Or(name("pa").LessThanEqual(expression.Value(now["pa"]))))
	}
}

// bytesOf is a binary attribute; nil if there is none.
func bytesOf(v types.AttributeValue) []byte {
	b, _ := v.(*types.AttributeValueMemberB)
	if b == nil {
		return nil
	}
	return b.Value
}

// asRead holds while attributes are as read.
func (w *chatWrite) asRead(old Item, attributes ...string) {
	for _, a := range attributes {
		if value := old[a]; value != nil {
			w.holds(a+" =", name(a).Equal(expression.Value(value)))
		} else {
			w.holds(a+" =", name(a).AttributeNotExists())
		}
	}
}

func (w *chatWrite) holds(what string, condition expression.ConditionBuilder) {
	w.held[what] = condition
}

// condition joins also with everything else that must hold. Where nothing must, the Chat must exist.
func (w *chatWrite) condition(also ...expression.ConditionBuilder) expression.ConditionBuilder {
	for _, what := range sortedKeys(w.held) {
		also = append(also, w.held[what])
	}
	switch len(also) {
	case 0:
		return name("pk").AttributeExists()
	case 1:
		return also[0]
	}
	return expression.And(also[0], also[1], also[2:]...)
}

// chat adds the write of a Chat to a transaction, or a check of its condition where nothing differs.
func (t *transaction) chat(before, after chat.Chat, holds chat.Part, also ...expression.ConditionBuilder) {
	w := written(before, after, holds)
	t.fail(w.err)
	pk, held := chatPK(before.ID), w.condition(also...)
	if w.empty() {
		t.check(pk, selfSK, held)
		return
	}
	t.update(t.store.chats, pk, selfSK, &w.update, held)
}

// same reports whether two attributes are equal; sets have no order.
func same(a, b types.AttributeValue) bool {
	if a == nil || b == nil {
		return a == nil && b == nil
	}
	switch a.(type) {
	case *types.AttributeValueMemberSS, *types.AttributeValueMemberBS:
		return members(a, b) == nil && members(b, a) == nil
	}
	return reflect.DeepEqual(a, b)
}

// members are those of set a that are not in set b; nil if there are none, or if a is no set.
func members(a, b types.AttributeValue) types.AttributeValue {
	switch a := a.(type) {
	case *types.AttributeValueMemberSS:
		other, _ := b.(*types.AttributeValueMemberSS)
		left := slices.DeleteFunc(slices.Clone(a.Value), func(v string) bool { return other != nil && slices.Contains(other.Value, v) })
		if len(left) > 0 {
			return &types.AttributeValueMemberSS{Value: left}
		}
	case *types.AttributeValueMemberBS:
		other, _ := b.(*types.AttributeValueMemberBS)
		left := slices.DeleteFunc(slices.Clone(a.Value), func(v []byte) bool {
			return other != nil && slices.ContainsFunc(other.Value, func(o []byte) bool { return slices.Equal(o, v) })
		})
		if len(left) > 0 {
			return &types.AttributeValueMemberBS{Value: left}
		}
	}
	return nil
}

func count(set types.AttributeValue) int {
	switch set := set.(type) {
	case *types.AttributeValueMemberSS:
		return len(set.Value)
	case *types.AttributeValueMemberBS:
		return len(set.Value)
	}
	return 0
}
