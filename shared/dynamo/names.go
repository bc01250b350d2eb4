package dynamo

import (
	"context"
	"slices"

	"chatkeeper/shared/chat"
)

// # Names of one second
//
// A customer is called what their newest message says: the newest in the order of [chat.Message.Compare]. Deliver sets the
// names with the message whose Key is the greatest so far. Within a second a Key says nothing of time, so in half of the
// cases the later of two messages comes to Late, and its names would be lost. Names gives them to the Chat before Late stores
// the message: a crash between the two is made good by the redelivery, which does both. It costs nothing unless the message
// shows another name than the Chat has.

// Names gives a Chat, as read, the names that a message shows which Deliver refused, if it is of the same second as the
// newest one and arrived after all others of that second. ErrRefused: the Chat changed meanwhile; look again.
func (s *Store) Names(ctx context.Context, c chat.Chat, a chat.Arrival) error {
	u := &update{}
	if a.Username != "" {
		become(u, "un", c.Customer.Username, a.Username)
	}
	if a.Profile != "" {
		become(u, "pn", c.Customer.Profile, a.Profile)
	}
	if u.empty() || !a.Message.Key.Time().Equal(c.LastIn.Time()) {
		return nil
	}
	second, err := s.customersIn(ctx, c, a.Message)
	if err != nil {
		return err
	}
	counted := func(m chat.Message) bool { return m.Key == c.LastIn } // or its names are on their way, and newer for all that is known
	if !slices.ContainsFunc(second, counted) || slices.ContainsFunc(second, func(m chat.Message) bool { return a.Message.Compare(m) < 0 }) {
		return nil
	}
	_, err = s.updateChat(ctx, c.ID, u, equals("st", string(chat.Open)).
		And(lastInAsRead(c), textAsRead("un", c.Customer.Username), textAsRead("pn", c.Customer.Profile)))
	return err
}

// customersIn are the customer's stored messages of a message's second, of the Chat and of those that were merged into it.
func (s *Store) customersIn(ctx context.Context, c chat.Chat, m chat.Message) ([]chat.Message, error) {
	var all []chat.Message
	for _, id := range append([]string{c.ID}, c.From...) {
		some, err := s.secondsOf(ctx, id, &m, 1, true)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	return slices.DeleteFunc(all, func(other chat.Message) bool {
		return other.Direction != chat.In || other.Source != "" || !other.Key.Time().Equal(m.Key.Time())
	}), nil
}
