package main

import (
	"context"
	"errors"
	"log/slog"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// reviews takes one turn of what saved rules make necessary: it routes again a few of the Chats that older rules put into
// the pool, those at its head first, then those behind it from where the last turn ended. It reports false when there is
// none left. The rules in force are read first: while an Admin saves others, nothing is routed by those before.
func (s *serving) reviews(ctx context.Context, head dynamo.Page) (did bool, err error) {
	if s.inForce, err = s.rules(ctx); err != nil {
		return false, err
	}
	if older := s.older(head.Entries); len(older) > 0 {
		return true, s.reroute(ctx, older)
	}
	if head.After == "" {
		return false, nil // that was all of the pool
	}
	if s.review == nil {
		r, err := s.store.Review(ctx, s.signal.Pool)
		if err != nil {
			return false, err
		}
		s.review = &r
	}
	r := s.review
	if r.Done >= s.inForce.Version {
		return false, nil
	}
	if r.Version != s.inForce.Version {
		r.Version, r.After = s.inForce.Version, ""
	}
	page := head
	if r.After != "" {
		if page, err = s.store.Waiting(ctx, s.signal.Pool, r.After, pageSize); err != nil {
			return false, err
		}
		if len(page.Unreadable) > 0 {
			return true, s.setAsideUnreadable(ctx, page.Unreadable)
		}
	}
	older := s.older(page.Entries)
	if err := s.reroute(ctx, older); err != nil || len(older) > atOnce {
		return true, err
	}
	r.After, s.reviewed = page.After, true
	if r.After == "" {
		r.Done = r.Version
	}
	return true, nil
}

// older are the entries that older rules than those in force put where they are, and that can be routed again.
func (s *serving) older(entries []chat.Entry) (older []chat.Entry) {
	for _, e := range entries {
		if e.RulesVersion < s.inForce.Version && !s.staysAs(e) {
			older = append(older, e)
		}
	}
	return older
}

// reroute routes the first few of these Chats by the rules in force, those that have waited longest first.
func (s *serving) reroute(ctx context.Context, older []chat.Entry) error {
	for _, e := range older[:min(len(older), atOnce)] {
		routed := false
		err := safely(func() (err error) { routed, err = s.store.Reroute(ctx, e, s.inForce, s.now()); return err })
		switch {
		case errors.Is(err, dynamo.ErrUnreadable):
			err = s.setAside(ctx, e, err)
		case isPermanent(err):
			slog.ErrorContext(ctx, "stuck", "pool", e.Pool, "chat", e.Chat, "error", err)
			s.stays[e.Chat], err = stays{e.Routed, err}, nil
		case err == nil && !routed:
			// Nearly always the entry is gone by now, or another one has taken its place, and this is refused.
			if err = s.setAsideStray(ctx, e); errors.Is(err, dynamo.ErrRefused) {
				s.stays[e.Chat], err = stays{e.Routed, err}, nil
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// stays is why an entry can't be routed again. It is passed over: rules that are not in force any more give nobody a Chat.
type stays struct {
	routed  int64 // of the entry; another one of the same Chat is tried
	because error
}

func (s *serving) staysAs(e chat.Entry) bool {
	found, ok := s.stays[e.Chat]
	return ok && found.routed == e.Routed
}

// list puts the pool in the directory, with how far its review has come.
func (s *serving) list(ctx context.Context) error {
	if !s.reviewed {
		return s.store.List(ctx, s.signal.Pool)
	}
	err := s.store.ListReviewed(ctx, s.signal.Pool, *s.review)
	if err == nil {
		s.reviewed = false
	}
	return err
}

// keepsReview stores how far the review has come for the serving that goes on with it.
func (s *serving) keepsReview(ctx context.Context) error {
	if !s.reviewed {
		return nil
	}
	return s.list(ctx)
}
