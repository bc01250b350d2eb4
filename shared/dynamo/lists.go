package dynamo

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
)

// # Lists of Chats
//
// A list is merged from shards: the shards of an index, or the pools in which Chats wait. Every shard is read once, by
// keys, and the Chats of the page are then read in one batch, strongly consistent: shards + 1 requests a page.
//
// A page begins behind a [Place], never at a number, so that the last page comes, whatever changes meanwhile. Most Chats
// stay in their place for as long as they are in a list. A Chat that is opened again, or closed, moves to the top of the
// list that it is in then; one that waits moves down when it merges with one that has waited longer. That such a Chat comes
// once and not twice is up to the caller, who remembers what was shown and looks at the top again (functions/chats). The
// indexes are a moment late: a Chat that is not any more what its entry says is left out, so a page may be shorter than
// asked for and still have a next.

// Place is where a Chat stands in a list: newest first, then the greatest id first.
type Place struct {
	At int64 // Unix milliseconds, of what the list is ordered by
	ID string
}

// Behind reports whether p comes after q. Everything comes after no place at all.
func (p Place) Behind(q Place) bool {
	if q == (Place{}) {
		return true
	}
	return p.order(q) > 0
}

func (p Place) order(q Place) int {
	return cmp.Or(cmp.Compare(q.At, p.At), cmp.Compare(q.ID, p.ID))
}

// ChatPage is a part of a list. Next is the place of the last Chat that was looked at; zero when nothing comes after it.
type ChatPage struct {
	Chats []chat.Chat
	Next  Place
}

// shard is one query of a list.
type shard struct {
	index      string // empty: the table itself
	pkAttr, pk string
	skAttr     string
	prefix     string // stands before the time in the sort key
	withID     bool   // the id follows the time in the sort key, so that ties are in order; else they are not
}

// ChatsIn lists all Chats of the statuses by when they were opened, newest first. limit is at most 100.
func (s *Store) ChatsIn(ctx context.Context, statuses []chat.Status, after Place, limit int) (ChatPage, error) {
	var shards []shard
	for _, status := range statuses {
		for n := range statusShards {
			shards = append(shards, shard{index: "byStatus", pkAttr: "sx", pk: statusIndexPK(status, n), skAttr: "sa"})
		}
	}
	return s.page(ctx, shards, after, limit, func(c chat.Chat, at Place) bool {
		_, _, _, opened := indexKeys(c.ID, c.Ownership)
		return slices.Contains(statuses, c.Status) && opened == sortableMillis(at.At)
	})
}

// ChatsOf lists a person's Chats of one status, newest first: open ones by when they were opened, closed ones by when they
// were closed. limit is at most 100.
func (s *Store) ChatsOf(ctx context.Context, personID string, status chat.Status, after Place, limit int) (ChatPage, error) {
	return s.page(ctx, []shard{ofPerson(personID, status)}, after, limit, entryOf(personID, status))
}

// entryOf tells whether a Chat still stands in a person's list, and there.
func entryOf(personID string, status chat.Status) func(chat.Chat, Place) bool {
	return func(c chat.Chat, at Place) bool {
		key, when, _, _ := indexKeys(c.ID, c.Ownership)
		return key == ownerIndexPK(personID, status) && when == sortableMillis(at.At)
	}
}

func ofPerson(personID string, status chat.Status) shard {
	return shard{index: "byOwner", pkAttr: "ok", pk: ownerIndexPK(personID, status), skAttr: "ot"}
}

// RecentChatsOf reads all open Chats of a person, the last message first, if they are at most most, which is at most 100;
// else ok is false, and [Store.ChatsOf] lists them.
func (s *Store) RecentChatsOf(ctx context.Context, personID string, most int) (chats []chat.Chat, ok bool, err error) {
	places, err := s.places(ctx, ofPerson(personID, chat.Open), Place{}, most+1)
	if err != nil || len(places) > most {
		return nil, false, err
	}
	chats, err = s.chatsAt(ctx, places, entryOf(personID, chat.Open))
	slices.SortFunc(chats, func(a, b chat.Chat) int { return lastMessagePlace(a).order(lastMessagePlace(b)) })
	return chats, true, err
}

// lastID comes before every id of its time, where ids stand from the greatest to the smallest.
const lastID = "\U0010FFFF"

// OpenedPlace is where a Chat is in a list by opening.
func OpenedPlace(c chat.Chat) Place { return Place{At: millis(c.OpenedAt), ID: c.ID} }

// ClosedPlace is where a Chat is in a list by closing.
func ClosedPlace(c chat.Chat) Place { return Place{At: millis(c.ClosedAt), ID: c.ID} }

// WaitingPlace is where a Chat is in a list by how long it has waited.
func WaitingPlace(c chat.Chat) Place { return Place{At: millis(c.WaitingSince), ID: c.ID} }

func lastMessagePlace(c chat.Chat) Place {
	last := c.Preview.At.Time()
	if c.Preview.At.IsZero() {
		last = c.LastIn.Time()
	}
	return Place{At: last.UnixMilli(), ID: c.ID}
}

// WaitingChats lists the Chats that wait in the pools by how long, the one that came last first. Each pool is one shard for
// every priority. limit is at most 100.
func (s *Store) WaitingChats(ctx context.Context, pools []string, after Place, limit int) (ChatPage, error) {
	var shards []shard
	for _, pool := range pools {
		for _, p := range []assign.Priority{assign.High, assign.Normal, assign.Low} {
			shards = append(shards, shard{pkAttr: "pk", pk: waitingPK(pool), skAttr: "sk", prefix: strconv.Itoa(p.Rank()) + "#", withID: true})
		}
	}
	return s.page(ctx, shards, after, limit, func(c chat.Chat, at Place) bool {
		return c.Waiting() && millis(c.WaitingSince) == at.At &&
			slices.ContainsFunc(c.Pools, func(p string) bool { return slices.Contains(pools, p) })
	})
}

// ChatsAt reads the Chats to which the addresses lead, by themselves or as aliases, strongly consistent. Addresses that
// lead nowhere are left out; a merged Chat gives the one that goes on. A request reads 100 addresses.
func (s *Store) ChatsAt(ctx context.Context, addresses []string) ([]chat.Chat, error) {
	seen := map[string]bool{}
	var chats []chat.Chat
	for len(addresses) > 0 {
		var keys []Item
		for _, a := range addresses {
			if !seen[a] {
				seen[a] = true
				keys = append(keys, key(chatPK(a), selfSK))
			}
		}
		addresses = nil
		if len(keys) == 0 {
			break
		}
		items, err := s.getMany(ctx, keys, true)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			it, ok := readable(ctx, item, unmarshal[chatItem])
			switch {
			case !ok:
			case it.To != "":
				addresses = append(addresses, it.To)
			case it.Into != "":
				addresses = append(addresses, it.Into)
			default:
				chats = append(chats, it.chat())
			}
		}
	}
	slices.SortFunc(chats, func(a, b chat.Chat) int {
		return cmp.Or(b.OpenedAt.Compare(a.OpenedAt), cmp.Compare(b.ID, a.ID))
	})
	return chats, nil
}

// page merges the shards from a place on and reads the Chats, of which it keeps those that still are what their entry says.
func (s *Store) page(ctx context.Context, shards []shard, after Place, limit int, still func(chat.Chat, Place) bool) (ChatPage, error) {
	places, err := s.merged(ctx, shards, after, limit+1)
	if err != nil || len(places) == 0 {
		return ChatPage{}, err
	}
	var page ChatPage
	if len(places) > limit {
		places = places[:limit]
		page.Next = places[limit-1]
	}
	page.Chats, err = s.chatsAt(ctx, places, still)
	return page, err
}

// shardsAtOnce bounds the requests of one page that are under way at a time.
const shardsAtOnce = 16

func (s *Store) merged(ctx context.Context, shards []shard, after Place, n int) ([]Place, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var (
		group sync.WaitGroup
		found = make([][]Place, len(shards))
		slots = make(chan struct{}, shardsAtOnce)
	)
	for i, sh := range shards {
		slots <- struct{}{}
		group.Go(func() {
			defer func() { <-slots }()
			places, err := s.places(ctx, sh, after, n)
			if err != nil {
				cancel(err)
			}
			found[i] = places
		})
	}
	group.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	all := slices.Concat(found...)
	slices.SortFunc(all, Place.order)
	all = slices.Compact(all) // a Chat may wait in two pools
	return all[:min(n, len(all))], nil
}

// places reads the next n places of a shard. Entries of the same millisecond come in any order from an index, so that it
// reads on while the last one that is wanted may have equals: one request, but for crowds of one millisecond.
func (s *Store) places(ctx context.Context, sh shard, after Place, n int) ([]Place, error) {
	in := sh.query(s.chats, after, n+2) // one more is the place itself, and one more tells that the millisecond is over
	var found []Place
	var last Place
	for {
		out, err := s.db.Query(ctx, in)
		if err != nil {
			return nil, outcome("list chats", err)
		}
		for _, item := range out.Items {
			at, ok := readable(ctx, item, sh.place)
			if !ok {
				continue
			}
			if last = at; last.Behind(after) {
				found = append(found, last)
			}
		}
		slices.SortFunc(found, Place.order)
		if out.LastEvaluatedKey == nil || len(found) > n && (sh.withID || found[n-1].At != last.At) {
			return found[:min(n, len(found))], nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

func (sh shard) query(table string, after Place, limit int) *dynamodb.QueryInput {
	upTo := sh.prefix + "~" // comes after every digit
	if after.At != 0 {
		upTo = sh.prefix + sortableMillis(after.At)
		if sh.withID {
			upTo += "#" + after.ID
		}
	}
	in := &dynamodb.QueryInput{TableName: &table, ScanIndexForward: aws.Bool(false), Limit: aws.Int32(int32(limit)),
		KeyConditionExpression:    aws.String("#pk = :pk AND #sk BETWEEN :from AND :to"),
		ProjectionExpression:      aws.String("pk, sk, #sk"),
		ExpressionAttributeNames:  map[string]string{"#pk": sh.pkAttr, "#sk": sh.skAttr},
		ExpressionAttributeValues: Item{":pk": str(sh.pk), ":from": str(sh.prefix + "0"), ":to": str(upTo)}}
	if sh.index == "" {
		in.ConsistentRead = aws.Bool(true)
		in.ProjectionExpression = aws.String("#pk, #sk")
	} else {
		in.IndexName = &sh.index
	}
	return in
}

// place reads where a Chat stands from the keys of its entry.
func (sh shard) place(item Item) (Place, error) {
	text := func(attribute string) string {
		s, _ := item[attribute].(*types.AttributeValueMemberS)
		if s == nil {
			return ""
		}
		return s.Value
	}
	when, id := strings.TrimPrefix(text(sh.skAttr), sh.prefix), strings.TrimPrefix(text("pk"), chatPrefix)
	if sh.withID {
		when, id, _ = strings.Cut(when, "#")
	}
	at, err := strconv.ParseInt(when, 10, 64)
	if err != nil || id == "" {
		return Place{}, fmt.Errorf("list entry %q of %s has no place: %w", text(sh.skAttr), sh.pk, ErrUnreadable)
	}
	return Place{At: at, ID: id}, nil
}

// chatsAt reads the Chats at the places, in their order, and keeps those that still are what their entry says.
func (s *Store) chatsAt(ctx context.Context, places []Place, still func(chat.Chat, Place) bool) ([]chat.Chat, error) {
	if len(places) == 0 {
		return nil, nil
	}
	var keys []Item
	asked := map[string]bool{}
	for _, p := range places {
		if !asked[p.ID] { // an index that is a moment late may have a Chat at two places
			asked[p.ID] = true
			keys = append(keys, key(chatPK(p.ID), selfSK))
		}
	}
	items, err := s.getAll(ctx, keys, true)
	if err != nil {
		return nil, err
	}
	found := make(map[string]chat.Chat, len(items))
	for _, item := range items {
		if it, ok := readable(ctx, item, unmarshal[chatItem]); ok && it.To == "" {
			c := it.chat()
			found[c.ID] = c
		}
	}
	var chats []chat.Chat
	for _, p := range places {
		if c, ok := found[p.ID]; ok && still(c, p) {
			chats = append(chats, c)
		}
	}
	return chats, nil
}

// sortableMillis is sortable of a time in Unix milliseconds.
func sortableMillis(ms int64) string { return fmt.Sprintf("%013d", ms) }
