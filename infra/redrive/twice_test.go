package main

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/template"
)

// A dead letter that is there twice, in two queues here because one would not take it twice within five minutes, comes
// back once, whole.
func TestADeadLetterThatIsThereTwiceComesBackOnce(t *testing.T) {
	t.Parallel()
	fifo := map[string]string{"FifoQueue": "true"}
	urls := serverstest.QueuesOf(t, &template.Template{Queues: []*template.Queue{
		{ID: "Home", FIFO: true, Attributes: fifo}, {ID: "Dead1", FIFO: true, Attributes: fifo}, {ID: "Dead2", FIFO: true, Attributes: fifo},
	}})
	client, home := serverstest.SQS(t), urls["Home"]
	for _, dead := range []string{urls["Dead1"], urls["Dead2"]} {
		_, err := client.SendMessage(t.Context(), &sqs.SendMessageInput{QueueUrl: &dead, MessageBody: aws.String("poison"),
			MessageGroupId: aws.String("a"), MessageDeduplicationId: aws.String("dead-1"), MessageAttributes: map[string]types.MessageAttributeValue{
				"kind": {DataType: aws.String("String"), StringValue: aws.String("text")}}})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := bringBack(t.Context(), client, dead, home); n != 1 || err != nil {
			t.Fatalf("brought back %d, %v", n, err)
		}
	}
	out, err := client.ReceiveMessage(t.Context(), &sqs.ReceiveMessageInput{QueueUrl: &home, MaxNumberOfMessages: 10, MessageAttributeNames: []string{"All"}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Messages) != 1 || *out.Messages[0].Body != "poison" || aws.ToString(out.Messages[0].MessageAttributes["kind"].StringValue) != "text" {
		t.Errorf("the queue has %+v, want the message once", out.Messages)
	}
}
