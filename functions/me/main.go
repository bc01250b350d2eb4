// Command me answers who is signed in and what they may do, and takes their availability.
package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/environment"
	"chatkeeper/shared/httpapi"
)

func main() {
	ctx := context.Background()
	slog.SetDefault(lambdacontext.NewLogger())
	cfg := environment.AWS()
	store := dynamo.Open(ctx, cfg, environment.Required("CHATS_TABLE"), environment.Required("TEAM_TABLE"))
	store.InviteFirstAdmin(os.Getenv("FIRST_ADMIN_EMAIL"))
	verifier := httpapi.NewVerifier(httpapi.VerifierOptions{
		Issuer:   environment.Required("ISSUER"),
		Audience: environment.Required("AUDIENCE"),
		Address:  os.Getenv("ISSUER_ADDRESS"),
	})
	api := httpapi.New(httpapi.Options{Verifier: verifier, People: store, Names: httpapi.NewNameBook(store)})
	lambda.Start(api.Handle(me{people: store}.routes()))
}
