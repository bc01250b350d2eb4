package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// bringBack moves everything in a dead-letter queue to the queue it came from, and returns how many it moved. Each gets a
// deduplication id of its own, or the queue might take it for the message that died less than five minutes ago.
func bringBack(ctx context.Context, client *sqs.Client, dead, home string) (int, error) {
	moved := 0
	for {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &dead, MaxNumberOfMessages: 10,
			MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameMessageGroupId}})
		if err != nil {
			return moved, fmt.Errorf("read dead letters: %w", err)
		}
		if len(out.Messages) == 0 {
			return moved, nil
		}
		for _, m := range out.Messages {
			if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &home, MessageBody: m.Body,
				MessageGroupId:         aws.String(m.Attributes["MessageGroupId"]),
				MessageDeduplicationId: aws.String("redrive-" + aws.ToString(m.MessageId)),
			}); err != nil {
				return moved, fmt.Errorf("send: %w", err)
			}
			if _, err := client.DeleteMessage(ctx, &sqs.DeleteMessageInput{QueueUrl: &dead, ReceiptHandle: m.ReceiptHandle}); err != nil {
				return moved, fmt.Errorf("delete dead letter: %w", err)
			}
			moved++
		}
	}
}
