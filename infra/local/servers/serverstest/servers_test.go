package serverstest

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestTablesAreThoseOfTheTemplate(t *testing.T) {
	t.Parallel()
	tables, whole := Tables(t), TablesOf(t, Template(t))
	for _, want := range []struct{ table, index string }{{"ChatsTable", "byOwner"}, {"TeamTable", "byChange"}} {
		described, err := DynamoDB(t).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(tables[want.table])})
		if err != nil {
			t.Fatal(err)
		}
		var indexes []string
		for _, i := range described.Table.GlobalSecondaryIndexes {
			indexes = append(indexes, *i.IndexName)
		}
		for _, i := range described.Table.LocalSecondaryIndexes {
			indexes = append(indexes, *i.IndexName)
		}
		if !slices.Contains(indexes, want.index) {
			t.Errorf("%s has the indexes %v, want %s among them", want.table, indexes, want.index)
		}
		if described.Table.LatestStreamArn != nil {
			t.Errorf("%s has a stream that nobody follows", want.table)
		}
		described, err = DynamoDB(t).DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: aws.String(whole[want.table])})
		if err != nil {
			t.Fatal(err)
		}
		if described.Table.LatestStreamArn == nil {
			t.Errorf("%s has no stream, though it is asked for as the template says", want.table)
		}
	}
}

func TestQueuesAreThoseOfTheTemplate(t *testing.T) {
	t.Parallel()
	queues := Queues(t)
	got, err := SQS(t).GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(queues["InboundQueue"]), AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if v := got.Attributes["VisibilityTimeout"]; v != "180" {
		t.Errorf("visibility time-out is %q, want 180", v)
	}
	if p := got.Attributes["RedrivePolicy"]; p != "" {
		t.Errorf("the server would move dead letters itself, by %s; the poller of the local stack does", p)
	}
}
