package queues

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// sendTime is how long one request about a dead letter may take.
const sendTime = 10 * time.Second

// bury moves the messages that the function has had often enough to the dead-letter queue, and returns the others. What
// could not be moved has failed, and with it the later messages of its group; all of them come again.
//
// The order is: count a try, give the message to the function; when it comes again after its last try, send it to the
// dead-letter queue, delete it. A kill
//   - between the count and the function leaves a try counted that the function did not see: a poisonous message that
//     takes the stack with it must not do so for ever;
//   - after the last try, before the send: the count is on disk, so the message is moved when it comes again;
//   - between the send and the delete: the message comes again and is sent again under the same deduplication id, its own.
//     The queue drops that for five minutes, also across a restart. Later the dead-letter queue has it twice, under one
//     deduplication id, and `make redrive`, which sends by that id, brings it back once. A queue that is not FIFO has no
//     such ids: there the dead letter is there twice.
func (s *Source) bury(ctx context.Context, messages []message) (left []message, failed map[string]bool) {
	failed = map[string]bool{}
	stopped := map[string]bool{}
	for _, m := range messages {
		switch {
		case s.FIFO && stopped[m.group()]:
			failed[m.id()] = true
		case s.MaxReceive == 0 || s.Receipts.tries(m) < s.MaxReceive:
			left = append(left, m)
		default:
			if err := s.moveToDead(ctx, m); err != nil {
				s.Log.Warn("a dead letter is not moved and comes again", "queue", s.ARN, "error", err)
				failed[m.id()] = true
				stopped[m.group()] = true
			}
		}
	}
	return left, failed
}

func (s *Source) moveToDead(ctx context.Context, m message) error {
	sending, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	dead := &sqs.SendMessageInput{QueueUrl: &s.DeadURL, MessageBody: m.Body, MessageAttributes: m.MessageAttributes}
	if s.FIFO {
		dead.MessageGroupId = aws.String(m.group())
		dead.MessageDeduplicationId = aws.String("dead-" + m.id())
	}
	if _, err := s.Client.SendMessage(sending, dead); err != nil {
		return fmt.Errorf("send it to the dead-letter queue: %w", err)
	}
	s.Log.Warn("message is a dead letter", "function", s.Function.Name(), "queue", s.ARN, "message", m.id(), "tries", s.Receipts.tries(m))
	if err := s.delete(ctx, []message{m}); err != nil {
		// Its receipt stays, so it is not given to the function when it comes again.
		s.Log.Warn("a dead letter is not deleted from its queue; it comes again and is dropped then", "queue", s.ARN, "error", err)
	}
	return nil
}
