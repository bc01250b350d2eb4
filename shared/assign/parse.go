package assign

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxProblems is how many problems one reading reports. A document with more is not one that an Admin wrote.
const maxProblems = 100

// Parse reads a rules document strictly: unknown and repeated names, wrong types, empty conditions and whatever exceeds
// the limits are errors. The error is always of type Problems and names every place that is wrong. Whether the teams,
// people and calendars exist is for Check.
func Parse(doc []byte) (*Rules, error) {
	r := &reader{ids: make(map[string]bool)}
	rules := &Rules{}
	if root := r.tree(doc); root != nil && r.object(root, "the document", "rules", "otherwise") {
		if list := r.required(root, "rules"); list != nil && r.list(list, 0, MaxRules, "rules") {
			rules.rules = make([]rule, len(list.members))
			for i, n := range list.members {
				rules.rules[i] = r.rule(n)
			}
		}
		if n := r.required(root, "otherwise"); n != nil && r.object(n, "otherwise", "to", "requires", "previousAssignee", "priority") {
			rules.otherwise = rule{id: OtherwiseID, enabled: true}
			r.destination(n, &rules.otherwise)
		}
	}
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	rules.index.calendars = r.calendars
	for i := range rules.rules {
		rules.rules[i].when.visit(rules.index.learn)
		rules.rules[i].route()
	}
	rules.otherwise.route()
	return rules, nil
}

// reader turns the tree of a document into rules and collects what is wrong on the way.
type reader struct {
	problems  Problems
	ids       map[string]bool
	calendars []string
}

func (r *reader) say(n *node, format string, args ...any) {
	if len(r.problems) < maxProblems {
		r.problems = append(r.problems, Problem{n.pointer(), fmt.Sprintf(format, args...)})
	}
}

func (r *reader) rule(n *node) rule {
	var out rule
	if !r.object(n, "a rule", "id", "name", "enabled", "when", "to", "requires", "previousAssignee", "priority") {
		return out
	}
	if id := r.required(n, "id"); id != nil && r.text(id, maxIDBytes) {
		out.id = id.text
		switch {
		case !isSlug(out.id):
			r.say(id, "must be of a-z, 0-9 and \"-\", and begin with a letter or digit")
		case out.id == OtherwiseID:
			r.say(id, "%q is what decisions say when no rule matched; choose another id", OtherwiseID)
		case r.ids[out.id]:
			r.say(id, "another rule has the id %q already", out.id)
		}
		r.ids[out.id] = true
	}
	if name := r.required(n, "name"); name != nil && r.text(name, 4*maxNameRunes) {
		out.name = name.text
		if utf8.RuneCountInString(out.name) > maxNameRunes {
			r.say(name, "must have at most %d characters", maxNameRunes)
		}
	}
	if enabled := r.required(n, "enabled"); enabled != nil {
		out.enabled = r.truth(enabled)
	}
	if when := r.required(n, "when"); when != nil {
		out.when = r.condition(when, 1)
	}
	r.destination(n, &out)
	return out
}

// destination reads what a rule and otherwise have in common.
func (r *reader) destination(n *node, out *rule) {
	if to := r.required(n, "to"); to != nil && r.list(to, 1, maxSteps, "steps") {
		for i, step := range to.members {
			t := r.target(step, i)
			if i > 1 && t.after > 0 && t.after <= out.to[i-1].after {
				r.say(step.member("after"), "must be longer than the %q of the step before", formatWait(out.to[i-1].after))
			}
			out.to = append(out.to, t)
		}
	}
	if requires := n.member("requires"); requires != nil && r.object(requires, "requires", "languages", "skills") {
		if len(requires.members) == 0 {
			r.say(requires, "must require something: name languages or skills, or leave it out")
		}
		if list := requires.member("languages"); list != nil {
			out.languages = r.values(list, maxRequired, func(v *node) {
				if !isLanguage(v.text) {
					r.say(v, "must be a language in ISO 639-1, such as \"ar\"")
				}
			})
		}
		if list := requires.member("skills"); list != nil {
			out.skills = r.values(list, maxRequired, func(v *node) { r.text(v, maxIDBytes) })
		}
	}
	for i, t := range out.to {
		if size := len(out.pool(t).String()); size > MaxPool {
			r.say(n.member("to").members[i], "is too long together with what the rule requires: its pool's name has %d bytes, and at most %d are allowed", size, MaxPool)
		}
	}
	if p := n.member("previousAssignee"); p != nil && r.object(p, "previousAssignee", "prefer", "within") {
		out.previous = &previous{}
		if prefer := r.required(p, "prefer"); prefer != nil {
			out.previous.prefer = r.truth(prefer)
		}
		if within := p.member("within"); within != nil {
			out.previous.within = r.wait(within, maxWithin)
		}
	}
	out.priority = Normal
	if p := n.member("priority"); p != nil && r.text(p, maxIDBytes) {
		out.priority = Priority(p.text)
		r.oneOf(p, string(High), string(Normal), string(Low))
	}
}

func (r *reader) target(n *node, position int) target {
	var out target
	if !r.object(n, "a step", "team", "person", "strategy", "after") {
		return out
	}
	strategies := []string{string(RoundRobin), string(LeastLoaded), string(Weighted)}
	teamNode, personNode := n.member("team"), n.member("person")
	switch {
	case teamNode != nil && personNode != nil:
		r.say(n, "must name a team or a person, not both")
	case teamNode != nil && r.text(teamNode, maxValue):
		out.team = teamNode.text
	case personNode != nil && r.text(personNode, maxValue):
		out.person = personNode.text
		strategies = []string{string(Agent)}
	case teamNode == nil && personNode == nil:
		r.say(n, "must name a team or a person")
	}
	if s := r.required(n, "strategy"); s != nil && r.text(s, maxIDBytes) {
		out.strategy = Strategy(s.text)
		r.oneOf(s, strategies...)
	}
	after := n.member("after")
	switch {
	case position == 0 && after != nil:
		r.say(after, "the first step is open from the beginning and has no \"after\"")
	case position > 0 && after == nil:
		r.say(n, "must have \"after\": only the first step is open from the beginning")
	case position > 0:
		out.after = r.wait(after, maxWait)
	}
	return out
}

func (r *reader) condition(n *node, depth int) condition {
	var out condition
	if n.kind != '{' {
		r.say(n, "must be a condition, an object")
		return out
	}
	if depth > maxNesting {
		r.say(n, "conditions nest deeper than %d levels", maxNesting)
		return out
	}
	if len(n.members) == 0 {
		r.say(n, "an empty condition is not allowed: use all, any, not or a field")
		return out
	}
	if n.member("field") != nil {
		return r.question(n)
	}
	if len(n.members) > 1 {
		r.say(n, "must be exactly one of all, any, not, or a question with \"field\"")
		return out
	}
	what := n.members[0]
	switch what.name {
	case "all", "any":
		out.kind = allOf
		if what.name == "any" {
			out.kind = anyOf
		}
		if r.list(what, 1, maxList, "conditions") {
			for _, part := range what.members {
				out.parts = append(out.parts, r.condition(part, depth+1))
			}
		}
	case "not":
		out.kind = notOf
		out.parts = []condition{r.condition(what, depth+1)}
	default:
		r.say(what, "is not known here: a condition is all, any, not, or a question with \"field\"")
	}
	return out
}

func (r *reader) question(n *node) condition {
	field := n.member("field")
	if !r.text(field, maxIDBytes) {
		return condition{}
	}
	out := condition{field: field.text}
	switch out.field {
	case fieldText:
		if r.object(n, "a question about text", "field", "contains") {
			if list := r.required(n, "contains"); list != nil {
				out.values = r.values(list, maxList, func(v *node) {
					if folded(v.text) == "" {
						r.say(v, "must have a letter, digit or sign to look for")
					}
				})
			}
		}
	case fieldHours:
		if !r.object(n, "a question about hours", "field", "calendar", "is") {
			break
		}
		if calendar := r.required(n, "calendar"); calendar != nil && r.text(calendar, maxIDBytes) {
			out.calendar = calendar.text
			if !slices.Contains(r.calendars, out.calendar) {
				r.calendars = append(r.calendars, out.calendar)
				if len(r.calendars) == maxCalendars+1 {
					r.say(calendar, "is one calendar too many: rules may name at most %d", maxCalendars)
				}
			}
		}
		if is := r.required(n, "is"); is != nil && r.text(is, maxIDBytes) {
			out.is = is.text
			r.oneOf(is, inside, outside)
		}
	default:
		check, known := valueChecks[out.field]
		if !known {
			r.say(field, "is not a field that rules can ask about; those are %s", strings.Join(fields, ", "))
			break
		}
		if r.object(n, "a question about "+out.field, "field", "in") {
			if list := r.required(n, "in"); list != nil {
				out.values = r.values(list, maxList, func(v *node) {
					if problem := check(v.text); problem != "" {
						r.say(v, "%s", problem)
					}
				})
			}
		}
	}
	return out
}

// fields lists what rules can ask about, for messages.
var fields = []string{
	fieldLanguage, fieldCountry, fieldPhonePrefix, fieldBusinessNumber, fieldDepartment, fieldText, fieldMessageType,
	fieldReplyID, fieldAdSource, fieldCustomerTag, fieldCustomer, fieldOpenedBy, fieldHours,
}

// valueChecks say what is wrong with a value of a field that is asked with "in"; "" when it is right.
var valueChecks = map[string]func(string) string{
	fieldLanguage: func(v string) string {
		return unless(isLanguage(v) || v == Unknown, "must be a language in ISO 639-1, such as \"ar\", or \"unknown\"")
	},
	fieldCountry: func(v string) string {
		return unless(len(v) == 2 && v[0] >= 'A' && v[0] <= 'Z' && v[1] >= 'A' && v[1] <= 'Z' || v == Unknown,
			"must be a country in ISO 3166, two capital letters such as \"AE\", or \"unknown\"")
	},
	fieldPhonePrefix: func(v string) string {
		digits := strings.TrimPrefix(v, "+")
		return unless(digits != "" && len(digits) <= prefixDigits && strings.Trim(digits, "0123456789") == "",
			fmt.Sprintf("must be one to %d digits, such as \"+971\" or \"971\"", prefixDigits))
	},
	fieldBusinessNumber: anyValue,
	fieldDepartment:     anyValue,
	fieldMessageType: func(v string) string {
		return unless(strings.Trim(v, "abcdefghijklmnopqrstuvwxyz0123456789_") == "", "must be a type of message, such as \"text\"")
	},
	fieldReplyID:     anyValue,
	fieldAdSource:    anyValue,
	fieldCustomerTag: anyValue,
	fieldCustomer: func(v string) string {
		return unless(v == NewCustomer || v == ReturningCustomer, "must be \"new\" or \"returning\"")
	},
	fieldOpenedBy: func(v string) string {
		return unless(v == Created || v == Reopened, "must be \"created\" or \"reopened\"")
	},
}

func anyValue(string) string { return "" }

func unless(right bool, problem string) string {
	if right {
		return ""
	}
	return problem
}

// object reports whether n is an object, and says which of its names do not belong there.
func (r *reader) object(n *node, what string, names ...string) bool {
	if n.kind != '{' {
		r.say(n, "must be an object")
		return false
	}
	for _, m := range n.members {
		if !slices.Contains(names, m.name) {
			r.say(m, "does not belong in %s; known are %s", what, strings.Join(names, ", "))
		}
	}
	return true
}

// required is the member of that name, or nil after saying that it is missing.
func (r *reader) required(n *node, name string) *node {
	m := n.member(name)
	if m == nil {
		r.say(n, "must have %q", name)
	}
	return m
}

func (r *reader) list(n *node, least, most int, of string) bool {
	switch {
	case n.kind != '[':
		r.say(n, "must be a list")
	case len(n.members) < least:
		r.say(n, "must not be empty")
	case len(n.members) > most:
		r.say(n, "must have at most %d %s", most, of)
	default:
		return true
	}
	return false
}

// values reads a list of strings that is not empty and checks each of them.
func (r *reader) values(n *node, most int, check func(*node)) []string {
	if !r.list(n, 1, most, "values") {
		return nil
	}
	out := make([]string, 0, len(n.members))
	for _, v := range n.members {
		if r.text(v, maxValue) {
			check(v)
			out = append(out, v.text)
		}
	}
	return out
}

// text reports whether n is a string with something in it, not longer than so many bytes, without control characters.
func (r *reader) text(n *node, most int) bool {
	switch {
	case n.kind != '"':
		r.say(n, "must be a string")
	case strings.TrimSpace(n.text) == "":
		r.say(n, "must not be empty")
	case len(n.text) > most:
		r.say(n, "must have at most %d bytes", most)
	case strings.IndexFunc(n.text, unicode.IsControl) >= 0:
		r.say(n, "must not have control characters")
	default:
		return true
	}
	return false
}

func (r *reader) truth(n *node) bool {
	if n.kind != 't' {
		r.say(n, "must be true or false")
	}
	return n.truth
}

func (r *reader) oneOf(n *node, values ...string) bool {
	if slices.Contains(values, n.text) {
		return true
	}
	r.say(n, "must be one of %s", strings.Join(values, ", "))
	return false
}

// wait reads a duration such as "5m" or "1h30m": whole seconds, at least one.
func (r *reader) wait(n *node, most time.Duration) time.Duration {
	if !r.text(n, maxIDBytes) {
		return 0
	}
	d, err := time.ParseDuration(n.text)
	if err != nil || d < time.Second || d > most || d%time.Second != 0 {
		r.say(n, "must be a time of whole seconds up to %s, such as \"30s\", \"5m\" or \"1h30m\"", formatWait(most))
		return 0
	}
	return d
}

// formatWait writes a duration without the parts that are zero: "5m", not "5m0s".
func formatWait(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func isSlug(s string) bool {
	return s != "" && s[0] != '-' && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

func isLanguage(s string) bool {
	return len(s) == 2 && s[0] >= 'a' && s[0] <= 'z' && s[1] >= 'a' && s[1] <= 'z'
}
