package dynamo

import (
	"context"
	"errors"
	"slices"
	"time"

	"chatkeeper/shared/chat"
)

// Reroute routes a waiting Chat again if it was routed by older rules than those in force. It keeps its place in time
// and its epoch; the new entry's stream record signals the pool, so the caller signals nothing. It reports whether the
// Chat was routed; not, when it is not waiting any more, or somebody else was first.
func (s *Store) Reroute(ctx context.Context, e chat.Entry, f InForce, now time.Time) (bool, error) {
	m, err := s.Message(ctx, e.Chat, e.Message)
	if err != nil {
		return false, err
	}
	if m == nil {
		m = &chat.Message{Key: e.Message} // what else the rules look at stands on the Chat
	}
	routed := false
	_, err = s.Update(ctx, e.Chat, func(c chat.Chat) (*chat.Change, error) {
		if routed = c.Waiting() && c.RulesVersion < f.Version && slices.Contains(c.Pools, e.Pool); !routed {
			return nil, nil
		}
		change := c.Rerouted(now, c.Place(*m, f.Rules, f.Version, f.Settings, now).After(e.Previous, c.OpenedAt))
		return &change, nil
	})
	if errors.Is(err, ErrNoChat) {
		return false, nil
	}
	return routed && err == nil, err
}
