package dynamo

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/chat"
)

// update collects the attributes that one update of an item names.
type update struct {
	b expression.UpdateBuilder
	n int
}

func (u *update) empty() bool { return u.n == 0 }

func (u *update) set(attribute string, value any) {
	u.b = u.b.Set(name(attribute), expression.Value(value))
	u.n++
}

func (u *update) add(attribute string, value any) {
	u.b = u.b.Add(name(attribute), expression.Value(value))
	u.n++
}

func (u *update) take(attribute string, values types.AttributeValue) {
	u.b = u.b.Delete(name(attribute), expression.Value(values))
	u.n++
}

func (u *update) remove(attribute string) {
	u.b = u.b.Remove(name(attribute))
	u.n++
}

// become sets what differs; a zero value is stored as the attribute's absence.
func become[T comparable](u *update, attribute string, before, after T) {
	var zero T
	switch after {
	case before:
	case zero:
		u.remove(attribute)
	default:
		u.set(attribute, after)
	}
}

// arrival applies a message to a Chat as read.
func (u *update) arrival(c chat.Chat, a chat.Arrival) {
	k := a.Message.Key
	if c.LastIn.Before(k) {
		u.set("li", k[:])
	}
	u.unread(c, k)
	u.preview(c, k, chat.In, a.Preview)
	become(u, "un", "", a.Username)
	become(u, "pn", "", a.Profile)
	become(u, "lg", "", a.Language)
}

// preview shows the message, if it is newer than the one shown in the Chat as read. It reports whether it does.
func (u *update) preview(c chat.Chat, k chat.Key, d chat.Direction, text string) bool {
	if !c.Preview.Key.Before(k) {
		return false
	}
	u.set("pv", k[:])
	u.set("pd", string(d))
	u.set("pt", text)
	return true
}

// customer takes what people say about the customer.
func (u *update) customer(e chat.Edit) {
	for attribute, value := range map[string]string{"nm": e.Name, "lg": e.Language} {
		if value == "" {
			u.remove(attribute)
		} else {
			u.set(attribute, value)
		}
	}
	if e.ByHand {
		u.set("lh", true)
	} else {
		u.remove("lh")
	}
	if len(e.Tags) == 0 {
		u.remove("tg")
	} else {
		u.set("tg", set(e.Tags))
	}
}

// unread counts the message: as a mark while there is room, else as the greatest of those beyond.
func (u *update) unread(c chat.Chat, k chat.Key) {
	if slices.Contains(c.Unread, k.Mark()) {
		return // counted by a delivery that crashed half way
	}
	if hasRoom(c) {
		u.add("ur", markSet(k.Mark()))
	} else if c.More.Before(k) {
		u.set("mo", k[:])
	}
}

func hasRoom(c chat.Chat) bool { return len(c.Unread) < chat.MaxUnread }

// countsAsRead holds while unread does with the Chat what it would do with it as it was read: the set of marks has room,
// or has none and nothing newer stands beyond it. A message on an open Chat raises no epoch, so this is what keeps the
// set below its limit and lets More move forward only.
func countsAsRead(c chat.Chat, k chat.Key) expression.ConditionBuilder {
	if hasRoom(c) {
		return name("ur").AttributeNotExists().Or(name("ur").Size().LessThan(expression.Value(chat.MaxUnread)))
	}
	full := name("ur").Size().GreaterThanEqual(expression.Value(chat.MaxUnread))
	if c.More.Before(k) {
		return full.And(older("mo", k))
	}
	return full
}

// older holds where an attribute has no Key or a smaller one.
func older(attribute string, than chat.Key) expression.ConditionBuilder {
	return name(attribute).AttributeNotExists().Or(name(attribute).LessThan(expression.Value(than[:])))
}

func name(attribute string) expression.NameBuilder { return expression.Name(attribute) }

func equals(attribute string, value any) expression.ConditionBuilder {
	return name(attribute).Equal(expression.Value(value))
}

func absent() *expression.ConditionBuilder {
	c := name("pk").AttributeNotExists()
	return &c
}

func str(s string) types.AttributeValue { return &types.AttributeValueMemberS{Value: s} }

func set(values []string) types.AttributeValue { return &types.AttributeValueMemberSS{Value: values} }

func markSet(marks ...chat.Mark) types.AttributeValue {
	s := &types.AttributeValueMemberBS{}
	for _, m := range marks {
		s.Value = append(s.Value, m[:])
	}
	return s
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
