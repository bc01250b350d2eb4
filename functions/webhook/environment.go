package main

import "os"

// environment is what the function is configured with.
type environment struct {
	appSecrets      []string // that deliveries may be signed with: the one in force, and during a rotation the one before
	verifyToken     string   // typed into Meta's dashboard beside the address
	identityKey     []byte   // of the hashes that stand for customers
	inboundQueueURL string
}

func readEnvironment() environment {
	return environment{
		appSecrets:      []string{required("APP_SECRET"), os.Getenv("APP_SECRET_PREVIOUS")},
		verifyToken:     required("VERIFY_TOKEN"),
		identityKey:     []byte(required("IDENTITY_KEY")),
		inboundQueueURL: required("INBOUND_QUEUE_URL"),
	}
}

// required ends the process without the variable: a webhook that half works would lose messages in silence.
func required(name string) string {
	value := os.Getenv(name)
	if value == "" {
		panic("environment variable " + name + " is missing")
	}
	return value
}

// must ends the process at a failed step of the start; the next start tries again.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}
