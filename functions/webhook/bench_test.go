package main

import (
	"encoding/json"
	"io"
	"log/slog"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/infra/bench/side"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/whatsapp"
)

// The webhook's own work (event, signature, parse, queue message) beside a handler that does nothing but the same SDK
// call: CPU of the process. Both begin with the event's JSON, as Lambda brings it.
func BenchmarkGoalWebhook(b *testing.B) {
	client := serverstest.SQS(b)
	w := &webhook{appSecrets: []string{newSecret}, identityKey: []byte("the identity key"), queues: queue.NewSender(client),
		inbound: serverstest.Queues(b)["InboundQueue"], log: slog.New(slog.NewJSONHandler(io.Discard, nil))}
	body := texts(1, 1, 100)
	event, err := json.Marshal(signed(body))
	if err != nil {
		b.Fatal(err)
	}
	updates, err := whatsapp.Split(body, time.Now())
	if err != nil {
		b.Fatal(err)
	}
	u := updates[0]
	entry := types.SendMessageBatchRequestEntry{Id: aws.String("0"), MessageBody: aws.String(u.Encode()),
		MessageGroupId: aws.String(u.Group(w.identityKey)), MessageDeduplicationId: aws.String(u.DedupID(w.identityKey))}
	ctx := b.Context()
	const n = 75
	for b.Loop() {
		side.Compare(b, 41, n, side.CPU, func() {
			for range n {
				var req events.APIGatewayV2HTTPRequest
				if err := json.Unmarshal(event, &req); err != nil {
					b.Fatal(err)
				}
				if res, err := w.handle(ctx, req); err != nil || res.StatusCode != 200 {
					b.Fatal(res.StatusCode, err)
				}
			}
		}, func() {
			for range n {
				var req events.APIGatewayV2HTTPRequest
				if err := json.Unmarshal(event, &req); err != nil {
					b.Fatal(err)
				}
				if _, err := client.SendMessageBatch(ctx, &sqs.SendMessageBatchInput{QueueUrl: &w.inbound, Entries: []types.SendMessageBatchRequestEntry{entry}}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
