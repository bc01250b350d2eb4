package main

import (
	"context"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/environment"
	"chatkeeper/shared/queue"
)

func main() {
	ctx := context.Background()
	slog.SetDefault(lambdacontext.NewLogger())
	cfg := environment.AWS()
	s := sweeper{
		store:  dynamo.Open(ctx, cfg, environment.Required("CHATS_TABLE"), environment.Required("TEAM_TABLE")),
		queues: queue.Open(cfg),
		pools:  environment.Required("POOLS_QUEUE_URL"),
		now:    dynamo.Now,
	}
	lambda.Start(s.handle)
}
