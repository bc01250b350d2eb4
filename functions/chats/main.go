package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"chatkeeper/shared/chat"
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
	names := httpapi.NewNameBook(store)
	h := chats{
		store:   store,
		names:   names,
		cursors: httpapi.NewCursors(environment.Required("IDENTITY_KEY")),
		secret:  chat.Secret(environment.Required("IDENTITY_KEY")),
		rules:   &ruleBook{source: store},
	}
	api := httpapi.New(httpapi.Options{People: store, Names: names, Verifier: httpapi.NewVerifier(httpapi.VerifierOptions{
		Issuer: environment.Required("ISSUER"), Audience: environment.Required("AUDIENCE"), Address: os.Getenv("ISSUER_ADDRESS")})})
	lambda.Start(api.Handle(h.routes()))
}
