package queue

import (
	"context"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// Delay lets messages that were received, and could not be handled, come again after a while instead of after the
// queue's whole visibility time-out. At most 10 receipts, as one batch has. Where it fails the time-out applies, so the
// caller has nothing to mend.
func (s *Sender) Delay(ctx context.Context, url string, receipts []string, d time.Duration) error {
	in := &sqs.ChangeMessageVisibilityBatchInput{QueueUrl: &url}
	for i, r := range receipts {
		in.Entries = append(in.Entries, types.ChangeMessageVisibilityBatchRequestEntry{
			Id: aws.String(strconv.Itoa(i)), ReceiptHandle: aws.String(r), VisibilityTimeout: int32(d.Seconds()),
		})
	}
	_, err := s.client.ChangeMessageVisibilityBatch(ctx, in)
	return err
}
