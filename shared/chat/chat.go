// Package chat says what a Chat is and what becomes of it: the one conversation between a business number and a
// customer, and the one person who answers for it.
//
// A Chat changes owner or status only through a [Change]: a pure method of [Chat] takes the Chat as read and returns
// what it becomes, with the [Event] for its history. The store commits a Change in one transaction that holds only if
// the Chat is still as it was read (epoch, routing and pools), so that whoever comes second reads and decides again.
// Nothing here reads a clock, draws a random number or does I/O.
package chat

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"chatkeeper/shared/assign"
)

// Status of a Chat.
type Status string

// Merged Chats are kept for their messages and point to the Chat that goes on.
const (
	Open   Status = "open"
	Closed Status = "closed"
	Merged Status = "merged"
)

// Chat is the one conversation between a business number and a customer. It is created once and re-opened later.
type Chat struct {
	ID       string
	Number   string // the business number: WhatsApp's phone_number_id
	Customer Customer
	Ownership
	Inbox
	From       []string // Chats that were merged into this one; their Messages stay where they are
	MergedInto string   // the Chat that goes on, if this one is merged
}

// Ownership is the part of a Chat that only a [Change] touches.
type Ownership struct {
	Status     Status
	Owner      string // the Assignee; kept when the Chat is closed, empty while it waits
	Epoch      int64  // grows by one with every change of owner or status; 0 is a Chat that does not exist yet
	OwnerEpoch int64  // the epoch at which the present ownership began
	OpenedAt   time.Time
	ClosedAt   time.Time

	Pools        []string        // canonical texts of the pools it waits in; none unless it waits
	WaitingSince time.Time       // kept when further pools open or the Chat is routed again
	Priority     assign.Priority // of its waiting entries
	RulesVersion int64           // by which it was last routed
	Routed       int64           // how often it was routed; a step that opens a further pool does not count
}

// Waiting reports whether the Chat is open and nobody has it.
func (o Ownership) Waiting() bool { return o.Status == Open && o.Owner == "" }

// WaitsIn reports whether the Chat waits in the pool, given by its canonical text.
func (o Ownership) WaitsIn(pool string) bool { return o.Waiting() && slices.Contains(o.Pools, pool) }

// Load is whose openChats the Chat counts towards, or nobody's: a closed Chat is no load, though it keeps its owner.
func (o Ownership) Load() string {
	if o.Status != Open {
		return ""
	}
	return o.Owner
}

// Direction of a message, seen from the business.
type Direction string

// The two directions.
const (
	In  Direction = "in"
	Out Direction = "out"
)

// Customer is the person on the other side.
type Customer struct {
	UserID     string // BSUID: WhatsApp's business-scoped user id, opaque; empty if WhatsApp never told it
	Phone      string // digits; empty if WhatsApp never told it
	PhoneSince Shown  // of the newest message or notice that showed a phone number
	PhoneFence Shown  // messages until then may stand in the Chat of somebody who had the number before; 0 if none can
	Username   string // for display: people change it
	Profile    string // the name they gave themselves on WhatsApp
	Name       string // the name we gave them; wins over Profile
	Language   string // ISO 639-1, or assign.Unknown
	ByHand     bool   // people said what the language is: what the customer writes doesn't change it
	Country    string // ISO 3166 alpha-2, or assign.Unknown
	Tags       []string
}

// Identities are the names WhatsApp gave a customer in one message.
type Identities struct {
	UserID string
	Phone  string
}

// Message is one WhatsApp message in a Chat. A stored Message has been done in full: the Chat changes first.
type Message struct {
	Key        Key
	WAMID      string // WhatsApp's id: personal data (it contains the phone number), never logged
	Direction  Direction
	Type       string // WhatsApp's type, or unsupported
	Original   string // what WhatsApp called an unsupported one, if it did
	Text       string // what was written or chosen
	ReplyID    string // the button or list choice: written by us, forgeable by users
	Quoted     string // wamid of the message it answers
	Target     string // wamid of the message that it edits, revokes or reacts to
	Content    []byte // the type's own object as JSON, where Text does not say everything
	Source     string // where it came from if not from the customer's phone to us: echo, history, standby, group, aside
	Group      string // id of the WhatsApp group that it was written in
	Forwarded  bool
	Trimmed    bool      // it was too large: only ids, identities, type and time are left
	Shows      string    // Secret.PhoneAddress of the number that it shows, or tells of, beside a user id
	Arrived    time.Time // at the webhook, plus a microsecond for each update before it in its delivery; of a reply: accepted
	AdSource   string
	Errors     []int  // WhatsApp's error codes: the content is unavailable
	OwnerEpoch int64  // of a reply: the ownership under which it was accepted
	By         string // of a reply: the person who wrote it, then the Assignee
	Delivery   Delivery
}

// Sources of messages that a list shows beside a customer's own and our replies.
const (
	Echo    = "echo"    // sent by the business from its phone app
	History = "history" // older than the connection of the number
)

// Listed reports whether a list of Chats may show the message as the last one.
func (m Message) Listed() bool {
	return (m.Source == "" && m.Type != Reaction) || m.Source == Echo || m.Source == History
}

// Compare orders the messages of a Chat as people read them: by Moment, then by Key, so that no two are alike. Every
// reader uses it; a Key alone orders a second at random.
func (m Message) Compare(other Message) int {
	a, b := m.Moment(), other.Moment()
	return cmp.Or(bytes.Compare(a[:], b[:]), bytes.Compare(m.Key[:], other.Key[:]))
}

// Delivery is how far a reply has come; empty for messages that we did not send.
type Delivery string

// The deliveries. Unknown is a send whose outcome nobody knows: it is not repeated, and WhatsApp's status settles it.
const (
	Queued    Delivery = "queued"
	Sending   Delivery = "sending"
	Sent      Delivery = "sent"
	Delivered Delivery = "delivered"
	ReadBy    Delivery = "read"
	Failed    Delivery = "failed"
	Unknown   Delivery = "unknown"
)

// Arrival is a message on its way into a Chat, with what it tells about the customer. Empty means nothing new.
type Arrival struct {
	Message  Message
	Phone    string // of the customer, as the message shows it
	Alias    *Alias // of that number, as read, where the Chat alone does not tell that the message belongs there; see Straight
	Preview  string
	Username string
	NamedAt  string // Secret.UsernameAddress of the username
	Profile  string
	Language string // what the customer wrote in

	Settled bool      // the Key was settled by Store.Settle, so that what the Chat knows of Keys that were ahead does not matter
	Ahead   time.Time // the second after the message's time stamp, if that is ahead and may be in the past at a redelivery; else zero
}

// Entry is a waiting entry: a Chat's place in a pool, with all that serving the pool needs to know about it.
type Entry struct {
	Chat         string
	Pool         string
	Priority     assign.Priority
	Since        time.Time
	Strategy     assign.Strategy
	Prefer       string   // the previous Assignee, if the rule prefers them; else empty
	Previous     Previous // kept for rules that are saved later
	RuleID       string
	RuleName     string
	RulesVersion int64
	Routed       int64
	Epoch        int64
	Message      Key           // the message that opened the Chat: rules that are saved later look at it again
	Because      assign.Reason // why nobody could take it when the pool was last served; empty before that
	Step         int           // of the rule, that opened this pool to the Chat; 0 is the first
	Unarmed      bool          // beside Because: whether a step is ahead is not known, because its rules could not be loaded
}

// Previous is who had a Chat until it was closed, before it waited; nobody if it is new or a person passed it on.
type Previous struct {
	Person string
	Until  time.Time // when it was closed
}
