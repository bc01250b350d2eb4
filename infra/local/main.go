// Command local is `make run`: all of Chatkeeper on this machine, as template.yaml describes it, with no AWS account.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"chatkeeper/infra/local/issuer"
	"chatkeeper/infra/local/lockfile"
	"chatkeeper/infra/local/phone"
	"chatkeeper/infra/local/running"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends everything at once
	err := run(ctx)
	for errors.Is(err, errForgotten) && ctx.Err() == nil {
		err = run(ctx)
	}
	if err != nil && ctx.Err() == nil {
		fmt.Fprintf(os.Stderr, "chatkeeper does not start: %v\n", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	began := time.Now()
	settings, err := running.ReadSettings()
	if err != nil {
		return err
	}
	unlock, err := lockFolder(settings.Folder)
	if err != nil {
		return err
	}
	defer unlock()
	// The ports first: a busy one should not cost the start of everything else.
	whatsApp, err := listen(settings.WhatsApp, "phone page", "CHATKEEPER_WHATSAPP_PORT")
	if err != nil {
		return err
	}
	defer whatsApp.Close()
	oidc, err := listen(settings.OIDC, "issuer of tokens", "CHATKEEPER_OIDC_PORT")
	if err != nil {
		return err
	}
	defer oidc.Close()
	key, err := issuer.OpenKey(settings.Folder)
	if err != nil {
		return err
	}
	if settings.Named != "" {
		if err := servers.AwaitNamed(ctx, settings.Named); err != nil {
			return err
		}
	}
	s, err := stack.Start(ctx, stack.Options{Folder: settings.Folder, DynamoDB: settings.Named,
		Parameters: map[string]string{"Issuer": settings.IssuerURL(), "Audience": template.LocalAudience},
		Ports:      stack.Ports{API: settings.API, DynamoDB: settings.DynamoDB, ElasticMQ: settings.ElasticMQ}})
	if err != nil {
		return err
	}
	defer s.Close()

	store := dynamo.New(s.DynamoDB(), s.Table("ChatsTable"), s.Table("TeamTable"))
	seeded, err := seed.Load(ctx, store, dynamo.Now())
	if err != nil {
		return err
	}
	place := running.Place{Folder: s.Folder().Path, ID: s.Folder().ID(), Name: s.Name(), URL: s.URL, IssuerURL: settings.IssuerURL(),
		Page: "http://" + whatsApp.Addr().String(), DynamoDB: s.DynamoDBEndpoint, ElasticMQ: s.ElasticMQEndpoint}
	withdraw, err := running.Publish(place)
	if err != nil {
		return err
	}
	defer withdraw()
	page := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: running.Handler(place, phone.New(phone.Options{
		Store: store, Secret: chat.Secret(s.Environment("AssignerFunction")["IDENTITY_KEY"]),
		WebhookURL: s.URL + "/webhooks/whatsapp", AppSecret: s.Environment("WebhookFunction")["APP_SECRET"], Log: slog.Default(),
	}))}
	defer page.Close()
	go page.Serve(whatsApp)
	tokens := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: issuer.New(issuer.Options{
		URL: settings.IssuerURL(), Audience: template.LocalAudience, Key: key, People: store.People,
	})}
	defer tokens.Close()
	go tokens.Serve(oidc)

	data := settings.Folder
	if seeded {
		data += ", filled with the seed data"
	}
	dynamoDB := s.DynamoDBEndpoint + " (Dynoxide)"
	if settings.Named != "" {
		dynamoDB = s.DynamoDBEndpoint + ", as " + servers.DynamoDBVariable + " says: tables " + s.Name() + "-…"
	}
	fmt.Fprintf(os.Stderr, banner, time.Since(began).Seconds(), settings.WhatsApp, settings.API, settings.OIDC, dynamoDB, s.ElasticMQEndpoint, data)
	select {
	case <-ctx.Done():
		fmt.Fprintln(os.Stderr, "\nChatkeeper ends.")
		return nil
	case <-s.Forgotten():
		return errForgotten
	}
}

// errForgotten: the DynamoDB that the environment names has lost the tables, and with them the worth of all that the
// functions have in memory. Everything is started again.
var errForgotten = errors.New("the tables are gone")

const banner = `
Chatkeeper is up after %.1f s.

  Phone page      http://localhost:%d      write as a customer, and see who answers, and why
  API             http://localhost:%d      WhatsApp posts to /webhooks/whatsapp
                                             (app secret local-app-secret, verify token local-verify-token)
  Issuer          http://localhost:%d      make token PERSON=alex prints a bearer token
  DynamoDB        %s
  ElasticMQ       %s
  Data            %s (make reset removes it)

In a second terminal: make demo plays a busy morning, make verify checks every invariant. Ctrl-C ends everything.

`

// listen opens a port on loopback alone.
func listen(port int, what, variable string) (net.Listener, error) {
	l, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	if errors.Is(err, syscall.EADDRINUSE) {
		return nil, fmt.Errorf("port %d is busy, and the %s needs it: end the program that listens there, or set %s to another port", port, what, variable)
	}
	return l, err
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
