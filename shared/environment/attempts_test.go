package environment

import (
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// How often the SDK attempts a call, and how long it pauses between: the comments of AWS and of shared/dynamo say so,
// shared/queue attempts by itself what the SDK gives up so soon, and the functions' reserves have room for the pauses.
func TestAttempts(t *testing.T) {
	for variable, value := range map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "id", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_MAX_ATTEMPTS": ""} {
		t.Setenv(variable, value)
	}
	table, queue := dynamodb.NewFromConfig(AWS()).Options().Retryer, sqs.NewFromConfig(AWS()).Options().Retryer
	failed := &smithyhttp.RequestSendError{Err: errors.New("connection reset")}
	throttled := &smithy.GenericAPIError{Code: "ThrottlingException"}
	for _, row := range []struct {
		what     string
		retryer  aws.Retryer
		err      error
		attempts int
		pauses   time.Duration // at most
	}{
		{"DynamoDB fails", table, failed, 4, 175 * time.Millisecond},
		{"DynamoDB throttles", table, throttled, 4, 7 * time.Second},
		{"SQS fails", queue, failed, 3, 150 * time.Millisecond},
		{"SQS throttles", queue, throttled, 3, 3 * time.Second},
	} {
		if n := row.retryer.MaxAttempts(); n != row.attempts || !row.retryer.IsErrorRetryable(row.err) {
			t.Errorf("%s: %d attempts, want %d", row.what, n, row.attempts)
		}
		var pauses time.Duration
		for n := 1; n < row.attempts; n++ {
			var longest time.Duration
			for range 1000 { // they are random, up to their limit
				pause, err := row.retryer.RetryDelay(n, row.err)
				if err != nil {
					t.Fatal(err)
				}
				longest = max(longest, pause)
			}
			pauses += longest
		}
		if pauses > row.pauses || pauses < row.pauses*9/10 {
			t.Errorf("%s: the pauses come to %v, want %v", row.what, pauses, row.pauses)
		}
	}
}
