package dynamo

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/invariant"
)

// History reads what happened to a Chat, oldest first, strongly consistent. A Chat has a handful of events a day.
func (s *Store) History(ctx context.Context, chatID string) ([]chat.Event, error) {
	var events []chat.Event
	err := s.each(ctx, under(s.partition(s.chats, chatPK(chatID)), historyPrefix), func(item Item) error {
		it, err := unmarshal[historyItem](item)
		if err != nil {
			return err
		}
		e, err := it.event()
		events = append(events, e)
		return err
	})
	return events, err
}

// LastMessages reads the newest messages of a Chat in WhatsApp's order, oldest first, strongly consistent. Messages of
// one second stand in order of arrival.
func (s *Store) LastMessages(ctx context.Context, chatID string, limit int) ([]chat.Message, error) {
	in := under(s.partition(s.chats, chatPK(chatID)), messagePrefix)
	in.ScanIndexForward, in.Limit = aws.Bool(false), aws.Int32(int32(limit))
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return nil, outcome("read messages", err)
	}
	var messages []chat.Message
	for _, item := range out.Items {
		it, err := unmarshal[messageItem](item)
		if err != nil {
			return nil, err
		}
		m, err := it.message()
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	slices.SortStableFunc(messages, func(a, b chat.Message) int {
		if c := a.Key.Time().Compare(b.Key.Time()); c != 0 {
			return c
		}
		return a.Arrived.Compare(b.Arrived)
	})
	return messages, nil
}

// Message reads one Message, strongly consistent; nil if there is none.
func (s *Store) Message(ctx context.Context, chatID string, k chat.Key) (*chat.Message, error) {
	item, err := s.get(ctx, s.chats, chatPK(chatID), messageSK(k), true)
	if err != nil || item == nil {
		return nil, err
	}
	it, err := unmarshal[messageItem](item)
	if err != nil {
		return nil, err
	}
	m, err := it.message()
	return &m, err
}

// Snapshot reads both tables whole, for the checker. It is only true of tables that nobody writes meanwhile, and costs
// as much as the tables are large: it is for the laptop and for tests, not for a function.
func (s *Store) Snapshot(ctx context.Context) (invariant.Snapshot, error) {
	var all invariant.Snapshot
	err := s.scan(ctx, s.chats, func(item Item) error { return s.sortIn(&all, item) })
	if err != nil {
		return all, err
	}
	if all.People, err = s.People(ctx); err != nil {
		return all, err
	}
	return all, nil
}

func (s *Store) sortIn(all *invariant.Snapshot, item Item) error {
	at, err := unmarshal[struct {
		PK string `dynamodbav:"pk"`
		SK string `dynamodbav:"sk"`
		To string `dynamodbav:"to"`
		Is string `dynamodbav:"user"`
	}](item)
	if err != nil {
		return err
	}
	id, ofChat := strings.CutPrefix(at.PK, chatPrefix)
	switch {
	case ofChat && at.SK == selfSK && at.To != "":
		it, err := unmarshal[chatItem](item)
		if err != nil {
			return err
		}
		all.Aliases = append(all.Aliases, invariant.Alias{Alias: it.alias(), Renamed: at.Is != ""})
	case ofChat && at.SK == selfSK:
		it, err := unmarshal[chatItem](item)
		if err != nil {
			return err
		}
		all.Chats = append(all.Chats, it.chat())
	case ofChat && strings.HasPrefix(at.SK, messagePrefix):
		it, err := unmarshal[messageItem](item)
		if err != nil {
			return err
		}
		m, err := it.message()
		if err != nil {
			return err
		}
		all.Messages = append(all.Messages, invariant.Message{Chat: id, Message: m})
	case ofChat && strings.HasPrefix(at.SK, historyPrefix):
		it, err := unmarshal[historyItem](item)
		if err != nil {
			return err
		}
		e, err := it.event()
		if err != nil {
			return err
		}
		all.Events = append(all.Events, invariant.Event{Chat: id, Event: e})
	case strings.HasPrefix(at.PK, waitingPrefix):
		it, err := unmarshal[entryItem](item)
		if err != nil {
			return err
		}
		all.Entries = append(all.Entries, it.entry())
	}
	return nil
}

func (s *Store) scan(ctx context.Context, table string, do func(Item) error) error {
	pages := dynamodb.NewScanPaginator(s.db, &dynamodb.ScanInput{TableName: &table, ConsistentRead: aws.Bool(true)})
	for pages.HasMorePages() {
		out, err := pages.NextPage(ctx)
		if err != nil {
			return outcome("scan", err)
		}
		for _, item := range out.Items {
			if err := do(item); err != nil {
				return err
			}
		}
	}
	return nil
}
