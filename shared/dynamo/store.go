// Package dynamo stores Chats and the Team in DynamoDB. It is the only place that knows keys, conditions and AWS
// errors; keys.go opens with the table of access patterns.
//
// # The one write path
//
// Owner, status and epoch of a Chat change in [Store.Commit] and nowhere else: one transaction of everything that a
// [chat.Change] says, conditioned on the Chat being as it was read. [Store.Update] is the loop around it that reads,
// lets a pure function decide, commits, and begins again when somebody else was first. Nobody ever writes a whole Chat
// item; ordinary messages touch named attributes only ([Store.Deliver]) and raise no epoch.
//
// # Answers
//
// A write answers nil (done), [ErrRefused] (a condition did not hold: read and decide again at once), [ErrUnsure]
// (conflict, throttled, or nobody knows whether it happened: read and decide again after a [Pause]), or another error
// that no repetition mends. Callers repeat a bounded number of times and then fail the invocation, so that the queue or
// the stream delivers again. The SDK itself repeats single writes and, with the same token, transactions: it attempts four
// times, with pauses of 175 ms at most in all, or of 7 s where it is throttled, and stops when the context ends. It does
// not repeat a TransactionConflict on a plain write. So ErrUnsure comes at once after a conflict, and after four attempts
// otherwise; none of the product's numbers of attempts includes those of the SDK.
//
// # Crash points of a message on its way in (protocol of the assigner, inbound)
//
//   - Before Commit or Deliver: nothing is stored, but perhaps the Key of a message without a true time (stamps.go); the queue
//     delivers again.
//   - After Deliver, before PutMessage: the Chat counts a message whose text is not there yet. At the redelivery Deliver
//     is refused (lastIn is not smaller than the key any more), Has finds nothing, and Late puts the text and adds the
//     mark that is already in the set. Until then a reader sees a count that is ahead of the text by one.
//   - After PutMessage or Commit, before the queue forgets the message: at the redelivery Has finds it. Nothing changes, and
//     what came before the Chat is looked for once more (early.go).
//
// # What people do, and what they know of its outcome
//
// Close, open, reassign and pass on ([Store.Act]), reply ([Store.Reply]) and edits of the customer are one transaction
// each, which also holds only while whoever acts, and whoever gets the Chat, is active with a role: what the request read
// of them may be over. Reading ([Store.Read]) is one update. An attempt whose outcome is unknown is looked up before
// anything is decided again: by its event in the history, a reply by its Message, an edit or a reading by its effect. The
// history and the Message are looked up again while they can't be read, because the attempt may be stored. So success
// means done, once; a failure that reaches a person means that nothing is known or that others were always first, and the
// same request may be sent again: what was done already is then found done. Only a reply without an Idempotency-Key is a
// new one each time.
//
// # Crash points of an assignment (assigner, pools)
//
// There is one transaction; before it nothing happened, after it everything has. A signal that is delivered again finds
// the entry gone. The waiting entry's stream record is the signal, so there is no gap between storing it and signalling.
package dynamo

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/shared/chat"
)

// Store reads and writes both tables. It is safe for concurrent use; make one and keep it, it caches the rules and the roster.
type Store struct {
	db    *dynamodb.Client
	chats string
	team  string

	mu      sync.Mutex
	rules   *InForce        // of the newest pointer seen
	numbers map[string]bool // business numbers that are noted

	roster Roster

	signIns signIns
}

// New returns a Store over two existing tables.
func New(db *dynamodb.Client, chatsTable, teamTable string) *Store {
	return &Store{db: db, chats: chatsTable, team: teamTable, numbers: map[string]bool{}}
}

// Warm opens the connection to DynamoDB, so that the first message does not pay for it. It reads one key that does not
// exist; a failure shows again, and is dealt with, at the first real call.
func (s *Store) Warm(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = s.get(ctx, s.team, "warm", "0", false)
}

func (s *Store) get(ctx context.Context, table, pk, sk string, strong bool) (Item, error) {
	out, err := s.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: &table, Key: key(pk, sk), ConsistentRead: &strong})
	if err != nil {
		return nil, outcome("read", err)
	}
	return out.Item, nil
}

// Chat reads one Chat, strongly consistent. It returns nil if there is none; a merged Chat is returned as it is.
func (s *Store) Chat(ctx context.Context, id string) (*chat.Chat, error) {
	if len(id) > maxID {
		return nil, nil
	}
	item, err := s.get(ctx, s.chats, chatPK(id), selfSK, true)
	if err != nil {
		return nil, err
	}
	return asChat(item)
}

// asChat is the Chat that an item holds; nil if there is no item, or if it is an identity's.
func asChat(item Item) (*chat.Chat, error) {
	if item == nil {
		return nil, nil
	}
	it, err := unmarshal[chatItem](item)
	if err != nil || it.To != "" {
		return nil, err
	}
	c := it.chat()
	return &c, nil
}

// maxID is longer than any id of ours. What is longer comes from outside, leads nowhere, and DynamoDB would refuse the key.
const maxID = 256

// attempts bounds every loop of reading and deciding again. Contention on one Chat or person is a handful of writers;
// whoever is refused this often fails, and the queue delivers again.
const attempts = 12

// Update is the way to change a Chat: it reads it (strongly), lets decide say what it becomes, and commits that. When
// somebody else was first it does so again. decide must be pure; its error is returned as it is. A nil change means
// that there is nothing to do. Update returns the Chat as decide last saw it, and the error of decide, of [ErrNoChat],
// or [ErrUnsure] or [ErrRefused] when attempts or time ran out.
func (s *Store) Update(ctx context.Context, id string, decide func(chat.Chat) (*chat.Change, error)) (chat.Chat, error) {
	var last error
	for n := range attempts {
		c, err := s.Chat(ctx, id)
		if err != nil {
			return chat.Chat{}, err
		}
		if c == nil {
			return chat.Chat{}, ErrNoChat
		}
		change, err := decide(*c)
		if err != nil || change == nil {
			return *c, err
		}
		if last = s.Commit(ctx, *change); last == nil || !Again(last) {
			return *c, last
		}
		if err := Pause(ctx, n, last); err != nil {
			return *c, fmt.Errorf("%w (%w)", last, err)
		}
	}
	return chat.Chat{}, exhausted("chat "+id, last)
}

// exhausted is the answer when attempts run out: it tells a person to try again, and a queue to deliver again.
func exhausted(what string, last error) error {
	return fmt.Errorf("%s after %d attempts: %w", what, attempts, errors.Join(errContended, last))
}

func key(pk, sk string) Item { return Item{"pk": str(pk), "sk": str(sk)} }

// Now is the clock of production code, to the millisecond that storage keeps.
func Now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
