// Command costs plays a day on the local stack and tells what it would cost on AWS: units and requests of each kind of
// thing against the budgets, and dollars. It exits with 1 if anything costs more than it may.
//
//	make costs
//
// The functions are the real binaries. Between them and the servers stand proxies that count by AWS's published rules
// (package units). What a laptop can't show is computed and said: receives and deletes of Lambda's pollers by the size of
// a batch, Lambda's time by constants (prices.go).
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"chatkeeper/infra/local/servers"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	dynamoDB, elasticMQ := os.Getenv(servers.DynamoDBVariable), os.Getenv(servers.TestElasticMQVariable)
	if cmp.Or(dynamoDB, elasticMQ) == "" {
		return errors.New("it needs running servers: make costs")
	}
	w, err := newWorld(ctx, dynamoDB, elasticMQ, os.Stderr)
	defer w.end()
	if err != nil {
		return err
	}
	if err := w.replay(wholeDay); err != nil {
		return err
	}
	minutely, err := w.idleMinute()
	if err != nil {
		return err
	}
	idle, err := idle(w, minutely)
	if err != nil {
		return err
	}
	print(os.Stdout, w.operations, idle)
	printCalls(os.Stdout, w.operations)
	var over []error
	for _, what := range overBudget(w.operations) {
		over = append(over, errors.New("over budget: "+what))
	}
	return errors.Join(over...)
}
