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
// One whose assignment panics, or is a write that DynamoDB never takes, is passed over first, because the fault may be the
// person's, or this function's, and then all entries would go. It is set aside when the same person was given one behind it
// in the same serving: so neither the person nor the function is to blame. A person with whom two fail is left out, and the
// two are tried again. When nothing else is left, or after many failures, the serving ends with a log line that the same
// alarm looks for, and the signal is forgotten: to try it again would keep the pool from those who come next, and the
// sweeper signals the pool every minute as long as somebody is left behind. Every other failure is the invocation's.

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
	person  string
	because error
}

// mostStuck is how many such failures in a row one serving puts up with.
const mostStuck = 10

// errStuck: Chats wait, and what keeps them from being given to somebody is for people to mend.
var errStuck = errors.New("chats that can't be given to anybody")

func isPermanent(err error) bool {
	return errors.Is(err, dynamo.ErrInvalid) || errors.Is(err, errPanic)
}

// head is the first entry that is not stuck. There are fewer stuck ones than a page has.
func (s *serving) head(page dynamo.Page) (chat.Entry, error) {
	var failed error
	for _, e := range page.Entries {
		one, is := s.stuck[e.Chat]
		if !is {
			return e, nil
		}
		failed = errors.Join(failed, one.because)
	}
	return chat.Entry{}, errors.Join(errStuck, failed)
}

// passOver notes that an entry could not be given to a person.
func (s *serving) passOver(ctx context.Context, e chat.Entry, person string, because error) error {
	if s.failures++; s.failures == mostStuck {
		return errors.Join(errStuck, because)
	}
	if s.stuck == nil {
		s.stuck, s.leftOut = map[string]stuck{}, map[string]bool{}
	}
	s.stuck[e.Chat] = stuck{e, person, because}
	with := s.stuckWith(person)
	if len(with) < 2 {
		return nil
	}
	s.leftOut[person] = true
	for _, one := range with {
		delete(s.stuck, one.entry.Chat)
	}
	slog.ErrorContext(ctx, "left out", "pool", e.Pool, "person", person, "error", because)
	return nil
}

func (s *serving) stuckWith(person string) (with []stuck) {
	for _, one := range s.stuck {
		if one.person == person {
			with = append(with, one)
		}
	}
	return with
}

// setAsideStuck: an assignment to the person worked, so those that did not are to blame themselves.
func (s *serving) setAsideStuck(ctx context.Context, person string) error {
	s.failures = 0
	for _, one := range s.stuckWith(person) {
		if err := s.setAside(ctx, one.entry, one.because); err != nil && !errors.Is(err, dynamo.ErrRefused) {
			return err
		}
		delete(s.stuck, one.entry.Chat)
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
