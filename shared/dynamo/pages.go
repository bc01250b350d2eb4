package dynamo

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/shared/chat"
)

// MessagePage is a part of a Chat's messages, oldest first. More tells whether there are further ones in the direction in
// which was asked.
type MessagePage struct {
	Messages []chat.Message
	More     bool
}

// MessagesBefore reads up to limit messages that come before the one with the key, the newest of them; a zero key stands
// for the end of the Chat. Strongly consistent. WhatsApp's time orders a Chat to the second, and arrival orders a second.
func (s *Store) MessagesBefore(ctx context.Context, c chat.Chat, k chat.Key, limit int) (MessagePage, error) {
	return s.messages(ctx, c, k, limit, false)
}

// MessagesAfter reads up to limit messages that come after the one with the key, the oldest of them; a zero key stands for
// the beginning. Strongly consistent.
func (s *Store) MessagesAfter(ctx context.Context, c chat.Chat, k chat.Key, limit int) (MessagePage, error) {
	return s.messages(ctx, c, k, limit, true)
}

// messages joins the Chat's own messages with those of the Chats that were merged into it. A message that stands in two of
// them is shown once, in the place of the first: the second may have arrived at another time of its second.
func (s *Store) messages(ctx context.Context, c chat.Chat, k chat.Key, limit int, forward bool) (MessagePage, error) {
	parts := append([]string{c.ID}, slices.Sorted(slices.Values(c.From))...)
	from, err := s.standing(ctx, parts, k)
	if err != nil {
		return MessagePage{}, err
	}
	var all []chat.Message
	seen := map[chat.Key]bool{}
	for _, id := range parts {
		some, err := s.secondsOf(ctx, id, from, limit+1, forward)
		if err != nil {
			return MessagePage{}, err
		}
		for _, m := range some {
			if !seen[m.Key] && ahead(m, from, forward) {
				all = append(all, m)
			}
			seen[m.Key] = true
		}
	}
	slices.SortFunc(all, chat.Message.Compare)
	page := MessagePage{Messages: all, More: len(all) > limit}
	switch {
	case page.More && forward:
		page.Messages = all[:limit]
	case page.More:
		page.Messages = all[len(all)-limit:]
	}
	return page, nil
}

// ahead reports whether a message comes behind the one that a page begins from, in the page's direction.
func ahead(m chat.Message, from *chat.Message, forward bool) bool {
	return from == nil || forward && m.Compare(*from) > 0 || !forward && m.Compare(*from) < 0
}

// standing is the message from which a page begins. Where it stands within its second only its arrival tells; one that does
// not exist stands before all others of its second. nil for a zero key.
func (s *Store) standing(ctx context.Context, parts []string, k chat.Key) (*chat.Message, error) {
	if k.IsZero() {
		return nil, nil
	}
	for _, id := range parts {
		m, err := s.Message(ctx, id, k)
		if errors.Is(err, ErrUnreadable) {
			continue
		}
		if err != nil || m != nil {
			return m, err
		}
	}
	return &chat.Message{Key: k}, nil
}

// secondsOf reads the messages of one Chat in the second from which a page begins, and the next n of other seconds, or a few
// more: it always reads a second to its end, because within one they are not stored in order.
func (s *Store) secondsOf(ctx context.Context, chatID string, from *chat.Message, n int, forward bool) ([]chat.Message, error) {
	low, high := messagePrefix, messagePrefix+"~" // comes after every key
	switch {
	case from == nil:
	case forward:
		low = messagePrefix + firstOf(from.Key.Time())
	case from.Key.Time().Unix() < math.MaxUint32: // the last second has none after it
		high = messagePrefix + firstOf(from.Key.Time().Add(time.Second))
	}
	in := &dynamodb.QueryInput{TableName: &s.chats, ConsistentRead: aws.Bool(true), ScanIndexForward: &forward,
		Limit:                     aws.Int32(int32(n + 2)),
		KeyConditionExpression:    aws.String("pk = :pk AND sk BETWEEN :low AND :high"),
		ExpressionAttributeValues: Item{":pk": str(chatPK(chatID)), ":low": str(low), ":high": str(high)}}
	var found []chat.Message
	others, full := 0, time.Time{} // how many are not of the first second, and the second of the last one that is wanted
	for {
		out, err := s.db.Query(ctx, in)
		if err != nil {
			return nil, outcome("read messages", err)
		}
		var last time.Time
		for _, item := range out.Items {
			m, ok := readable(ctx, item, readMessage)
			if !ok {
				continue
			}
			last = m.Key.Time()
			found = append(found, m)
			if from == nil || !last.Equal(from.Key.Time()) {
				if others++; others == n {
					full = last
				}
			}
		}
		if out.LastEvaluatedKey == nil || others > n && !full.Equal(last) {
			return found, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// firstOf is the text of the smallest key of a second.
func firstOf(second time.Time) string { return chat.FirstKey(second.Unix()).String() }

// Unseen reports whether a customer's message of this second or a later one is unread in the Chat as read, other than the
// one with the key seen. An unread mark tells no time, so the Messages from that second on are read, strongly consistent,
// unless the last message alone decides.
func (s *Store) Unseen(ctx context.Context, c chat.Chat, since time.Time, seen chat.Key) (bool, error) {
	unread := func(k chat.Key) bool {
		return k != seen && !k.Before(chat.FirstKey(since.Unix())) && (slices.Contains(c.Unread, k.Mark()) || k == c.More)
	}
	switch {
	case !c.HasUnread():
		return false, nil
	case unread(c.LastIn), !c.More.IsZero() && unread(c.More):
		return true, nil
	}
	for from := chat.FirstKey(since.Unix()); ; {
		page, err := s.MessagesAfter(ctx, c, from, unseenPage)
		if err != nil {
			return false, err
		}
		if slices.ContainsFunc(page.Messages, func(m chat.Message) bool { return unread(m.Key) }) {
			return true, nil
		}
		if !page.More {
			return false, nil
		}
		from = page.Messages[len(page.Messages)-1].Key
	}
}

// unseenPage is how many Messages Unseen reads at a time: nearly always all there are.
const unseenPage = 100

// EventOf is an event of the history of a Chat.
type EventOf struct {
	Chat string // under which it stands: the one that was asked for, or one that was merged into it
	chat.Event
}

// EventPlace is a place in a history of several Chats, newest first. The zero EventPlace is its beginning.
type EventPlace struct {
	At     int64             `json:"a,omitempty"` // Unix milliseconds: what is newer is behind us
	Behind map[string]string `json:"b,omitempty"` // by Chat, the last event that was shown
}

// EventPage is a part of a history, newest first. Next is where the next page begins; nil when this is the last.
type EventPage struct {
	Events []EventOf
	Next   *EventPlace
}

// Events reads a page of a Chat's history, newest first, strongly consistent, beginning behind after. It joins the history
// of the Chats that were merged into it by time; each Chat's own events stay in their order, whatever the clocks said. No
// event comes twice; what was added since the first page, a Chat that was merged meanwhile too, shows only as far as it is
// older than the page.
func (s *Store) Events(ctx context.Context, c chat.Chat, after EventPlace, limit int) (EventPage, error) {
	parts := append([]string{c.ID}, c.From...)
	streams := make([][]placedEvent, len(parts))
	for i, id := range parts {
		var err error
		if streams[i], err = s.eventsOf(ctx, id, after, limit+1); err != nil {
			return EventPage{}, err
		}
	}
	next := EventPlace{Behind: maps.Clone(after.Behind)}
	if next.Behind == nil {
		next.Behind = map[string]string{}
	}
	var page EventPage
	for {
		newest := -1
		for i, stream := range streams {
			if len(stream) > 0 && (newest < 0 || stream[0].at > streams[newest][0].at) {
				newest = i
			}
		}
		switch {
		case newest < 0:
			inOrderOfEpochs(page.Events)
			return page, nil
		case len(page.Events) == limit:
			inOrderOfEpochs(page.Events)
			page.Next = &next
			return page, nil
		}
		e := streams[newest][0]
		streams[newest] = streams[newest][1:]
		page.Events = append(page.Events, e.EventOf)
		next.At, next.Behind[e.Chat] = e.at, e.sk
	}
}

// placedEvent is an event with its sort key, and with its time for the join: never later than that of the event after it.
type placedEvent struct {
	EventOf
	sk string
	at int64
}

// eventsOf reads the next n events of one Chat, newest first. Of a Chat that was not shown yet, those that are newer than
// the place are left out.
func (s *Store) eventsOf(ctx context.Context, chatID string, after EventPlace, n int) ([]placedEvent, error) {
	in := under(s.partition(s.chats, chatPK(chatID)), historyPrefix)
	in.ScanIndexForward, in.Limit = aws.Bool(false), aws.Int32(int32(n))
	behind, shown := after.Behind[chatID]
	if shown {
		in.ExclusiveStartKey = key(chatPK(chatID), historyPrefix+behind)
	}
	at := int64(math.MaxInt64)
	var found []placedEvent
	for {
		out, err := s.db.Query(ctx, in)
		if err != nil {
			return nil, outcome("read history", err)
		}
		for _, item := range out.Items {
			e, ok := readable(ctx, item, readEvent)
			if !ok {
				continue
			}
			at = min(at, millis(e.At))
			if shown || after.At == 0 || at <= after.At {
				found = append(found, placedEvent{EventOf{chatID, e}, text(item["sk"])[len(historyPrefix):], at})
			}
		}
		if out.LastEvaluatedKey == nil || len(found) >= n {
			return found, nil
		}
		in.ExclusiveStartKey = out.LastEvaluatedKey
	}
}

// inOrderOfEpochs orders the events of each Chat among themselves: their keys don't tell the order of the records within
// one epoch.
func inOrderOfEpochs(events []EventOf) {
	places := map[string][]int{}
	for i, e := range events {
		places[e.Chat] = append(places[e.Chat], i)
	}
	for _, at := range places {
		var own []EventOf
		for _, i := range at {
			own = append(own, events[i])
		}
		slices.SortStableFunc(own, func(a, b EventOf) int {
			return cmp.Or(cmp.Compare(b.Epoch, a.Epoch), b.At.Compare(a.At))
		})
		for n, i := range at {
			events[i] = own[n]
		}
	}
}
