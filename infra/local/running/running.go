// Package running is the stack that `make run` has started, for the commands beside it: where it listens, what its
// tables and queues are called.
package running

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// Name begins the names of the tables and queues of `make run`.
const Name = "chatkeeper"

// Settings are what may be changed about `make run`, each by an environment variable.
type Settings struct {
	Folder    string // CHATKEEPER_DATA: where the data is
	API       int    // CHATKEEPER_API_PORT
	WhatsApp  int    // CHATKEEPER_WHATSAPP_PORT: the phone page
	OIDC      int    // CHATKEEPER_OIDC_PORT: the issuer of tokens
	DynamoDB  int    // CHATKEEPER_DYNAMODB_PORT
	ElasticMQ int    // CHATKEEPER_ELASTICMQ_PORT
}

// ReadSettings reads them from the environment.
func ReadSettings() (Settings, error) {
	s := Settings{Folder: ".local", API: 8080, WhatsApp: 8081, OIDC: 8082, DynamoDB: 8000, ElasticMQ: 9324}
	if folder := os.Getenv("CHATKEEPER_DATA"); folder != "" {
		s.Folder = folder
	}
	return s, errors.Join(
		readPort("CHATKEEPER_API_PORT", &s.API),
		readPort("CHATKEEPER_WHATSAPP_PORT", &s.WhatsApp),
		readPort("CHATKEEPER_OIDC_PORT", &s.OIDC),
		readPort("CHATKEEPER_DYNAMODB_PORT", &s.DynamoDB),
		readPort("CHATKEEPER_ELASTICMQ_PORT", &s.ElasticMQ),
	)
}

// IssuerURL is how the local issuer's tokens spell it: by name, as a browser reaches it.
func (s Settings) IssuerURL() string { return "http://localhost:" + strconv.Itoa(s.OIDC) }

func readPort(variable string, to *int) error {
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

// Stack is the running stack.
type Stack struct {
	Settings
	URL      string // of the API
	Store    *dynamo.Store
	Secret   chat.Secret // that its customers' hashes are keyed with
	DynamoDB *dynamodb.Client
	SQS      *sqs.Client

	template *template.Template
}

// Find finds the running stack. There being none is an error that says what to do.
func Find(ctx context.Context) (*Stack, error) {
	settings, err := ReadSettings()
	if err != nil {
		return nil, err
	}
	for _, port := range []int{settings.DynamoDB, settings.ElasticMQ} {
		conn, err := net.DialTimeout("tcp", address(port), time.Second)
		if err != nil {
			return nil, fmt.Errorf("nothing listens on port %d: start `make run` first, in another terminal", port)
		}
		conn.Close()
	}
	s := &Stack{Settings: settings, URL: "http://" + address(settings.API), Secret: chat.Secret("local-IdentityKey"), // as package template makes it
		DynamoDB: servers.DynamoDB("http://" + address(settings.DynamoDB)), SQS: servers.SQS("http://" + address(settings.ElasticMQ))}
	if s.template, err = template.Load("template.yaml", nil); err != nil {
		return nil, err
	}
	tables := map[string]string{}
	for _, t := range s.template.Tables {
		if tables[t.ID], err = t.PhysicalName(Name); err != nil {
			return nil, err
		}
	}
	s.Store = dynamo.New(s.DynamoDB, tables["ChatsTable"], tables["TeamTable"])
	return s, nil
}

// Queue finds the URL of a queue by its logical id in the template.
func (s *Stack) Queue(ctx context.Context, id string) (string, error) {
	for _, q := range s.template.Queues {
		if q.ID != id {
			continue
		}
		name, err := q.PhysicalName(Name)
		if err != nil {
			return "", err
		}
		out, err := s.SQS.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
		if err != nil {
			return "", fmt.Errorf("queue %s: %w", id, err)
		}
		return *out.QueueUrl, nil
	}
	return "", fmt.Errorf("template.yaml has no queue %s", id)
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
