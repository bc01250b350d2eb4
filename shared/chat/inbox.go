package chat

import (
	"slices"
	"time"
)

// Inbox is the part of a Chat that ordinary message traffic changes, without a transaction and without an epoch.
type Inbox struct {
	LastIn  Key    // the greatest customer message applied
	Unread  []Mark // at most MaxUnread
	More    Key    // the greatest unread message that Unread has no room for
	Preview Preview
	Ahead   time.Time // messages stamped before this second may have come before it, and have another Key; zero if none has
}

// MayHaveBeenAhead reports whether a message with this Key may have come when its time stamp was still ahead, and was stored
// under another Key then.
func (in Inbox) MayHaveBeenAhead(k Key) bool { return k.Time().Before(in.Ahead) }

// MostAhead is how far a time stamp may be ahead of the receipt, so that a redelivery can find it in the past: seven days are
// WhatsApp's, one is for the queue.
const MostAhead = 8 * 24 * time.Hour

// MaxUnread is how many unread messages a Chat counts exactly; beyond it is "40+".
const MaxUnread = 40

// Preview is what a list shows of the last message: the newest of those that a list shows, by Moment, whatever order
// they were stored in.
type Preview struct {
	At        Moment
	Direction Direction
	Text      string // cut to fit a list; never logged
}

// Receives is the Chat with a customer's message in it: counted as unread, and the last one if none is newer. Its text is
// shown, and the names that it tells are taken, if nothing newer is shown. A Chat that was not read may stand for one
// that was: the empty inbox takes everything, and the store refuses what is not newer than what is stored.
func (c Chat) Receives(a Arrival) Chat {
	k := a.Message.Key
	later := c.LastIn.IsZero() || c.LastIn.Time().Before(k.Time())
	if c.LastIn.Before(k) {
		c.LastIn = k
	}
	c.Inbox = c.counts(k)
	shown := c.shows(a)
	if later || shown.Preview != c.Preview {
		if a.Username != "" {
			shown.Customer.Username = a.Username
		}
		if a.Profile != "" {
			shown.Customer.Profile = a.Profile
		}
	}
	if a.Language != "" {
		shown.Customer.Language = a.Language
	}
	return shown.again(a).knows(a)
}

// Keeps is the Chat with a message in it that neither opens it nor moves it forward: a reaction, an edit, an echo,
// history. It counts as unread only in an open Chat, if counts is set.
func (c Chat) Keeps(a Arrival, counts bool) Chat {
	if counts && c.Status == Open {
		c.Inbox = c.counts(a.Message.Key)
	}
	return c.shows(a).again(a).knows(a)
}

// knows is the Chat that remembers until when a message of it was told ahead.
func (c Chat) knows(a Arrival) Chat {
	if c.Ahead.Before(a.Ahead) {
		c.Ahead = a.Ahead
	}
	return c
}

// shows is the Chat with the message as its preview, unless a list shows nothing of it or something newer.
func (c Chat) shows(a Arrival) Chat {
	if at := a.Message.Moment(); a.Preview != "" && c.Preview.At.Before(at) {
		c.Preview = Preview{At: at, Direction: a.Message.Direction, Text: a.Preview}
	}
	return c
}

// counts is the inbox with one more unread message: a mark while there is room, else the greatest of those beyond. One
// that is counted already stays so; its first delivery crashed half way.
func (in Inbox) counts(k Key) Inbox {
	switch {
	case slices.Contains(in.Unread, k.Mark()):
	case len(in.Unread) < MaxUnread:
		in.Unread = append(slices.Clone(in.Unread), k.Mark())
	case in.More.Before(k):
		in.More = k
	}
	return in
}

// CountedBy is the part of the Chat that must be as read where the message is counted: its inbox, if that stays as it is.
// Then the message is one of those beyond the marks, and somebody who reads meanwhile would leave it uncounted.
func (in Inbox) CountedBy(k Key) Part {
	if after := in.counts(k); len(after.Unread) != len(in.Unread) || after.More != in.More {
		return 0
	}
	return InboxPart
}

// Reads is the Chat without the messages named among its unread ones. A message that Unread had no room for is read when
// one is named that is not older than the greatest of those.
func (c Chat) Reads(messages []Key) Chat {
	named := map[Mark]bool{}
	for _, k := range messages {
		named[k.Mark()] = true
		if !c.More.IsZero() && !k.Before(c.More) {
			c.More = Key{}
		}
	}
	c.Unread = slices.DeleteFunc(slices.Clone(c.Unread), func(m Mark) bool { return named[m] })
	return c
}

// HasUnread reports whether any message is unread.
func (in Inbox) HasUnread() bool { return len(in.Unread) > 0 || !in.More.IsZero() }
