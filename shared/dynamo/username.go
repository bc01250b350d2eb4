package dynamo

import (
	"context"
	"errors"
	"slices"
	"strings"

	"chatkeeper/shared/chat"
)

// # Usernames
//
// People look for customers by username, so a username leads to the Chat that it was last seen in. It is no identity:
// nothing but a search follows it, and a search keeps only a Chat whose customer has the name now. So what leads nowhere,
// or to somebody who had the name before, is harmless, and it needs no transaction. It is written (one unit) only when a
// Chat's username differs from what it was, so that ordinary traffic does not pay for it:
//
//   - a message that opens a Chat, or comes late: before the Chat is written. After a crash between the two the
//     redelivery writes both.
//   - a message on an open Chat: after the Chat, whose update tells what the name was. After a crash between the two the
//     redelivery finds the Chat changed and the Message missing, and so comes late.

// usernameItem tells in which Chat a username was last seen.
type usernameItem struct {
	PK    string `dynamodbav:"pk"`
	SK    string `dynamodbav:"sk"`
	To    string `dynamodbav:"to"`
	Since []byte `dynamodbav:"since"` // Key of the message that showed it
}

// namedBy notes the username with which a message opens a Chat.
func (s *Store) namedBy(ctx context.Context, change chat.Change) error {
	if change.Arrival == nil {
		return nil
	}
	was := change.Before.Customer.Username
	if change.Before.Epoch == 0 {
		was = "" // the name is that of the message itself
	}
	return s.named(ctx, change.Before.ID, was, *change.Arrival)
}

// named makes the message's username lead to the Chat, if it is another than it was there. What a newer message said of
// the name stays.
func (s *Store) named(ctx context.Context, chatID, was string, a chat.Arrival) error {
	if a.Username == "" || a.Username == was || a.NamedAt == "" {
		return nil
	}
	k := a.Message.Key
	held := older("since", k)
	err := s.put(ctx, usernameItem{PK: usernamePK(a.NamedAt), SK: selfSK, To: chatID, Since: k[:]}, &held)
	if errors.Is(err, ErrRefused) {
		return nil
	}
	return err
}

// ChatsNamed reads the Chats whose customer has the username now, by the addresses of that name, strongly consistent.
// A request reads 100 addresses.
func (s *Store) ChatsNamed(ctx context.Context, username string, addresses []string) ([]chat.Chat, error) {
	if len(addresses) == 0 {
		return nil, nil
	}
	var keys []Item
	for _, a := range addresses {
		keys = append(keys, key(usernamePK(a), selfSK))
	}
	items, err := s.getMany(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, item := range items {
		if it, ok := readable(ctx, item, unmarshal[usernameItem]); ok {
			ids = append(ids, it.To)
		}
	}
	chats, err := s.ChatsAt(ctx, ids)
	return slices.DeleteFunc(chats, func(c chat.Chat) bool { return !strings.EqualFold(c.Customer.Username, username) }), err
}
