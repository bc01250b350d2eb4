// Package invariant checks whole tables against the promises that Chatkeeper makes (README lists them as I1 to I10).
// It is pure, and compares what was stored, never two clocks. Somebody else reads the tables, at a moment when nobody writes
// them.
package invariant

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Snapshot is everything that both tables hold.
type Snapshot struct {
	Chats    []chat.Chat
	Aliases  []Alias
	Messages []Message
	Events   []Event
	Entries  []chat.Entry
	People   []team.Person

	Unreadable []string // keys of rows that are not what their place says

	PhoneAddress func(number, phone string) string // chat.Secret.PhoneAddress; nil: what needs it is not checked
}

// Alias leads from an identity to a Chat; from a user id that was renamed to the place of the new one, where there may be no
// Chat yet; from a phone number to whoever has it.
type Alias struct {
	chat.Alias
	Renamed bool
}

// Message is a stored Message and the Chat that it stands under.
type Message struct {
	Chat string
	chat.Message
}

// Event is a history item and the Chat that it stands under.
type Event struct {
	Chat string
	chat.Event
}

// Breach is one promise that does not hold, with the ids of what is involved. It carries no customer data.
type Breach struct {
	Invariant string // such as "I2"; "row" for a row that can't be read
	IDs       []string
	Says      string
}

func (b Breach) String() string { return fmt.Sprintf("%s %v: %s", b.Invariant, b.IDs, b.Says) }

// Check reports every breach of I1 to I5, I7 and I8, and every row that can't be read. I6 takes two snapshots: see [Order].
func Check(s Snapshot) []Breach {
	c := checker{Snapshot: s,
		chats: map[string]chat.Chat{}, events: map[string][]chat.Event{}, entries: map[string][]chat.Entry{}}
	for _, v := range s.Chats {
		c.chats[v.ID] = v
	}
	for _, v := range s.Events {
		c.events[v.Chat] = append(c.events[v.Chat], v.Event)
	}
	for _, events := range c.events {
		slices.SortStableFunc(events, inOrder)
	}
	for _, v := range s.Entries {
		c.entries[v.Chat] = append(c.entries[v.Chat], v)
	}
	for _, key := range s.Unreadable {
		c.breach("row", []string{key}, "can't be read")
	}
	c.history()
	c.loads()
	c.decisions()
	c.messages()
	c.waiting()
	c.replies()
	c.identities()
	return c.breaches
}

type checker struct {
	Snapshot
	chats    map[string]chat.Chat
	events   map[string][]chat.Event
	entries  map[string][]chat.Entry
	breaches []Breach
}

func (c *checker) breach(invariant string, ids []string, format string, args ...any) {
	c.breaches = append(c.breaches, Breach{Invariant: invariant, IDs: ids, Says: fmt.Sprintf(format, args...)})
}

// inOrder sorts the events of one Chat: an epoch begins with the change that raised it.
func inOrder(a, b chat.Event) int {
	if a.Epoch != b.Epoch || a.Type.Changes() == b.Type.Changes() {
		return cmp.Compare(a.Epoch, b.Epoch)
	}
	if a.Type.Changes() {
		return -1
	}
	return 1
}

// history is I1: replaying it gives the Chat's state, one item for every epoch.
func (c *checker) history() {
	for _, v := range c.Chats {
		var now chat.Ownership
		for _, e := range c.events[v.ID] {
			if !e.Type.Changes() {
				if e.Epoch != now.Epoch {
					c.breach("I1", []string{v.ID}, "a record of type %s stands at epoch %d, where none begins", e.Type, e.Epoch)
				}
				continue
			}
			if e.Epoch != now.Epoch+1 {
				c.breach("I1", []string{v.ID}, "epoch %d follows epoch %d", e.Epoch, now.Epoch)
			}
			if e.From != now.Owner {
				c.breach("I1", []string{v.ID, e.From, now.Owner}, "at epoch %d it left another owner than it had", e.Epoch)
			}
			if e.Type != chat.ClosedBy && (e.Type != chat.Merger || e.Status != now.Status) { // a Chat that goes on keeps its Assignee
				now.OwnerEpoch = e.Epoch
			}
			now.Epoch, now.Status, now.Owner = e.Epoch, e.Status, e.Owner
		}
		if now.Epoch != v.Epoch || now.Status != v.Status || now.Owner != v.Owner || now.OwnerEpoch != v.OwnerEpoch {
			c.breach("I1", []string{v.ID, v.Owner, now.Owner}, "is %s at epoch %d (owner since %d); its history says %s at %d (since %d)",
				v.Status, v.Epoch, v.OwnerEpoch, now.Status, now.Epoch, now.OwnerEpoch)
		}
	}
	for id := range c.events {
		if _, ok := c.chats[id]; !ok {
			c.breach("I1", []string{id}, "has a history but is no Chat")
		}
	}
}

// loads is I2: openChats is the number of open Chats owned.
func (c *checker) loads() {
	owned := map[string]int{}
	for _, v := range c.Chats {
		if person := v.Load(); person != "" {
			owned[person]++
		}
	}
	for _, p := range c.People {
		if owned[p.ID] != p.OpenChats {
			c.breach("I2", []string{p.ID}, "counts %d open Chats and owns %d", p.OpenChats, owned[p.ID])
		}
		delete(owned, p.ID)
	}
	for person, n := range owned {
		c.breach("I2", []string{person}, "owns %d open Chats but is nobody", n)
	}
}

// decisions is I3: who was chosen by a rule was online, below capacity, and in the decision as the first.
func (c *checker) decisions() {
	for id, events := range c.events {
		for _, e := range events {
			if e.By.Kind == chat.ByRule && e.Owner != "" && e.Type.Changes() {
				c.decision(id, e)
			}
		}
	}
}

func (c *checker) decision(id string, e chat.Event) {
	ids := []string{id, e.Owner}
	if e.Decision == nil || len(e.Decision.Candidates) == 0 {
		c.breach("I3", ids, "was assigned at epoch %d without a decision", e.Epoch)
		return
	}
	d := e.Decision
	chosen := d.Candidates[0]
	switch {
	case d.PersonID != e.Owner || chosen.PersonID != e.Owner || chosen.Outcome != assign.Chosen:
		c.breach("I3", ids, "the decision at epoch %d chose somebody else", e.Epoch)
	case chosen.OpenChats >= chosen.Limit:
		c.breach("I3", ids, "was assigned at epoch %d to somebody with %d of %d Chats", e.Epoch, chosen.OpenChats, chosen.Limit)
	case chosen.Availability != team.Online:
		c.breach("I3", ids, "was assigned at epoch %d to somebody %s", e.Epoch, chosen.Availability)
	}
	if d.Strategy != assign.LeastLoaded {
		return
	}
	for _, other := range d.Candidates[1:] {
		if other.Because == assign.MoreOpenChats && other.OpenChats < chosen.OpenChats {
			c.breach("I3", append(ids, other.PersonID), "the decision at epoch %d passed over somebody with fewer Chats", e.Epoch)
		}
	}
}

// messages is I4: every message is stored once, and what a Chat counts is there to be read.
func (c *checker) messages() {
	type stored struct{ number, source, wamid string }
	seen := map[stored]Message{}
	keys := map[string]map[chat.Key]bool{}
	marks := map[string]map[chat.Mark]bool{}
	newest := map[string]map[chat.Key]chat.Message{} // of those that a list shows; the earlier one where a Message is stored twice
	for _, m := range c.Messages {
		v, ok := c.chats[m.Chat]
		if !ok {
			c.breach("I4", []string{m.Chat, m.Key.String()}, "a message stands under no Chat")
			continue
		}
		if keys[v.ID] == nil {
			keys[v.ID], marks[v.ID] = map[chat.Key]bool{}, map[chat.Mark]bool{}
		}
		keys[v.ID][m.Key], marks[v.ID][m.Key.Mark()] = true, true
		if m.Listed() {
			on := c.goesOn(v.ID).ID
			if newest[on] == nil {
				newest[on] = map[chat.Key]chat.Message{}
			}
			if twin, twice := newest[on][m.Key]; !twice || m.Moment().Before(twin.Moment()) {
				newest[on][m.Key] = m.Message
			}
		}
		if m.WAMID == "" {
			continue
		}
		at := stored{v.Number, m.Source, m.WAMID}
		// A late instance of a delivery may store it a second time across a merge, under the same key: shown once.
		if other, twice := seen[at]; twice && (other.Key != m.Key || other.Chat == m.Chat || c.goesOn(other.Chat).ID != c.goesOn(m.Chat).ID) {
			c.breach("I4", []string{m.Chat, other.Chat, m.Key.String()}, "a message is stored twice")
		}
		seen[at] = m
	}
	for _, v := range c.Chats {
		if v.Status == chat.Merged {
			continue
		}
		family := append([]string{v.ID}, v.From...)
		if !v.LastIn.IsZero() && !slices.ContainsFunc(family, func(id string) bool { return keys[id][v.LastIn] }) {
			c.breach("I4", []string{v.ID, v.LastIn.String()}, "its last message is not stored")
		}
		for _, m := range v.Unread {
			if !slices.ContainsFunc(family, func(id string) bool { return marks[id][m] }) {
				c.breach("I4", []string{v.ID, fmt.Sprintf("%x", m)}, "counts a message as unread that is not stored")
			}
		}
		if !v.More.IsZero() && (!slices.ContainsFunc(family, func(id string) bool { return keys[id][v.More] }) || slices.Contains(v.Unread, v.More.Mark())) {
			c.breach("I4", []string{v.ID, v.More.String()}, "counts a message beyond those it lists that is not stored, or is listed")
		}
		for _, m := range newest[v.ID] {
			at := m.Moment()
			if m.Source == chat.History { // its media come later, in the place of what announced them
				at = chat.MomentOf(m.Key, time.Time{})
			}
			if v.Preview.At.Before(at) {
				c.breach("I4", []string{v.ID, m.Key.String()}, "a list shows an older message of it than this one")
			}
		}
		if len(v.Unread) > chat.MaxUnread {
			c.breach("I4", []string{v.ID}, "holds %d unread marks", len(v.Unread))
		}
	}
}

// waiting is I5: an open Chat is owned or waits, and waits with exactly one entry in each of its pools.
func (c *checker) waiting() {
	for _, v := range c.Chats {
		if v.Waiting() != (len(v.Pools) > 0) {
			c.breach("I5", []string{v.ID, v.Owner}, "is %s and waits in %d pools", v.Status, len(v.Pools))
		}
		found := map[string]int{}
		for _, e := range c.entries[v.ID] {
			found[e.Pool]++
			if !slices.Contains(v.Pools, e.Pool) {
				c.breach("I5", []string{v.ID, e.Pool}, "has a waiting entry in a pool that is not open to it")
			} else if e.Priority != v.Priority || !e.Since.Equal(v.WaitingSince) || e.Routed != v.Routed || e.RulesVersion != v.RulesVersion {
				c.breach("I5", []string{v.ID, e.Pool}, "has a waiting entry that says something else than the Chat")
			}
		}
		for _, p := range v.Pools {
			if found[p] != 1 {
				c.breach("I5", []string{v.ID, p}, "has %d waiting entries in a pool that is open to it", found[p])
			}
		}
	}
	for id, entries := range c.entries {
		if _, ok := c.chats[id]; !ok {
			c.breach("I5", []string{id, entries[0].Pool}, "waits but is no Chat")
		}
	}
}

// replies is I7, as far as tables can tell: a reply was accepted in an ownership that there was, of the person who wrote
// it. That it had not ended yet is for the transaction to hold, and for histories
// of concurrent calls to show.
func (c *checker) replies() {
	for _, m := range c.Messages {
		if m.Direction != chat.Out || m.Source != "" {
			continue
		}
		ids := []string{m.Chat, m.Key.String(), m.By}
		i := slices.IndexFunc(c.events[m.Chat], func(e chat.Event) bool { return e.Type.Changes() && e.Epoch == m.OwnerEpoch })
		if i < 0 {
			c.breach("I7", ids, "a reply was accepted in an ownership (epoch %d) that never began", m.OwnerEpoch)
			continue
		}
		switch e := c.events[m.Chat][i]; {
		case e.Type == chat.ClosedBy:
			c.breach("I7", ids, "a reply was accepted in an ownership that began with closing, at epoch %d", m.OwnerEpoch)
		case m.By == "" || e.Owner != m.By:
			c.breach("I7", append(ids, e.Owner), "a reply was accepted of somebody who was not the Assignee at epoch %d", m.OwnerEpoch)
		case m.Delivery == "":
			c.breach("I7", ids, "a reply has no delivery")
		}
	}
}

// identities is I8: one Chat for one customer and business number.
func (c *checker) identities() {
	type identity struct{ kind, number, id string }
	of := map[identity]string{}
	claim := func(v chat.Chat, kind, id string) {
		if id == "" {
			return
		}
		i := identity{kind, v.Number, id}
		if other, taken := of[i]; taken {
			c.breach("I8", []string{v.ID, other}, "two Chats have one customer's %s", kind)
		}
		of[i] = v.ID
	}
	for _, v := range c.Chats {
		if v.Status == chat.Merged {
			c.mergedAway(v)
			continue
		}
		claim(v, "user id", v.Customer.UserID)
		claim(v, "phone number", v.Customer.Phone)
		for _, id := range v.From {
			if c.goesOn(id).ID != v.ID || id == v.ID {
				c.breach("I8", []string{v.ID, id}, "shows the messages of a Chat that was not merged into it")
			}
		}
	}
	for _, a := range c.Aliases {
		for i, h := range a.Holders {
			if v := c.goesOn(h.Chat); v.ID == "" && !a.Renamed && (h.Chat != "" || i == 0) {
				c.breach("I8", []string{a.Address, h.Chat}, "an identity leads to no Chat that goes on")
			}
			if i > 0 && h.Since < a.Holders[i-1].Since {
				c.breach("I8", []string{a.Address, h.Chat}, "an alias does not list its holders in the order of their times")
			}
		}
		if len(a.Holders) > chat.MaxHolders {
			c.breach("I8", []string{a.Address}, "an alias lists %d holders", len(a.Holders))
		}
	}
	c.numbers()
}

// numbers: a Chat that shows a phone number is where its alias leads, and nobody has left the number; and whoever showed a
// number beside a user id had it then, as far as one second shows it in one Chat only and the alias is not full.
func (c *checker) numbers() {
	aliases := map[string]Alias{}
	for _, a := range c.Aliases {
		aliases[a.Address] = a
	}
	for _, v := range c.Chats {
		if c.PhoneAddress == nil || v.Customer.Phone == "" || v.Status == chat.Merged {
			continue
		}
		address := c.PhoneAddress(v.Number, v.Customer.Phone)
		if a, ok := aliases[address]; !ok || c.goesOn(a.Last().Chat).ID != v.ID || a.IsFree() {
			c.breach("I8", []string{v.ID, address}, "shows a phone number that does not lead to it")
		}
	}
	type moment struct {
		address string
		second  int64
	}
	shown := map[moment]string{}
	for _, m := range c.Messages {
		if m.Shows == "" {
			continue
		}
		at, id := moment{m.Shows, m.Shown().Second()}, c.goesOn(m.Chat).ID
		if other, taken := shown[at]; taken && other != id {
			id = ""
		}
		shown[at] = id
	}
	for _, m := range c.Messages {
		id := shown[moment{m.Shows, m.Shown().Second()}]
		a, ok := aliases[m.Shows]
		if id == "" || ok && len(a.Holders) == chat.MaxHolders {
			continue
		}
		if !ok || c.goesOn(a.At(m.Key)).ID != id {
			c.breach("I8", []string{m.Chat, m.Key.String(), m.Shows}, "shows a phone number that another had then")
		}
	}
}

// mergedAway: a merged Chat leads to one that goes on and shows its messages, and is nobody's: no owner, nothing unread, no
// list has it.
func (c *checker) mergedAway(v chat.Chat) {
	ids := []string{v.ID, v.MergedInto}
	on := c.goesOn(v.ID)
	switch {
	case on.ID == "":
		c.breach("I8", ids, "is merged into no Chat that goes on")
	case !slices.Contains(on.From, v.ID):
		c.breach("I8", append(ids, on.ID), "is merged, and the Chat that goes on does not show its messages")
	case on.LastIn.Before(v.LastIn):
		c.breach("I8", append(ids, on.ID), "is merged into a Chat with an older message")
	case on.Number != v.Number:
		c.breach("I8", append(ids, on.ID), "is merged into a Chat of another number")
	}
	if v.Owner != "" || len(v.Unread) > 0 || !v.More.IsZero() || len(v.Pools) > 0 || len(c.entries[v.ID]) > 0 {
		c.breach("I8", ids, "is merged, and still owned, unread or waiting")
	}
}

// goesOn follows a Chat to the one that it was merged into at last; a Chat without an id if there is none.
func (c *checker) goesOn(id string) chat.Chat {
	for range len(c.Chats) {
		v, ok := c.chats[id]
		if !ok || v.Status != chat.Merged {
			return v
		}
		id = v.MergedInto
	}
	return chat.Chat{}
}
