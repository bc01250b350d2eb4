package dynamo_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"chatkeeper/shared/dynamo"
)

// What the SDK does before a call is answered with ErrUnsure: four attempts where DynamoDB fails, one where another
// transaction was at the item. Throttled it pauses for long, but not beyond the context.
func TestAttemptsOfACall(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	failed := &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusInternalServerError}},
		Err: &types.InternalServerError{}}
	for _, row := range []struct {
		what     string
		err      error
		limit    time.Duration // of the context; 0: none
		attempts int
	}{
		{"failed", failed, 0, 4},
		{"conflict", &types.TransactionConflictException{}, 0, 1},
		{"throttled", &types.ProvisionedThroughputExceededException{}, time.Millisecond, 1},
	} {
		attempts := 0
		store := s.client(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
			return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("attempt", func(context.Context, middleware.FinalizeInput, middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
				attempts++
				return middleware.FinalizeOutput{}, middleware.Metadata{}, row.err
			}), "Retry", middleware.After)
		}))
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if row.limit > 0 {
			ctx, cancel = context.WithTimeout(ctx, row.limit)
		}
		_, err := store.Chat(ctx, id)
		cancel()
		if !errors.Is(err, dynamo.ErrUnsure) || attempts > row.attempts || attempts < row.attempts && row.limit == 0 {
			t.Errorf("%s: %d attempts, want %d, and %v", row.what, attempts, row.attempts, err)
		}
	}
}
