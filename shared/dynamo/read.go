package dynamo

import (
	"context"
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
		if e, ok := readable(ctx, item, readEvent); ok {
			events = append(events, e)
		}
		return nil
	})
	return events, err
}

// Message reads one Message, strongly consistent; nil if there is none.
func (s *Store) Message(ctx context.Context, chatID string, k chat.Key) (*chat.Message, error) {
	item, err := s.get(ctx, s.chats, chatPK(chatID), messageSK(k), true)
	if err != nil || item == nil {
		return nil, err
	}
	m, err := readMessage(item)
	if err != nil {
		return nil, err
	}
	return &m, nil
}

// Snapshot reads both tables whole, for the checker. It is only true of tables that nobody writes meanwhile, and costs
// as much as the tables are large: it is for the laptop and for tests, not for a function. Rows that can't be read are in
// it by their keys.
func (s *Store) Snapshot(ctx context.Context) (invariant.Snapshot, error) {
	var all invariant.Snapshot
	sorted := func(sort func(*invariant.Snapshot, Item) error) func(Item) error {
		return func(item Item) error {
			if err := sort(&all, item); err != nil {
				all.Unreadable = append(all.Unreadable, text(item["pk"])+" "+text(item["sk"]))
			}
			return nil
		}
	}
	if err := s.scan(ctx, s.chats, sorted(sortIn)); err != nil {
		return all, err
	}
	return all, s.each(ctx, s.partition(s.team, peoplePK), sorted(sortPerson))
}

func sortPerson(all *invariant.Snapshot, item Item) error {
	p, err := readPerson(item)
	if err == nil {
		all.People = append(all.People, p)
	}
	return err
}

func sortIn(all *invariant.Snapshot, item Item) error {
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
		m, err := readMessage(item)
		if err != nil {
			return err
		}
		all.Messages = append(all.Messages, invariant.Message{Chat: id, Message: m})
	case ofChat && strings.HasPrefix(at.SK, historyPrefix):
		e, err := readEvent(item)
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
