// Package running is the stack that `make run` has started, for the commands beside it: where it listens, what its
// tables and queues are called.
//
// A command finds the stack by its data folder, never by its ports: the stack writes down there where it listens, and says
// the same at its phone page (Handler). Only if both agree is it the stack of the folder. So a command of one checkout can't
// reach the stack of another by mistake.
package running

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"chatkeeper/infra/local/folder"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/statefile"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// Settings are what may be changed about `make run`, each by an environment variable.
type Settings struct {
	Folder    string // CHATKEEPER_DATA: where the data is
	Named     string // CHATKEEPER_DYNAMODB: address of the DynamoDB that has the tables; empty: a Dynoxide of the stack's own
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
	var err error
	s.Named, err = servers.NamedDynamoDB()
	return s, errors.Join(
		err,
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

// Place is where a stack is.
type Place struct {
	Folder    string `json:"folder"`    // of its data, as package folder spells it
	ID        string `json:"id"`        // of the folder
	Name      string `json:"name"`      // begins the names of the tables and queues
	URL       string `json:"url"`       // of the API
	IssuerURL string `json:"issuerUrl"` // as its tokens spell it
	Page      string `json:"page"`      // the phone page
	DynamoDB  string `json:"dynamoDB"`
	ElasticMQ string `json:"elasticMQ"`
}

const (
	placeFile = "running.json" // in the data folder, while the stack runs
	placePath = "/stack"       // of the phone page
)

// Publish writes the place into its data folder, for Find; withdraw takes it away.
func Publish(p Place) (withdraw func(), err error) {
	file := filepath.Join(p.Folder, placeFile)
	if err := statefile.Save(file, p); err != nil {
		return nil, fmt.Errorf("write down where the stack is: %w", err)
	}
	return func() { os.Remove(file) }, nil
}

// Handler tells the place to Find, and passes every other request on to the page.
func Handler(p Place, page http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", page)
	mux.HandleFunc("GET "+placePath, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		json.NewEncoder(w).Encode(p)
	})
	return mux
}

// find returns the place of the stack whose data is in the folder of the settings. There being none is an error that says
// what to do, and so is a stack of another folder where this one would be.
func find(ctx context.Context, settings Settings) (Place, error) {
	own, err := folder.Resolve(settings.Folder)
	if err != nil {
		return Place{}, err
	}
	var p Place
	if err := statefile.Load(filepath.Join(own, placeFile), &p); err != nil {
		return Place{}, err
	}
	if p.Page != "" {
		// A stack that was killed leaves the file, and another may listen there now.
		if there, err := ask(ctx, p.Page); err == nil && there == p && p.Folder == own {
			return p, nil
		}
	}
	if other, err := ask(ctx, "http://"+address(settings.WhatsApp)); err == nil && other.Folder != own {
		return Place{}, fmt.Errorf("the stack at port %d has its data in %s, and this command is for the one in %s: give the command there, or start `make run` here with ports of its own", settings.WhatsApp, other.Folder, own)
	}
	return Place{}, fmt.Errorf("no stack runs with the data in %s: start `make run` first, in another terminal", own)
}

// ask asks the stack whose phone page is at the address for its place.
func ask(ctx context.Context, page string) (p Place, err error) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, page+placePath, nil)
	if err != nil {
		return p, err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return p, err
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&p); err != nil || p.Folder == "" {
		return p, fmt.Errorf("%s is no stack's: %w", page, errors.Join(err))
	}
	return p, nil
}

// Stack is the running stack.
type Stack struct {
	Place    Place
	Store    *dynamo.Store
	Secret   chat.Secret // that its customers' hashes are keyed with
	DynamoDB *dynamodb.Client
	SQS      *sqs.Client

	template *template.Template
}

// Find finds the running stack of the data folder that the environment names. There being none is an error that says
// what to do.
func Find(ctx context.Context) (*Stack, error) {
	settings, err := ReadSettings()
	if err != nil {
		return nil, err
	}
	place, err := find(ctx, settings)
	if err != nil {
		return nil, err
	}
	s := &Stack{Place: place, Secret: chat.Secret("local-IdentityKey"), // as package template makes it
		DynamoDB: servers.DynamoDB(place.DynamoDB), SQS: servers.SQS(place.ElasticMQ)}
	if s.template, err = template.Load("template.yaml", nil); err != nil {
		return nil, err
	}
	tables := map[string]string{}
	for _, t := range s.template.Tables {
		if tables[t.ID], err = t.PhysicalName(place.Name); err != nil {
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
		name, err := q.PhysicalName(s.Place.Name)
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
