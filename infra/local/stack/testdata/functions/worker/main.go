// Command worker is a function for tests. The text of a message, or the key of a record, is what it does: a word, and
// for some a file name after a colon.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

type worker struct {
	diary *os.File
	queue *sqs.Client
}

func main() {
	diary, err := os.OpenFile(os.Getenv("DIARY"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		panic(err)
	}
	aws, err := config.LoadDefaultConfig(context.Background())
	if err != nil {
		panic(err)
	}
	w := &worker{diary, sqs.NewFromConfig(aws)}
	lambda.Start(w.handle)
}

func (w *worker) handle(ctx context.Context, event json.RawMessage) (any, error) {
	var kind struct {
		Records []struct {
			EventSource string `json:"eventSource"`
		}
		RouteKey   string `json:"routeKey"`
		DetailType string `json:"detail-type"`
	}
	if err := json.Unmarshal(event, &kind); err != nil {
		return nil, err
	}
	switch {
	case kind.RouteKey != "":
		return events.APIGatewayV2HTTPResponse{StatusCode: 200, Headers: map[string]string{"content-type": "application/json"}, Body: string(event)}, nil
	case kind.DetailType != "":
		w.write("schedule %s", kind.DetailType)
		return nil, nil
	case len(kind.Records) > 0 && kind.Records[0].EventSource == "aws:sqs":
		var messages events.SQSEvent
		if err := json.Unmarshal(event, &messages); err != nil {
			return nil, err
		}
		return w.messages(ctx, messages.Records)
	}
	var records events.DynamoDBEvent
	if err := json.Unmarshal(event, &records); err != nil {
		return nil, err
	}
	if os.Getenv("REPORTS_RECORDS") != "" {
		return w.reportedRecords(records.Records), nil
	}
	return nil, w.records(records.Records)
}

func (w *worker) write(format string, args ...any) {
	fmt.Fprintf(w.diary, format+"\n", args...)
}

func (w *worker) messages(ctx context.Context, messages []events.SQSMessage) (events.SQSEventResponse, error) {
	var response events.SQSEventResponse
	stopped := map[string]bool{}
	for _, m := range messages {
		group := m.Attributes["MessageGroupId"]
		w.write("begin %s %s %s", group, m.Body, m.Attributes["ApproximateReceiveCount"])
		if stopped[group] || !w.do(ctx, m) {
			stopped[group] = true
			response.BatchItemFailures = append(response.BatchItemFailures, events.SQSBatchItemFailure{ItemIdentifier: m.MessageId})
			w.write("fail %s %s", group, m.Body)
			continue
		}
		w.write("done %s %s", group, m.Body)
	}
	return response, nil
}

// do carries a message out and says whether it succeeded.
func (w *worker) do(ctx context.Context, m events.SQSMessage) bool {
	word, file, _ := strings.Cut(m.Body, ":")
	there := func() bool { _, err := os.Stat(file); return err == nil }
	switch word {
	case "poison":
		return false
	case "needs": // succeeds once the file is there
		return there()
	case "crash": // the first time
		if !there() {
			os.WriteFile(file, nil, 0o644)
			os.Exit(1)
		}
	case "hang": // the first time
		if !there() {
			os.WriteFile(file, nil, 0o644)
			select {}
		}
	case "wait": // until the file is there
		for !there() {
			time.Sleep(5 * time.Millisecond)
		}
	case "soon": // fails the first time, and asks to come again at once
		if m.Attributes["ApproximateReceiveCount"] == "1" {
			_, err := w.queue.ChangeMessageVisibility(ctx, &sqs.ChangeMessageVisibilityInput{
				QueueUrl: aws.String(os.Getenv("JOBS_QUEUE_URL")), ReceiptHandle: &m.ReceiptHandle, VisibilityTimeout: 0,
			})
			if err != nil {
				w.write("visibility %v", err)
			}
			return false
		}
	}
	return true
}

func (w *worker) records(records []events.DynamoDBEventRecord) error {
	var keys []string
	poisoned := false
	for _, r := range records {
		key := r.Change.Keys["pk"].String()
		keys = append(keys, key)
		poisoned = poisoned || strings.HasPrefix(key, "poison")
	}
	if poisoned {
		w.write("refused %s", strings.Join(keys, " "))
		return errors.New("poison")
	}
	w.write("records %s", strings.Join(keys, " "))
	return nil
}

// reportedRecords stops at a record whose key begins with poison, and reports it.
func (w *worker) reportedRecords(records []events.DynamoDBEventRecord) events.DynamoDBEventResponse {
	for _, r := range records {
		key := r.Change.Keys["pk"].String()
		if strings.HasPrefix(key, "poison") {
			w.write("refused %s", key)
			return events.DynamoDBEventResponse{BatchItemFailures: []events.DynamoDBBatchItemFailure{{ItemIdentifier: r.Change.SequenceNumber}}}
		}
		w.write("records %s", key)
	}
	return events.DynamoDBEventResponse{}
}
