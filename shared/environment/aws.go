package environment

import (
	"context"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go/logging"
)

// AWS is what the AWS clients of a function are configured with: by the variables that Lambda sets, and by those of the SDK
// that name other endpoints (AWS_ENDPOINT_URL_DYNAMODB and the like) or another number of attempts (AWS_MAX_ATTEMPTS).
// Without that the SDK attempts a call to DynamoDB four times and one to SQS three times. The pauses between them come to
// 175 ms and 150 ms at most where the call fails, to 7 s and 3 s where it is throttled; they end with the call's context.
// The SDK's LoadDefaultConfig would find the same, but it brings along every other way to sign in, which is a fifth of all
// that a function does until its first poll.
func AWS() aws.Config {
	attempts, _ := strconv.Atoi(os.Getenv("AWS_MAX_ATTEMPTS")) // 0 is the SDK's own number
	return aws.Config{
		RetryMaxAttempts: attempts,
		Region:           Required("AWS_REGION"),
		Credentials: credentials.NewStaticCredentialsProvider(
			Required("AWS_ACCESS_KEY_ID"), Required("AWS_SECRET_ACCESS_KEY"), os.Getenv("AWS_SESSION_TOKEN")),
		Logger:                logging.NewStandardLogger(os.Stderr),
		DefaultsMode:          aws.DefaultsModeLegacy,
		AccountIDEndpointMode: aws.AccountIDEndpointModePreferred,
		ConfigSources:         []any{endpoints{}},
	}
}

// endpoints names the address of a service, where it is not AWS's own. The SDK asks for it by this method.
type endpoints struct{}

func (endpoints) GetServiceBaseEndpoint(_ context.Context, service string) (url string, found bool, err error) {
	url = os.Getenv("AWS_ENDPOINT_URL_" + strings.ToUpper(strings.ReplaceAll(service, " ", "_")))
	return url, url != "", nil
}
