package main

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// bringBack moves everything in a dead-letter queue to the queue it came from, and returns how many it moved. Each gets
// another deduplication id than it had there, or the queue might take it for the message that died less than five minutes
// ago. It is made of its deduplication id as a dead letter, which names the message that died: a dead letter that is there
// twice, because a kill came between its two steps, comes back once.
func bringBack(ctx context.Context, client *sqs.Client, dead, home string) (int, error) {
	moved := 0
	for {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &dead, MaxNumberOfMessages: 10,
			MessageAttributeNames: []string{"All"}, MessageSystemAttributeNames: []types.MessageSystemAttributeName{
				types.MessageSystemAttributeNameMessageGroupId, types.MessageSystemAttributeNameMessageDeduplicationId}})
		if err != nil {
			return moved, fmt.Errorf("read dead letters: %w", err)
		}
		if len(out.Messages) == 0 {
			return moved, nil
		}
		for _, m := range out.Messages {
			if _, err := client.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &home, MessageBody: m.Body, MessageAttributes: m.MessageAttributes,
				MessageGroupId:         aws.String(m.Attributes["MessageGroupId"]),
				MessageDeduplicationId: aws.String("redrive-" + m.Attributes["MessageDeduplicationId"]),
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
