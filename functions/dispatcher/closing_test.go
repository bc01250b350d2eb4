package main

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/queue"
)

type closingQueue struct{ until time.Time }

func (q *closingQueue) SendAll(ctx context.Context, _ string, _ []queue.Entry) error {
	q.until, _ = ctx.Deadline()
	return context.DeadlineExceeded
}

// The signals are given up before the invocation ends, though SQS throttles: the batch is reported, and comes again.
func TestClosingEndsInTime(t *testing.T) {
	t.Parallel()
	q := &closingQueue{}
	d := &dispatcher{queues: q, pools: "pools", now: time.Now}
	ctx, cancel := context.WithTimeout(t.Context(), reserve) // so that nothing is left but the reserve
	defer cancel()
	end, _ := ctx.Deadline()
	unreadable := events.DynamoDBEventRecord{EventID: "1", Change: events.DynamoDBStreamRecord{SequenceNumber: "1"}}
	answer, err := d.handle(ctx, events.DynamoDBEvent{Records: []events.DynamoDBEventRecord{unreadable}})
	if err != nil || len(answer.BatchItemFailures) != 1 {
		t.Errorf("answered %+v, %v", answer, err)
	}
	if q.until.IsZero() || !q.until.Before(end) {
		t.Errorf("they may take until %v, and the invocation ends at %v", q.until, end)
	}
}
