package chat

import "time"

// Window is how long after a customer's last message WhatsApp takes free-form replies; later only approved templates.
const Window = 24 * time.Hour

// WindowCloses is when the Chat's window closes or closed, by the time stamp of the customer's last message; the zero
// time if the customer never wrote.
func (c Chat) WindowCloses() time.Time {
	if c.LastIn.IsZero() {
		return time.Time{}
	}
	return c.LastIn.Time().Add(Window)
}

// Types of replies that are treated apart.
const (
	Template = "template" // needs no open window
	Reaction = "reaction" // is no last message in a list
)

// Replies is a reply of the Assignee as the Chat takes it: in the present ownership, waiting to be sent, and not before
// the customer's last message even if WhatsApp's clock is ahead of ours. content is what they wrote; the caller has
// asked package access. Outside the window the answer is an [Error] with WindowClosed, unless it is a Template.
func (c Chat) Replies(at time.Time, by string, key Key, content Message) (Message, error) {
	if content.Type != Template && !at.Before(c.WindowCloses()) {
		return Message{}, &Error{Code: WindowClosed,
			Detail: "More than 24 hours have passed since the customer's last message; WhatsApp takes only approved templates now."}
	}
	if last := c.LastIn; !last.IsZero() && key.Time().Before(last.Time()) {
		copy(key[:timeSize], last[:timeSize])
	}
	m := content
	m.Key, m.Direction, m.Delivery, m.By, m.OwnerEpoch, m.Arrived = key, Out, Queued, by, c.OwnerEpoch, at
	return m, nil
}

// Sends is the Chat with a reply in it: a list shows it if it shows nothing newer. preview is what it shows of the reply,
// see [PreviewText]. A reaction is no last message.
func (c Chat) Sends(reply Message, preview string) Chat {
	if reply.Type == Reaction {
		return c
	}
	return c.shows(Arrival{Message: reply, Preview: preview})
}

// PreviewText is what a list shows of a message: its text, or its type where there is none. The caller shortens it.
func PreviewText(text, kind string) string {
	if text == "" {
		return "[" + kind + "]"
	}
	return text
}
