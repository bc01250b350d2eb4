package chat

import (
	"cmp"
	"slices"
	"time"

	"chatkeeper/shared/assign"
)

// MaxFrom is how many Chats may stand behind one, itself not counted. Each costs a reader a query and a late message a
// check, and all that one message checks must fit one transaction. Customers have one or two.
const MaxFrom = 20

// Merge is what two Chats become that prove to be one customer's: Survivor goes on, Other is kept for its Messages. Both
// are stored in one transaction. The survivor takes over what the other holds, so the other must be as read in whole.
type Merge struct {
	Survivor, Other Change
}

// SurvivorOf tells which of two Chats goes on: the one with the newer customer message. So every message of the other is
// a late one for it, and a late one is looked for in all Chats that were merged before it is stored.
func SurvivorOf(a, b Chat) (survivor, other Chat) {
	if c := slices.Compare(a.LastIn[:], b.LastIn[:]); c < 0 || c == 0 && a.ID > b.ID {
		return b, a
	}
	return a, b
}

// Routes reports whether merging other into the survivor is a routing event: the survivor is closed and opens, because
// the other is open; or it waits by the rules, which now know more about the customer, and keeps its place in time.
func (c Chat) Routes(other Chat) bool {
	return c.opensWith(other) || c.Waiting() && c.RulesVersion != ByHand
}

func (c Chat) opensWith(other Chat) bool { return c.Status == Closed && other.Status == Open }

// Crowded reports whether the two have more unread messages than one Chat counts: then Merges must be told their Keys.
func (c Chat) Crowded(other Chat) bool {
	return len(c.Unread)+len(c.unreadBeside(other)) > MaxUnread
}

// Joined is the survivor with what both Chats know about the customer. userID is the one that the customer has now;
// empty if nothing says more than the Chats do.
func (c Chat) Joined(other Chat, userID string) Chat {
	c.Customer = c.Customer.joined(other.Customer, userID)
	return c
}

// Merges is what becomes of the survivor and the other. placed is where the rules send the survivor; it is needed, and
// used, only if the survivor Routes. keys are the Keys of the other's unread marks, as far as they are stored; needed only
// in a crowd.
func Merges(at time.Time, survivor, other Chat, userID string, placed Placed, keys map[Mark]Key) Merge {
	var m Merge
	m.Survivor = survivor.Joined(other, userID).takesIn(at, other, placed)
	m.Survivor.Before = survivor
	m.Survivor.After.Inbox = survivor.inboxWith(other, keys)
	m.Survivor.After.From = slices.Concat(survivor.From, []string{other.ID}, other.From)
	m.Survivor.Event.Type, m.Survivor.Event.By, m.Survivor.Event.Chat = Merger, System, other.ID
	m.Survivor.Holds = IdentityPart

	gone := other.owned("")
	gone.Status = Merged
	m.Other = other.becomes(at, gone)
	m.Other.After.MergedInto, m.Other.After.Unread, m.Other.After.More = survivor.ID, nil, Key{}
	m.Other.Event.Type, m.Other.Event.By, m.Other.Event.Chat = Merger, System, survivor.ID
	m.Other.Holds = Whole
	return m
}

// takesIn is the survivor's ownership. Its Assignee stays, and what they have sent stays theirs, whoever had the other: of
// two people who answered one customer, the one whom the customer wrote to last goes on. If it waits, it waits for as long
// as the customer did, in either.
func (c Chat) takesIn(at time.Time, other Chat, placed Placed) Change {
	change := c.takesOver(at, other, placed)
	after := &change.After
	if !after.Waiting() {
		return change
	}
	if other.Waiting() && other.WaitingSince.Before(after.WaitingSince) {
		after.WaitingSince = other.WaitingSince
	}
	change.Entry.Since, change.Event.Decision.WaitingSince = after.WaitingSince, after.WaitingSince.UnixMilli()
	return change
}

func (c Chat) takesOver(at time.Time, other Chat, placed Placed) Change {
	after := c.Ownership
	after.Epoch++
	switch {
	case c.opensWith(other):
		after.Status, after.Owner, after.OwnerEpoch = Open, "", after.Epoch
		after.OpenedAt, after.ClosedAt = at, time.Time{}
		return c.waits(at, after, placed)
	case c.Waiting() && c.RulesVersion != ByHand:
		return c.waits(at, after, placed)
	case c.Waiting():
		after.Routed++
		change := c.becomes(at, after)
		change.Event.Decision = &assign.Decision{Pool: after.Pools[0], Strategy: assign.RoundRobin, Priority: after.Priority}
		change.Entry = Entry{Chat: c.ID, Priority: after.Priority, Since: after.WaitingSince, Strategy: assign.RoundRobin,
			RulesVersion: ByHand, Routed: after.Routed, Epoch: after.Epoch, Message: c.LastIn}
		return change
	}
	return c.becomes(at, after)
}

func (c Customer) joined(other Customer, userID string) Customer {
	c.UserID = cmp.Or(userID, c.UserID, other.UserID)
	if other.Phone != "" && (c.Phone == "" || c.newest(other.Phone, other.PhoneSince)) {
		c.Phone = other.Phone
	}
	c.PhoneSince, c.PhoneFence = max(c.PhoneSince, other.PhoneSince), max(c.PhoneFence, other.PhoneFence)
	c.Username = cmp.Or(c.Username, other.Username)
	c.Profile = cmp.Or(c.Profile, other.Profile)
	c.Name = cmp.Or(c.Name, other.Name)
	if other.ByHand && !c.ByHand {
		c.Language, c.ByHand = other.Language, true
	}
	c.Language = known(c.Language, other.Language)
	c.Country = known(c.Country, other.Country)
	tags := slices.Clone(c.Tags)
	for _, tag := range other.Tags {
		more := append(slices.Clone(tags), tag)
		if !slices.Contains(tags, tag) && len(more) <= assign.MaxTags && tagsFit(more) {
			tags = more
		}
	}
	c.Tags = tags
	return c
}

func known(value, other string) string {
	if value == "" || value == assign.Unknown {
		return cmp.Or(other, value)
	}
	return value
}

// inboxWith is the survivor's inbox with the other's unread messages. When they are more than a Chat counts, the oldest of
// the other's find room first, and those that are not stored yet: nobody could name them as read.
func (c Chat) inboxWith(other Chat, keys map[Mark]Key) Inbox {
	after := c.Inbox
	after.Unread = slices.Clone(c.Unread)
	marks := c.unreadBeside(other)
	slices.SortFunc(marks, func(a, b Mark) int {
		ka, kb := keys[a], keys[b]
		return cmp.Or(slices.Compare(ka[:], kb[:]), slices.Compare(a[:], b[:]))
	})
	room := min(len(marks), MaxUnread-len(after.Unread))
	after.Unread = append(after.Unread, marks[:room]...)
	beyond := []Key{other.More}
	for _, m := range marks[room:] {
		beyond = append(beyond, keys[m])
	}
	for _, k := range beyond {
		if after.More.Before(k) && !slices.Contains(after.Unread, k.Mark()) {
			after.More = k
		}
	}
	if after.Ahead.Before(other.Ahead) {
		after.Ahead = other.Ahead
	}
	if after.Preview.At.Before(other.Preview.At) {
		after.Preview = other.Preview
	}
	return after
}

// unreadBeside lists the other's unread messages that the Chat does not count yet.
func (c Chat) unreadBeside(other Chat) []Mark {
	var marks []Mark
	for _, m := range other.Unread {
		if !slices.Contains(c.Unread, m) && (c.More.IsZero() || m != c.More.Mark()) {
			marks = append(marks, m)
		}
	}
	return marks
}
