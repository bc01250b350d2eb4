// Package filter decides which stream records an event source passes on, by the patterns of its FilterCriteria.
//
// Supported of AWS's pattern language: nested fields, and for a field a list of which one must hold: a string, number,
// true, false or null that it equals, {"prefix"}, {"suffix"}, {"exists"}, {"anything-but"} (of values or {"prefix"}),
// {"numeric"} and {"equals-ignore-case"}; and "$or" at the top of an object. Anything else is refused when parsed.
package filter

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"
)

// Pattern is a parsed filter pattern.
type Pattern struct {
	fields map[string]node
	or     []Pattern
}

// node is what a pattern says of one field: either a pattern of the object below, or conditions on its value.
type node struct {
	below      *Pattern
	conditions []condition
}

// condition looks at a field's value; present is false where the event has no such field.
type condition func(value any, present bool) bool

// Parse reads a pattern.
func Parse(text string) (Pattern, error) {
	value, err := decode(text)
	if err != nil {
		return Pattern{}, fmt.Errorf("filter pattern is not JSON: %w", err)
	}
	object, ok := value.(map[string]any)
	if !ok || len(object) == 0 {
		return Pattern{}, errors.New("filter pattern must be an object with at least one field")
	}
	return parseObject(object, "")
}

// Matches says whether the pattern holds for an event, given as JSON.
func (p Pattern) Matches(event []byte) (bool, error) {
	value, err := decode(string(event))
	if err != nil {
		return false, fmt.Errorf("event is not JSON: %w", err)
	}
	return p.holds(value), nil
}

// decode keeps numbers as they are written, so that large ones compare exactly.
func decode(text string) (any, error) {
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errors.New("something follows the value")
	}
	return value, nil
}

func parseObject(object map[string]any, path string) (Pattern, error) {
	p := Pattern{fields: map[string]node{}}
	for key, value := range object {
		at := strings.TrimPrefix(path+"."+key, ".")
		switch value := value.(type) {
		case map[string]any:
			if len(value) == 0 {
				return Pattern{}, fmt.Errorf("filter pattern: %s is empty", at)
			}
			below, err := parseObject(value, at)
			if err != nil {
				return Pattern{}, err
			}
			p.fields[key] = node{below: &below}
		case []any:
			if len(value) == 0 {
				return Pattern{}, fmt.Errorf("filter pattern: %s lists nothing, so it could never match", at)
			}
			if key == "$or" {
				alternatives, err := parseAlternatives(value, at)
				if err != nil {
					return Pattern{}, err
				}
				p.or = alternatives
				continue
			}
			var conditions []condition
			for _, item := range value {
				c, err := parseCondition(item, at)
				if err != nil {
					return Pattern{}, err
				}
				conditions = append(conditions, c)
			}
			p.fields[key] = node{conditions: conditions}
		default:
			return Pattern{}, fmt.Errorf("filter pattern: %s must be an object or a list of what may be there", at)
		}
	}
	return p, nil
}

func parseAlternatives(list []any, at string) ([]Pattern, error) {
	var alternatives []Pattern
	for _, item := range list {
		object, ok := item.(map[string]any)
		if !ok {
			return nil, fmt.Errorf("filter pattern: %s must list objects", at)
		}
		alternative, err := parseObject(object, at)
		if err != nil {
			return nil, err
		}
		alternatives = append(alternatives, alternative)
	}
	return alternatives, nil
}

func parseCondition(item any, at string) (condition, error) {
	object, ok := item.(map[string]any)
	if !ok {
		if _, isList := item.([]any); isList {
			return nil, fmt.Errorf("filter pattern: %s has a list within a list", at)
		}
		return func(value any, present bool) bool { return present && equal(value, item) }, nil
	}
	if len(object) != 1 {
		return nil, fmt.Errorf("filter pattern: %s must name one comparison", at)
	}
	for name, operand := range object {
		text, isText := operand.(string)
		switch {
		case name == "prefix" && isText:
			return onText(func(s string) bool { return strings.HasPrefix(s, text) }), nil
		case name == "suffix" && isText:
			return onText(func(s string) bool { return strings.HasSuffix(s, text) }), nil
		case name == "equals-ignore-case" && isText:
			return onText(func(s string) bool { return strings.EqualFold(s, text) }), nil
		case name == "exists":
			if wanted, ok := operand.(bool); ok {
				// Only a leaf exists: an object below does not count, here as on AWS.
				return func(value any, present bool) bool {
					_, isObject := value.(map[string]any)
					return (present && !isObject) == wanted
				}, nil
			}
		case name == "anything-but":
			if c, ok := parseAnythingBut(operand); ok {
				return c, nil
			}
		case name == "numeric":
			if c, ok := parseNumeric(operand); ok {
				return c, nil
			}
		}
		return nil, fmt.Errorf("filter pattern: %s: the comparison %q is not supported in this form", at, name)
	}
	panic("unreachable: the object has one key")
}

func onText(holds func(string) bool) condition {
	return func(value any, present bool) bool {
		s, ok := value.(string)
		return present && ok && holds(s)
	}
}

func parseAnythingBut(operand any) (condition, bool) {
	var excluded []any
	switch operand := operand.(type) {
	case []any:
		excluded = operand
	case map[string]any:
		prefix, ok := operand["prefix"].(string)
		if !ok || len(operand) != 1 {
			return nil, false
		}
		return onText(func(s string) bool { return !strings.HasPrefix(s, prefix) }), true
	default:
		excluded = []any{operand}
	}
	if len(excluded) == 0 {
		return nil, false
	}
	return func(value any, present bool) bool {
		return present && !slices.ContainsFunc(excluded, func(e any) bool { return equal(value, e) })
	}, true
}

// parseNumeric reads ["=", 5] or [">", 0, "<=", 10]. It compares JSON numbers only: an attribute {"N": "5"} is text and
// never matches, here as on AWS.
func parseNumeric(operand any) (condition, bool) {
	list, ok := operand.([]any)
	if !ok || len(list) == 0 || len(list)%2 != 0 {
		return nil, false
	}
	var checks []func(*big.Float) bool
	for i := 0; i < len(list); i += 2 {
		operator, _ := list[i].(string)
		bound, ok := number(list[i+1])
		if !ok {
			return nil, false
		}
		switch operator {
		case "=":
			checks = append(checks, func(n *big.Float) bool { return n.Cmp(bound) == 0 })
		case "<":
			checks = append(checks, func(n *big.Float) bool { return n.Cmp(bound) < 0 })
		case "<=":
			checks = append(checks, func(n *big.Float) bool { return n.Cmp(bound) <= 0 })
		case ">":
			checks = append(checks, func(n *big.Float) bool { return n.Cmp(bound) > 0 })
		case ">=":
			checks = append(checks, func(n *big.Float) bool { return n.Cmp(bound) >= 0 })
		default:
			return nil, false
		}
	}
	return func(value any, present bool) bool {
		n, ok := number(value)
		if !present || !ok {
			return false
		}
		for _, check := range checks {
			if !check(n) {
				return false
			}
		}
		return true
	}, true
}

func number(value any) (*big.Float, bool) {
	text, ok := value.(json.Number)
	if !ok {
		return nil, false
	}
	n, _, err := big.ParseFloat(text.String(), 10, 200, big.ToNearestEven)
	return n, err == nil
}

func equal(a, b any) bool {
	x, isNumber := a.(json.Number)
	y, areNumbers := b.(json.Number)
	if isNumber && areNumbers {
		n, _ := number(x)
		m, _ := number(y)
		return n != nil && m != nil && n.Cmp(m) == 0
	}
	if isNumber != areNumbers {
		return false
	}
	switch a.(type) {
	case map[string]any, []any:
		return false
	}
	return a == b
}

func (p Pattern) holds(value any) bool {
	object, _ := value.(map[string]any)
	for key, n := range p.fields {
		field, present := object[key]
		if !n.holds(field, present) {
			return false
		}
	}
	if p.or == nil {
		return true
	}
	return slices.ContainsFunc(p.or, func(alternative Pattern) bool { return alternative.holds(value) })
}

func (n node) holds(value any, present bool) bool {
	// A list in the event matches when one of its elements does.
	if list, ok := value.([]any); ok {
		return slices.ContainsFunc(list, func(element any) bool { return n.holds(element, true) })
	}
	if n.below != nil {
		// {"exists": false} below an object that is absent holds, so absence goes all the way down.
		return n.below.holds(value)
	}
	return slices.ContainsFunc(n.conditions, func(c condition) bool { return c(value, present) })
}
