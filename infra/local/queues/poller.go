// Package queues feeds functions from SQS queues as Lambda's event source mappings do.
//
// A batch is what one receive gives. A message is deleted when the function has done it; one that failed is left alone,
// so that the visibility the queue or the function itself gave it decides when it comes again. One that the function has
// had as often as the redrive policy says is moved to the dead-letter queue when it comes again. SQS would do that itself;
// ElasticMQ's queues have no redrive policy here, because with stored messages ElasticMQ 1.7.1 keeps a message that it
// moved in its old queue too, and after the next start stores nothing any more.
//
// On a FIFO queue a group has one batch on the way at most, a failed message keeps the later ones of its group back, and
// messages reach the function in the order they were sent. The queue sees to that by itself, but ElasticMQ forgets the
// hold of a group when it is killed; so the poller keeps groups and order too.
package queues

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"chatkeeper/infra/local/lambda"
	"chatkeeper/infra/local/servers"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Source is an event source mapping on a queue.
type Source struct {
	Client       *sqs.Client
	URL, ARN     string
	FIFO         bool
	Visibility   time.Duration // of the queue
	MaxReceive   int           // tries before a message is a dead letter; 0: never
	DeadURL      string        // of the queue for dead letters
	BatchSize    int
	Concurrency  int // batches at once
	PartialBatch bool
	Function     *lambda.Function
	Receipts     *Receipts
	Log          *slog.Logger

	groups   groups
	failures atomic.Int64 // receives that failed in a row
}

// longPoll is how long a receive waits at an empty queue; ElasticMQ answers at once when a message comes. A receive is
// never broken off, or the message it may just have been given would stay hidden for its whole visibility: so it is short.
const longPoll = time.Second

// Run polls until ctx ends, and returns when the batches on the way are done.
func (s *Source) Run(ctx context.Context) {
	for _, handle := range s.Receipts.left(time.Now()) {
		// One that is gone or visible already is refused; that is as good.
		s.hide(ctx, handle, 0)
	}
	// As many workers as batches may be on the way: a message is never taken before somebody can work on it, and who has
	// ended a batch asks at once whether its groups have more. A receive that already waits would not hear of that.
	var workers sync.WaitGroup
	for range s.Concurrency {
		workers.Go(func() {
			for ctx.Err() == nil {
				s.poll(ctx)
			}
		})
	}
	workers.Wait()
}

// poll receives once and serves what came.
func (s *Source) poll(ctx context.Context) {
	messages, err := s.receive(context.WithoutCancel(ctx))
	if err != nil {
		failures := s.failures.Add(1)
		if failures == 1 {
			s.Log.Warn("queue does not answer; it is asked again", "queue", s.ARN, "error", err)
		}
		pause(ctx, failures)
		return
	}
	if s.failures.Swap(0) > 0 {
		s.Log.Info("queue answers again", "queue", s.ARN)
	}
	if s.FIFO {
		slices.SortStableFunc(messages, bySending)
		run, back := s.groups.take(messages, time.Now())
		s.giveBack(context.WithoutCancel(ctx), back)
		messages = run
	}
	s.serve(ctx, messages)
}

func pause(ctx context.Context, failures int64) {
	select {
	case <-time.After(min(50*time.Millisecond<<min(failures, 10), 2*time.Second)):
	case <-ctx.Done():
	}
}

func (s *Source) receive(ctx context.Context) ([]message, error) {
	ctx, cancel := context.WithTimeout(ctx, longPoll+10*time.Second)
	defer cancel()
	received, err := s.Client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{
		QueueUrl: &s.URL, MaxNumberOfMessages: int32(s.BatchSize), WaitTimeSeconds: int32(longPoll / time.Second),
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll},
		MessageAttributeNames:       []string{"All"},
	})
	if err != nil {
		return nil, err
	}
	hiddenUntil := time.Now().Add(s.Visibility)
	var messages []message
	for _, m := range received.Messages {
		messages = append(messages, message{m, hiddenUntil})
	}
	if len(messages) > 0 {
		s.remember(s.Receipts.received(messages))
	}
	return messages, nil
}

// serve runs one batch and deletes what was done, then what came for its groups meanwhile. It goes on when polling has
// ended: the messages are on the way.
func (s *Source) serve(ctx context.Context, messages []message) {
	ctx = context.WithoutCancel(ctx)
	for len(messages) > 0 {
		given, failed := s.bury(ctx, messages)
		if len(given) > 0 {
			maps.Copy(failed, s.invoke(ctx, given))
		}
		var done []message
		for _, m := range given {
			if !failed[m.id()] {
				done = append(done, m)
			}
		}
		if err := s.delete(ctx, done); err != nil {
			s.Log.Warn("messages that were done are not deleted and come again", "queue", s.ARN, "error", err)
		}
		if !s.FIFO {
			return
		}
		var back []message
		messages, back = s.groups.release(messages, failed, s.BatchSize, time.Now())
		s.giveBack(ctx, back)
	}
}

// giveBack lets messages come again when the failed one before them does. One that can't be given back comes when its
// own time is over.
func (s *Source) giveBack(ctx context.Context, messages []message) {
	for _, m := range messages {
		if err := s.hide(ctx, *m.ReceiptHandle, time.Until(m.hiddenUntil)); err != nil {
			s.Log.Warn("a message that came too early is not given back", "queue", s.ARN, "error", err)
		}
	}
}

// hide sets how long the queue shows a received message to nobody.
func (s *Source) hide(ctx context.Context, handle string, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	_, err := s.Client.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
		QueueUrl: &s.URL, ReceiptHandle: &handle, VisibilityTimeout: max(0, int32(d.Seconds())),
	})
	return err
}

func (s *Source) remember(err error) {
	if err != nil {
		s.Log.Warn("messages on the way are not remembered; after a kill they come late, or once more than they may", "queue", s.ARN, "error", err)
	}
}

// invoke gives the messages to the function and returns the ids of those that failed, on a FIFO queue with the later ones
// of their groups.
func (s *Source) invoke(ctx context.Context, messages []message) map[string]bool {
	s.remember(s.Receipts.tried(messages))
	all := map[string]bool{}
	event := events.SQSEvent{}
	for _, m := range messages {
		all[m.id()] = true
		event.Records = append(event.Records, record(m.Message, s.ARN, s.Receipts.tries(m)))
	}
	payload, err := json.Marshal(event)
	if err != nil {
		s.Log.Error("batch does not become an event", "queue", s.ARN, "error", err)
		return all
	}
	answer, err := s.Function.Invoke(ctx, payload)
	if errors.Is(err, lambda.ErrClosed) {
		s.remember(s.Receipts.notTried(messages))
		return all
	}
	if err != nil {
		s.Log.Warn("batch failed", "function", s.Function.Name(), "queue", s.ARN, "messages", len(messages), "error", err)
		return all
	}
	if !s.PartialBatch {
		return nil
	}
	failed, err := FailedItems(answer)
	for id := range failed {
		if !all[id] {
			err = fmt.Errorf("it names a message that is not in the batch")
		}
	}
	if err != nil {
		s.Log.Warn("batch failed as a whole: the function's report of failed messages makes no sense", "function", s.Function.Name(), "error", err)
		return all
	}
	if len(failed) > 0 {
		s.Log.Info("messages failed", "function", s.Function.Name(), "queue", s.ARN, "failed", len(failed), "of", len(messages))
	}
	if s.FIFO {
		return s.withLaterOnes(messages, failed)
	}
	return failed
}

// FailedItems reads a function's report of the items of a batch that failed. Nothing at all means that none did.
func FailedItems(answer []byte) (map[string]bool, error) {
	if len(answer) == 0 || string(answer) == "null" {
		return nil, nil
	}
	var report struct {
		BatchItemFailures []struct {
			ItemIdentifier *string `json:"itemIdentifier"`
		} `json:"batchItemFailures"`
	}
	if err := json.Unmarshal(answer, &report); err != nil {
		return nil, fmt.Errorf("read it: %w", err)
	}
	failed := map[string]bool{}
	for _, f := range report.BatchItemFailures {
		if f.ItemIdentifier == nil || *f.ItemIdentifier == "" {
			return nil, errors.New("an item has no itemIdentifier")
		}
		failed[*f.ItemIdentifier] = true
	}
	return failed, nil
}

// withLaterOnes keeps a group's messages after its first failed one too. Lambda would delete those that the function did
// not report, so a function that forgets to is told.
func (s *Source) withLaterOnes(messages []message, failed map[string]bool) map[string]bool {
	stopped := map[string]bool{}
	kept := map[string]bool{}
	for _, m := range messages {
		group := m.group()
		switch {
		case failed[m.id()]:
			stopped[group] = true
		case stopped[group]:
			s.Log.Warn("the function did not report a message that follows a failed one of its group; on AWS it would be lost",
				"function", s.Function.Name(), "queue", s.ARN)
		default:
			continue
		}
		kept[m.id()] = true
	}
	return kept
}

func (s *Source) delete(ctx context.Context, messages []message) error {
	if len(messages) == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	var entries []types.DeleteMessageBatchRequestEntry
	for i, m := range messages {
		entries = append(entries, types.DeleteMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), ReceiptHandle: m.ReceiptHandle})
	}
	deleted, err := s.Client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &s.URL, Entries: entries})
	if err != nil {
		return err
	}
	refused := map[string]bool{}
	for _, f := range deleted.Failed {
		refused[aws.ToString(f.Id)] = true
	}
	var gone []message
	for i, m := range messages {
		if !refused[strconv.Itoa(i)] {
			gone = append(gone, m)
		}
	}
	s.remember(s.Receipts.forget(gone))
	if n := len(deleted.Failed); n > 0 {
		return fmt.Errorf("%d of %d were refused: %s", n, len(messages), aws.ToString(deleted.Failed[0].Message))
	}
	return nil
}

// record is a message as the function gets it for the nth time.
func record(m types.Message, arn string, n int) events.SQSMessage {
	system := maps.Clone(m.Attributes)
	system["ApproximateReceiveCount"] = strconv.Itoa(n)
	attributes := map[string]events.SQSMessageAttribute{}
	for name, a := range m.MessageAttributes {
		attributes[name] = events.SQSMessageAttribute{
			StringValue: a.StringValue, BinaryValue: a.BinaryValue, DataType: aws.ToString(a.DataType),
			StringListValues: []string{}, BinaryListValues: [][]byte{},
		}
	}
	return events.SQSMessage{
		MessageId: *m.MessageId, ReceiptHandle: aws.ToString(m.ReceiptHandle),
		Body: aws.ToString(m.Body), Md5OfBody: aws.ToString(m.MD5OfBody), Md5OfMessageAttributes: aws.ToString(m.MD5OfMessageAttributes),
		Attributes: system, MessageAttributes: attributes,
		EventSourceARN: arn, EventSource: "aws:sqs", AWSRegion: servers.Region,
	}
}
