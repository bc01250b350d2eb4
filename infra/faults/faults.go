// Package faults makes the AWS SDK fail on purpose, in ways that local servers never do and AWS does now and then. It
// stands outside the SDK's own retries: the caller meets the error as it would after they gave up.
package faults

import (
	"context"
	"errors"
	"net"
	"slices"
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
	return middleware.InitializeOutput{}, middleware.Metadata{}, i.Fault.err(middleware.GetOperationName(ctx))
}

// AfterWrite fails the calls that follow the first write that happens, over all clients that use it. It injects nothing
// before Arm is called.
type AfterWrite struct {
	Fault Fault
	Lost  bool  // the answer to that write is lost, too
	Most  int64 // how many calls fail after it; all if 0

	armed, wrote atomic.Bool
	failed       atomic.Int64
}

// Arm makes the next write the first one.
func (a *AfterWrite) Arm() {
	a.wrote.Store(false)
	a.failed.Store(0)
	a.armed.Store(true)
}

// Disarm ends the failures.
func (a *AfterWrite) Disarm() { a.armed.Store(false) }

// Failed is how many calls have failed since Arm, the write itself not counted.
func (a *AfterWrite) Failed() int64 { return a.failed.Load() }

// Add makes a client fail as the injector says.
func (a *AfterWrite) Add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("faults after a write", a.handle), middleware.Before)
}

func (a *AfterWrite) handle(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
	operation := middleware.GetOperationName(ctx)
	if a.armed.Load() && a.wrote.Load() && (a.Most == 0 || a.failed.Load() < a.Most) {
		a.failed.Add(1)
		return middleware.InitializeOutput{}, middleware.Metadata{}, a.Fault.err(operation)
	}
	out, metadata, err := next.HandleInitialize(ctx, in)
	if err != nil || !a.armed.Load() || !slices.Contains(writes, operation) || !a.wrote.CompareAndSwap(false, true) || !a.Lost {
		return out, metadata, err
	}
	return middleware.InitializeOutput{}, middleware.Metadata{}, Lost.err(operation)
}

var writes = []string{"DeleteItem", "PutItem", "TransactWriteItems", "UpdateItem"}

func (f Fault) err(operation string) error {
	switch f {
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
