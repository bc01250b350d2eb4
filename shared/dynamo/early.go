package dynamo

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// # What comes before its Chat
//
// WhatsApp promises no order: an edit, a revoke, a reaction, an echo or a status may come before the customer's first
// message, and none of them begins a Chat. It is kept under each address of its customer, for EarlyLasts after it was
// received, and whoever makes an address lead to a Chat takes what is kept there. The order makes this safe: who keeps it
// stores it and then looks for the Chat once more, strongly consistent; who begins a Chat, or links an address to one, commits
// that and then reads what is kept there, strongly consistent. Whoever comes second sees the other.
//
// Nothing here is a condition of anything: to store, take or delete it twice changes nothing, since the Chat knows what it
// has. An item whose time is over counts as gone, whenever DynamoDB deletes it.

// EarlyLasts is how long something is kept for a Chat to come.
const EarlyLasts = 24 * time.Hour

// Early is an update that came before its Chat.
type Early struct {
	Address string // of its customer
	ID      string // the same at every delivery, and at every address
	Body    string // as it came from the queue
}

type earlyItem struct {
	PK      string `dynamodbav:"pk"`
	SK      string `dynamodbav:"sk"`
	Body    string `dynamodbav:"bd"`
	Expires int64  `dynamodbav:"expires"` // Unix seconds: DynamoDB's time to live
}

// PutEarly keeps an update until a moment. It is safe to repeat.
func (s *Store) PutEarly(ctx context.Context, e Early, until time.Time) error {
	return s.put(ctx, earlyItem{PK: earlyPK(e.Address), SK: e.ID, Body: e.Body, Expires: until.Unix()}, nil)
}

// EarlyPage is a part of what is kept at an address. After is where the next page begins; empty when this is the last.
type EarlyPage struct {
	Updates []Early
	After   string
}

// EarlyAt reads updates that are kept at an address at now, strongly consistent, beginning behind after.
func (s *Store) EarlyAt(ctx context.Context, address, after string, limit int, now time.Time) (EarlyPage, error) {
	in := s.partition(s.chats, earlyPK(address))
	in.Limit = aws.Int32(int32(limit))
	if after != "" {
		in.ExclusiveStartKey = key(earlyPK(address), after)
	}
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return EarlyPage{}, outcome("read what came early", err)
	}
	page := EarlyPage{After: next(out)}
	for _, item := range out.Items {
		if it, ok := readable(ctx, item, unmarshal[earlyItem]); ok && now.Unix() < it.Expires {
			page.Updates = append(page.Updates, Early{Address: address, ID: it.SK, Body: it.Body})
		}
	}
	return page, nil
}

// DeleteEarly takes away what is kept: its Chat has it, or it is kept elsewhere.
func (s *Store) DeleteEarly(ctx context.Context, e Early) error {
	_, err := s.db.DeleteItem(ctx, &dynamodb.DeleteItemInput{TableName: &s.chats, Key: key(earlyPK(e.Address), e.ID)})
	return outcome("delete what came early", err)
}
