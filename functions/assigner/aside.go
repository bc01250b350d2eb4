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
// One of older rules whose Chat can't be routed by those in force stays where it is and is passed over: the rules before
// give it to nobody, and newer ones may mend it. The alarm tells of it at each serving.
//
// One whose assignment panics, or is a write that DynamoDB never takes, may not be to blame: it may be the person, or this
// function, and then all entries would go. So it is tried again, then with another person, and then passed over. Who fails
// with a Chat that somebody else is given is left out of the serving. Who is given a Chat is not to blame for those that
// failed with them before: these are tried again, and set aside if they fail again with such a person. When nothing is left
// to try, or nothing worked for long, all counts as if nobody could take a Chat, and a log line that the same alarm looks
// for says so. Every other failure is the invocation's.

// setAsideStray is for an entry that was read before its Chat, which did not wait by it. Nearly always the entry is gone by
// now and the answer is [dynamo.ErrRefused]: begin again.
func (s *serving) setAsideStray(ctx context.Context, e chat.Entry) error {
	err := s.store.SetAsideStray(ctx, e, s.now())
	if err == nil {
		slog.ErrorContext(ctx, "set aside", "pool", e.Pool, "chat", e.Chat, "error", "the chat does not wait by this entry")
	}
	return err
}

// trouble is what a serving knows of an entry whose assignment failed in a way that no repetition mends.
type trouble struct {
	with   map[string]error // people
	tries  int
	passed bool // over
}

const (
	mostWith   = 2  // people with whom an entry is tried before it is passed over
	mostFailed = 10 // failures in a row that one serving puts up with
)

func isPermanent(err error) bool {
	return errors.Is(err, dynamo.ErrInvalid) || errors.Is(err, errPanic)
}

// head is the first entry that was not passed over and can be routed by the rules in force. If too many failed, there is
// none.
func (s *serving) head(entries []chat.Entry) (chat.Entry, bool) {
	for _, e := range entries {
		if t := s.trouble[e.Chat]; s.failed < mostFailed && (t == nil || !t.passed) && !s.staysAs(e) {
			return e, true
		}
	}
	return chat.Entry{}, false
}

// failedWith notes that an entry could not be given to a person. If they were given another before, and it failed before,
// it is to blame.
func (s *serving) failedWith(ctx context.Context, e chat.Entry, person string, because error) error {
	s.failed++
	t := s.troubleOf(e)
	if t.tries++; t.tries == 1 {
		return nil // once more: what passes by itself costs nobody their place
	}
	if s.proven[person] {
		return s.setAside(ctx, e, because)
	}
	t.with[person] = because
	t.passed = len(t.with) == mostWith
	return nil
}

func (s *serving) troubleOf(e chat.Entry) *trouble {
	t := s.trouble[e.Chat]
	if t == nil {
		t = &trouble{with: map[string]error{}}
		s.trouble[e.Chat] = t
	}
	return t
}

// workedWith notes that an entry was given to a person.
func (s *serving) workedWith(ctx context.Context, e chat.Entry, person string) {
	s.failed, s.proven[person] = 0, true
	if t := s.trouble[e.Chat]; t != nil {
		for other, because := range t.with {
			s.leftOut[other] = true
			slog.ErrorContext(ctx, "left out", "pool", e.Pool, "person", other, "error", because)
		}
		delete(s.trouble, e.Chat)
	}
	for _, t := range s.trouble {
		if t.with[person] != nil {
			clear(t.with)
			t.passed = false
		}
	}
}

// givesUp ends a serving in which Chats wait that can't be given to anybody.
func (s *serving) givesUp(ctx context.Context, page dynamo.Page) (done bool, err error) {
	if !s.nobodyElse {
		var because error
		for _, stays := range s.stays {
			because = stays.because
		}
		for _, t := range s.trouble {
			for _, err := range t.with {
				because = err
			}
		}
		slog.ErrorContext(ctx, "stuck", "pool", s.signal.Pool, "chats", len(s.trouble)+len(s.stays), "error", because)
	}
	s.nobodyElse = true
	return s.nobody(ctx, page)
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
