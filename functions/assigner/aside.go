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
// leaves the entry to the next serving. The message of the log line is what the alarm in template.yaml looks for.
//
// One whose assignment panics, or is a write that DynamoDB never takes, is passed over first: that may be the fault of this
// function or of the person chosen, and then all entries would go. It is set aside when one behind it was given to
// somebody in the same serving, which shows that the fault is its own. Where that never happens nobody is held up; the
// invocation fails, and an alarm comes of the dead letter. Every other failure is the invocation's.

// setAsideStray is for an entry that was read before its Chat, which did not wait by it. Nearly always the entry is gone by
// now and the answer is [dynamo.ErrRefused]: begin again.
func (s *serving) setAsideStray(ctx context.Context, e chat.Entry) error {
	err := s.store.SetAsideStray(ctx, e, s.now())
	if err == nil {
		slog.ErrorContext(ctx, "set aside", "pool", e.Pool, "chat", e.Chat, "error", "the chat does not wait by this entry")
	}
	return err
}

// stuck is an entry whose assignment failed in a way that no repetition mends.
type stuck struct {
	entry   chat.Entry
	because error
}

func isPermanent(err error) bool {
	return errors.Is(err, dynamo.ErrInvalid) || errors.Is(err, errPanic)
}

// head is the first entry that is not stuck, read page by page. When only stuck ones are left, the error is theirs.
func (s *serving) head(ctx context.Context, page dynamo.Page) (chat.Entry, error) {
	var failed error
	for {
		for _, e := range page.Entries {
			one, is := s.stuck[e.Chat]
			if !is {
				return e, nil
			}
			failed = errors.Join(failed, one.because)
		}
		if page.After == "" {
			return chat.Entry{}, failed
		}
		var err error
		if page, err = s.store.Waiting(ctx, s.signal.Pool, page.After, pageSize); err != nil {
			return chat.Entry{}, err
		}
	}
}

func (s *serving) passOver(e chat.Entry, because error) {
	if s.stuck == nil {
		s.stuck = map[string]stuck{}
	}
	s.stuck[e.Chat] = stuck{e, because}
}

// setAsideStuck: an assignment worked, so the fault of those that did not is their own.
func (s *serving) setAsideStuck(ctx context.Context) error {
	for id, one := range s.stuck {
		if err := s.setAside(ctx, one.entry, one.because); err != nil && !errors.Is(err, dynamo.ErrRefused) {
			return err
		}
		delete(s.stuck, id)
	}
	return nil
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
