package main

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// TestThrottledInTime: the SDK's pauses, which are of seconds where SQS throttles, end in time for an answer.
func TestThrottledInTime(t *testing.T) {
	t.Parallel()
	var end time.Time
	var late atomic.Bool
	d := open(t, func(o *sqs.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("throttle", func(ctx context.Context, _ middleware.FinalizeInput, _ middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				if until, limited := ctx.Deadline(); !limited || !until.Equal(end.Add(-reserve)) {
					late.Store(true)
				}
				return middleware.FinalizeOutput{}, middleware.Metadata{}, &smithy.GenericAPIError{Code: "RequestThrottled", Message: "Rate exceeded"}
			}), "Retry", middleware.After)
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), reserve+50*time.Millisecond)
	defer cancel()
	end, _ = ctx.Deadline()
	res, err := d.handle(ctx, signed(texts(25, 3, 5)))
	if err != nil || res.StatusCode != 503 || res.Headers["Retry-After"] == "" || late.Load() {
		t.Errorf("answer %d %v, %v; attempts may go on too long: %v", res.StatusCode, res.Headers, err, late.Load())
	}
}
