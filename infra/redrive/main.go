// Command redrive is `make redrive`: it brings dead letters of the running stack back to the queues they came from, as
// SQS's own redrive does on AWS. A message leaves the dead-letter queue only when its own queue has it again.
package main

import (
	"context"
	"fmt"
	"os"

	"chatkeeper/infra/local/running"
)

func main() {
	if err := redrive(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func redrive(ctx context.Context) error {
	stack, err := running.Find(ctx)
	if err != nil {
		return err
	}
	for _, q := range []struct{ dead, home string }{{"InboundDeadLetters", "InboundQueue"}, {"PoolsDeadLetters", "PoolsQueue"}} {
		dead, err := stack.Queue(ctx, q.dead)
		if err != nil {
			return err
		}
		home, err := stack.Queue(ctx, q.home)
		if err != nil {
			return err
		}
		n, err := bringBack(ctx, stack.SQS, dead, home)
		fmt.Printf("%s: %d brought back to %s\n", q.dead, n, q.home)
		if err != nil {
			return err
		}
	}
	return nil
}
