// Package stack runs everything in template.yaml on this machine: tables and queues on a real DynamoDB and ElasticMQ,
// every function's real binary, its routes, queues, streams and schedules.
//
// `make run` starts one on fixed ports with its data on disk. Tests start as many as they like, in memory and on free
// ports:
//
//	s := stacktest.Start(t, stack.Options{})
//	http.Get(s.URL + "/webhooks/whatsapp")
package stack

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"chatkeeper/infra/local/folder"
	"chatkeeper/infra/local/gateway"
	"chatkeeper/infra/local/lambda"
	"chatkeeper/infra/local/queues"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/streams"
	"chatkeeper/infra/local/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
)

// Options say what runs and where. The zero value is a stack in memory, on free ports, with a random name.
type Options struct {
	Template   string                   // path; its folder holds functions/. Empty: the nearest template.yaml above the working folder
	Parameters map[string]string        // of the template, over its local and default values
	Edit       func(*template.Template) // may change the template once it is read

	Name     string // begins the names of tables and queues. Empty: the Folder's, else a random one
	Folder   string // data, checkpoints and logs; survives restarts and kills. Empty: nothing is kept
	Binaries string // folder of the functions' binaries. Empty: under Folder, or in the user's cache

	Ports     Ports
	DynamoDB  string // endpoint of a running DynamoDB. Empty: the stack starts a Dynoxide of its own
	ElasticMQ string // endpoint of a running ElasticMQ. Empty: the stack starts its own

	CutDynamoDB func(context.Context) error // what KillDynamoDB does to a server that is not the stack's own; may be nil

	MaxConcurrency int          // instances of one function at once; 0: 4
	Output         io.Writer    // what functions print; nil: os.Stderr
	Log            *slog.Logger // what the stack itself has to say; nil: to Output
	Progress       io.Writer    // told about a first fetch; nil: os.Stderr
}

// Ports are where things listen on the loopback; 0 is any free port.
type Ports struct{ API, DynamoDB, ElasticMQ int }

const defaultMaxConcurrency = 4

// Stack is a running stack.
type Stack struct {
	URL               string // of the HTTP API, http://127.0.0.1:port
	DynamoDBEndpoint  string
	ElasticMQEndpoint string
	Template          *template.Template

	options    Options
	folder     *folder.Folder // nil: nothing is kept
	root       string
	output     *output
	outputs    []*functionOutput
	dynamoDB   *servers.Server // nil: not the stack's own
	elasticMQ  *servers.Server
	tables     map[string]string
	queues     map[string]string // URLs
	streamARNs map[string]string
	functions  map[string]*lambda.Function
	variables  map[string]map[string]string

	dynamoClient *dynamodb.Client
	streamClient *dynamodbstreams.Client
	sqsClient    *sqs.Client

	api     *http.Server
	sources sync.WaitGroup
	stop    context.CancelFunc // ends the sources
	lost    chan struct{}      // closed when the tables are gone
	closing sync.Once
}

// Start starts a stack and returns when requests, queues and streams are served. What it had started is ended when
// something fails.
func Start(ctx context.Context, o Options) (*Stack, error) {
	s := &Stack{options: o, functions: map[string]*lambda.Function{}, variables: map[string]map[string]string{}, lost: make(chan struct{})}
	if err := s.prepare(); err != nil {
		return nil, err
	}
	if err := s.start(ctx); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// prepare reads the template and fills the options that were left open.
func (s *Stack) prepare() (err error) {
	o := &s.options
	if o.Template == "" {
		if o.Template, err = findTemplate(); err != nil {
			return err
		}
	}
	if s.root, err = filepath.Abs(filepath.Dir(o.Template)); err != nil {
		return err
	}
	if s.Template, err = template.Load(o.Template, o.Parameters); err != nil {
		return err
	}
	if o.Edit != nil {
		o.Edit(s.Template)
	}
	if o.Folder != "" {
		if s.folder, err = folder.Open(o.Folder, o.DynamoDB); err != nil {
			return err
		}
		o.Folder = s.folder.Path
		if err = os.MkdirAll(filepath.Join(o.Folder, "state"), 0o755); err != nil {
			return err
		}
	}
	switch {
	case o.Name != "":
	case o.Folder != "":
		o.Name = s.folder.StackName()
	default:
		o.Name = servers.RandomName()
	}
	switch {
	case o.Binaries != "":
	case o.Folder != "":
		o.Binaries = filepath.Join(o.Folder, "functions")
	default:
		if o.Binaries, err = sharedBinaries(s.root); err != nil {
			return err
		}
	}
	if o.MaxConcurrency == 0 {
		o.MaxConcurrency = defaultMaxConcurrency
	}
	if o.Output == nil {
		o.Output = os.Stderr
	}
	s.output = &output{to: o.Output}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(o.Output, nil))
	}
	return nil
}

// findTemplate looks for template.yaml from the working folder upwards.
func findTemplate() (string, error) {
	folder, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		file := filepath.Join(folder, "template.yaml")
		if _, err := os.Stat(file); err == nil {
			return file, nil
		}
		parent := filepath.Dir(folder)
		if parent == folder {
			return "", errors.New("there is no template.yaml in this folder or above it")
		}
		folder = parent
	}
}

func (s *Stack) start(ctx context.Context) error {
	// The port first: a busy one should not cost the start of two servers.
	listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(s.options.Ports.API))
	if err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("port %d is busy, and the API needs it: end the program that listens there, or set CHATKEEPER_API_PORT to another port", s.options.Ports.API)
		}
		return fmt.Errorf("listen for the API: %w", err)
	}
	s.URL = "http://" + listener.Addr().String()
	s.api = &http.Server{ReadHeaderTimeout: 10 * time.Second}

	binaries, err := s.startServersAndBuild(ctx)
	if err == nil {
		err = s.createResources(ctx)
	}
	if err == nil {
		err = s.createFunctions(binaries)
	}
	if err == nil {
		s.api.Handler, err = s.gateway()
	}
	if err == nil {
		err = s.startSources()
	}
	if err != nil {
		listener.Close()
		return err
	}
	go s.api.Serve(listener)
	return nil
}

// startServersAndBuild does at once what takes seconds.
func (s *Stack) startServersAndBuild(ctx context.Context) (binaries map[string]string, err error) {
	o := s.options
	data := func(name string) string {
		if o.Folder == "" {
			return ""
		}
		return filepath.Join(o.Folder, name)
	}
	var group sync.WaitGroup
	var dynamoErr, elasticErr, buildErr error
	if s.DynamoDBEndpoint = o.DynamoDB; o.DynamoDB == "" {
		group.Go(func() {
			s.dynamoDB, dynamoErr = servers.StartDynamoDB(ctx, servers.Options{
				Port: o.Ports.DynamoDB, Folder: data("dynamodb"), Progress: o.Progress, Log: o.Log})
			if dynamoErr == nil {
				s.DynamoDBEndpoint = s.dynamoDB.Endpoint
			}
		})
	}
	if s.ElasticMQEndpoint = o.ElasticMQ; o.ElasticMQ == "" {
		group.Go(func() {
			s.elasticMQ, elasticErr = servers.StartElasticMQ(ctx, servers.Options{
				Port: o.Ports.ElasticMQ, Folder: data("elasticmq"), Progress: o.Progress, Log: o.Log})
			if elasticErr == nil {
				s.ElasticMQEndpoint = s.elasticMQ.Endpoint
			}
		})
	}
	o.Log.Info("building the functions; the first time it takes a minute")
	group.Go(func() { binaries, buildErr = buildOnce(ctx, s.root, o.Binaries, s.Template.Functions) })
	group.Wait()
	return binaries, errors.Join(dynamoErr, elasticErr, buildErr)
}

func (s *Stack) createResources(ctx context.Context) (err error) {
	s.dynamoClient = servers.DynamoDB(s.DynamoDBEndpoint)
	s.streamClient = servers.Streams(s.DynamoDBEndpoint)
	s.sqsClient = servers.SQS(s.ElasticMQEndpoint)
	if s.options.DynamoDB != "" && s.folder != nil && s.folder.Made() {
		missing, err := s.tableIsMissing(ctx)
		if err != nil {
			return err
		}
		if missing {
			s.options.Log.Warn("the DynamoDB server has forgotten the tables: they are made again, empty, and their streams read from the beginning; "+
				"the queues have kept their messages, which now meet empty tables", "server", s.DynamoDBEndpoint)
		}
	}
	if s.tables, err = s.Template.CreateTables(ctx, s.dynamoClient, s.options.Name); err != nil {
		return err
	}
	s.streamARNs = map[string]string{}
	for id, name := range s.tables {
		described, err := s.dynamoClient.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		if err != nil {
			return fmt.Errorf("describe table %s: %w", id, err)
		}
		s.streamARNs[id] = aws.ToString(described.Table.LatestStreamArn)
	}
	if s.folder != nil {
		if err := s.folder.SetMade(); err != nil {
			return err
		}
	}
	s.queues, err = s.Template.CreateQueues(ctx, s.sqsClient, s.options.Name)
	return err
}

// lookup gives a reference of the template its value in this stack.
func (s *Stack) lookup(r template.Reference) (string, error) {
	if r.Resource == "AWS::StackName" {
		return s.options.Name, nil
	}
	if name, ok := s.tables[r.Resource]; ok {
		switch r.Attribute {
		case "":
			return name, nil
		case "Arn":
			return "arn:aws:dynamodb:" + servers.Region + ":" + servers.Account + ":table/" + name, nil
		case "StreamArn":
			return s.streamARNs[r.Resource], nil
		}
	}
	if url, ok := s.queues[r.Resource]; ok {
		name := url[strings.LastIndex(url, "/")+1:]
		switch r.Attribute {
		case "":
			return url, nil
		case "Arn":
			return template.QueueARN(name), nil
		case "QueueName":
			return name, nil
		}
	}
	for _, f := range s.Template.Functions {
		if f.ID != r.Resource {
			continue
		}
		name, err := f.PhysicalName(s.options.Name)
		if r.Attribute == "Arn" {
			name = functionARN(name)
		}
		return name, err
	}
	switch r.Attribute {
	case "ApiEndpoint": // of the only API
		return s.URL, nil
	case "":
		return "local", nil // its id
	}
	return "", errors.New("it has no value here")
}

func functionARN(name string) string {
	return "arn:aws:lambda:" + servers.Region + ":" + servers.Account + ":function:" + name
}

func (s *Stack) createFunctions(binaries map[string]string) error {
	var logs string
	if s.options.Folder != "" {
		logs = filepath.Join(s.options.Folder, "logs")
	}
	for _, f := range s.Template.Functions {
		name, err := f.PhysicalName(s.options.Name)
		if err != nil {
			return err
		}
		variables := map[string]string{
			"AWS_ENDPOINT_URL_DYNAMODB":         s.DynamoDBEndpoint,
			"AWS_ENDPOINT_URL_DYNAMODB_STREAMS": s.DynamoDBEndpoint,
			"AWS_ENDPOINT_URL_SQS":              s.ElasticMQEndpoint,
		}
		for variable, text := range f.Environment {
			if variables[variable], err = text.Resolve(s.lookup); err != nil {
				return fmt.Errorf("variable %s of %s: %w", variable, f.ID, err)
			}
		}
		out, err := s.output.of(f.ID, logs)
		if err != nil {
			return fmt.Errorf("log of %s: %w", f.ID, err)
		}
		s.outputs = append(s.outputs, out)
		concurrency := s.options.MaxConcurrency
		if f.Concurrency > 0 {
			concurrency = min(concurrency, f.Concurrency)
		}
		s.variables[f.ID] = variables
		s.functions[f.ID] = lambda.New(lambda.Config{
			Name: name, ARN: functionARN(name), Binary: binaries[f.ID], Environment: variables,
			Memory: f.Memory, Timeout: f.Timeout, Concurrency: concurrency,
			LogFormat: f.LogFormat, LogLevel: f.LogLevel, Output: out, Log: s.options.Log,
		})
	}
	return nil
}

func (s *Stack) gateway() (http.Handler, error) {
	var targets []gateway.Target
	for _, f := range s.Template.Functions {
		for _, r := range f.Routes {
			targets = append(targets, gateway.Target{Route: r, Function: s.functions[f.ID]})
		}
	}
	return gateway.New(targets, s.options.Log)
}

// startSources starts one goroutine for each queue, stream and schedule of a function.
func (s *Stack) startSources() error {
	ctx, cancel := context.WithCancel(context.Background())
	s.stop = cancel
	byID := map[string]*template.Queue{}
	for _, q := range s.Template.Queues {
		byID[q.ID] = q
	}
	for _, f := range s.Template.Functions {
		function := s.functions[f.ID]
		for _, m := range f.Queues {
			if m.Disabled {
				continue
			}
			receipts, err := queues.OpenReceipts(s.stateFile("queue", f.ID, m.Event))
			if err != nil {
				return err
			}
			arn, err := s.lookup(template.Reference{Resource: m.Queue, Attribute: "Arn"})
			if err != nil {
				return err
			}
			concurrency := function.Concurrency()
			if m.Concurrency > 0 {
				concurrency = min(concurrency, m.Concurrency)
			}
			q := byID[m.Queue]
			source := &queues.Source{
				Client: s.sqsClient, URL: s.queues[m.Queue], ARN: arn,
				FIFO: q.FIFO, Visibility: q.Visibility, MaxReceive: q.MaxReceive, DeadURL: s.queues[q.DeadTarget],
				BatchSize: m.BatchSize, Concurrency: concurrency, PartialBatch: m.PartialBatch,
				Function: function, Receipts: receipts, Log: s.options.Log,
			}
			s.sources.Go(func() { source.Run(ctx) })
		}
		for _, m := range f.Streams {
			if m.Disabled {
				continue
			}
			checkpoints, err := streams.OpenCheckpoints(s.stateFile("stream", f.ID, m.Event))
			if err != nil {
				return err
			}
			source := &streams.Source{
				Client: s.streamClient, Stream: s.streamARNs[m.Table],
				FromNow: m.FromNow, BatchSize: m.BatchSize, MaxRetries: m.MaxRetries, MaxAge: m.MaxAge,
				Bisect: m.Bisect, PartialBatch: m.PartialBatch, Filters: m.Filters,
				Checkpoints: checkpoints, Function: function, Log: s.options.Log,
			}
			if m.OnFailure != "" {
				source.GiveUp = s.sendGivenUp(s.queues[m.OnFailure])
			}
			s.sources.Go(func() { source.Run(ctx) })
		}
		for _, m := range f.Schedules {
			if m.Disabled {
				continue
			}
			times, err := template.ParseSchedule(m.Expression)
			if err != nil {
				return fmt.Errorf("schedule %s of %s: %w", m.Event, f.ID, err)
			}
			s.sources.Go(func() { runSchedule(ctx, times, m, function, s.options.Log) })
		}
	}
	if s.dynamoDB == nil && s.folder != nil {
		s.sources.Go(func() { s.awaitForgotten(ctx) })
	}
	return nil
}

func (s *Stack) stateFile(kind, function, event string) string {
	if s.options.Folder == "" {
		return ""
	}
	return filepath.Join(s.options.Folder, "state", kind+"-"+function+"-"+event+".json")
}

func (s *Stack) sendGivenUp(queue string) func(context.Context, streams.GivenUp) error {
	return func(ctx context.Context, g streams.GivenUp) error {
		body, err := json.Marshal(g)
		if err != nil {
			return err
		}
		_, err = s.sqsClient.SendMessage(ctx, &sqs.SendMessageInput{QueueUrl: &queue, MessageBody: aws.String(string(body))})
		return err
	}
}

// Folder is where the stack keeps its data; nil if it keeps nothing.
func (s *Stack) Folder() *folder.Folder { return s.folder }

// Name begins the names of the tables and queues.
func (s *Stack) Name() string { return s.options.Name }

// Root is the folder of the template.
func (s *Stack) Root() string { return s.root }

// DynamoDB is a client of the stack's tables.
func (s *Stack) DynamoDB() *dynamodb.Client { return s.dynamoClient }

// SQS is a client of the stack's queues.
func (s *Stack) SQS() *sqs.Client { return s.sqsClient }

// Table is the name of the table with a logical id. An id that the template doesn't have is a mistake of the caller.
func (s *Stack) Table(id string) string { return mustHave(s.tables, id) }

// QueueURL is the URL of the queue with a logical id.
func (s *Stack) QueueURL(id string) string { return mustHave(s.queues, id) }

// Environment is what the function with a logical id finds in its environment of the template's.
func (s *Stack) Environment(id string) map[string]string { return mustHave(s.variables, id) }

func mustHave[V any](m map[string]V, id string) V {
	v, ok := m[id]
	if !ok {
		panic("the template has no " + id)
	}
	return v
}

// Kill ends an instance of the function with a logical id as kill -9 does, a busy one if there is any. It says whether
// there was one.
func (s *Stack) Kill(id string) bool { return mustHave(s.functions, id).Kill() }

// KillDynamoDB ends the stack's Dynoxide as kill -9 does, and waits until it is back on the same port and data. The stack
// must have started it with a Folder. Of a server that it did not start the connections are cut, as Options say.
func (s *Stack) KillDynamoDB(ctx context.Context) error {
	if s.dynamoDB == nil && s.options.CutDynamoDB != nil {
		return s.options.CutDynamoDB(ctx)
	}
	return killAndWait(ctx, s.dynamoDB)
}

// KillElasticMQ does the same with ElasticMQ.
func (s *Stack) KillElasticMQ(ctx context.Context) error { return killAndWait(ctx, s.elasticMQ) }

func killAndWait(ctx context.Context, server *servers.Server) error {
	if server == nil {
		return errors.New("the server belongs to somebody else")
	}
	server.Kill()
	return server.WaitUntilUp(ctx)
}

// Close ends everything the stack started: requests first, then sources with their batches, functions, and servers. On
// servers that are not its own it drops its tables and queues, unless it keeps a Folder.
func (s *Stack) Close() {
	s.closing.Do(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if s.api != nil && s.api.Shutdown(ctx) != nil {
			s.api.Close()
		}
		if s.stop != nil {
			s.stop()
		}
		// Sources wait for their batches, so the functions are closed beside them: after the grace their batches fail.
		var group sync.WaitGroup
		for _, f := range s.functions {
			group.Go(func() { s.closeFunction(ctx, f) })
		}
		group.Wait()
		s.sources.Wait()
		s.drop(ctx)
		for _, server := range []*servers.Server{s.elasticMQ, s.dynamoDB} {
			if server != nil {
				group.Go(server.Stop)
			}
		}
		group.Wait()
		for _, o := range s.outputs {
			o.close()
		}
	})
}

// closeFunction gives sources the time to end their batches before it closes the function.
func (s *Stack) closeFunction(ctx context.Context, f *lambda.Function) {
	ended := make(chan struct{})
	go func() { s.sources.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ctx.Done():
	}
	f.Close(ctx)
}

func (s *Stack) drop(ctx context.Context) {
	if s.options.Folder != "" {
		return
	}
	if s.dynamoDB == nil {
		for _, name := range s.tables {
			s.dynamoClient.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
		}
	}
	if s.elasticMQ == nil {
		for _, url := range s.queues {
			s.sqsClient.DeleteQueue(ctx, &sqs.DeleteQueueInput{QueueUrl: &url})
		}
	}
}
