// Package serverstest gives tests a real DynamoDB and a real ElasticMQ.
//
//	func TestSomething(t *testing.T) {
//		t.Parallel()
//		client := serverstest.DynamoDB(t)
//		tables := serverstest.Tables(t) // a set of its own, as template.yaml says, dropped when the test ends
//		client.PutItem(ctx, &dynamodb.PutItemInput{TableName: aws.String(tables["ChatsTable"]), …})
//
// `make test` (infra/local/withservers) starts one server of each for the whole run, the DynamoDB unless CHATKEEPER_DYNAMODB
// names one, and names them in the environment. Without that, the first test that asks starts them, in memory, for its own
// process; they end with it.
package serverstest

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/template"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

var (
	dynamoDBEndpoint  = endpointOf(servers.NamedDynamoDB, servers.StartDynamoDB)
	elasticMQEndpoint = endpointOf(func() (string, error) { return os.Getenv(servers.TestElasticMQVariable), nil }, servers.StartElasticMQ)

	dynamoDB = sync.OnceValue(func() *dynamodb.Client { e, _ := dynamoDBEndpoint(); return servers.DynamoDB(e) })
	streams  = sync.OnceValue(func() *dynamodbstreams.Client { e, _ := dynamoDBEndpoint(); return servers.Streams(e) })
	elastic  = sync.OnceValue(func() *sqs.Client { e, _ := elasticMQEndpoint(); return servers.SQS(e) })
)

// endpointOf returns the address that is named, or starts a server in memory the first time. A server that this process
// started is never stopped on purpose: other tests may want it, and it ends with the process.
func endpointOf(named func() (string, error), start func(context.Context, servers.Options) (*servers.Server, error)) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		if endpoint, err := named(); endpoint != "" || err != nil {
			return endpoint, err
		}
		server, err := start(context.Background(), servers.Options{})
		if err != nil {
			return "", err
		}
		return server.Endpoint, nil
	})
}

// DynamoDBEndpoint is the address of a DynamoDB, http://host:port, also for its streams.
func DynamoDBEndpoint(t testing.TB) string {
	t.Helper()
	endpoint, err := dynamoDBEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

// SQSEndpoint is the address of an ElasticMQ, http://host:port.
func SQSEndpoint(t testing.TB) string {
	t.Helper()
	endpoint, err := elasticMQEndpoint()
	if err != nil {
		t.Fatal(err)
	}
	return endpoint
}

// DynamoDB returns a client that all tests of the process share.
func DynamoDB(t testing.TB) *dynamodb.Client {
	t.Helper()
	DynamoDBEndpoint(t)
	return dynamoDB()
}

// Streams returns a client of the tables' streams that all tests of the process share.
func Streams(t testing.TB) *dynamodbstreams.Client {
	t.Helper()
	DynamoDBEndpoint(t)
	return streams()
}

// SQS returns a client that all tests of the process share.
func SQS(t testing.TB) *sqs.Client {
	t.Helper()
	SQSEndpoint(t)
	return elastic()
}

// Name is a random name that starts a test's tables and queues.
func Name() string { return servers.RandomName() }

// Template is the project's template.yaml with its local parameters.
func Template(t testing.TB) *template.Template {
	t.Helper()
	tmpl, err := template.Load(filepath.Join(Root(t), "template.yaml"), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tmpl
}

// Tables makes every table of template.yaml under random names and drops them when the test ends. The map goes from
// logical id ("ChatsTable") to table name. They have no streams: Dynoxide and DynamoDB Local keep the stream records of
// dropped tables too, and write one more the slower the more they have (by twenty times after 20,000), for all tests of a
// run. A test that follows a stream runs the local stack, which makes tables of its own.
func Tables(t testing.TB) map[string]string {
	t.Helper()
	tmpl := Template(t)
	for _, table := range tmpl.Tables {
		table.Stream = ""
	}
	return TablesOf(t, tmpl)
}

// TablesOf is Tables for a template of the test's own.
func TablesOf(t testing.TB, tmpl *template.Template) map[string]string {
	t.Helper()
	client := DynamoDB(t)
	names, err := tmpl.CreateTables(t.Context(), client, Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, name := range names {
			if _, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name}); err != nil {
				t.Errorf("drop table: %v", err)
			}
		}
	})
	return names
}

// Queues makes every queue of template.yaml under random names and drops them when the test ends. The map goes from
// logical id ("InboundQueue") to the queue's URL.
func Queues(t testing.TB) map[string]string {
	t.Helper()
	return QueuesOf(t, Template(t))
}

// QueuesOf is Queues for a template of the test's own.
func QueuesOf(t testing.TB, tmpl *template.Template) map[string]string {
	t.Helper()
	client := SQS(t)
	urls, err := tmpl.CreateQueues(t.Context(), client, Name())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		for _, url := range urls {
			if _, err := client.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
				t.Errorf("drop queue: %v", err)
			}
		}
	})
	return urls
}

// Root is the folder of the project: the nearest one above the test that holds template.yaml.
func Root(t testing.TB) string {
	t.Helper()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(folder, "template.yaml")); err == nil {
			return folder
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			t.Fatal("no template.yaml in any folder above the test")
		}
		folder = parent
	}
}
