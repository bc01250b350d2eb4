package servers

import (
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// TestElasticMQVariable names a running ElasticMQ for tests, as http://host:port.
const TestElasticMQVariable = "CHATKEEPER_TEST_ELASTICMQ"

// DynamoDB returns a client for the local DynamoDB at endpoint.
func DynamoDB(endpoint string) *dynamodb.Client {
	return dynamodb.NewFromConfig(clientConfig(), func(o *dynamodb.Options) {
		o.BaseEndpoint = &endpoint
		// DynamoDB Local sends no checksum with an error, and the SDK would warn about each failed condition.
		o.DisableValidateResponseChecksum = true
	})
}

// Streams returns a client for the streams of the local DynamoDB at endpoint.
func Streams(endpoint string) *dynamodbstreams.Client {
	return dynamodbstreams.NewFromConfig(clientConfig(), func(o *dynamodbstreams.Options) { o.BaseEndpoint = &endpoint })
}

// SQS returns a client for the ElasticMQ at endpoint.
func SQS(endpoint string) *sqs.Client {
	return sqs.NewFromConfig(clientConfig(), func(o *sqs.Options) { o.BaseEndpoint = &endpoint })
}

func clientConfig() aws.Config {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.Proxy = nil
	transport.MaxIdleConns, transport.MaxIdleConnsPerHost = 0, 256
	return aws.Config{
		Region:      Region,
		Credentials: credentials.NewStaticCredentialsProvider(AccessKeyID, SecretAccessKey, ""),
		HTTPClient:  &http.Client{Transport: transport},
	}
}
