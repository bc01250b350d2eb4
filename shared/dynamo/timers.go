package dynamo

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/shared/chat"
)

// # Timers
//
// A timer is an item of its own, apart from its Chat: whoever ends the waiting leaves it alone, and it is found not to
// apply when it is due. That costs the fast path and every assignment nothing.
//
// Crash points, and who repairs them:
//
//   - The assigner arms the timer of an entry before it notes on the entry why nobody could take it, and arms only
//     entries without that note. A crash in between arms again at the next serving, under the same key.
//   - While the rules that an entry stands by can't be loaded, nobody knows which step is ahead. The note then says that
//     none is armed; as soon as they can be loaded the sweeper has the pool served once more, and it is armed.
//   - The step opens in one transaction: the pool is added to the Chat, the entry put, the step recorded, the timer
//     deleted. Before it nothing happened and the next sweep finds the timer; after it everything has.
//   - A timer that no longer applies is deleted on its own. A crash before that leaves it to the next sweep.
//   - A timer whose Chat is not there, or can't be read, is set aside: see aside.go. Chats are never deleted.
//   - Two sweeps at once decide on the same Chat as read: one transaction is refused, and its sweep then finds the pool
//     open, or the timer gone.

// timerItem is the waiting entry that the step will put, under the timer's own key.
type timerItem struct {
	entryItem
	Due  int64  `dynamodbav:"du"`
	Pool string `dynamodbav:"po"`
}

func newTimerItem(t chat.Timer) timerItem {
	it := timerItem{entryItem: newEntryItem(t.Entry), Due: millis(t.Due), Pool: t.Entry.Pool}
	it.PK, it.SK = timerPK(timerShard(t.Entry.Chat)), timerSK(t)
	return it
}

func (it timerItem) timer() chat.Timer {
	e := it.entryItem
	e.PK = waitingPK(it.Pool)
	return chat.Timer{Due: fromMillis(it.Due), Entry: e.entry()}
}

// Arm stores a timer. Arming it again changes nothing: it has the same key and says the same.
func (s *Store) Arm(ctx context.Context, t chat.Timer) error { return s.put(ctx, newTimerItem(t), nil) }

// TimerPage is a part of a shard's timers that are due, the earliest first. After is where the next page begins; empty
// when this is the last. Unreadable are those that somebody has to look at.
type TimerPage struct {
	Timers     []chat.Timer
	Unreadable []Unreadable
	After      string
}

// Due reads timers of a shard that are due at now, strongly consistent, beginning behind after. Timers that are not due
// cost nothing, however many they are.
func (s *Store) Due(ctx context.Context, shard int, now time.Time, after string, limit int) (TimerPage, error) {
	in := s.partition(s.chats, timerPK(shard))
	in.KeyConditionExpression = aws.String("pk = :pk AND sk <= :now")
	in.ExpressionAttributeValues[":now"] = str(sortable(now) + "~") // comes after whatever follows the time
	in.Limit = aws.Int32(int32(limit))
	if after != "" {
		in.ExclusiveStartKey = key(timerPK(shard), after)
	}
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return TimerPage{}, outcome("read timers", err)
	}
	var page TimerPage
	for _, item := range out.Items {
		it, err := unmarshal[timerItem](item)
		if err != nil {
			page.Unreadable = append(page.Unreadable, unreadable(item, err))
			continue
		}
		page.Timers = append(page.Timers, it.timer())
	}
	page.After = next(out)
	return page, nil
}

// next is where the page after a query's begins; empty when there is none.
func next(out *dynamodb.QueryOutput) string {
	if out.LastEvaluatedKey == nil {
		return ""
	}
	return text(out.LastEvaluatedKey["sk"])
}

// Widen opens the pool of a timer's step to its Chat, and reports whether it did. If the timer does not apply any more it
// is deleted. If the pool is open to the Chat already, because a rule names it twice, following is armed in its stead: the
// timer of the step after, or nil. [ErrNoChat], and [ErrUnreadable]: nothing is done, and no repetition mends that.
func (s *Store) Widen(ctx context.Context, t chat.Timer, following *chat.Timer, now time.Time) (opened bool, err error) {
	applies := false
	_, err = s.Update(ctx, t.Entry.Chat, func(c chat.Chat) (*chat.Change, error) {
		opened = false
		if applies = t.Applies(c); !applies || c.WaitsIn(t.Entry.Pool) {
			return nil, nil
		}
		opened = true
		change := c.Widened(now, t)
		return &change, nil
	})
	if opened && err == nil {
		return true, nil
	}
	if err != nil {
		return false, fmt.Errorf("open step %d to chat %s: %w", t.Entry.Step, t.Entry.Chat, err)
	}
	if applies && following != nil {
		if err := s.Arm(ctx, *following); err != nil {
			return false, err
		}
	}
	return false, s.Disarm(ctx, t)
}

// Disarm deletes a timer.
func (s *Store) Disarm(ctx context.Context, t chat.Timer) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.chats, Key: key(timerPK(timerShard(t.Entry.Chat)), timerSK(t))})
	return outcome("delete timer", err)
}
