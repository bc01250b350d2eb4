package main

import (
	"context"
	"errors"
	"log/slog"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// An entry that fails whenever it is tried is set aside, so that those behind it are served: one that can't be read, one
// whose Chat or Message can't be read, one whose Chat does not wait by it. Each is one transaction; a crash before it
// leaves the entry to the next serving. The message of the log line is what the alarm in template.yaml looks for. Every
// other failure is the invocation's: it may be ours, and then all entries would go.

// setAsideStray is for an entry that was read before its Chat, which did not wait by it. Nearly always the entry is gone by
// now and the answer is [dynamo.ErrRefused]: begin again.
func (s *serving) setAsideStray(ctx context.Context, e chat.Entry) error {
	err := s.store.SetAsideStray(ctx, e, s.now())
	if err == nil {
		slog.ErrorContext(ctx, "set aside", "pool", e.Pool, "chat", e.Chat, "error", "the chat does not wait by this entry")
	}
	return err
}

func (s *serving) setAside(ctx context.Context, e chat.Entry, because error) error {
	err := s.store.SetAsideEntry(ctx, e, because, s.now())
	if err == nil {
		slog.ErrorContext(ctx, "set aside", "pool", e.Pool, "chat", e.Chat, "error", because)
	}
	return err
}

func (s *serving) setAsideUnreadable(ctx context.Context, entries []dynamo.Unreadable) error {
	var failed error
	for _, u := range entries {
		err := s.store.SetAside(ctx, u, s.now())
		if err == nil {
			slog.ErrorContext(ctx, "set aside", "pool", s.signal.Pool, "key", u.Key(), "error", u.Because)
		}
		failed = errors.Join(failed, err)
	}
	return failed
}
