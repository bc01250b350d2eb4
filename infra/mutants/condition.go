package main

import (
	"regexp"
	"slices"
	"strings"
)

// conjuncts splits a condition expression into the parts that must all hold. What is joined by OR is one part: to drop
// an alternative would make the condition stricter, not weaker.
func conjuncts(expression string) []string {
	expression = strings.TrimSpace(expression)
	if inner, ok := unwrapped(expression); ok {
		return conjuncts(inner)
	}
	parts := split(expression, " AND ")
	if len(parts) == 1 {
		return []string{expression}
	}
	var all []string
	for _, p := range parts {
		all = append(all, conjuncts(p)...)
	}
	return all
}

// unwrapped takes away a pair of brackets around the whole.
func unwrapped(expression string) (string, bool) {
	if !strings.HasPrefix(expression, "(") {
		return "", false
	}
	depth := 0
	for i, c := range expression {
		switch c {
		case '(':
			depth++
		case ')':
			if depth--; depth == 0 && i < len(expression)-1 {
				return "", false
			}
		}
	}
	return expression[1 : len(expression)-1], true
}

// split cuts at the separators that stand in no brackets.
func split(expression, separator string) []string {
	var parts []string
	depth, begin := 0, 0
	for i := range len(expression) {
		switch expression[i] {
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth == 0 && i >= begin && strings.HasPrefix(expression[i:], separator) {
			parts = append(parts, expression[begin:i])
			begin = i + len(separator)
		}
	}
	return append(parts, expression[begin:])
}

// without joins all parts but those dropped; empty when nothing is left.
func without(parts []string, dropped func(string) bool) string {
	kept := slices.DeleteFunc(slices.Clone(parts), dropped)
	for i, p := range kept {
		kept[i] = "(" + p + ")"
	}
	return strings.Join(kept, " AND ")
}

var (
	placeholder = regexp.MustCompile(`[#:][A-Za-z0-9_]+`)
	word        = regexp.MustCompile(`^[a-z_]+$`) // no id
)

// spelled is a part with its names in place of their placeholders, and its values where they tell what is asked: a
// status, a role. Other values are those of one test.
func spelled(part string, names map[string]string, values map[string]map[string]any) string {
	telling := slices.ContainsFunc([]string{"st", "role", "active", "availability", "og"}, func(attribute string) bool {
		return slices.ContainsFunc(placeholder.FindAllString(part, -1), func(p string) bool { return names[p] == attribute })
	})
	return placeholder.ReplaceAllStringFunc(part, func(p string) string {
		if n, ok := names[p]; ok {
			return n
		}
		if v, ok := values[p]; ok && telling {
			if s, ok := v["S"].(string); ok && word.MatchString(s) {
				return s
			}
			if b, ok := v["BOOL"].(bool); ok && b {
				return "true"
			}
		}
		return "?"
	})
}

// used keeps of a map of placeholders what an expression names: DynamoDB refuses a request with others.
func used[V any](all map[string]V, expressions ...string) map[string]V {
	kept := map[string]V{}
	for _, e := range expressions {
		for _, p := range placeholder.FindAllString(e, -1) {
			if v, ok := all[p]; ok {
				kept[p] = v
			}
		}
	}
	if len(kept) == 0 {
		return nil
	}
	return kept
}
