package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	dynamotypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/infra/costs/units"
	"chatkeeper/infra/local/filter"
	"chatkeeper/infra/local/issuer"
	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// How long a condition may take to come true, and how long nobody asks for anything before all is taken to be done.
const (
	patience = 3 * time.Minute
	silence  = time.Second
)

// world is a local stack with the seed. Each of its functions reaches DynamoDB and SQS through a proxy of its own that
// counts, so that the binaries are those that are deployed.
type world struct {
	*stack.Stack
	ctx    context.Context
	store  *dynamo.Store
	secret chat.Secret
	line   customer.Line
	tokens map[string]string
	meter  *units.Meter
	logs   *logs
	closes []func()

	mu         sync.Mutex
	records    int // stream records that a function is invoked for
	listed     float64
	deliveries int // requests to the webhook
	calls      int // requests to the API

	operations []operation
}

// operation is what a kind of thing cost, all times of it together.
type operation struct {
	Name       string
	Times      int
	Direct     int     // of new and re-opened Chats: those that had their owner in the transaction that opened them
	Writes     float64 // write units
	Listed     float64 // of them, for the pool's place in the directory, shared by all Chats that wait there
	Reads      float64 // read units
	Requests   int     // to DynamoDB
	Refused    int     // of them, by a condition
	Sends      int     // requests to SQS by functions, as billed
	Queued     int     // messages they sent
	Records    int
	Deliveries int
	Calls      int
	LogBytes   int
	By         map[units.Call]units.Count
}

// newWorld starts a stack on running servers. The caller closes it, also after an error.
func newWorld(ctx context.Context, dynamoDB, elasticMQ string, output io.Writer) (*world, error) {
	w := &world{ctx: ctx, meter: units.New(servers.DynamoDB(dynamoDB)), tokens: map[string]string{}, logs: &logs{to: output}}
	people := seed.People()
	key, err := issuer.NewKey()
	if err != nil {
		return w, err
	}
	oidc := issuer.New(issuer.Options{Audience: template.LocalAudience, Key: key,
		People: func(context.Context) ([]team.Person, error) { return people, nil }})
	if oidc.URL, err = w.serve(oidc); err != nil {
		return w, err
	}
	var proxied error
	w.Stack, err = stack.Start(ctx, stack.Options{
		Parameters: map[string]string{"Issuer": oidc.URL, "Audience": oidc.Audience},
		DynamoDB:   dynamoDB, ElasticMQ: elasticMQ, Output: w.logs,
		MaxConcurrency: 1, // an instance that starts opens its connections by a request; one of each has started early
		Log:            slog.New(slog.NewTextHandler(output, &slog.HandlerOptions{Level: slog.LevelWarn})),
		Edit:           func(t *template.Template) { proxied = w.proxy(t, dynamoDB, elasticMQ) },
	})
	if err = errors.Join(err, proxied); err != nil {
		return w, err
	}
	w.closes = append(w.closes, w.Close)
	w.meter.Changed = w.changed
	w.store = dynamo.New(w.DynamoDB(), w.Table("ChatsTable"), w.Table("TeamTable"))
	w.secret = chat.Secret(w.Environment("AssignerFunction")["IDENTITY_KEY"])
	w.line = customer.Line{URL: w.URL + "/webhooks/whatsapp", AppSecret: w.Environment("WebhookFunction")["APP_SECRET"], Client: http.DefaultClient}
	for _, p := range people {
		if w.tokens[p.ID], err = oidc.Token(p, time.Hour); err != nil {
			return w, err
		}
	}
	_, err = seed.Load(ctx, w.store, dynamo.Now())
	return w, err
}

// end ends everything that newWorld started.
func (w *world) end() {
	for i := len(w.closes) - 1; i >= 0; i-- {
		w.closes[i]()
	}
}

// serve serves a handler on the loopback until end.
func (w *world) serve(h http.Handler) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	go server.Serve(listener)
	w.closes = append(w.closes, func() { server.Close() })
	return "http://" + listener.Addr().String(), nil
}

// proxy puts a counting proxy between each function and the servers.
func (w *world) proxy(t *template.Template, dynamoDB, elasticMQ string) error {
	tables, err1 := url.Parse(dynamoDB)
	queues, err2 := url.Parse(elasticMQ)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for _, f := range t.Functions {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.Proxy = nil
		address, err := w.serve(&httputil.ReverseProxy{
			Transport: w.meter.By(f.ID, transport),
			Rewrite: func(r *httputil.ProxyRequest) {
				if strings.HasPrefix(r.In.Header.Get("X-Amz-Target"), "AmazonSQS") {
					r.SetURL(queues)
				} else {
					r.SetURL(tables)
				}
			},
		})
		if err != nil {
			return err
		}
		f.Environment["AWS_ENDPOINT_URL_DYNAMODB"] = template.Literal(address)
		f.Environment["AWS_ENDPOINT_URL_SQS"] = template.Literal(address)
	}
	return nil
}

// directory is the partition of the pools that have waiting Chats (shared/dynamo/keys.go).
const directory = "WP"

// changed counts the invocations by stream that a change causes: by the filters of template.yaml.
func (w *world) changed(c units.Change) {
	name := "MODIFY"
	switch {
	case c.Before == nil:
		name = "INSERT"
	case c.After == nil:
		name = "REMOVE"
	}
	if pk, _ := c.Key["pk"].(*dynamotypes.AttributeValueMemberS); pk != nil && pk.Value == directory {
		w.mu.Lock()
		w.listed += c.Units
		w.mu.Unlock()
	}
	record, err := json.Marshal(map[string]any{"eventName": name, "dynamodb": map[string]any{
		"Keys": units.Wire(c.Key), "NewImage": units.Wire(c.After), "OldImage": units.Wire(c.Before)}})
	if err != nil {
		panic(err) // strings, numbers and bytes always marshal
	}
	for _, f := range w.Template.Functions {
		for _, s := range f.Streams {
			if c.Table == w.Table(s.Table) && wanted(s.Filters, record) {
				w.mu.Lock()
				w.records++
				w.mu.Unlock()
			}
		}
	}
}

func wanted(filters []filter.Pattern, record []byte) bool {
	for _, f := range filters {
		if matches, err := f.Matches(record); err == nil && matches {
			return true
		}
	}
	return len(filters) == 0
}

// count does something a number of times, waits until all that follows from it is done, and keeps what it cost. What was
// counted before and belongs to nothing is dropped.
func (w *world) count(name string, times int, do func() error) error {
	if _, err := w.meter.Take(); err != nil {
		return err
	}
	w.mu.Lock()
	w.records, w.listed, w.deliveries, w.calls = 0, 0, 0, 0
	w.mu.Unlock()
	w.logs.take()
	err := do()
	if err == nil {
		err = w.quiet()
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	by, err := w.meter.Take()
	if err != nil {
		return err
	}
	w.mu.Lock()
	o := operation{Name: name, Times: times, Records: w.records, Listed: w.listed, Deliveries: w.deliveries, Calls: w.calls, By: by}
	w.mu.Unlock()
	if o.LogBytes, err = w.logs.take(); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for call, c := range by {
		if call.By == sweeper && name != idleMinute { // the minute's sweep came in between: it is counted by itself
			delete(by, call)
			continue
		}
		if c.Queue > 0 {
			o.Sends, o.Queued = o.Sends+c.Queue, o.Queued+c.Messages
			continue
		}
		o.Requests, o.Refused, o.Writes, o.Reads = o.Requests+c.Requests, o.Refused+c.Refused, o.Writes+c.Writes, o.Reads+c.Reads
	}
	w.operations = append(w.operations, o)
	return nil
}

// quiet waits until the queues are empty and no function asks for anything.
func (w *world) quiet() error {
	return w.eventually("nothing goes on", func() (bool, error) {
		for _, id := range []string{"InboundQueue", "PoolsQueue"} {
			url := w.QueueURL(id)
			out, err := w.SQS().GetQueueAttributes(w.ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url,
				AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
			if err != nil {
				return false, err
			}
			for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"} {
				if n, err := strconv.Atoi(out.Attributes[name]); err != nil || n > 0 {
					return false, err
				}
			}
		}
		return time.Since(w.meter.Latest()) > silence, nil
	})
}

func (w *world) eventually(what string, holds func() (bool, error)) error {
	for deadline := time.Now().Add(patience); ; {
		ok, err := holds()
		if ok || err != nil {
			return err
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("waited in vain until %s", what)
		}
		select {
		case <-w.ctx.Done():
			return w.ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// deliver posts a delivery as WhatsApp does.
func (w *world) deliver(body []byte) error {
	w.mu.Lock()
	w.deliveries++
	w.mu.Unlock()
	status, err := w.line.Post(w.ctx, body)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("the webhook answers %d", status)
	}
	return err
}

// call asks the API as a person, and reads the answer into out.
func (w *world) call(as, method, path string, body, out any) error {
	w.mu.Lock()
	w.calls++
	w.mu.Unlock()
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(w.ctx, method, w.URL+"/v1/"+path, bytes.NewReader(text))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+w.tokens[as])
	req.Header.Set("Content-Type", "application/json")
	if method == http.MethodPost {
		req.Header.Set("Idempotency-Key", customer.WAMID())
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && res.StatusCode >= 300 {
		err = fmt.Errorf("%s %s answers %d: %s", method, path, res.StatusCode, answer)
	}
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// logs counts what functions print, as CloudWatch bills it, and passes their errors on.
type logs struct {
	to io.Writer

	mu     sync.Mutex
	bytes  int
	errors []string
}

// namePrefix is what the stack puts before each line.
const namePrefix = 19

// Write takes one line of a function.
func (l *logs) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += len(line) - namePrefix + bytesPerLogLine
	if bytes.Contains(line, []byte(`"level":"ERROR"`)) {
		l.errors = append(l.errors, string(line))
		l.to.Write(line)
	}
	return len(line), nil
}

// take returns the bytes since the last take. A function that failed has cost more than it should: that is an error.
func (l *logs) take() (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n, failed := l.bytes, l.errors
	l.bytes, l.errors = 0, nil
	if len(failed) > 0 {
		return n, fmt.Errorf("%d errors in the logs, the first: %s", len(failed), failed[0])
	}
	return n, nil
}

// idleMinute is one with a sweep and nothing else.
const (
	idleMinute = "a minute in which nothing happens"
	sweeper    = "SweeperFunction"
)

// idleMinute counts a run of the functions on a schedule, if template.yaml has any.
func (w *world) idleMinute() (operation, error) {
	runs := false
	for _, f := range w.Template.Functions {
		runs = runs || len(f.Schedules) > 0
	}
	if !runs {
		return operation{Times: 1}, nil
	}
	begun := time.Now()
	err := w.count(idleMinute, 1, func() error {
		return w.eventually("the schedule has run", func() (bool, error) { return w.meter.Latest().After(begun), nil })
	})
	if err != nil {
		return operation{}, err
	}
	last := len(w.operations) - 1
	o := w.operations[last]
	w.operations = w.operations[:last]
	return o, nil
}
