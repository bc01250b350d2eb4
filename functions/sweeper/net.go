package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
)

const (
	poolsASweep = 25              // listed pools whose head is looked at
	chatsASweep = 25              // open Chats that are looked at of each shard, of the round and of the newest
	settled     = 2 * time.Minute // after so long a Chat's signal has been served, or is late enough to be sent again
)

// mend signals every pool, of those that this sweep looks at, that was left behind.
func (s *sweeper) mend(ctx context.Context) error {
	round, err := s.store.Round(ctx)
	if err != nil {
		return fmt.Errorf("mend: %w", err)
	}
	rules, err := s.store.InForce(ctx)
	if err != nil {
		return fmt.Errorf("mend: %w", err)
	}
	left := leftBehind{}
	listed := s.listed(ctx, &round, rules, left)
	waiting := s.waiting(ctx, &round, rules, left)
	// What was found is signalled before the round goes on, so that a crash in between looks again.
	if err := s.queues.SendAll(ctx, s.pools, left.signals()); err != nil {
		return errors.Join(listed, waiting, fmt.Errorf("mend: %w", err))
	}
	for pool, chats := range left {
		slog.WarnContext(ctx, "left behind", "pool", pool, "chats", chats)
	}
	return errors.Join(listed, waiting, s.store.SaveRound(ctx, round))
}

// leftBehind is which pools to signal, naming which Chats.
type leftBehind map[string][]string

func (l leftBehind) add(pool string, chats ...string) { l[pool] = append(l[pool], chats...) }

// signals have causes of their own: a pool that is found left behind twice is signalled twice.
func (l leftBehind) signals() []queue.Entry {
	var entries []queue.Entry
	for pool, chats := range l {
		slices.Sort(chats)
		chats = slices.Compact(chats)
		for begin := 0; begin == 0 || begin < len(chats); begin += queue.MaxSignalChats {
			part := queue.Signal{Pool: pool, Chats: chats[begin:min(begin+queue.MaxSignalChats, len(chats))]}
			entries = append(entries, part.Entry("sweep "+rand.Text()))
		}
	}
	return entries
}

// listed looks at the pools that an earlier sweep could not look at, and at the next ones of the directory: at the head of
// each, and at whether somebody could take it. The round goes on over those that were looked at; the others are kept for
// the next sweep, so that none is left out, and one that fails all the time holds up none behind it.
func (s *sweeper) listed(ctx context.Context, round *dynamo.Round, rules dynamo.InForce, left leftBehind) error {
	pools, next := round.Again, round.Pool
	if room := poolsASweep - len(pools); room > 0 {
		page, after, err := s.store.DirectoryPage(ctx, round.Pool, room)
		if err != nil {
			return err
		}
		pools, next = append(slices.Clone(pools), page...), after
	}
	slices.Sort(pools)
	pools = slices.Compact(pools)
	var people *dynamo.Roster
	if len(pools) > 0 {
		var err error
		if people, err = s.store.Roster(ctx); err != nil {
			return err
		}
		for id, err := range people.Unreadable() {
			slog.ErrorContext(ctx, "person not readable", "person", id, "error", err)
		}
	}
	var (
		all    sync.WaitGroup
		mu     sync.Mutex
		again  []string
		failed error
	)
	for _, pool := range pools {
		all.Go(func() {
			chats, wants, err := s.wantsService(ctx, pool, people, rules.Version)
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				again, failed = append(again, pool), errors.Join(failed, fmt.Errorf("look at %s: %w", pool, err))
			} else if wants {
				left.add(pool, chats...)
			}
		})
	}
	all.Wait()
	round.Pool, round.Again = next, again
	return failed
}

// wantsService looks at the head of a pool, and reports whether there is something for its assigner to do, and for which
// Chats. Somebody free counts only if they still are when they are read again: this instance's roster does not know of
// Chats that the assigner gave away.
func (s *sweeper) wantsService(ctx context.Context, pool string, people *dynamo.Roster, version int64) (chats []string, wants bool, err error) {
	page, err := s.store.Waiting(ctx, pool, "", 1)
	if err != nil {
		return nil, false, err
	}
	if len(page.Entries) == 0 {
		return nil, true, nil // nobody waits, so it is to be taken out of the directory, or the head can't be read
	}
	if head := page.Entries[0]; head.RulesVersion < version {
		return []string{head.Chat}, true, nil
	}
	p, err := assign.ParsePool(pool)
	if err != nil {
		return nil, false, nil
	}
	choice, err := s.store.Choose(ctx, people, assign.Want{Pool: p, Strategy: assign.RoundRobin}, s.now)
	return nil, choice.Person != nil, err
}

// waiting looks at the next open Chats of the round, and at those that were opened last.
func (s *sweeper) waiting(ctx context.Context, round *dynamo.Round, rules dynamo.InForce, left leftBehind) error {
	before := s.now().Add(-settled)
	unreadable := func(chatID string, err error) {
		slog.ErrorContext(ctx, "chat not readable", "chat", chatID, "error", err)
	}
	chats, next, err := s.store.OpenWaiting(ctx, *round, before, chatsASweep, unreadable)
	if err != nil {
		return err
	}
	next.Pool = round.Pool
	*round = next
	for _, c := range chats {
		if c.WaitingSince.After(before) {
			continue
		}
		for _, e := range c.Entries {
			if e.Because == "" || e.RulesVersion < rules.Version || e.Unarmed && e.RulesVersion == rules.Version {
				left.add(e.Pool, c.ID)
			}
		}
		for _, pool := range c.Missing {
			left.add(pool)
		}
	}
	return nil
}
