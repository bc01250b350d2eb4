package chat

import (
	"fmt"
	"slices"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/team"
)

// EventType says what happened to a Chat.
type EventType string

// The events of a Chat's history. Routed, Widened and Nobody are records beside a change: they leave owner, status and
// epoch alone.
const (
	Created    EventType = "created"
	Reopened   EventType = "reopened" // by a customer's message
	Assigned   EventType = "assigned" // automatically
	Reassigned EventType = "reassigned"
	ClosedBy   EventType = "closed"
	OpenedBy   EventType = "opened"  // by its own Assignee
	Merger     EventType = "merged"  // two Chats proved to be one customer's; both histories say so
	Routed     EventType = "routed"  // by newer rules, while it waited
	Widened    EventType = "widened" // a step of its rule opened a further pool to it
	Nobody     EventType = "waiting"
)

// Changes reports whether an event of this type raised the epoch.
func (t EventType) Changes() bool { return t != Routed && t != Widened && t != Nobody }

// ActorKind says what kind of actor caused an event.
type ActorKind string

// The kinds of actors.
const (
	ByRule   ActorKind = "rule"
	ByPerson ActorKind = "person"
	BySystem ActorKind = "system"
)

// Actor is who caused an event: a rule, a person, or the system itself.
type Actor struct {
	Kind ActorKind
	ID   string
	Name string
}

// System acts when neither a rule nor a person does: a customer's message opened the Chat.
var System = Actor{Kind: BySystem}

// Event is one item of a Chat's history. Status and Owner are what the Chat was left with, so that the history can be
// replayed and compared with the Chat (invariant I1).
type Event struct {
	Epoch    int64
	At       time.Time
	Type     EventType
	Status   Status
	From     string // the Assignee before
	Owner    string // the Assignee after
	By       Actor
	Note     string
	Decision *assign.Decision
	Routed   int64  // which routing of the Chat this belongs to
	Chat     string // of Merger: the other Chat
}

// Change is what a Chat becomes, with everything that must be stored in the same transaction. Loads and waiting
// entries are not listed: they follow from the Chat before and after, so that they can't be forgotten.
type Change struct {
	Before  Chat
	After   Chat
	Event   Event
	Entry   Entry    // what the waiting entries that the change puts tell; unused when there is none
	Timer   *Timer   // the step that the change carries out, and whose timer goes with it
	Auto    *Auto    // set when a rule chose the owner; nil when a person did
	Arrival *Arrival // the customer message that opened the Chat
	Links   []Link   // identities that begin to lead to this Chat
	Shows   *Showing // of a new Chat: the phone number that led elsewhere until its first message
	Needs   []Need   // who must be what at the moment of the write
	Holds   Part     // what the decision looked at beside what the change alters
}

// Part is a part of a Chat that must be as read when a write is stored, although the write leaves it alone: the decision
// depends on it. What a write alters is guarded without being named here.
type Part uint8

// The parts. Whole is everything that a write can alter.
const (
	OwnershipPart Part = 1 << iota
	InboxPart          // the last message and the unread ones
	IdentityPart       // the customer's user id and phone number
	Whole
)

// Need is a person who must be active and have a role when the change is stored, because they act or because they get
// the Chat. What was read of them before may be over by then.
type Need struct {
	Person string
	Admin  bool // the role must be Admin
}

// Auto is the person that a rule chose, as read. The transaction takes them only if they are unchanged and can still
// take one more Chat from this pool.
type Auto struct {
	Person team.Person
	Pool   assign.Pool
	Now    time.Time
	At     time.Time // becomes the person's AssignedAt; later than that of anybody in the pool, whatever the clocks say
	Turn   int64     // becomes the person's Turn; 0 unless the strategy was weighted
}

// Link makes an identity lead to a Chat.
type Link struct {
	Address string // Secret.UserAddress or Secret.PhoneAddress
	Since   Shown  // by the message or notice that showed the identity
}

// Opens is what a customer message makes of a Chat that does not exist or is closed: it opens and waits.
// Every other Chat is left to the cheaper paths; calling Opens on an open one is a mistake of the caller and panics.
func (c Chat) Opens(at time.Time, placed Placed, arrival Arrival) Change {
	if c.Status == Open || c.Status == Merged {
		panic(fmt.Sprintf("chat: a %s Chat can't be opened by a message", c.Status))
	}
	after := c.Ownership
	after.Status = Open
	after.Owner = ""
	after.Epoch++
	after.OwnerEpoch = after.Epoch
	after.OpenedAt = at
	after.ClosedAt = time.Time{}
	kind := Reopened
	if c.Epoch == 0 {
		kind = Created
	}
	change := c.waits(at, after, placed)
	change.Event.Type = kind
	change.Event.From = c.Owner
	change.Event.By = System
	change.Arrival = &arrival
	received := c.Receives(arrival)
	change.After.Inbox, change.After.Customer = received.Inbox, received.Customer
	return change
}

// Rerouted is what newer rules make of a waiting Chat: it waits where they send it, and keeps its place in time.
// Owner, status and epoch stay.
func (c Chat) Rerouted(at time.Time, placed Placed) Change {
	change := c.waits(at, c.Ownership, placed)
	change.Event.Type = Routed
	change.Event.By = Actor{Kind: ByRule, ID: placed.Routing.RuleID, Name: placed.Routing.RuleName}
	return change
}

func (c Chat) waits(at time.Time, after Ownership, placed Placed) Change {
	if !c.Waiting() {
		after.WaitingSince = at
	}
	after.Pools = []string{placed.Routing.Pool.String()}
	after.Priority = placed.Routing.Priority
	after.RulesVersion = placed.RulesVersion
	after.Routed++
	change := c.becomes(at, after)
	input := placed.Input.Kept()
	change.Event.Decision = &assign.Decision{RulesVersion: placed.RulesVersion, Input: &input, Message: placed.looked(), RuleID: placed.Routing.RuleID,
		RuleName: placed.Routing.RuleName, Pool: after.Pools[0], Strategy: placed.Routing.Strategy, Priority: after.Priority}
	change.Entry = Entry{
		Chat: c.ID, Priority: after.Priority, Since: after.WaitingSince,
		Strategy: placed.Routing.Strategy, Prefer: placed.Prefer, Previous: placed.Previous, RuleID: placed.Routing.RuleID, RuleName: placed.Routing.RuleName, RulesVersion: placed.RulesVersion,
		Routed: after.Routed, Epoch: after.Epoch, Message: placed.Message,
	}
	return change
}

// Assigned is what the rules' choice of a person makes of a waiting Chat.
func (c Chat) Assigned(at time.Time, auto Auto, decision assign.Decision) Change {
	after := c.owned(auto.Person.ID)
	change := c.becomes(at, after)
	change.Event.Type = Assigned
	change.Event.By = Actor{Kind: ByRule, ID: decision.RuleID, Name: decision.RuleName}
	change.Event.Decision = &decision
	change.Auto = &auto
	return change
}

// Reassigned is what a person makes of a Chat by giving it to somebody: an open one changes hands or stops waiting,
// a closed one changes hands and stays closed. The transaction holds only while the new Assignee is active and has a
// role; whoever gives away a Chat that is not theirs must still be an Admin.
func (c Chat) Reassigned(at time.Time, by Actor, to, note string) Change {
	change := c.becomes(at, c.owned(to))
	change.Event.Type = Reassigned
	change.Event.By = by
	change.Event.Note = note
	change.Needs = append(c.moves(by), Need{Person: to})
	return change
}

// ByHand is the RulesVersion of a Chat that a person passed to a team. It is newer than any rules, so rules that are
// saved while it waits leave it there: somebody decided about this Chat, knowing it, and the rules did not. The rules
// count again when the Chat is opened by the customer the next time.
const ByHand int64 = 1<<53 - 1

// PassedTo is what a person makes of an open Chat by giving it to a team: it waits in the team's pool, behind those who
// have waited longer, and is given to somebody as any other, to the one who passed it on too if it is their turn. A Chat
// that already waited keeps its priority and its place in time.
func (c Chat) PassedTo(at time.Time, by Actor, teamID, note string) Change {
	after := c.Ownership
	after.Owner = ""
	after.Epoch++
	after.OwnerEpoch = after.Epoch
	if !c.Waiting() {
		after.WaitingSince = at
		after.Priority = assign.Normal
	}
	after.Pools = []string{assign.Pool{Team: teamID}.String()}
	after.RulesVersion = ByHand
	after.Routed++
	change := c.becomes(at, after)
	change.Event.Type = Reassigned
	change.Event.By = by
	change.Event.Note = note
	change.Event.Decision = &assign.Decision{Pool: after.Pools[0], Strategy: assign.RoundRobin, Priority: after.Priority}
	change.Entry = Entry{Chat: c.ID, Priority: after.Priority, Since: after.WaitingSince, Strategy: assign.RoundRobin,
		RulesVersion: ByHand, Routed: after.Routed, Epoch: after.Epoch, Message: c.LastIn}
	change.Needs = c.moves(by)
	return change
}

// WaitsByHand reports whether a person passed the Chat to this team and it still waits there.
func (c Chat) WaitsByHand(teamID string) bool {
	return c.Waiting() && c.RulesVersion == ByHand && slices.Equal(c.Pools, []string{assign.Pool{Team: teamID}.String()})
}

// moves is what whoever gives the Chat away must be: its Assignee, which the epoch holds, or an Admin.
func (c Chat) moves(by Actor) []Need {
	if by.Kind != ByPerson {
		return nil
	}
	return []Need{{Person: by.ID, Admin: by.ID != c.Owner}}
}

func acts(by Actor) []Need {
	if by.Kind != ByPerson {
		return nil
	}
	return []Need{{Person: by.ID}}
}

// Closes is what its Assignee makes of an open Chat by closing it. The Assignee stays on it and can open it again.
func (c Chat) Closes(at time.Time, by Actor) Change {
	after := c.Ownership
	after.Status = Closed
	after.Epoch++
	after.ClosedAt = at
	change := c.becomes(at, after)
	change.Event.Type = ClosedBy
	change.Event.By = by
	change.Needs = acts(by)
	return change
}

// OpensAgain is what its Assignee makes of a closed Chat: open, and theirs.
func (c Chat) OpensAgain(at time.Time, by Actor) Change {
	after := c.owned(c.Owner)
	after.Status = Open
	after.OpenedAt = at
	after.ClosedAt = time.Time{}
	change := c.becomes(at, after)
	change.Event.Type = OpenedBy
	change.Event.By = by
	change.Needs = acts(by)
	return change
}

// owned begins a new ownership.
func (c Chat) owned(by string) Ownership {
	after := c.Ownership
	after.Owner = by
	after.Epoch++
	after.OwnerEpoch = after.Epoch
	after.Pools = nil
	after.WaitingSince = time.Time{}
	return after
}

func (c Chat) becomes(at time.Time, after Ownership) Change {
	change := Change{Before: c, After: c, Event: Event{
		Epoch: after.Epoch, At: at, Status: after.Status, From: c.Owner, Owner: after.Owner, Routed: after.Routed,
	}}
	change.After.Ownership = after
	return change
}

// Loads is by how much the change alters each person's number of open Chats; people whose number stays are not in it.
func (ch Change) Loads() map[string]int {
	loads := map[string]int{}
	if before := ch.Before.Load(); before != "" {
		loads[before]--
	}
	if after := ch.After.Load(); after != "" {
		loads[after]++
	}
	for person, n := range loads {
		if n == 0 {
			delete(loads, person)
		}
	}
	return loads
}

// keepsPlace reports whether the Chat's place in the order of a pool stays.
func (ch Change) keepsPlace() bool {
	return ch.Before.Priority == ch.After.Priority && ch.Before.WaitingSince.Equal(ch.After.WaitingSince)
}

// Leaves lists the pools whose waiting entries go. An entry that stays in its place is written anew or left, not deleted.
func (ch Change) Leaves() []string {
	var pools []string
	for _, p := range ch.Before.Pools {
		if !ch.keepsPlace() || !slices.Contains(ch.After.Pools, p) {
			pools = append(pools, p)
		}
	}
	return pools
}

// Enters lists the waiting entries that the change puts: those of the pools that it opens, and, where it is a routing, of
// all, because their entries tell what sent the Chat there. A step leaves the entries of the steps before it alone.
func (ch Change) Enters() []Entry {
	stays := ch.keepsPlace() && ch.Before.Epoch == ch.After.Epoch && ch.Before.Routed == ch.After.Routed
	entries := make([]Entry, 0, len(ch.After.Pools))
	for _, p := range ch.After.Pools {
		if stays && slices.Contains(ch.Before.Pools, p) {
			continue
		}
		e := ch.Entry
		e.Pool = p
		entries = append(entries, e)
	}
	return entries
}
