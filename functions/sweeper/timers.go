package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// timersAtOnce is how many due timers are read at once, of each shard.
const timersAtOnce = 100

// timers acts on every timer that is due: shards side by side, each in order of time. One that fails is left to the next
// sweep and does not keep the others; only the queries' own failures end a shard.
func (s *sweeper) timers(ctx context.Context) error {
	rules, err := s.store.InForce(ctx)
	if err != nil {
		return fmt.Errorf("timers: %w", err)
	}
	var all sync.WaitGroup
	failed := make([]error, dynamo.TimerShards)
	for shard := range dynamo.TimerShards {
		all.Go(func() { failed[shard] = s.shard(ctx, shard, rules) })
	}
	all.Wait()
	return errors.Join(failed...)
}

func (s *sweeper) shard(ctx context.Context, shard int, rules dynamo.InForce) error {
	var failed error
	for after := ""; ; {
		page, err := s.store.Due(ctx, shard, s.now(), after, timersAtOnce)
		if err != nil {
			return errors.Join(failed, err)
		}
		for _, u := range page.Unreadable {
			failed = errors.Join(failed, s.setAside(ctx, u))
		}
		for _, t := range page.Timers {
			if err := safely(func() error { return s.timer(ctx, t, rules) }); err != nil {
				slog.ErrorContext(ctx, "timer failed", "chat", t.Entry.Chat, "step", t.Entry.Step, "error", err)
				failed = errors.Join(failed, err)
			}
			if ctx.Err() != nil {
				return errors.Join(failed, ctx.Err())
			}
		}
		if after = page.After; after == "" {
			return failed
		}
	}
}

// safely turns a panic at one timer into its failure: it must not keep the others, nor the safety net.
func safely(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return do()
}

// timer opens the pool of a step, if its Chat still waits as it did when the timer was armed; the new entry's stream record
// signals the pool. A rule may name a pool twice; then the step after that one is armed, if the rules are still the same:
// newer ones route the Chat again. A timer whose Chat is not there, or can't be read, is set aside.
func (s *sweeper) timer(ctx context.Context, t chat.Timer, rules dynamo.InForce) error {
	var following *chat.Timer
	if t.Entry.RulesVersion == rules.Version {
		if f, ahead := t.Entry.Next(rules.Rules.Steps(t.Entry.RuleID)); ahead {
			following = &f
		}
	}
	opened, err := s.store.Widen(ctx, t, following, s.now())
	if errors.Is(err, dynamo.ErrUnreadable) || errors.Is(err, dynamo.ErrNoChat) {
		return s.logged(ctx, s.store.SetAsideTimer(ctx, t, err, s.now()), "chat", t.Entry.Chat, err)
	}
	if opened {
		slog.InfoContext(ctx, "step", "chat", t.Entry.Chat, "pool", t.Entry.Pool, "step", t.Entry.Step,
			"lateMs", s.now().Sub(t.Due).Milliseconds())
	}
	return err
}

// setAside takes away what can't be read, so that it is not tried every minute for ever.
func (s *sweeper) setAside(ctx context.Context, u dynamo.Unreadable) error {
	return s.logged(ctx, s.store.SetAside(ctx, u, s.now()), "key", u.Key(), u.Because)
}

// logged tells of what was set aside. The message of the log line is what the alarm in template.yaml looks for. A refusal
// means that another sweep did it.
func (s *sweeper) logged(ctx context.Context, err error, what, id string, because error) error {
	if errors.Is(err, dynamo.ErrRefused) {
		return nil
	}
	if err == nil {
		slog.ErrorContext(ctx, "set aside", what, id, "error", because)
	}
	return err
}
