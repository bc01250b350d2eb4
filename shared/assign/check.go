package assign

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"chatkeeper/shared/team"
)

// Check holds the rules against the business as it is: its teams, departments, business numbers, calendars and people.
// Errors are names of things that do not exist, and of calendars in a zone that does not, in rules that are enabled: such a document should not be saved. Warnings
// are what an Admin should know: pools nobody is in, rules that are never reached, whatever is wrong in a disabled rule.
// Both are in the order of the document.
func (r *Rules) Check(known team.Settings, people []team.Person) (errors, warnings []Problem) {
	c := checker{known: known, people: people}
	for i := range r.rules {
		rule, at := &r.rules[i], "/rules/"+strconv.Itoa(i)
		c.disabled = !rule.enabled
		c.condition(&rule.when, at+"/when")
		c.destination(rule, at)
		if rule.enabled {
			c.reached(r.rules[:i], rule, at)
		}
	}
	c.disabled = false
	c.destination(&r.otherwise, "/otherwise")
	return c.errors, c.warnings
}

type checker struct {
	known            team.Settings
	people           []team.Person
	disabled         bool // the rule at hand is
	comparisons      int
	errors, warnings []Problem
}

func (c *checker) wrong(pointer, format string, args ...any) {
	if c.disabled {
		c.warn(pointer, format, args...)
		return
	}
	c.errors = append(c.errors, Problem{pointer, fmt.Sprintf(format, args...)})
}

func (c *checker) warn(pointer, format string, args ...any) {
	c.warnings = append(c.warnings, Problem{pointer, fmt.Sprintf(format, args...)})
}

func (c *checker) condition(when *condition, at string) {
	switch when.kind {
	case allOf, anyOf:
		name := "/all/"
		if when.kind == anyOf {
			name = "/any/"
		}
		for i := range when.parts {
			c.condition(&when.parts[i], at+name+strconv.Itoa(i))
		}
		return
	case notOf:
		c.condition(&when.parts[0], at+"/not")
		return
	}
	switch when.field {
	case fieldDepartment:
		for i, id := range when.values {
			if !slices.ContainsFunc(c.known.Departments, func(d team.Department) bool { return d.ID == id }) {
				c.wrong(at+"/in/"+strconv.Itoa(i), "there is no department %q", id)
			}
		}
	case fieldBusinessNumber:
		for i, id := range when.values {
			if !slices.ContainsFunc(c.known.Numbers, func(n team.Number) bool { return n.ID == id }) {
				c.wrong(at+"/in/"+strconv.Itoa(i), "there is no business number %q", id)
			}
		}
	case fieldHours:
		i := slices.IndexFunc(c.known.Calendars, func(k team.Calendar) bool { return k.ID == when.calendar })
		if i < 0 {
			c.wrong(at+"/calendar", "there is no calendar %q", when.calendar)
		} else if _, err := c.known.Calendars[i].Location(); err != nil {
			c.wrong(at+"/calendar", "the time zone of calendar %q is not known", when.calendar)
		}
	}
}

func (c *checker) destination(r *rule, at string) {
	named := true // all steps are people
	for i, t := range r.to {
		step := at + "/to/" + strconv.Itoa(i)
		if t.person != "" {
			c.person(r, t.person, step)
		} else {
			c.team(r, t.team, step)
			named = false
		}
		for earlier, other := range r.to[:i] {
			if other.team == t.team && other.person == t.person {
				c.warn(step, "has no effect: step %d has opened the same pool before", earlier)
				break
			}
		}
	}
	if named && r.previous != nil && r.previous.prefer {
		c.warn(at+"/previousAssignee", "has no effect: the rule names the person")
	}
}

func (c *checker) person(r *rule, id, at string) {
	i := slices.IndexFunc(c.people, func(p team.Person) bool { return p.ID == id })
	if i < 0 {
		c.wrong(at+"/person", "there is no person %q", id)
		return
	}
	pool := Pool{Person: id, Languages: r.languages, Skills: r.skills}
	if s := pool.standing(&c.people[i]); s != able {
		c.warn(at+"/person", "%q %s: Chats would wait", id, standingReasons[s].Words())
	}
}

func (c *checker) team(r *rule, id, at string) {
	exists := id == team.Everyone || slices.ContainsFunc(c.known.Teams, func(t team.Team) bool { return t.ID == id })
	if !exists {
		c.wrong(at+"/team", "there is no team %q", id)
		return
	}
	pool := Pool{Team: id, Languages: r.languages, Skills: r.skills}
	var counts [standings]int
	for i := range c.people {
		s := pool.standing(&c.people[i])
		if s == able {
			return
		}
		counts[s]++
	}
	c.warn(at+"/team", "%s: Chats would wait", nobodyBecause(counts).Words())
}

// maxComparisons bounds the search for rules that are never reached. A thousand rules of ordinary size need far less.
const maxComparisons = 20_000_000

// reached warns when a rule can't be reached because an earlier enabled one takes all of its Chats.
func (c *checker) reached(earlier []rule, r *rule, at string) {
	for i := range earlier {
		if earlier[i].enabled && c.implies(&r.when, &earlier[i].when) {
			c.warn(at, "is never reached: rule %q before it takes every Chat that this one would", earlier[i].id)
			return
		}
	}
}

// implies reports whether b holds whenever a does, as far as their shape shows it; false means only that it is not seen.
func (c *checker) implies(a, b *condition) bool {
	if c.comparisons++; c.comparisons > maxComparisons {
		return false
	}
	switch {
	case c.always(b):
		return true
	case a.kind == question && b.kind == question:
		return a.field == b.field && a.calendar == b.calendar && a.is == b.is && c.subset(a.field, a.keys, b.keys)
	case a.kind == notOf && b.kind == notOf:
		return c.implies(&b.parts[0], &a.parts[0])
	case b.kind == allOf:
		return every(b.parts, func(part *condition) bool { return c.implies(a, part) })
	case a.kind == anyOf:
		return every(a.parts, func(part *condition) bool { return c.implies(part, b) })
	}
	return b.kind == anyOf && some(b.parts, func(part *condition) bool { return c.implies(a, part) }) ||
		a.kind == allOf && some(a.parts, func(part *condition) bool { return c.implies(part, b) })
}

// always reports whether a condition holds whatever the Chat, as far as its shape shows it.
func (c *checker) always(b *condition) bool {
	c.comparisons++
	switch b.kind {
	case question:
		return b.field == fieldCustomer && c.subset(b.field, []string{NewCustomer, ReturningCustomer}, b.keys) ||
			b.field == fieldOpenedBy && c.subset(b.field, []string{Created, Reopened}, b.keys)
	case anyOf:
		for i := range b.parts {
			part := &b.parts[i]
			if c.always(part) {
				return true
			}
			if part.kind == notOf && some(b.parts, func(other *condition) bool { return c.implies(&part.parts[0], other) }) {
				return true
			}
		}
	case allOf:
		return every(b.parts, c.always)
	}
	return false
}

func every(parts []condition, holds func(*condition) bool) bool {
	for i := range parts {
		if !holds(&parts[i]) {
			return false
		}
	}
	return true
}

func some(parts []condition, holds func(*condition) bool) bool {
	for i := range parts {
		if holds(&parts[i]) {
			return true
		}
	}
	return false
}

// subset reports whether an Input with any of these values of a field has one of others too.
func (c *checker) subset(field string, values, others []string) bool {
	return !slices.ContainsFunc(values, func(v string) bool {
		c.comparisons += len(others)
		return !slices.ContainsFunc(others, func(o string) bool { return covers(field, o, v) })
	})
}

// covers reports whether an Input that has the value v has o too: the phone that begins with 97150 begins with 971, and
// the text with a phrase has the words of it.
func covers(field, o, v string) bool {
	switch field {
	case fieldPhonePrefix:
		return strings.HasPrefix(v, o)
	case fieldText:
		return contains(v, o)
	}
	return o == v
}
