package assign

import (
	"fmt"
	"slices"
	"strings"
)

// Explanation says what a rule did with a routing event.
type Explanation struct {
	RuleID   string
	RuleName string
	Outcome  string // Matched, NotMatched, Disabled or NotReached
	Because  string // in words; it quotes the rule and the inputs, never the customer's text
}

// The outcomes of a rule.
const (
	Matched    = "matched"
	NotMatched = "not_matched"
	Disabled   = "disabled"
	NotReached = "not_reached"
)

// Explain says for each rule, and for otherwise at the end, why it did or did not decide. in is the Input of a stored
// decision, with Text filled in again from the Message; the same rules then say what they did when it was made.
func (r *Rules) Explain(in Input) []Explanation {
	yes := r.index.answer(in)
	e := explainer{yes: yes, in: in, text: folded(in.Text)}
	out := make([]Explanation, 0, len(r.rules)+1)
	decided := false
	for i := range r.rules {
		rule := &r.rules[i]
		x := Explanation{RuleID: rule.id, RuleName: rule.name}
		switch {
		case decided:
			x.Outcome, x.Because = NotReached, "an earlier rule had decided"
		case !rule.enabled:
			x.Outcome, x.Because = Disabled, "it is disabled"
		default:
			decided = rule.when.holds(yes)
			x.Outcome, x.Because = NotMatched, e.why(&rule.when)
			if decided {
				x.Outcome = Matched
			}
		}
		out = append(out, x)
	}
	last := Explanation{RuleID: OtherwiseID, Outcome: Matched, Because: "no rule matched"}
	if decided {
		last.Outcome, last.Because = NotReached, "an earlier rule had decided"
	}
	return append(out, last)
}

type explainer struct {
	yes  answers
	in   Input
	text string // folded
}

// mostReasons is how many parts of an all or any are named.
const mostReasons = 3

// why says why the condition holds if it does, and why not if it does not.
func (e *explainer) why(c *condition) string {
	switch c.kind {
	case notOf:
		return e.why(&c.parts[0])
	case allOf, anyOf:
		holds := c.holds(e.yes)
		var reasons []string
		for i := range c.parts {
			if c.parts[i].holds(e.yes) == holds {
				reasons = append(reasons, e.why(&c.parts[i]))
			}
		}
		if holds == (c.kind == anyOf) { // one part is enough to decide it
			return reasons[0]
		}
		if more := len(reasons) - mostReasons; more > 0 {
			reasons = append(reasons[:mostReasons], fmt.Sprintf("and %d more", more))
		}
		return strings.Join(reasons, "; ")
	}
	return e.answer(c)
}

// answer says what the inputs have to say to a question.
func (e *explainer) answer(c *condition) string {
	holds := e.yes.has(c.number)
	switch c.field {
	case fieldText:
		if !holds {
			return "the text has none of the words"
		}
		for i, word := range c.keys {
			if contains(e.text, word) {
				return fmt.Sprintf("the text has %q", c.values[i])
			}
		}
	case fieldHours:
		isInside, known := e.in.Hours[c.calendar]
		if !known {
			return fmt.Sprintf("nothing is known of calendar %q", c.calendar)
		}
		return fmt.Sprintf("it was %s the hours of %q", state(isInside), c.calendar)
	case fieldCustomerTag:
		if !holds {
			return "the customer has none of the tags"
		}
		for _, tag := range e.in.Tags {
			if i := slices.Index(c.keys, compared(fieldCustomerTag, tag)); i >= 0 {
				return fmt.Sprintf("the customer has the tag %q", c.values[i])
			}
		}
	case fieldPhonePrefix:
		if !holds {
			return "the phone number begins with none of the prefixes"
		}
		for i, prefix := range c.keys {
			if strings.HasPrefix(e.in.PhonePrefix, prefix) {
				return fmt.Sprintf("the phone number begins with %s", c.values[i])
			}
		}
	}
	value := e.value(c.field)
	switch {
	case holds:
		return fmt.Sprintf("%s is %q", c.field, value)
	case value == "":
		return fmt.Sprintf("there is no %s", c.field)
	}
	return fmt.Sprintf("%s is %q, which is not asked for", c.field, value)
}

// value is what the inputs have for a field with one value.
func (e *explainer) value(field string) string {
	switch field {
	case fieldLanguage:
		return orUnknown(e.in.Language)
	case fieldCountry:
		return orUnknown(e.in.Country)
	case fieldBusinessNumber:
		return e.in.BusinessNumber
	case fieldDepartment:
		return e.in.Department
	case fieldMessageType:
		return e.in.MessageType
	case fieldReplyID:
		return e.in.ReplyID
	case fieldAdSource:
		return e.in.AdSource
	case fieldCustomer:
		return e.in.Customer
	case fieldOpenedBy:
		return e.in.OpenedBy
	}
	return ""
}
