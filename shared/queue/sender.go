package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Entry is one message to a queue.
type Entry struct {
	Body  string
	Group string // message group of a FIFO queue, at most 128 characters; empty for a standard queue
	Dedup string // deduplication id within the group, at most 128 characters; empty for a standard queue
}

// Limits of one call. AWS takes ten entries and 1 MiB together; a little room is left for what it may count beside the bodies.
const (
	maxEntries = 10
	maxBytes   = 1000 << 10
)

const (
	attempts   = 5                     // of a batch; of each the SDK makes up to three of its own
	firstPause = 50 * time.Millisecond // doubled after each attempt
	inParallel = 32                    // calls at once for a large delivery
)

// Sender puts messages into queues.
type Sender struct {
	client *sqs.Client
}

// NewSender returns a Sender over a client.
func NewSender(client *sqs.Client) *Sender { return &Sender{client: client} }

// Open returns a Sender with a client of its own that keeps enough connections for the calls it makes at once.
func Open(cfg aws.Config) *Sender {
	return NewSender(sqs.NewFromConfig(cfg, func(o *sqs.Options) {
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = inParallel
		})
	}))
}

// SendAll stores all entries, in as few calls as SQS allows: one for every ten, more only where their bodies are large.
// A nil error means that SQS has every one of them. Otherwise any number may be stored; sending all of them again is safe for
// five minutes, as their deduplication ids are the same.
//
// At most inParallel calls are under way at once, and as many are while that many hold no group in common: n entries of as many
// groups take n ÷ 10 ÷ inParallel times as long as one call, as long as the caller has the CPU time for it.
//
// Entries of one group are sent in order: a call begins when all earlier calls that hold one of its groups are done. Entries
// that SQS refused are tried again, a few times, with growing pauses, as long as ctx allows. So are whole calls that failed:
// the SDK gives them up within 150 ms, and SQS may be away for a second. A call that was throttled for as long as the SDK
// waits, which is up to three seconds, is not tried again. Within one batch SQS may refuse an entry and store a later one of
// the same group, which then overtakes. That is rare, and does no harm to inbound updates, which are ordered by WhatsApp's
// own time and not by arrival, nor to signals. Whoever can't bear it sends at most one entry of a group at a time.
func (s *Sender) SendAll(ctx context.Context, url string, entries []Entry) error {
	batches := pack(entries)
	if len(batches) == 0 {
		return nil
	}
	if len(batches) == 1 {
		return s.sendBatch(ctx, url, batches[0])
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var all sync.WaitGroup
	slots := make(chan struct{}, inParallel)
	last := map[string]<-chan struct{}{} // by group: the end of the newest call that holds it
	for _, batch := range batches {
		var before []<-chan struct{}
		done := make(chan struct{})
		for _, e := range batch {
			if earlier := last[e.Group]; earlier != nil && earlier != done {
				before = append(before, earlier)
			}
			if e.Group != "" {
				last[e.Group] = done
			}
		}
		all.Go(func() {
			defer close(done)
			for _, earlier := range before {
				<-earlier
			}
			slots <- struct{}{}
			defer func() { <-slots }()
			if ctx.Err() != nil {
				return // one that failed has cancelled the rest, so that none overtakes
			}
			if err := s.sendBatch(ctx, url, batch); err != nil {
				cancel(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// pack cuts the entries, in their order, into the fewest batches that one call each takes.
func pack(entries []Entry) [][]Entry {
	var batches [][]Entry
	begin, size := 0, 0
	for i, e := range entries {
		bytes := len(e.Body) + len(e.Group) + len(e.Dedup)
		if i > begin && (i-begin == maxEntries || size+bytes > maxBytes) {
			batches = append(batches, entries[begin:i])
			begin, size = i, 0
		}
		size += bytes
	}
	if begin < len(entries) {
		batches = append(batches, entries[begin:])
	}
	return batches
}

func (s *Sender) sendBatch(ctx context.Context, url string, batch []Entry) error {
	for attempt := 1; ; attempt++ {
		refused, err := s.call(ctx, url, batch)
		switch {
		case err != nil && again(err):
			refused = batch // what of it is stored is not known
		case err != nil:
			return fmt.Errorf("send to queue: %w", err)
		case len(refused) == 0:
			return nil
		default:
			err = fmt.Errorf("%d of %d messages refused", len(refused), len(batch))
		}
		if attempt == attempts {
			return fmt.Errorf("send to queue: %w", err)
		}
		batch = refused
		if pause := pause(ctx, firstPause<<(attempt-1)); pause != nil {
			return fmt.Errorf("send to queue: %w", errors.Join(err, pause))
		}
	}
}

var (
	repeated  = retry.IsErrorRetryables(retry.DefaultRetryables)
	throttled = retry.IsErrorThrottles(retry.DefaultThrottles)
)

// again reports whether a call that the SDK gave up may work a little later: the connection broke, or SQS failed.
func again(err error) bool {
	return repeated.IsErrorRetryable(err) == aws.TrueTernary && throttled.IsErrorThrottle(err) != aws.TrueTernary
}

// call makes one call and returns the entries that SQS refused, in their order.
func (s *Sender) call(ctx context.Context, url string, batch []Entry) ([]Entry, error) {
	request := make([]types.SendMessageBatchRequestEntry, len(batch))
	for i, e := range batch {
		request[i] = types.SendMessageBatchRequestEntry{Id: aws.String(strconv.Itoa(i)), MessageBody: &batch[i].Body}
		if e.Group != "" {
			request[i].MessageGroupId = &batch[i].Group
		}
		if e.Dedup != "" {
			request[i].MessageDeduplicationId = &batch[i].Dedup
		}
	}
	out, err := s.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: request})
	if err != nil {
		return nil, err
	}
	if len(out.Failed) == 0 && len(out.Successful) == len(batch) {
		return nil, nil
	}
	stored := make([]bool, len(batch))
	for _, ok := range out.Successful {
		if i, err := strconv.Atoi(aws.ToString(ok.Id)); err == nil && i >= 0 && i < len(batch) {
			stored[i] = true
		}
	}
	var refused []Entry
	for i, e := range batch {
		if !stored[i] {
			refused = append(refused, e)
		}
	}
	return refused, nil
}

// pause waits between half of d and all of it, unless ctx ends sooner or would end meanwhile.
func pause(ctx context.Context, d time.Duration) error {
	d = d/2 + rand.N(d/2)
	if deadline, ok := ctx.Deadline(); ok && time.Until(deadline) < d {
		return errors.New("no time left to try again")
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return nil
	}
}

// Connect opens a connection while the function starts, so that the first message does not wait for it. It sends an empty
// batch, of which SQS stores nothing (it answers EmptyBatchRequest), because that needs no permission but the one to send.
// Whether it works shows at the first message; here it is given up after a second.
func (s *Sender) Connect(ctx context.Context, url string) {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	_, _ = s.client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &url, Entries: []types.SendMessageBatchRequestEntry{}},
		func(o *sqs.Options) { o.RetryMaxAttempts = 1 })
}
