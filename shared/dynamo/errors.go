package dynamo

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"

	"chatkeeper/shared/chat"
)

// ErrRefused: a condition did not hold. Somebody else was first; read again and decide again at once.
var ErrRefused = errors.New("refused: not as it was read")

// ErrUnsure: the write met a conflict, was throttled, or its outcome is unknown (it may have happened). Read again and
// decide again after a pause; what happened shows in what is read. Whoever hands it on to a person tells them to try again.
var ErrUnsure error = &chat.Error{Code: chat.TryAgain, Detail: "The storage was busy or did not answer."}

// ErrUnreadable: an item is not what it should be. No repetition mends that; somebody has to look at it.
var ErrUnreadable = errors.New("not readable")

// ErrInvalid: DynamoDB does not take the write, whoever is first: an item would be larger than 400 KB, say. No repetition
// mends that.
var ErrInvalid = errors.New("not a write that can be done")

// errContended: somebody else was first, each time, until the attempts ran out.
var errContended error = &chat.Error{Code: chat.TryAgain, Detail: "Others were changing the same thing all the time."}

// outcome sorts a write's error into the three answers a caller can act on: refused, unsure, or a plain failure that
// trying again does not mend (access denied, a malformed request).
func outcome(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", doing, errors.Join(kind(err), err))
}

func kind(err error) error {
	var refused *types.ConditionalCheckFailedException
	if errors.As(err, &refused) {
		return ErrRefused
	}
	var cancelled *types.TransactionCanceledException
	if errors.As(err, &cancelled) {
		return kindOfCancellation(cancelled.CancellationReasons)
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode() {
		case "TransactionConflictException", "TransactionInProgressException", "ThrottlingException", "ThrottlingError",
			"ProvisionedThroughputExceededException", "RequestLimitExceeded", "LimitExceededException", "InternalServerError",
			"ServiceUnavailable", "InternalFailure", "IdempotentParameterMismatchException":
			return ErrUnsure
		case "ValidationException":
			return ErrInvalid
		}
		if api.ErrorFault() == smithy.FaultServer {
			return ErrUnsure
		}
		return nil
	}
	var network net.Error
	if errors.As(err, &network) || isConnection(err) || errors.Is(err, context.DeadlineExceeded) {
		return ErrUnsure
	}
	return nil
}

// kindOfCancellation reads the reasons by position. A failed condition wins over the others: the next attempt is another
// one. What can't be done wins over a conflict: it will not go away.
func kindOfCancellation(reasons []types.CancellationReason) error {
	var found error
	for _, r := range reasons {
		switch aws.ToString(r.Code) {
		case "ConditionalCheckFailed":
			return ErrRefused
		case "ValidationError":
			found = ErrInvalid
		case "TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "RequestLimitExceeded", "InternalServerError":
			if found == nil {
				found = ErrUnsure
			}
		}
	}
	return found
}

// refusedAt lists the operations of a cancelled transaction whose conditions did not hold, by position.
func refusedAt(err error) []int {
	var cancelled *types.TransactionCanceledException
	if !errors.As(err, &cancelled) {
		return nil
	}
	var at []int
	for i, r := range cancelled.CancellationReasons {
		if aws.ToString(r.Code) == "ConditionalCheckFailed" {
			at = append(at, i)
		}
	}
	return at
}

func isConnection(err error) bool {
	var request interface{ ConnectionError() bool }
	return errors.As(err, &request) && request.ConnectionError()
}

// Again reports whether reading again and deciding again is the right answer to the error.
func Again(err error) bool { return errors.Is(err, ErrRefused) || errors.Is(err, ErrUnsure) }

// Pause waits before the attempt that follows err, with jitter: after the first refusal not at all, after further ones up
// to 5 ms × 2^attempt, so that those who contend let each other through; up to 50 ms × 2^attempt when the table was busy or
// silent; never more than a second. Attempts count from 0, and each has been four of the SDK where the table was busy or
// silent, with the SDK's own pauses, which are longer where it was throttled. It returns early with the context's error.
func Pause(ctx context.Context, attempt int, err error) error {
	unit := 5 * time.Millisecond
	if errors.Is(err, ErrUnsure) {
		unit = 50 * time.Millisecond
	} else if attempt == 0 {
		return ctx.Err()
	}
	limit := min(unit<<min(attempt, 10), time.Second)
	timer := time.NewTimer(rand.N(limit))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
