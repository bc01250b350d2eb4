// Package faults makes the AWS SDK fail on purpose, in ways that local servers never do and AWS does now and then. It
// stands outside the SDK's own retries: the caller meets the error as it would after they gave up.
package faults

import (
	"context"
	"errors"
	"net"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

// Fault is one way for a call to fail.
type Fault string

// The faults. Lost is the one to fear: the caller is told of a failure, and the call has happened.
const (
	Failed    Fault = "failed"              // nothing happened: the connection broke before the request arrived
	Lost      Fault = "failed but happened" // the answer was lost on its way back
	Conflict  Fault = "conflict"            // another transaction was at the same items
	Throttled Fault = "throttled"
)

// All lists every fault.
var All = []Fault{Failed, Lost, Conflict, Throttled}

// Injector fails one call: the one with number At, counted from 0 over all clients that use it. None if At is negative.
type Injector struct {
	At    int64
	Fault Fault
	calls atomic.Int64
}

// Calls is how many calls went by, the one that failed included.
func (i *Injector) Calls() int64 { return i.calls.Load() }

// Add makes a client fail as the injector says: dynamodb.NewFromConfig(cfg, dynamodb.WithAPIOptions(i.Add)).
func (i *Injector) Add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("faults", i.handle), middleware.Before)
}

func (i *Injector) handle(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	if i.calls.Add(1)-1 != i.At {
		return next.HandleInitialize(ctx, in)
	}
	if i.Fault == Lost {
		if _, _, err := next.HandleInitialize(ctx, in); err != nil {
			return middleware.InitializeOutput{}, middleware.Metadata{}, err
		}
	}
	return middleware.InitializeOutput{}, middleware.Metadata{}, i.err(middleware.GetOperationName(ctx))
}

func (i *Injector) err(operation string) error {
	switch i.Fault {
	case Conflict:
		if operation == "TransactWriteItems" {
			return &types.TransactionCanceledException{Message: aws.String("injected"),
				CancellationReasons: []types.CancellationReason{{Code: aws.String("None")}, {Code: aws.String("TransactionConflict")}}}
		}
		return &types.TransactionConflictException{Message: aws.String("injected")}
	case Throttled:
		return &smithy.GenericAPIError{Code: "ThrottlingException", Message: "injected"}
	}
	return &net.OpError{Op: "read", Net: "tcp", Err: errors.New("injected: connection reset")}
}
