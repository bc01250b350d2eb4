// Package streams feeds functions from DynamoDB streams as Lambda's event source mappings do.
//
// Each shard is read in order, a parent before its children. Records that a filter lets pass go to the function in
// batches; a batch that fails is tried again, cut in two if the mapping says so, until it is done or given up, and only
// then comes the next. What is given up is told to the failure destination as positions, as on AWS.
package streams

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"chatkeeper/infra/local/filter"
	"chatkeeper/infra/local/lambda"
	"chatkeeper/infra/local/queues"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// Source is an event source mapping on a stream.
type Source struct {
	Client       *dynamodbstreams.Client
	Stream       string // its ARN
	FromNow      bool   // a new mapping begins with what comes, not with what is there
	BatchSize    int
	MaxRetries   int           // of a batch; -1: without end
	MaxAge       time.Duration // of a record; 0: no limit
	Bisect       bool
	PartialBatch bool
	Filters      []filter.Pattern
	GiveUp       func(context.Context, GivenUp) error // tells the failure destination; nil: there is none
	Checkpoints  *Checkpoints
	Function     *lambda.Function
	Log          *slog.Logger
}

// GivenUp is what a failure destination is told: where the records stood, not what they were.
type GivenUp struct {
	RequestContext struct {
		RequestID              string `json:"requestId"`
		FunctionARN            string `json:"functionArn"`
		Condition              string `json:"condition"`
		ApproximateInvokeCount int    `json:"approximateInvokeCount"`
	} `json:"requestContext"`
	ResponseContext struct {
		StatusCode      int    `json:"statusCode"`
		ExecutedVersion string `json:"executedVersion"`
		FunctionError   string `json:"functionError,omitempty"`
	} `json:"responseContext"`
	Version   string    `json:"version"`
	Timestamp time.Time `json:"timestamp"`
	Batch     struct {
		ShardID              string    `json:"shardId"`
		StartSequenceNumber  string    `json:"startSequenceNumber"`
		EndSequenceNumber    string    `json:"endSequenceNumber"`
		ArrivalOfFirstRecord time.Time `json:"approximateArrivalOfFirstRecord"`
		ArrivalOfLastRecord  time.Time `json:"approximateArrivalOfLastRecord"`
		BatchSize            int       `json:"batchSize"`
		StreamARN            string    `json:"streamArn"`
	} `json:"DDBStreamBatchInfo"`
}

const (
	// A record waits half of the longest pause on average; a poll of an idle shard costs under a millisecond while its stream
	// is short.
	shortestPause = 10 * time.Millisecond
	longestPause  = 80 * time.Millisecond

	firstRetryPause   = 50 * time.Millisecond
	longestRetryPause = time.Second

	shardsAreListed = 10 * time.Second // and whenever a shard ends
	maxRecords      = 1000             // of one GetRecords
	maxPayload      = 5 << 20          // of records in one batch; Lambda takes 6 MB
)

// Run reads the stream until ctx ends, and returns when the batches on the way are done.
func (s *Source) Run(ctx context.Context) {
	var readers sync.WaitGroup
	defer readers.Wait()
	running := map[string]bool{}
	ended := make(chan string)
	begun := s.FromNow // shards seen at the very first listing begin with what comes, later ones at their start
	for failures := 0; ; {
		shards, err := s.shards(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := shardsAreListed
		if err != nil {
			failures++
			if failures == 1 {
				s.Log.Warn("stream does not answer; it is asked again", "stream", s.Stream, "error", err)
			}
			wait = longestRetryPause
		} else {
			failures = 0
			for _, shard := range s.ready(shards, running) {
				running[shard] = true
				fromNow := begun
				readers.Go(func() {
					s.readShard(ctx, shard, fromNow)
					select {
					case ended <- shard:
					case <-ctx.Done():
					}
				})
			}
			begun = false
		}
		select {
		case <-ctx.Done():
			return
		case shard := <-ended:
			delete(running, shard)
		case <-time.After(wait):
		}
	}
}

func (s *Source) shards(ctx context.Context) ([]types.Shard, error) {
	var shards []types.Shard
	input := &dynamodbstreams.DescribeStreamInput{StreamArn: &s.Stream}
	for {
		described, err := s.Client.DescribeStream(ctx, input)
		if err != nil {
			return nil, err
		}
		shards = append(shards, described.StreamDescription.Shards...)
		input.ExclusiveStartShardId = described.StreamDescription.LastEvaluatedShardId
		if input.ExclusiveStartShardId == nil {
			break
		}
	}
	listed := map[string]bool{}
	for _, shard := range shards {
		listed[*shard.ShardId] = true
	}
	if lost := s.Checkpoints.keep(s.Stream, listed); lost > 0 {
		s.Log.Info("shards that were read before are gone from the stream; what is left is read from its beginning", "stream", s.Stream, "shards", lost)
	}
	return shards, nil
}

// ready are the shards to read now: not read to their end, not being read, and with no parent that still is to be read.
func (s *Source) ready(shards []types.Shard, running map[string]bool) []string {
	open := map[string]bool{}
	for _, shard := range shards {
		if p, _ := s.Checkpoints.of(s.Stream, *shard.ShardId); !p.Done {
			open[*shard.ShardId] = true
		}
	}
	var out []string
	for _, shard := range shards {
		id := *shard.ShardId
		if open[id] && !running[id] && !open[aws.ToString(shard.ParentShardId)] {
			out = append(out, id)
		}
	}
	return out
}

// readShard reads a shard until it is closed and read to its end, or ctx ends.
func (s *Source) readShard(ctx context.Context, shard string, fromNow bool) {
	var iterator *string
	pause, failures := shortestPause, 0
	for ctx.Err() == nil {
		records, next, err := s.read(ctx, shard, iterator, fromNow)
		switch {
		case ctx.Err() != nil:
			return
		case isGone(err):
			s.Log.Warn("the shard is gone; the stream is looked at again", "stream", s.Stream, "shard", shard, "error", err)
			wait(ctx, longestRetryPause)
			return
		case isTrimmed(err) && iterator != nil:
			// DynamoDB Local says so of an iterator that it made before the first record came. The checkpoint still holds.
			iterator = nil
			wait(ctx, firstRetryPause)
			continue
		case isTrimmed(err):
			s.Log.Warn("position in the stream is lost; the shard is read again from its beginning", "stream", s.Stream, "shard", shard, "error", err)
			iterator, fromNow = nil, false
			s.checkpoint(shard, position{})
			wait(ctx, firstRetryPause)
			continue
		case err != nil:
			failures++
			if failures == 1 {
				s.Log.Warn("stream does not answer; it is asked again", "stream", s.Stream, "shard", shard, "error", err)
			}
			iterator = nil // from the checkpoint: an iterator may have expired, or not have outlived the server
			wait(ctx, min(firstRetryPause<<min(failures, 10), longestRetryPause))
			continue
		}
		failures = 0
		if len(records) > 0 {
			if !s.deliver(ctx, shard, records) {
				return
			}
			s.checkpoint(shard, position{After: records[len(records)-1].DynamoDB.SequenceNumber})
			pause = shortestPause
		}
		if next == nil {
			p, _ := s.Checkpoints.of(s.Stream, shard)
			s.checkpoint(shard, position{After: p.After, Done: true})
			return
		}
		iterator = next
		if len(records) == 0 {
			wait(ctx, pause)
			pause = min(pause*3/2, longestPause)
		}
	}
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// isTrimmed says whether the stream no longer has the position asked for.
func isTrimmed(err error) bool {
	var trimmed *types.TrimmedDataAccessException
	return errors.As(err, &trimmed)
}

// isGone says whether the stream no longer has the shard, or there is no such stream.
func isGone(err error) bool {
	var gone *types.ResourceNotFoundException
	return errors.As(err, &gone)
}

// read gets the records that follow, from the iterator or, without one, from the checkpoint.
func (s *Source) read(ctx context.Context, shard string, iterator *string, fromNow bool) ([]record, *string, error) {
	if iterator == nil {
		input := &dynamodbstreams.GetShardIteratorInput{
			StreamArn: &s.Stream, ShardId: &shard, ShardIteratorType: types.ShardIteratorTypeTrimHorizon,
		}
		if p, known := s.Checkpoints.of(s.Stream, shard); p.After != "" {
			input.ShardIteratorType, input.SequenceNumber = types.ShardIteratorTypeAfterSequenceNumber, &p.After
		} else if fromNow && !known {
			input.ShardIteratorType = types.ShardIteratorTypeLatest
		}
		got, err := s.Client.GetShardIterator(ctx, input)
		if err != nil {
			return nil, nil, err
		}
		iterator = got.ShardIterator
	}
	got, err := s.Client.GetRecords(ctx, &dynamodbstreams.GetRecordsInput{
		ShardIterator: iterator, Limit: aws.Int32(int32(min(s.BatchSize, maxRecords))),
	})
	if err != nil {
		return nil, nil, err
	}
	records := make([]record, len(got.Records))
	for i, r := range got.Records {
		if records[i], err = newRecord(r, s.Stream); err != nil {
			return nil, nil, err
		}
	}
	return records, got.NextShardIterator, nil
}

func (s *Source) checkpoint(shard string, p position) {
	if err := s.Checkpoints.set(s.Stream, shard, p); err != nil {
		s.Log.Error("checkpoint is not kept; a restart will repeat records", "stream", s.Stream, "error", err)
	}
}

// deliver filters the records and gives them to the function, in batches that Lambda can carry. It returns false when
// ctx ended before all were done.
func (s *Source) deliver(ctx context.Context, shard string, records []record) bool {
	var batch []record
	size := 0
	for _, r := range records {
		if !s.passes(r) {
			continue
		}
		if len(batch) > 0 && size+len(r.event) > maxPayload {
			if !s.do(ctx, shard, batch) {
				return false
			}
			batch, size = nil, 0
		}
		batch, size = append(batch, r), size+len(r.event)
	}
	return len(batch) == 0 || s.do(ctx, shard, batch)
}

func (s *Source) passes(r record) bool {
	return len(s.Filters) == 0 || slices.ContainsFunc(s.Filters, func(p filter.Pattern) bool {
		matches, err := p.Matches(r.event)
		return err == nil && matches // a record is always JSON
	})
}

// do runs a batch until it is done or given up. It returns false when ctx ended before.
func (s *Source) do(ctx context.Context, shard string, batch []record) bool {
	pause := firstRetryPause
	for invocations := 1; ; invocations++ {
		if s.MaxAge > 0 {
			fresh := slices.IndexFunc(batch, func(r record) bool { return time.Since(r.created) <= s.MaxAge })
			if fresh != 0 {
				if fresh < 0 {
					fresh = len(batch)
				}
				s.giveUp(ctx, shard, batch[:fresh], "RecordAgeExceeded", invocations-1)
				batch = batch[fresh:]
			}
			if len(batch) == 0 {
				return true
			}
		}
		done, err := s.invoke(ctx, batch)
		if errors.Is(err, lambda.ErrClosed) {
			return false
		}
		if done == len(batch) {
			return true
		}
		if err != nil {
			s.Log.Warn("batch failed", "function", s.Function.Name(), "shard", shard, "records", len(batch), "error", err)
		}
		switch {
		case done > 0:
			// What follows the last good record counts as a batch of its own.
			s.checkpoint(shard, position{After: batch[done-1].DynamoDB.SequenceNumber})
			batch, invocations, pause = batch[done:], 0, firstRetryPause
		case s.Bisect && len(batch) > 1: // cutting in two is no retry
			half := len(batch) / 2
			return s.do(ctx, shard, batch[:half]) && s.do(ctx, shard, batch[half:])
		case s.MaxRetries >= 0 && invocations > s.MaxRetries:
			s.giveUp(ctx, shard, batch, "RetryAttemptsExhausted", invocations)
			return true
		}
		wait(ctx, pause)
		if ctx.Err() != nil {
			return false
		}
		pause = min(pause*2, longestRetryPause)
	}
}

// invoke returns how many records from the beginning of the batch are done.
func (s *Source) invoke(ctx context.Context, batch []record) (done int, err error) {
	var event struct {
		Records []json.RawMessage `json:"Records"`
	}
	for _, r := range batch {
		event.Records = append(event.Records, r.event)
	}
	payload, err := json.Marshal(event)
	if err != nil {
		return 0, err
	}
	answer, err := s.Function.Invoke(context.WithoutCancel(ctx), payload)
	if err != nil {
		return 0, err
	}
	if !s.PartialBatch {
		return len(batch), nil
	}
	failed, err := queues.FailedItems(answer)
	if err != nil {
		return 0, fmt.Errorf("the function's report of failed records makes no sense: %w", err)
	}
	if len(failed) == 0 {
		return len(batch), nil
	}
	first := slices.IndexFunc(batch, func(r record) bool { return failed[r.DynamoDB.SequenceNumber] })
	if first < 0 {
		return 0, errors.New("the function reports a record as failed that is not in the batch")
	}
	return first, errors.New("the function reports a failed record")
}

func (s *Source) giveUp(ctx context.Context, shard string, batch []record, condition string, invocations int) {
	first, last := batch[0], batch[len(batch)-1]
	s.Log.Error("records are given up", "function", s.Function.Name(), "stream", s.Stream, "shard", shard, "records", len(batch),
		"from", first.DynamoDB.SequenceNumber, "to", last.DynamoDB.SequenceNumber, "because", condition)
	if s.GiveUp == nil {
		return
	}
	g := GivenUp{Version: "1.0", Timestamp: time.Now().UTC()}
	g.RequestContext.RequestID = rand.Text()
	g.RequestContext.FunctionARN = s.Function.ARN()
	g.RequestContext.Condition = condition
	g.RequestContext.ApproximateInvokeCount = invocations
	g.ResponseContext.StatusCode = 200
	g.ResponseContext.ExecutedVersion = "$LATEST"
	g.ResponseContext.FunctionError = "Unhandled"
	g.Batch.ShardID = shard
	g.Batch.StartSequenceNumber = first.DynamoDB.SequenceNumber
	g.Batch.EndSequenceNumber = last.DynamoDB.SequenceNumber
	g.Batch.ArrivalOfFirstRecord, g.Batch.ArrivalOfLastRecord = first.created.UTC(), last.created.UTC()
	g.Batch.BatchSize = len(batch)
	g.Batch.StreamARN = s.Stream
	if err := s.GiveUp(context.WithoutCancel(ctx), g); err != nil {
		s.Log.Error("the failure destination did not hear of it", "function", s.Function.Name(), "error", err)
	}
}
