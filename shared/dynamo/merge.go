package dynamo

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"chatkeeper/shared/chat"
)

// # Two Chats of one customer
//
// A merge is one transaction, so there is no state between two Chats and one. Before it a message goes to either; after
// it the one that is merged points to the other for good (mergedInto is never taken back), and whoever is led there
// follows. Two merges of the same Chats, or of a chain of them, meet in the conditions: the second is refused, reads
// again, and finds one Chat, or another pair.
//
// Why redeliveries store nothing twice. The survivor has the newer last message, so every message of the other is late for
// it: [Store.Deliver] is refused, and what decides then is the Chat as the refusal returned it, which is younger than
// whatever led there. An identity that leads to the survivor because of a merge therefore never comes with a list of
// merged Chats (from) that is older than that merge, and the list need not stand on the identity too. Has, Late, Keep
// and Commit look for the message under all of them; the latter three hold only while the list is as read.
//
// One thing is left: a delivery that counted its message in the other Chat before the merge puts the text there after it,
// and a second instance of the same delivery may have put it under the survivor in between. The text then stands in both,
// under the same key, and is counted and shown once.
//
// A message on its way to either Chat when they merge: the Chat that counts it is as it was read no more (last message or
// unread marks), the merge is refused and begins again. The other way round, Deliver finds a merged Chat and follows it.

// Merge makes two Chats of one customer one. userID is the customer's by the message that proves it, empty if it tells
// none; addresses are those of identities that may lead to either, which lead to the survivor afterwards. An identity that
// is not among them is found all the same: it leads to a merged Chat, which is followed.
//
// merged is false if there are too many Chats behind these already; nothing happened then. ErrRefused: one of them is not
// as it was read (both are to be read again, from the identities on). After ErrUnsure it may have happened.
func (s *Store) Merge(ctx context.Context, a, b chat.Chat, userID string, addresses []string, now time.Time) (merged bool, err error) {
	survivor, other := chat.SurvivorOf(a, b)
	if len(survivor.From)+len(other.From) >= chat.MaxFrom {
		return false, nil
	}
	var placed chat.Placed
	if survivor.Routes(other) {
		if placed, err = s.place(ctx, survivor.Joined(other, userID), now); err != nil {
			return false, err
		}
	}
	var keys map[chat.Mark]chat.Key
	if survivor.Crowded(other) {
		if keys, err = s.unreadKeys(ctx, other); err != nil {
			return false, err
		}
	}
	aliases, err := s.aliasesOf(ctx, other.ID, addresses)
	if err != nil {
		return false, err
	}
	m := chat.Merges(now, survivor, other, userID, placed, keys)
	t := transaction{store: s}
	t.chat(m.Other.Before, m.Other.After, m.Other.Holds)
	t.chat(m.Survivor.Before, m.Survivor.After, m.Survivor.Holds)
	t.history(other.ID, m.Other.Event)
	t.history(survivor.ID, m.Survivor.Event)
	for person, n := range m.Other.Loads() {
		t.load(person, n, m.Other)
	}
	for _, ch := range []chat.Change{m.Other, m.Survivor} {
		for _, pool := range ch.Leaves() {
			t.delete(waitingPK(pool), waitingSK(ch.Before.Priority, ch.Before.WaitingSince, ch.Before.ID))
		}
		for _, e := range ch.Enters() {
			t.put(s.chats, newEntryItem(e), nil)
		}
	}
	for _, address := range aliases {
		t.lead(address, other.ID, survivor.ID)
	}
	return true, t.commit(ctx)
}

// place is where the rules in force send a Chat of which more is known now: by the message that it waits for, and with who
// had it before that; if it does not wait (the survivor of a merge that opens), by its last message. What its waiting entry
// says counts only if the Chat's routing is as read when the change is stored.
func (s *Store) place(ctx context.Context, c chat.Chat, now time.Time) (chat.Placed, error) {
	f, err := s.InForce(ctx)
	if err != nil {
		return chat.Placed{}, err
	}
	m := chat.Message{Key: c.LastIn}
	var waits *chat.Entry
	if c.Waiting() {
		if waits, err = s.Entry(ctx, c.ID, c.Pools[0]); err != nil {
			return chat.Placed{}, err
		}
		if waits != nil {
			m.Key = waits.Message
		}
	}
	found, err := s.Message(ctx, c.ID, m.Key)
	if err != nil && !errors.Is(err, ErrUnreadable) { // what else the rules look at is on the Chat
		return chat.Placed{}, err
	}
	if found != nil {
		m = *found
	}
	placed := c.Place(m, f.Rules, f.Version, f.Settings, now)
	if waits != nil {
		placed = placed.After(waits.Previous, c.OpenedAt) // it may have waited for longer, in another Chat
	}
	return placed, nil
}

// unreadKeys are the Keys of a Chat's unread marks, as far as they are stored, from the newest Message on.
func (s *Store) unreadKeys(ctx context.Context, c chat.Chat) (map[chat.Mark]chat.Key, error) {
	keys := map[chat.Mark]chat.Key{}
	before := chat.Key{}
	for len(keys) < len(c.Unread) {
		page, err := s.MessagesBefore(ctx, c, before, 100)
		if err != nil {
			return nil, err
		}
		for _, m := range page.Messages {
			if slices.Contains(c.Unread, m.Key.Mark()) {
				keys[m.Key.Mark()] = m.Key
			}
		}
		if !page.More {
			break
		}
		before = page.Messages[0].Key
	}
	return keys, nil
}

// aliasesOf are those of the addresses that lead to the Chat as aliases. The Chat's own address leads on by itself. One that
// can't be read is left as it is: a merged Chat is followed.
func (s *Store) aliasesOf(ctx context.Context, chatID string, addresses []string) ([]string, error) {
	var keys []Item
	for _, a := range slices.Compact(slices.Sorted(slices.Values(addresses))) {
		if a != "" {
			keys = append(keys, key(chatPK(a), selfSK))
		}
	}
	if len(keys) == 0 {
		return nil, nil
	}
	items, err := s.getAll(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	var found []string
	for _, item := range items {
		if it, ok := readable(ctx, item, unmarshal[chatItem]); ok && it.To == chatID {
			found = append(found, it.PK[len(chatPrefix):])
		}
	}
	return found, nil
}

// fromAsRead holds while no further Chat was merged into this one.
func fromAsRead(c chat.Chat) expression.ConditionBuilder {
	if len(c.From) == 0 {
		return name("fr").AttributeNotExists()
	}
	return name("fr").Equal(expression.Value(set(c.From)))
}
