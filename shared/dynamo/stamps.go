package dynamo

import (
	"context"
	"encoding/binary"
	"errors"
	"time"

	"chatkeeper/shared/chat"
)

// # Time stamps that can't be true
//
// A message that was stored is found by its Key, so it must have the same Key at every delivery, and a Key begins with the
// time. A time stamp that is missing, older than WhatsApp or ahead of the receipt can't be the Key's time: the window would
// be closed, or open for a year, and all later messages late. The time of receipt, which is taken instead, is another one
// at each delivery. So the first delivery notes which Key the message got, at an address of the message's own, and every
// later one takes that Key (Settle). It does so before anything else is stored: after a crash the redelivery finds the note.
//
// One case is left: a time stamp that was ahead when the message came first and is not ahead any more when it comes again,
// hours later. Then it is believed, and nothing about the message tells that it was not before. The Chat does: Ahead is the
// end of the time that was told ahead in it, and Deliver refuses what is stamped before that. Whoever is refused settles the
// Key and comes again. Ahead is written with what the message makes of its Chat, and goes with a merge. WhatsApp delivers
// again for seven days: what is further ahead is ahead at every redelivery and needs no Ahead, and what is less far costs the Chat's other
// messages a refused unit and a note each until that time has come.

// stampItem is the Key of a message whose time stamp did not give it.
type stampItem struct {
	PK      string `dynamodbav:"pk"`
	SK      string `dynamodbav:"sk"`
	Key     []byte `dynamodbav:"ke"`
	Expires int64  `dynamodbav:"expires"` // Unix seconds: DynamoDB's time to live
}

// stampLasts is longer than a message can come again: WhatsApp's seven days, and fourteen in the queue and among its dead
// letters each. An item that is left after that still holds.
const stampLasts = 60 * 24 * time.Hour

// Settle returns the Key that the message at this address, a chat.Secret.MessageAddress, has: the one that a delivery
// settled before, else k from now on. It is safe to repeat. Errors as in the package comment.
func (s *Store) Settle(ctx context.Context, address string, k chat.Key, now time.Time) (chat.Key, error) {
	err := s.put(ctx, stampItem{PK: stampPK(address), SK: selfSK, Key: k[:], Expires: now.Add(stampLasts).Unix()}, absent())
	if !errors.Is(err, ErrRefused) {
		return k, err
	}
	item, err := s.get(ctx, s.chats, stampPK(address), selfSK, true)
	if err != nil {
		return k, err
	}
	it, err := unmarshal[stampItem](item)
	if err == nil && keyOf(it.Key).IsZero() {
		err = ErrUnsure // gone between the two calls
	}
	return keyOf(it.Key), err
}

// secondBytes is a time to the second as it stands in a Key, so that the two compare: what is less than a Key is not after
// the Key's second.
func secondBytes(t time.Time) []byte {
	if t.IsZero() {
		return nil
	}
	return binary.BigEndian.AppendUint32(nil, uint32(t.Unix()))
}

func secondOf(b []byte) time.Time {
	if len(b) != 4 {
		return time.Time{}
	}
	return time.Unix(int64(binary.BigEndian.Uint32(b)), 0).UTC()
}
