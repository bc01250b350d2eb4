package dynamo

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/shared/chat"
)

// Page is a part of a pool's waiting entries in the order of service. After is where the next page begins; empty when
// this is the last. Unreadable are entries that stand among them and that somebody has to look at.
type Page struct {
	Entries    []chat.Entry
	Unreadable []Unreadable
	After      string
}

// Waiting reads waiting entries of a pool in the order of service, strongly consistent, beginning behind after.
func (s *Store) Waiting(ctx context.Context, pool, after string, limit int) (Page, error) {
	in := s.partition(s.chats, waitingPK(pool))
	in.Limit = aws.Int32(int32(limit))
	if after != "" {
		in.ExclusiveStartKey = key(waitingPK(pool), after)
	}
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return Page{}, outcome("read pool", err)
	}
	page := Page{}
	for _, item := range out.Items {
		it, err := unmarshal[entryItem](item)
		if err != nil {
			page.Unreadable = append(page.Unreadable, unreadable(item, err))
			continue
		}
		page.Entries = append(page.Entries, it.entry())
	}
	page.After = next(out)
	return page, nil
}

// Entry reads the waiting entry of a Chat in a pool, strongly consistent; nil if it does not wait there.
func (s *Store) Entry(ctx context.Context, chatID, pool string) (*chat.Entry, error) {
	c, err := s.Chat(ctx, chatID)
	if err != nil || c == nil || !slices.Contains(c.Pools, pool) {
		return nil, err
	}
	item, err := s.get(ctx, s.chats, waitingPK(pool), waitingSK(c.Priority, c.WaitingSince, chatID), true)
	if err != nil || item == nil {
		return nil, err
	}
	it, err := unmarshal[entryItem](item)
	if err != nil {
		return nil, err
	}
	e := it.entry()
	return &e, nil
}

// Directory reads which pools are listed as having waiting Chats, strongly consistent. A pool may wait before it is
// listed: the directory tells where a newly available person is wanted, never whether somebody waits.
func (s *Store) Directory(ctx context.Context) ([]string, error) {
	var pools []string
	err := s.each(ctx, s.partition(s.chats, directoryPK), func(item Item) error {
		pools = append(pools, text(item["sk"]))
		return nil
	})
	return pools, err
}

// listing is a pool's line in the directory. Every listing writes a fresh token, so that taking a pool out never undoes
// a listing that came after what was seen. The rest is the pool's [Review].
type listing struct {
	Token   string `dynamodbav:"tk"`
	Done    int64  `dynamodbav:"rd"`
	Version int64  `dynamodbav:"rv"`
	After   string `dynamodbav:"ra"`
}

// Review is how far the waiting entries of a pool have been gone through since rules were saved. Done is the newest
// version for which all of them were; Version is the one for which those up to After were, in the order of service. An
// entry that older rules put there meanwhile is not in it: its own stream record signals the pool and names the Chat.
type Review struct {
	Done    int64
	Version int64
	After   string // empty at the beginning
}

// Listed reads the token under which the pool is listed, strongly consistent; empty if it is not, or if its line can't be
// read: then it stays listed until it is listed anew.
func (s *Store) Listed(ctx context.Context, pool string) (token string, err error) {
	item, err := s.get(ctx, s.chats, directoryPK, pool, true)
	if err != nil || item == nil {
		return "", err
	}
	it, _ := readable(ctx, item, unmarshal[listing])
	return it.Token, nil
}

// Review reads how far the review of a pool has come, strongly consistent. That of a pool that is not listed, and one
// that can't be read, begins anew: entries that were routed again are read once more, and left as they are.
func (s *Store) Review(ctx context.Context, pool string) (Review, error) {
	item, err := s.get(ctx, s.chats, directoryPK, pool, true)
	if err != nil {
		return Review{}, err
	}
	it, err := unmarshal[listing](item)
	if err != nil {
		return Review{}, nil
	}
	return Review{Done: it.Done, Version: it.Version, After: it.After}, nil
}

// List puts the pool in the directory. What is stored of its review stays.
func (s *Store) List(ctx context.Context, pool string) error { return s.list(ctx, pool, &update{}) }

// ListReviewed is List, and stores how far the pool's review has come. Of two servings at once the last one wins; either
// tells what is true, and the worst is that entries are gone through again.
func (s *Store) ListReviewed(ctx context.Context, pool string, r Review) error {
	u := &update{}
	u.set("rd", r.Done)
	u.set("rv", r.Version)
	u.set("ra", r.After)
	return s.list(ctx, pool, u)
}

func (s *Store) list(ctx context.Context, pool string, u *update) error {
	u.set("tk", rand.Text())
	e, err := expression.NewBuilder().WithUpdate(u.b).Build()
	if err != nil {
		return err
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.chats, Key: key(directoryPK, pool),
		UpdateExpression: e.Update(), ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values()})
	return outcome("list pool", err)
}

// Unlist takes the pool out of the directory, if it is still listed under the token as read. That it is not is success:
// whoever listed it since then has seen more.
func (s *Store) Unlist(ctx context.Context, pool, token string) error {
	e, err := expression.NewBuilder().WithCondition(equals("tk", token)).Build()
	if err != nil {
		return err
	}
	_, err = s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.chats, Key: key(directoryPK, pool),
		ConditionExpression: e.Condition(), ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values()})
	if err = outcome("unlist pool", err); errors.Is(err, ErrRefused) {
		return nil
	}
	return err
}

// Unserved records why nobody could take a waiting Chat: in its history, once per reason, and on its waiting entry for
// whoever looks at the pool, with whether its next step is armed. The entry is written last, so that a crash in between is
// made good by the next serving. Neither write signals anybody. An entry that is gone meanwhile stays gone.
func (s *Store) Unserved(ctx context.Context, e chat.Entry, event chat.Event) error {
	it, err := newHistoryItem(e.Chat, event)
	if err != nil {
		return err
	}
	if err := s.put(ctx, it, absent()); err != nil && !errors.Is(err, ErrRefused) {
		return err
	}
	u := &update{}
	u.set("be", string(event.Decision.Nobody))
	if e.Unarmed {
		u.set("ua", true)
	} else {
		u.remove("ua")
	}
	expr, err := expression.NewBuilder().WithUpdate(u.b).WithCondition(equals("rt", e.Routed)).Build()
	if err != nil {
		return err
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.chats,
		Key:              key(waitingPK(e.Pool), waitingSK(e.Priority, e.Since, e.Chat)),
		UpdateExpression: expr.Update(), ConditionExpression: expr.Condition(),
		ExpressionAttributeNames: expr.Names(), ExpressionAttributeValues: expr.Values()})
	if err = outcome("note why nobody", err); errors.Is(err, ErrRefused) {
		return nil
	}
	return err
}

// partition is a strongly consistent query of all items under one partition key.
func (s *Store) partition(table, pk string) *dynamodb.QueryInput {
	return &dynamodb.QueryInput{TableName: aws.String(table), ConsistentRead: aws.Bool(true),
		KeyConditionExpression:    aws.String("pk = :pk"),
		ExpressionAttributeValues: Item{":pk": str(pk)}}
}

// under narrows a query of a partition to the sort keys that begin with prefix.
func under(in *dynamodb.QueryInput, prefix string) *dynamodb.QueryInput {
	in.KeyConditionExpression = aws.String("pk = :pk AND begins_with(sk, :sk)")
	in.ExpressionAttributeValues[":sk"] = str(prefix)
	return in
}

// each calls do with every item of a query, page by page.
func (s *Store) each(ctx context.Context, in *dynamodb.QueryInput, do func(Item) error) error {
	pages := dynamodb.NewQueryPaginator(s.db, in)
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return outcome("query", err)
		}
		for _, item := range out.Items {
			if err := do(item); err != nil {
				return err
			}
		}
	}
	return nil
}
