// Command webhook is the door for WhatsApp's deliveries: it verifies them, takes them apart and queues every update before it
// answers. It reads no table.
package main

import (
	"context"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"chatkeeper/shared/environment"
	"chatkeeper/shared/queue"
)

func main() {
	ctx := context.Background()
	sender := queue.Open(environment.AWS())
	w := webhook{
		appSecrets:  []string{environment.Required("APP_SECRET"), os.Getenv("APP_SECRET_PREVIOUS")},
		verifyToken: environment.Required("VERIFY_TOKEN"),
		identityKey: []byte(environment.Required("IDENTITY_KEY")),
		queues:      sender,
		inbound:     environment.Required("INBOUND_QUEUE_URL"),
		log:         lambdacontext.NewLogger(),
	}
	sender.Connect(ctx, w.inbound)
	lambda.Start(w.handle)
}
