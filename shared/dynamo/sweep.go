package dynamo

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"

	"chatkeeper/shared/chat"
)

// Round is where the sweeper's round stands: over the directory's pools, and over all open Chats.
type Round struct {
	Pool  string              // the last pool that was come to; empty at the beginning of a round
	Again []string            // pools up to there that could not be looked at
	Chats [statusShards]Place // the last Chat that was looked at, of each shard; zero at the beginning
}

type roundItem struct {
	PK    string   `dynamodbav:"pk"`
	SK    string   `dynamodbav:"sk"`
	Pool  string   `dynamodbav:"po,omitempty"`
	Again []string `dynamodbav:"ag,omitempty"`
	Chats []Place  `dynamodbav:"ch"`
}

// Round reads where the sweeper's round stands. A round that can't be read begins anew.
func (s *Store) Round(ctx context.Context) (Round, error) {
	item, err := s.get(ctx, s.chats, sweepPK, selfSK, false)
	if err != nil || item == nil {
		return Round{}, err
	}
	it, err := unmarshal[roundItem](item)
	if err != nil {
		return Round{}, nil
	}
	r := Round{Pool: it.Pool, Again: it.Again}
	copy(r.Chats[:], it.Chats)
	return r, nil
}

// SaveRound keeps where the round stands. The last of two sweeps at once wins, and something is looked at twice.
func (s *Store) SaveRound(ctx context.Context, r Round) error {
	return s.put(ctx, roundItem{PK: sweepPK, SK: selfSK, Pool: r.Pool, Again: r.Again, Chats: r.Chats[:]}, nil)
}

// DirectoryPage reads listed pools behind after, strongly consistent; next is empty when it holds the last.
func (s *Store) DirectoryPage(ctx context.Context, after string, limit int) (pools []string, next string, err error) {
	in := s.partition(s.chats, directoryPK)
	in.Limit = aws.Int32(int32(limit))
	if after != "" {
		in.ExclusiveStartKey = key(directoryPK, after)
	}
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return nil, "", outcome("read directory", err)
	}
	for _, item := range out.Items {
		pools = append(pools, text(item["sk"]))
	}
	return pools, text(out.LastEvaluatedKey["sk"]), nil
}

// WaitingChat is a Chat that waits, with its entries as far as they can be found.
type WaitingChat struct {
	chat.Chat
	Entries []chat.Entry
	Missing []string // pools that it waits in and has no readable entry in
}

// OpenWaiting looks at open Chats in the order of [Store.ChatsIn]: for each shard of the index at the n next behind
// round's place, and at the n newest of those that were opened before settled. It returns those that wait, and the round
// as it goes on. Reads are eventually consistent: what it finds is a suspicion, and whoever acts on it reads strongly.
// Chats that can't be read are passed to unreadable by their id. It makes 2 × 8 queries and at most 4 batch reads of
// Chats, and one batch read for every 100 entries of those that wait.
func (s *Store) OpenWaiting(ctx context.Context, round Round, settled time.Time, n int, unreadable func(chatID string, err error)) ([]WaitingChat, Round, error) {
	var ids []string
	for i := range statusShards {
		open := shard{index: "byStatus", pkAttr: "sx", pk: statusIndexPK(chat.Open, i), skAttr: "sa"}
		newest, err := s.places(ctx, open, Place{At: settled.UnixMilli(), ID: lastID}, n)
		if err != nil {
			return nil, round, err
		}
		next, err := s.places(ctx, open, round.Chats[i], n)
		if err != nil {
			return nil, round, err
		}
		round.Chats[i] = Place{}
		if len(next) == n {
			round.Chats[i] = next[n-1]
		}
		for _, p := range slices.Concat(newest, next) {
			ids = append(ids, p.ID)
		}
	}
	slices.Sort(ids)
	var keys []Item
	for _, id := range slices.Compact(ids) {
		keys = append(keys, key(chatPK(id), selfSK))
	}
	items, err := s.getMany(ctx, keys, false)
	if err != nil {
		return nil, round, err
	}
	var found []WaitingChat
	for _, item := range items {
		it, err := unmarshal[chatItem](item)
		if err != nil {
			unreadable(text(item["pk"])[len(chatPrefix):], err)
			continue
		}
		if c := it.chat(); it.To == "" && c.Waiting() {
			found = append(found, WaitingChat{Chat: c})
		}
	}
	return found, round, s.withEntries(ctx, found)
}

// withEntries reads the waiting entries of Chats.
func (s *Store) withEntries(ctx context.Context, chats []WaitingChat) error {
	type place struct{ pk, sk string }
	var keys []Item
	for _, c := range chats {
		for _, pool := range c.Pools {
			keys = append(keys, key(waitingPK(pool), waitingSK(c.Priority, c.WaitingSince, c.ID)))
		}
	}
	items, err := s.getMany(ctx, keys, false)
	if err != nil {
		return err
	}
	read := map[place]chat.Entry{}
	for _, item := range items {
		if it, err := unmarshal[entryItem](item); err == nil {
			read[place{it.PK, it.SK}] = it.entry()
		}
	}
	for i := range chats {
		c := &chats[i]
		for _, pool := range c.Pools {
			if e, ok := read[place{waitingPK(pool), waitingSK(c.Priority, c.WaitingSince, c.ID)}]; ok {
				c.Entries = append(c.Entries, e)
			} else {
				c.Missing = append(c.Missing, pool)
			}
		}
	}
	return nil
}

// getMany reads any number of items, a hundred at a time.
func (s *Store) getMany(ctx context.Context, keys []Item, strong bool) ([]Item, error) {
	var all []Item
	for part := range slices.Chunk(keys, maxBatch) {
		items, err := s.getAll(ctx, part, strong)
		if err != nil {
			return nil, err
		}
		all = append(all, items...)
	}
	return all, nil
}
