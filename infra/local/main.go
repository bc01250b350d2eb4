// Command local is `make run`: all of Chatkeeper on this machine, as template.yaml describes it, with no AWS account.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"chatkeeper/infra/local/lockfile"
	"chatkeeper/infra/local/stack"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends everything at once
	if err := run(ctx); err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "chatkeeper does not start: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	began := time.Now()
	settings, err := readSettings()
	if err != nil {
		return err
	}
	unlock, err := lockFolder(settings.folder)
	if err != nil {
		return err
	}
	defer unlock()

	fmt.Fprintln(os.Stderr, "Chatkeeper starts: building the functions, starting DynamoDB Local and ElasticMQ.")
	s, err := stack.Start(ctx, stack.Options{Folder: settings.folder, Ports: settings.ports})
	if err != nil {
		return err
	}
	defer s.Close()

	fmt.Fprintf(os.Stderr, banner, time.Since(began).Seconds(), s.URL, s.DynamoDBEndpoint, s.ElasticMQEndpoint, settings.folder)
	<-ctx.Done()
	fmt.Fprintln(os.Stderr, "\nChatkeeper ends.")
	return nil
}

const banner = `
Chatkeeper is up after %.1f s.

  API             %s
  WhatsApp posts  to /webhooks/whatsapp there (app secret local-app-secret, verify token local-verify-token)
  DynamoDB Local  %s
  ElasticMQ       %s
  data            %s (make reset removes it)

Next: make demo, in a second terminal. Ctrl-C ends everything.

`

type settings struct {
	folder string
	ports  stack.Ports
}

func readSettings() (settings, error) {
	s := settings{folder: ".local"}
	if folder := os.Getenv("CHATKEEPER_DATA"); folder != "" {
		s.folder = folder
	}
	return s, errors.Join(
		readPort("CHATKEEPER_API_PORT", 8080, &s.ports.API),
		readPort("CHATKEEPER_DYNAMODB_PORT", 8000, &s.ports.DynamoDB),
		readPort("CHATKEEPER_ELASTICMQ_PORT", 9324, &s.ports.ElasticMQ),
	)
}

func readPort(variable string, usual int, to *int) error {
	*to = usual
	text := os.Getenv(variable)
	if text == "" {
		return nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > 65535 {
		return fmt.Errorf("%s is %q, which is no port", variable, text)
	}
	*to = n
	return nil
}

// lockFolder keeps a second stack out of the same data.
func lockFolder(folder string) (unlock func(), err error) {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	unlock, err = lockfile.Try(filepath.Join(folder, "lock"))
	if errors.Is(err, lockfile.ErrLocked) {
		return nil, fmt.Errorf("it runs already with the data in %s: end that one, or set CHATKEEPER_DATA and the ports for a second one", folder)
	}
	return unlock, err
}
