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
}

// Place applies rules to a Chat that a message has opened, or that still waits since then. The inputs are those of now:
// hours, tags and departments may have changed since the message came.
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
	if c.Epoch == 0 || c.Waiting() && c.Epoch == 1 {
		in.Customer, in.OpenedBy = assign.NewCustomer, assign.Created
	}
	for _, n := range settings.Numbers {
		if n.ID == c.Number && in.Language == assign.Unknown && n.Language != "" {
			in.Language = n.Language
		}
	}
	in.Department = assign.Department(settings.Departments, in)
	return Placed{Routing: rules.Route(in), RulesVersion: version, Input: in, Message: m.Key}
}

// Cut shortens text to at most limit bytes without breaking a character, so that items keep their size.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit
	for end > 0 && text[end]&0xC0 == 0x80 {
		end--
	}
	return text[:end]
}
