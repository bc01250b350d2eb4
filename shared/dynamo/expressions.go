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

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
