// Command withservers runs a command beside a Dynoxide and an ElasticMQ that keep everything in memory:
//
//	go run ./infra/local/withservers go test ./...
//
// It names them in the environment (see serverstest), ends them when the command has ended, and exits as it did.
// Servers that the environment names already are used as they are. On a named DynamoDB the tables that the command left,
// as one that was broken off does, are deleted when it has ended.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync"
	"syscall"

	"chatkeeper/infra/local/servers"
)

func main() {
	args := os.Args[1:]
	if len(args) > 0 && args[0] == "--" {
		args = args[1:]
	}
	if len(args) == 0 {
		fmt.Fprintln(os.Stderr, "usage: withservers COMMAND [ARGUMENT…]")
		os.Exit(2)
	}
	code, err := run(args)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

func run(args []string) (exitCode int, err error) {
	// The command decides what a Ctrl-C means; this program passes it on and waits for the end.
	interrupted := make(chan os.Signal, 1)
	signal.Notify(interrupted, os.Interrupt, syscall.SIGTERM)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()

	named, err := servers.NamedDynamoDB()
	if err != nil {
		return 1, err
	}
	run := strings.ToLower(rand.Text()[:6])
	environment := append(os.Environ(), servers.RunVariable+"="+run)

	var mu sync.Mutex
	var group sync.WaitGroup
	var problems []error
	var running []*servers.Server
	defer func() {
		for _, server := range running {
			server.Stop()
		}
	}()
	start := func(variable string, start func(context.Context, servers.Options) (*servers.Server, error)) {
		group.Go(func() {
			server, err := start(ctx, servers.Options{})
			mu.Lock()
			defer mu.Unlock()
			if err != nil {
				problems = append(problems, err)
				return
			}
			running = append(running, server)
			environment = append(environment, variable+"="+server.Endpoint)
		})
	}
	if named == "" {
		start(servers.DynamoDBVariable, servers.StartDynamoDB)
	} else {
		if err := servers.AwaitNamed(ctx, named); err != nil {
			return 1, err
		}
		defer func() {
			if _, dropErr := servers.DropTables(context.Background(), servers.DynamoDB(named), servers.RunPrefix(run)); dropErr != nil {
				err = errors.Join(err, fmt.Errorf("tables whose names begin with %s are left on %s: %w", servers.RunPrefix(run), named, dropErr))
				exitCode = max(exitCode, 1)
			}
		}()
	}
	if os.Getenv(servers.TestElasticMQVariable) == "" {
		start(servers.TestElasticMQVariable, servers.StartElasticMQ)
	}
	started := make(chan struct{})
	go func() { group.Wait(); close(started) }()
	select {
	case <-started:
	case <-interrupted:
		cancel()
		<-started
		return 130, nil
	}
	if err := errors.Join(problems...); err != nil {
		return 1, err
	}

	command := exec.Command(args[0], args[1:]...)
	command.Env = environment
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := command.Start(); err != nil {
		return 127, fmt.Errorf("start %s: %w", args[0], err)
	}
	go func() {
		for s := range interrupted {
			command.Process.Signal(s)
		}
	}()
	err = command.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			return 128 + int(status.Signal()), nil
		}
		return exit.ExitCode(), nil
	}
	return 0, err
}
