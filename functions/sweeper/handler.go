// Command sweeper runs every minute. It acts on the timers that are due (timers.go), and is the safety net under the
// dispatcher (net.go): it finds the Chats and pools that a lost stream record or signal left behind, and signals the pools
// again. It gives nothing to anybody itself. Two sweeps at once, or one that is repeated, do no harm: a timer is acted on
// in one transaction, and a pool that is served once too often is left as it is.
//
// # What can be lost, and how it is found
//
// Streams and queues deliver at least once, but both give up: the dispatcher's mapping after twenty tries, the queue of
// pools after ten. Then an alarm is raised, and this is left behind:
//
//   - The record of a new waiting entry, or the signal that came of it: its pool was not served, may not be listed, and
//     the timer of its next step is not armed. The entry has no note on why nobody could take it, which every serving
//     that finds nobody leaves. Whoever waits so for two minutes has its pool signalled, naming the Chat.
//   - The record of a person who can take a Chat now, or its signals: a listed pool, and somebody free who fits it.
//   - The record of saved rules: an entry, the head of a listed pool or any other, that older rules put where it is. The
//     pool is signalled, naming the Chat, and its assigner routes it again.
//   - A step that the assigner could not arm, because the rules that name it could not be loaded then: as soon as they can,
//     the pool is signalled, naming the Chat. Until then nobody could do anything, and nothing is signalled.
//   - The record of the last entry of a listed pool is no loss: a pool that is listed and empty is signalled, too, so that
//     it is taken out.
//   - An entry that can't be read: its pool is signalled, and the assigner sets it aside.
//   - A sweep itself: the next one comes within a minute, and begins where the last one that ended had come to. A pool that
//     could not be looked at, because its table was throttled, say, is looked at again in the next sweep, whatever the round
//     has come to: it goes on over what was looked at.
//
// # What a sweep costs
//
// Whatever waits, and however much. Reads that are strongly consistent count 1 unit for 4 KB, others half.
//
//	timers          8 queries                                              8 units, and the due ones
//	rules, round    3 reads, 1 write                                       3 read units, 1 or 2 write units
//	directory       1 query of 25 pools, 25 queries of a pool's head       26 units
//	roster          as in the assigner
//	open Chats      16 queries of 25 places, 4 batch reads of 100 Chats    8 and 200 units
//	their entries   4 batch reads of 100 entries, if each waits in one     200 units
//
// That is 62 requests beside the roster, and with few Chats and pools far fewer units; where Chats wait in several pools
// each, one more for a hundred entries. A listed pool with somebody who seems free costs one read of them, and a signal if
// they are. Of 10,000 listed pools each is seen
// every 400 minutes, of 100,000 open Chats each every 500; but those that were opened last are seen in each sweep, 25 of
// each shard, and few businesses have more than 25 pools.
package main

import (
	"context"
	"errors"
	"time"

	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
)

type sweeper struct {
	store  *dynamo.Store
	queues queues
	pools  string // queue URL
	now    func() time.Time
}

// queues is the one call that the sweeper makes to SQS.
type queues interface {
	SendAll(ctx context.Context, url string, entries []queue.Entry) error
}

// reserve is the part of the invocation's time that is kept for sending signals and for the round.
const reserve = 10 * time.Second

// handle is one sweep. What fails in one part does not keep the other from being done; the error is for the alarm, and the
// next sweep tries again.
func (s *sweeper) handle(ctx context.Context) error {
	working := ctx
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		working, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	return errors.Join(s.timers(working), s.mend(ctx))
}
