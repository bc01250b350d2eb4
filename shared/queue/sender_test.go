package queue_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/queue"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// between stands where the SDK makes one attempt of a call: it may refuse entries, fail before or after, or just count.
type between func(ctx context.Context, in *sqs.SendMessageBatchInput, send func() (*sqs.SendMessageBatchOutput, error)) (*sqs.SendMessageBatchOutput, error)

// sender returns a Sender to the real ElasticMQ with a test's doings in between.
func sender(t *testing.T, do between) *queue.Sender {
	options := serverstest.SQS(t).Options()
	// A refused or failed attempt is repeated at once; the pauses are the SDK's own business.
	options.Retryer = retry.NewStandard(func(o *retry.StandardOptions) {
		o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
	})
	options.APIOptions = append(slices.Clone(options.APIOptions), func(stack *middleware.Stack) error {
		var input *sqs.SendMessageBatchInput
		note := middleware.InitializeMiddlewareFunc("note", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			input = in.Parameters.(*sqs.SendMessageBatchInput)
			return next.HandleInitialize(ctx, in)
		})
		attempt := middleware.FinalizeMiddlewareFunc("attempt", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (out middleware.FinalizeOutput, metadata middleware.Metadata, err error) {
			result, err := do(ctx, input, func() (*sqs.SendMessageBatchOutput, error) {
				var err error
				out, metadata, err = next.HandleFinalize(ctx, in)
				if err != nil {
					return nil, err
				}
				return out.Result.(*sqs.SendMessageBatchOutput), nil
			})
			out.Result = result
			return out, metadata, err
		})
		if err := stack.Initialize.Add(note, middleware.After); err != nil {
			return err
		}
		return stack.Finalize.Insert(attempt, "Retry", middleware.After)
	})
	return queue.NewSender(sqs.New(options))
}

// refusing stands before the SDK serialises a call and keeps some entries from SQS, as SQS reports it.
func refusing(t *testing.T, refuse func(call int, body string) bool) *queue.Sender {
	options := serverstest.SQS(t).Options()
	var calls atomic.Int32
	options.APIOptions = append(slices.Clone(options.APIOptions), func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("refuse", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			call := int(calls.Add(1))
			batch := *in.Parameters.(*sqs.SendMessageBatchInput)
			var kept []types.SendMessageBatchRequestEntry
			var failed []types.BatchResultErrorEntry
			for _, e := range batch.Entries {
				if refuse(call, *e.MessageBody) {
					failed = append(failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError")})
				} else {
					kept = append(kept, e)
				}
			}
			if len(kept) == 0 {
				return middleware.InitializeOutput{Result: &sqs.SendMessageBatchOutput{Failed: failed}}, middleware.Metadata{}, nil
			}
			batch.Entries = kept
			in.Parameters = &batch
			out, metadata, err := next.HandleInitialize(ctx, in)
			if err == nil {
				result := out.Result.(*sqs.SendMessageBatchOutput)
				result.Failed = append(result.Failed, failed...)
			}
			return out, metadata, err
		}), middleware.Before)
	})
	return queue.NewSender(sqs.New(options))
}

func inboundQueue(t *testing.T) string { return serverstest.Queues(t)["InboundQueue"] }

// entries are numbered in their order and spread over groups.
func entries(n, groups int) []queue.Entry {
	all := make([]queue.Entry, n)
	for i := range all {
		all[i] = queue.Entry{Body: fmt.Sprintf("%04d", i), Group: fmt.Sprintf("g%d", i%groups), Dedup: fmt.Sprintf("d%d", i)}
	}
	return all
}

// received empties the queue and returns the bodies by group, in the order in which they came. It expects n of them.
func received(t *testing.T, url string, n int) map[string][]string {
	t.Helper()
	client := serverstest.SQS(t)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	got := map[string][]string{}
	for count := 0; count < n; {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, WaitTimeSeconds: 1, VisibilityTimeout: 20, // an answer lost on a busy machine comes again
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameMessageGroupId}})
		if err != nil {
			t.Fatalf("%d of %d messages, then: %v", count, n, err)
		}
		var done []types.DeleteMessageBatchRequestEntry
		for i, m := range out.Messages {
			group := m.Attributes[string(types.MessageSystemAttributeNameMessageGroupId)]
			got[group] = append(got[group], *m.Body)
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
			count++
		}
		if len(done) > 0 {
			out, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &url, Entries: done})
			if err != nil || len(out.Failed) > 0 {
				t.Fatalf("delete: %v, %d refused", err, len(out.Failed))
			}
		}
	}
	if rest := waiting(t, url); rest > 0 {
		t.Fatalf("%d messages more than the %d expected", rest, n)
	}
	return got
}

func waiting(t *testing.T, url string) int {
	t.Helper()
	out, err := serverstest.SQS(t).ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10})
	if err != nil {
		t.Fatal(err)
	}
	return len(out.Messages)
}

// TestSendAllCalls: one call for every ten entries, all of them stored, in order within their group.
func TestSendAllCalls(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ entries, groups, calls int }{{0, 1, 0}, {1, 1, 1}, {10, 1, 1}, {10, 10, 1}, {11, 3, 2}, {95, 1, 10}, {300, 7, 30}} {
		t.Run(fmt.Sprintf("%d in %d groups", c.entries, c.groups), func(t *testing.T) {
			t.Parallel()
			url := inboundQueue(t)
			var calls atomic.Int32
			counting := sender(t, func(_ context.Context, _ *sqs.SendMessageBatchInput, send func() (*sqs.SendMessageBatchOutput, error)) (*sqs.SendMessageBatchOutput, error) {
				calls.Add(1)
				return send()
			})
			if err := counting.SendAll(t.Context(), url, entries(c.entries, c.groups)); err != nil {
				t.Fatal(err)
			}
			if int(calls.Load()) != c.calls {
				t.Errorf("%d calls, not %d", calls.Load(), c.calls)
			}
			for group, bodies := range received(t, url, c.entries) {
				if !slices.IsSorted(bodies) {
					t.Errorf("group %s came as %v", group, bodies)
				}
			}
		})
	}
}

// TestSendAllLarge: what is too large for one call goes in several, and no more than needed.
func TestSendAllLarge(t *testing.T) {
	t.Parallel()
	url := inboundQueue(t)
	var calls atomic.Int32
	counting := sender(t, func(_ context.Context, in *sqs.SendMessageBatchInput, send func() (*sqs.SendMessageBatchOutput, error)) (*sqs.SendMessageBatchOutput, error) {
		calls.Add(1)
		size := 0
		for _, e := range in.Entries {
			size += len(*e.MessageBody)
		}
		if size > 1<<20 {
			t.Errorf("a call of %d bytes", size)
		}
		return send()
	})
	all := entries(12, 1)
	for i := range all {
		all[i].Body += strings.Repeat("x", 200<<10-4)
	}
	if err := counting.SendAll(t.Context(), url, all); err != nil {
		t.Fatal(err)
	}
	if calls.Load() != 3 {
		t.Errorf("%d calls for twelve entries of 200 KiB", calls.Load())
	}
	if bodies := received(t, url, 12)["g0"]; !slices.IsSorted(bodies) {
		t.Error("out of order")
	}
}

// TestSendAllRefused: entries that SQS refuses are tried again, alone, until they are stored.
func TestSendAllRefused(t *testing.T) {
	t.Parallel()
	url := inboundQueue(t)
	var lock sync.Mutex
	tries := map[string]int{}
	flaky := refusing(t, func(_ int, body string) bool {
		lock.Lock()
		defer lock.Unlock()
		tries[body]++
		return body >= "0003" && body <= "0005" && tries[body] <= 2
	})
	if err := flaky.SendAll(t.Context(), url, entries(10, 1)); err != nil {
		t.Fatal(err)
	}
	got := received(t, url, 10)["g0"]
	if !slices.Equal(got[:3], []string{"0000", "0001", "0002"}) || !slices.Equal(got[7:], []string{"0003", "0004", "0005"}) {
		t.Errorf("stored as %v", got)
	}
	for body, n := range tries {
		if want := map[bool]int{true: 3, false: 1}[body >= "0003" && body <= "0005"]; n != want {
			t.Errorf("%s was sent %d times, not %d", body, n, want)
		}
	}
}

// TestSendAllKeepsOrder: whatever is refused at random, a later call never overtakes an earlier one of the same group.
func TestSendAllKeepsOrder(t *testing.T) {
	t.Parallel()
	url := inboundQueue(t)
	flaky := refusing(t, func(int, string) bool { return rand.IntN(10) == 0 })
	if err := flaky.SendAll(t.Context(), url, entries(200, 4)); err != nil {
		t.Fatal(err)
	}
	for group, bodies := range received(t, url, 200) {
		if len(bodies) != 50 {
			t.Errorf("%d messages in %s", len(bodies), group)
		}
		call := func(body string) string { return body[:3] } // ten numbers went in one call
		for i := 1; i < len(bodies); i++ {
			if call(bodies[i]) < call(bodies[i-1]) {
				t.Errorf("%s: %s came after %s", group, bodies[i], bodies[i-1])
			}
		}
	}
}

// TestSendAllGivesUp: an entry that is always refused makes the whole delivery fail, after a few attempts, and what comes
// after it in its group is not sent.
func TestSendAllGivesUp(t *testing.T) {
	t.Parallel()
	url := inboundQueue(t)
	var calls atomic.Int32
	flaky := refusing(t, func(_ int, body string) bool {
		calls.Add(1)
		return body == "0002"
	})
	if err := flaky.SendAll(t.Context(), url, entries(30, 1)); err == nil {
		t.Fatal("no error, and one message is not stored")
	}
	if got := received(t, url, 9)["g0"]; slices.Contains(got, "0002") {
		t.Errorf("stored %v", got)
	}
	if n := calls.Load(); n < 10+2 || n > 10+10 {
		t.Errorf("the entry was tried %d times", n-9)
	}
}

// TestSendAllThrottled: a call that SQS turns away as a whole is repeated by the SDK.
func TestSendAllThrottled(t *testing.T) {
	t.Parallel()
	url := inboundQueue(t)
	var calls atomic.Int32
	throttled := sender(t, func(_ context.Context, _ *sqs.SendMessageBatchInput, send func() (*sqs.SendMessageBatchOutput, error)) (*sqs.SendMessageBatchOutput, error) {
		if calls.Add(1)%2 == 1 {
			return nil, &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
		}
		return send()
	})
	if err := throttled.SendAll(t.Context(), url, entries(20, 1)); err != nil {
		t.Fatal(err)
	}
	if got := received(t, url, 20)["g0"]; !slices.IsSorted(got) {
		t.Errorf("stored as %v", got)
	}
}

// TestSendAllFailedButHappened: a call that was answered with an error and stored all the same is stored once.
func TestSendAllFailedButHappened(t *testing.T) {
	t.Parallel()
	url := inboundQueue(t)
	var calls atomic.Int32
	lossy := sender(t, func(_ context.Context, _ *sqs.SendMessageBatchInput, send func() (*sqs.SendMessageBatchOutput, error)) (*sqs.SendMessageBatchOutput, error) {
		out, err := send()
		if err == nil && calls.Add(1)%2 == 1 {
			return nil, &smithyhttp.RequestSendError{Err: errors.New("the answer was lost")}
		}
		return out, err
	})
	if err := lossy.SendAll(t.Context(), url, entries(20, 2)); err != nil {
		t.Fatal(err)
	}
	for group, bodies := range received(t, url, 20) {
		if len(bodies) != 10 || !slices.IsSorted(bodies) {
			t.Errorf("%s stored as %v", group, bodies)
		}
	}
}

// TestSendAllInTime: when the time is up it says so at once, and does not claim that anything is stored.
func TestSendAllInTime(t *testing.T) {
	t.Parallel()
	url := inboundQueue(t)
	stuck := refusing(t, func(int, string) bool { return true })
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Millisecond)
	defer cancel()
	if err := stuck.SendAll(ctx, url, entries(25, 3)); err == nil {
		t.Error("no error, and nothing is stored")
	}
	gone, cancelNow := context.WithCancel(t.Context())
	cancelNow()
	if err := stuck.SendAll(gone, url, entries(1, 1)); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if n := waiting(t, url); n > 0 {
		t.Errorf("%d messages stored", n)
	}
}

// TestSendAllAtOnce: of a large delivery 32 calls are under way at once, never more, for as long as so many are left; but those
// of one group go one after the other. Each call waits until as many are under way as there should be.
func TestSendAllAtOnce(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ entries, groups, calls, atOnce int }{{3000, 3000, 300, 32}, {16_000, 16_000, 1600, 32}, {200, 200, 20, 20}, {400, 1, 40, 1}} {
		t.Run(fmt.Sprintf("%d in %d groups", c.entries, c.groups), func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			begun, underWay, most := 0, 0, 0
			full := make(chan struct{}) // as many are under way as there should be
			wait := func(ctx context.Context) error {
				mu.Lock()
				begun++
				underWay++
				most = max(most, underWay)
				together := full
				if underWay == min(c.atOnce, c.calls-begun+underWay) {
					close(full)
					full = make(chan struct{})
				}
				mu.Unlock()
				defer func() { mu.Lock(); underWay--; mu.Unlock() }()
				select {
				case <-together:
					return nil
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			options := serverstest.SQS(t).Options()
			options.APIOptions = append(slices.Clone(options.APIOptions), func(stack *middleware.Stack) error {
				return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meet", func(ctx context.Context, in middleware.InitializeInput, _ middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
					out := &sqs.SendMessageBatchOutput{}
					for _, e := range in.Parameters.(*sqs.SendMessageBatchInput).Entries {
						out.Successful = append(out.Successful, types.SendMessageBatchResultEntry{Id: e.Id})
					}
					return middleware.InitializeOutput{Result: out}, middleware.Metadata{}, wait(ctx)
				}), middleware.Before)
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := queue.NewSender(sqs.New(options)).SendAll(ctx, "a queue", entries(c.entries, c.groups)); err != nil {
				t.Fatalf("%v, after %d calls, %d of them at once", err, begun, most)
			}
			if begun != c.calls || most != c.atOnce {
				t.Errorf("%d calls, %d at once; want %d and %d", begun, most, c.calls, c.atOnce)
			}
		})
	}
}

// TestConnect: it opens a connection and stores nothing, and does no harm where there is no queue.
func TestConnect(t *testing.T) {
	t.Parallel()
	url := inboundQueue(t)
	plain := queue.NewSender(serverstest.SQS(t))
	plain.Connect(t.Context(), url)
	plain.Connect(t.Context(), url+"-that-is-not-there")
	if n := waiting(t, url); n > 0 {
		t.Errorf("%d messages stored", n)
	}
}

// TestSendAllWhileAway: a call that fails is tried again after the SDK has given it up, unless that can't help: where SQS
// refuses it for good, or has throttled it for as long as the SDK waits.
func TestSendAllWhileAway(t *testing.T) {
	t.Parallel()
	broken := &smithyhttp.RequestSendError{Err: errors.New("connection reset")}
	for _, c := range []struct {
		label  string
		err    error
		fails  int // of the SDK's attempts
		stored bool
		calls  int // attempts of the SDK, in all
	}{
		{"for a moment", broken, 2, true, 3},
		{"for longer than the SDK tries", broken, 7, true, 8},
		{"for too long", broken, 1000, false, 15},
		{"not allowed", &smithy.GenericAPIError{Code: "AccessDenied"}, 1000, false, 1},
		{"throttled", &smithy.GenericAPIError{Code: "RequestThrottled"}, 1000, false, 3},
	} {
		t.Run(c.label, func(t *testing.T) {
			t.Parallel()
			url := inboundQueue(t)
			var calls atomic.Int32
			away := sender(t, func(_ context.Context, _ *sqs.SendMessageBatchInput, send func() (*sqs.SendMessageBatchOutput, error)) (*sqs.SendMessageBatchOutput, error) {
				if calls.Add(1) <= int32(c.fails) {
					return nil, c.err
				}
				return send()
			})
			if err := away.SendAll(t.Context(), url, entries(3, 1)); (err == nil) != c.stored || err != nil && !errors.Is(err, c.err) {
				t.Errorf("error %v", err)
			}
			if n := int(calls.Load()); n != c.calls {
				t.Errorf("%d attempts, want %d", n, c.calls)
			}
			if c.stored {
				received(t, url, 3)
			} else if n := waiting(t, url); n > 0 {
				t.Errorf("%d messages stored", n)
			}
		})
	}
}
