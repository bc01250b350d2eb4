package dynamo

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Cast is who takes part in a change, by id, as read with the Chat. Who does not exist, or can't be read, is not in it.
type Cast map[string]team.Person

// Act is the way in which a person changes a Chat: Update, with the people that decide has to know read together with
// the Chat, each time anew. What decide concluded from them must stand in the change's Needs, so that it is asked again
// by the transaction. It returns the Chat as the change left it, or as it was if there was nothing to do.
//
// Success means done, once: when the outcome of an attempt stayed unknown, the history tells whether it happened. An
// error says that it was refused (decide's error), or with [chat.TryAgain] that nobody knows; to repeat it is safe.
func (s *Store) Act(ctx context.Context, chatID string, people []string, decide func(chat.Chat, Cast) (*chat.Change, error)) (chat.Chat, error) {
	var last error
	var open []chat.Event // of attempts whose outcome is unknown
	for n := range attempts {
		r, err := s.scene(ctx, chatID, people, nil)
		var done bool
		if err == nil {
			done, err = s.happened(ctx, r.chat, open)
		}
		if len(open) > 0 && Again(err) { // one may be stored: that it can't be read now is not the answer
			if pause := Pause(ctx, n, err); pause != nil {
				return r.chat, fmt.Errorf("%w (%w)", err, pause)
			}
			last = err
			continue
		}
		if done || err != nil {
			return r.chat, err
		}
		change, err := decide(r.chat, r.cast)
		if err != nil || change == nil {
			return r.chat, err
		}
		if last = s.Commit(ctx, *change); last == nil {
			return change.After, nil
		}
		if !Again(last) {
			return r.chat, last
		}
		if errors.Is(last, ErrUnsure) {
			open = append(open, change.Event)
		}
		if err := Pause(ctx, n, last); err != nil {
			return r.chat, fmt.Errorf("%w (%w)", last, err)
		}
	}
	return chat.Chat{}, exhausted("chat "+chatID, last)
}

// happened reports whether one of the attempts is in the Chat's history. Who did what to whom, and when to the
// millisecond, is enough to tell one's own event from another's at the same epoch.
func (s *Store) happened(ctx context.Context, c chat.Chat, attempts []chat.Event) (bool, error) {
	for _, e := range attempts {
		if c.Epoch < e.Epoch {
			continue
		}
		item, err := s.get(ctx, s.chats, chatPK(c.ID), eventSK(e), true)
		if err != nil || item == nil {
			return false, err
		}
		stored, ok := readable(ctx, item, readEvent)
		if ok && stored.Type == e.Type && stored.By == e.By && stored.Owner == e.Owner && stored.Note == e.Note && stored.At.Equal(e.At) {
			return true, nil
		}
	}
	return false, nil
}

// scene is what a person's write looks at.
type scene struct {
	chat chat.Chat
	cast Cast
	once *onceItem
}

// scene reads a Chat, people and the item of an Idempotency-Key in one request, strongly consistent. [ErrNoChat] comes
// with the item, if there is one.
func (s *Store) scene(ctx context.Context, chatID string, people []string, once *Once) (scene, error) {
	r := scene{cast: Cast{}}
	if len(chatID) > maxID {
		return r, ErrNoChat
	}
	keys := map[string][]Item{s.chats: {key(chatPK(chatID), selfSK)}}
	for _, id := range slices.Compact(slices.Sorted(slices.Values(people))) {
		if id != "" && len(id) <= maxID {
			keys[s.team] = append(keys[s.team], key(peoplePK, id))
		}
	}
	if once != nil {
		keys[s.chats] = append(keys[s.chats], key(oncePK(once.Person, once.Key), selfSK))
	}
	items, err := s.getBoth(ctx, keys)
	if err != nil {
		return r, err
	}
	found := false
	for _, item := range items[s.chats] {
		if item["pk"].(*types.AttributeValueMemberS).Value != chatPK(chatID) {
			it, err := unmarshal[onceItem](item)
			if err != nil {
				return r, err
			}
			r.once = &it
			continue
		}
		it, err := unmarshal[chatItem](item)
		if err != nil {
			return r, err
		}
		if found = it.To == ""; found {
			r.chat = it.chat()
		}
	}
	for _, item := range items[s.team] {
		if p, ok := readable(ctx, item, readPerson); ok {
			r.cast[p.ID] = p
		}
	}
	if !found {
		return r, ErrNoChat
	}
	return r, nil
}

// getBoth reads items of both tables by their keys, strongly consistent.
func (s *Store) getBoth(ctx context.Context, keys map[string][]Item) (map[string][]Item, error) {
	strong := true
	wanted := map[string]types.KeysAndAttributes{}
	for table, k := range keys {
		wanted[table] = types.KeysAndAttributes{Keys: k, ConsistentRead: &strong}
	}
	items := map[string][]Item{}
	for n := 0; len(wanted) > 0; n++ {
		if n == attempts {
			return nil, exhausted("read chat and people", ErrUnsure)
		}
		out, err := s.db.BatchGetItem(ctx, &dynamodb.BatchGetItemInput{RequestItems: wanted})
		if err != nil {
			return nil, outcome("read chat and people", err)
		}
		for table, some := range out.Responses {
			items[table] = append(items[table], some...)
		}
		if wanted = out.UnprocessedKeys; len(wanted) > 0 {
			if err := Pause(ctx, n, ErrUnsure); err != nil {
				return nil, err
			}
		}
	}
	return items, nil
}

// Read takes Messages that were on the Assignee's screen out of the Chat's unread ones, in one update that holds only
// while the person has the Chat: may says so first, of the Chat as read. Messages are named, never "all before": one that
// arrives late, or is counted and not stored yet, stays unread. It returns the Chat as it is then. Reading the same
// again changes nothing and writes nothing.
func (s *Store) Read(ctx context.Context, chatID, person string, messages []chat.Key, may func(chat.Chat) error) (chat.Chat, error) {
	var last error
	for n := range attempts {
		c, err := s.Chat(ctx, chatID)
		if err != nil {
			return chat.Chat{}, err
		}
		if c == nil {
			return chat.Chat{}, ErrNoChat
		}
		if err := may(*c); err != nil {
			return *c, err
		}
		after := c.Reads(messages)
		if len(after.Unread) == len(c.Unread) && after.More == c.More {
			return *c, nil
		}
		_, last = s.updateChat(ctx, *c, after, 0, equals("ow", person), name("st").NotEqual(expression.Value(string(chat.Merged))))
		if last == nil {
			return after, nil
		}
		if !Again(last) {
			return *c, last
		}
		if err := Pause(ctx, n, last); err != nil {
			return *c, fmt.Errorf("%w (%w)", last, err)
		}
	}
	return chat.Chat{}, exhausted("chat "+chatID, last)
}

// EditCustomer changes what people say about the customer of a Chat, if the Chat's ownership is as read and the person
// is what decide's Needs say. Only what the edit alters is written, and only if that is as read, so edits of different
// things do not undo each other. A Chat that waits by the rules is routed again in the same transaction; nothing else
// of its ownership changes, so that neither epoch nor history tell of the edit.
func (s *Store) EditCustomer(ctx context.Context, chatID, person string, now time.Time, decide func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error)) (chat.Chat, error) {
	var last error
	for n := range attempts {
		r, err := s.scene(ctx, chatID, []string{person}, nil)
		if err != nil {
			return chat.Chat{}, err
		}
		edit, needs, err := decide(r.chat, r.cast[person])
		if err != nil {
			return r.chat, err
		}
		if err := edit.Check(); err != nil {
			return r.chat, err
		}
		edited := r.chat.Edited(edit)
		if written(r.chat, edited, 0).empty() {
			return r.chat, nil
		}
		if edited, last = s.edit(ctx, r.chat, edited, needs, now); last == nil {
			return edited, nil
		}
		if !Again(last) {
			return r.chat, last
		}
		if err := Pause(ctx, n, last); err != nil {
			return r.chat, fmt.Errorf("%w (%w)", last, err)
		}
	}
	return chat.Chat{}, exhausted("chat "+chatID, last)
}

func (s *Store) edit(ctx context.Context, c, edited chat.Chat, needs []chat.Need, now time.Time) (chat.Chat, error) {
	if !c.Waiting() || c.RulesVersion == chat.ByHand {
		t := transaction{store: s}
		t.chat(c, edited, chat.OwnershipPart)
		t.needs(chat.Change{Needs: needs}, nil)
		return edited, t.commit(ctx)
	}
	placed, err := s.place(ctx, edited, now)
	if err != nil {
		return c, err
	}
	change := edited.Rerouted(now, placed)
	change.Before, change.Needs = c, needs
	return change.After, s.Commit(ctx, change)
}
