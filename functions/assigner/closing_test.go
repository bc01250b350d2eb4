package main

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/queue"
)

// closingQueues notes until when each call may take.
type closingQueues struct {
	until []time.Time // zero: no end
}

func (q *closingQueues) SendAll(ctx context.Context, _ string, _ []queue.Entry) error {
	return q.note(ctx)
}

func (q *closingQueues) Delay(ctx context.Context, _ string, _ []string, _ time.Duration) error {
	return q.note(ctx)
}

func (q *closingQueues) note(ctx context.Context) error {
	end, _ := ctx.Deadline()
	q.until = append(q.until, end)
	return context.DeadlineExceeded
}

// What is done in the reserve, when all other time is over, ends before the invocation does, though SQS throttles: a pool
// that signals itself, fails at that, and is handed back.
func TestClosingEndsInTime(t *testing.T) {
	t.Parallel()
	q := &closingQueues{}
	a := &assigner{queues: q, inbound: "inbound", pools: "pools", now: time.Now}
	ctx, cancel := context.WithTimeout(t.Context(), reserve) // so that nothing is left but the reserve
	defer cancel()
	end, _ := ctx.Deadline()
	answer, err := a.handle(ctx, events.SQSEvent{Records: []events.SQSMessage{record("pools", support, "1", queue.Signal{Pool: support}.Entry("1").Body, 1)}})
	if err != nil || len(answer.BatchItemFailures) != 1 {
		t.Errorf("answered %+v, %v", answer, err)
	}
	if len(q.until) != 2 {
		t.Fatalf("%d calls, want the signal and the hand-back", len(q.until))
	}
	if signal, handBack := q.until[0], q.until[1]; signal.IsZero() || !signal.Before(handBack) || !handBack.Before(end) {
		t.Errorf("the signal may take until %v, the hand-back until %v, and the invocation ends at %v", signal, handBack, end)
	}
}
