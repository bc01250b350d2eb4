// Command webhook is the door for WhatsApp's deliveries: it verifies them, takes them apart and queues every update before it
// answers. It reads no table.
package main

import (
	"context"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/config"

	"chatkeeper/shared/queue"
)

func main() {
	ctx := context.Background()
	env := readEnvironment()
	sender := queue.Open(must(config.LoadDefaultConfig(ctx)))
	sender.Connect(ctx, env.inboundQueueURL)
	lambda.Start((&webhook{environment: env, inbound: sender, log: lambdacontext.NewLogger()}).handle)
}
