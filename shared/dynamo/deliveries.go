package dynamo

import (
	"context"
	"slices"

	"chatkeeper/shared/chat"
)

// Outcome is WhatsApp's last word on a message of ours.
type Outcome struct {
	Delivery chat.Delivery
	Errors   []int // WhatsApp's error codes, if it failed
}

type deliveryItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	Status string `dynamodbav:"ds"`
	Rank   int    `dynamodbav:"rk"`
	Errors []int  `dynamodbav:"er"`
}

// Outcomes reads what WhatsApp told of messages of a Chat, by the marks of its ids for them. Messages that it told nothing
// of are left out. Half price: a status that is a second late is none the worse.
func (s *Store) Outcomes(ctx context.Context, c chat.Chat, messages []chat.Mark) (map[chat.Mark]Outcome, error) {
	at := map[string]chat.Mark{}
	var keys []Item
	for _, m := range messages {
		if _, twice := at[deliverySK(m)]; twice {
			continue
		}
		at[deliverySK(m)] = m
		for _, id := range append([]string{c.ID}, c.From...) {
			keys = append(keys, key(chatPK(id), deliverySK(m)))
		}
	}
	found, rank := map[chat.Mark]Outcome{}, map[chat.Mark]int{}
	for some := range slices.Chunk(keys, maxBatch) {
		items, err := s.getAll(ctx, some, false)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			it, ok := readable(ctx, item, unmarshal[deliveryItem])
			if !ok {
				continue
			}
			if m := at[it.SK]; it.Rank > rank[m] {
				found[m], rank[m] = Outcome{Delivery: chat.Delivery(it.Status), Errors: it.Errors}, it.Rank
			}
		}
	}
	return found, nil
}
