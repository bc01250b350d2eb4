// Command demo is `make demo`: it plays a busy morning on the stack that `make run` has started, shows who got which Chat
// and why, and checks that every promise was kept. It ends with 1 if one was not.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"chatkeeper/infra/fixtures"
	"chatkeeper/infra/local/demo/morning"
	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/running"
	"chatkeeper/infra/local/template"
)

// appSecret is the one that the local stack gives its webhook.
const appSecret = "local-app-secret"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends it at once
	clean, err := run(ctx, os.Args[1:])
	switch {
	case errors.Is(err, flag.ErrHelp):
		os.Exit(2)
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "\nThe demo was stopped in the middle.")
		os.Exit(1)
	case err != nil:
		fmt.Fprintf(os.Stderr, "\ndemo: %v\n", err)
		os.Exit(1)
	case !clean:
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) (clean bool, err error) {
	flags := flag.NewFlagSet("demo", flag.ContinueOnError)
	customers := flags.Int("customers", 60, "how many customers write")
	seed := flags.Uint64("seed", 1, "decides who writes what, when and how often")
	kinds := flags.Bool("kinds", true, "begin with one delivery of every kind that WhatsApp sends")
	if err := flags.Parse(args); err != nil {
		return false, flag.ErrHelp
	}
	if *customers < 1 || *customers > 10_000 || flags.NArg() > 0 {
		fmt.Fprintln(os.Stderr, "demo: between 1 and 10,000 customers, and nothing beside the flags")
		return false, flag.ErrHelp
	}
	o, err := options(ctx)
	if err != nil {
		return false, err
	}
	o.Customers, o.Seed = *customers, *seed
	if *kinds {
		o.Fixtures = fixtures.All()
	}
	shows := newScreen(os.Stderr)
	o.Progress = shows.progress
	fmt.Fprintf(os.Stderr, "A busy morning: %d customers in 6 languages, %d people with room for %d Chats each\n(somebody who opens their own Chat again may have one more), script %d.\n",
		*customers, len(morning.Agents), morning.Capacity, *seed)
	report, err := morning.Play(ctx, o)
	shows.end()
	if err != nil {
		return false, err
	}
	printReport(os.Stdout, report)
	return report.Clean(), nil
}

// options finds the running stack.
func options(ctx context.Context) (morning.Options, error) {
	s, err := running.Find(ctx)
	if err != nil {
		return morning.Options{}, err
	}
	o := morning.Options{Store: s.Store, Secret: s.Secret, SQS: s.SQS}
	o.Line = customer.Line{URL: s.Place.URL + "/webhooks/whatsapp", AppSecret: appSecret, Client: &http.Client{Timeout: time.Minute}}
	t, err := template.Load("template.yaml", nil)
	if err != nil {
		return o, err
	}
	for _, q := range t.Queues {
		url, err := s.Queue(ctx, q.ID)
		if err != nil {
			return o, err
		}
		if takesDeadLetters(t, q.ID) {
			o.Dead = append(o.Dead, url)
		} else {
			o.Queues = append(o.Queues, url)
		}
	}
	return o, nil
}

// takesDeadLetters reports whether messages come to the queue when they could not be handled elsewhere.
func takesDeadLetters(t *template.Template, id string) bool {
	return slices.ContainsFunc(t.Queues, func(q *template.Queue) bool { return q.DeadTarget == id }) ||
		slices.ContainsFunc(t.Functions, func(f *template.Function) bool {
			return slices.ContainsFunc(f.Streams, func(s template.StreamSource) bool { return s.OnFailure == id })
		})
}
