package chat

import (
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/team"
)

// Placed is where the rules send a Chat, and by what.
type Placed struct {
	Routing      assign.Routing
	RulesVersion int64
	Input        assign.Input
	Message      Key // the message that the rules looked at
	Previous     Previous
	Prefer       string // the previous Assignee, if the rule prefers them; else empty
}

// After is the same for a Chat that somebody had until it was closed, and that was opened again at a moment.
func (p Placed) After(previous Previous, opened time.Time) Placed {
	p.Previous, p.Prefer = previous, ""
	if previous.Person != "" && p.Routing.Prefers(previous.Until, opened) {
		p.Prefer = previous.Person
	}
	return p
}

// looked is the id of the message whose text the rules looked at; empty if they saw none, because it was counted and not
// stored yet: every message that is stored has a type.
func (p Placed) looked() string {
	if p.Input.MessageType == "" {
		return ""
	}
	return p.Message.String()
}

// Place applies rules to a Chat that a message has opened, or that still waits since then. The inputs are those of now:
// hours, tags and departments may have changed since the message came. Who had a Chat that waits already does not stand
// on it any more, but on its waiting entry: see Placed.After.
func (c Chat) Place(m Message, rules *assign.Rules, version int64, settings team.Settings, now time.Time) Placed {
	in := assign.Input{
		Language:       c.Customer.Language,
		Country:        c.Customer.Country,
		PhonePrefix:    assign.PhonePrefix(c.Customer.Phone),
		BusinessNumber: c.Number,
		Text:           m.Text,
		MessageType:    m.Type,
		ReplyID:        m.ReplyID,
		AdSource:       m.AdSource,
		Tags:           c.Customer.Tags,
		Customer:       assign.ReturningCustomer,
		OpenedBy:       assign.Reopened,
		Hours:          rules.Hours(settings.Calendars, now),
	}
	if c.Epoch == 0 || c.firstWaits() {
		in.Customer, in.OpenedBy = assign.NewCustomer, assign.Created
	}
	for _, n := range settings.Numbers {
		if n.ID == c.Number && in.Language == assign.Unknown && n.Language != "" {
			in.Language = n.Language
		}
	}
	in.Department = assign.Department(settings.Departments, in)
	placed := Placed{Routing: rules.Route(in), RulesVersion: version, Input: in, Message: m.Key}
	if c.Status == Closed {
		return placed.After(Previous{Person: c.Owner, Until: c.ClosedAt}, now)
	}
	return placed
}

// firstWaits reports whether the waiting goes on that began when the Chat was created. Whatever ends a waiting, or begins
// another one, also begins another ownership; a merger into a waiting Chat raises the epoch alone.
func (c Chat) firstWaits() bool { return c.Waiting() && c.OwnerEpoch == 1 }
