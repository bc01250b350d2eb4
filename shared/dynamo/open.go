package dynamo

import (
	"context"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
)

// Open returns a Store with a client of its own, made for a function: it keeps enough connections for a batch's records
// side by side, and has opened the first when it returns.
func Open(ctx context.Context, cfg aws.Config, chatsTable, teamTable string) *Store {
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.HTTPClient = awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
			t.MaxIdleConnsPerHost = 16
		})
	})
	s := New(client, chatsTable, teamTable)
	s.Warm(ctx)
	return s
}
