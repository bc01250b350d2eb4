// Package servers runs the two real servers of the local stack, Dynoxide and ElasticMQ, as child processes.
//
// Dynoxide is an open-source DynamoDB. It is built by cargo, and ElasticMQ fetched by Maven, by pinned version the first
// time; both come from a cache in the user's folder after that. With a data folder their data survives every end, a hard
// kill included; without one they keep everything in memory. Another DynamoDB is not started here: it is named by its
// address (NamedDynamoDB).
package servers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"chatkeeper/infra/local/child"
)

// Region, Account and the credentials are what clients of the local servers use; the servers accept any.
const (
	Region          = "eu-west-1"
	Account         = "000000000000"
	AccessKeyID     = "local"
	SecretAccessKey = "local"
)

// Options say how a server runs.
type Options struct {
	Port     int          // 0: any free one
	Folder   string       // where its data lies; empty: in memory
	Progress io.Writer    // told about a first fetch or build; nil: os.Stderr
	Log      *slog.Logger // told what the server warns of, and when it died and came back; nil: slog.Default()
}

// Server is a running server. One with a data folder that dies unasked is started again on the same port and data.
type Server struct {
	Endpoint string // http://127.0.0.1:port

	name    string
	port    int
	health  string
	command func() *exec.Cmd
	durable bool
	log     *slog.Logger

	ctx    context.Context // ends with Stop
	cancel context.CancelFunc
	gone   chan struct{} // closed when nothing will be started any more and the last process has ended

	mu      sync.Mutex
	process *child.Process
}

const (
	startDeadline = 2 * time.Minute // a cold Java on a busy machine; 2 seconds are usual
	stopGrace     = 5 * time.Second
)

// StartElasticMQ starts ElasticMQ, which speaks SQS, and returns when it answers.
func StartElasticMQ(ctx context.Context, o Options) (*Server, error) {
	if err := o.complete(ctx, elasticMQ); err != nil {
		return nil, err
	}
	java, err := exec.LookPath("java")
	if err != nil {
		return nil, errors.New("no Java found: ElasticMQ runs on it. Install version 17 or newer (Debian: apt install openjdk-17-jre-headless, macOS: brew install openjdk) and start again")
	}
	jars, err := elasticMQArtifact.jars(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	return start(ctx, elasticMQ, o, func(port int) *exec.Cmd {
		args := []string{"-cp", filepath.Join(jars, "*")}
		for _, setting := range elasticMQSettings(port, o.Folder) {
			args = append(args, "-D"+setting)
		}
		return exec.Command(java, append(append(javaFlags, args...), "org.elasticmq.server.Main")...)
	})
}

func elasticMQSettings(port int, folder string) []string {
	number := strconv.Itoa(port)
	settings := []string{
		"node-address.host=127.0.0.1", "node-address.port=" + number,
		"rest-sqs.bind-hostname=127.0.0.1", "rest-sqs.bind-port=" + number,
		"rest-stats.enabled=false",
		"aws.region=" + Region, "aws.accountId=" + Account,
	}
	if folder == "" {
		return settings
	}
	// Without WRITE_DELAY=0 the database answers before it has written, and a hard kill loses acknowledged messages.
	return append(settings,
		"messages-storage.enabled=true",
		"messages-storage.uri=jdbc:h2:"+filepath.Join(folder, "elasticmq")+";WRITE_DELAY=0")
}

// javaFlags start quickly and keep the footprint of a test run small.
var javaFlags = []string{"-XX:+UseSerialGC", "-Xshare:auto", "-XX:TieredStopAtLevel=1"}

// kind is what the two servers differ in.
type kind struct {
	name     string
	variable string // of the port
	health   string // path that answers when the server does
}

var (
	dynamoDB  = kind{"Dynoxide", "CHATKEEPER_DYNAMODB_PORT", "/"}
	elasticMQ = kind{"ElasticMQ", "CHATKEEPER_ELASTICMQ_PORT", "/health"}
)

// complete fills what was left open and makes the data folder. A busy port is an error before anything is fetched.
func (o *Options) complete(ctx context.Context, k kind) (err error) {
	if o.Port != 0 {
		if _, err := choosePort(ctx, k, o.Port); err != nil {
			return err
		}
	}
	if o.Progress == nil {
		o.Progress = os.Stderr
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	if o.Folder == "" {
		return nil
	}
	if o.Folder, err = filepath.Abs(o.Folder); err != nil {
		return err
	}
	return os.MkdirAll(o.Folder, 0o755)
}

func start(ctx context.Context, k kind, o Options, command func(port int) *exec.Cmd) (*Server, error) {
	// A free port can be taken by another program before the server gets there; another one is tried then.
	for attempt := 1; ; attempt++ {
		port, err := choosePort(ctx, k, o.Port)
		if err != nil {
			return nil, err
		}
		s := &Server{
			Endpoint: "http://127.0.0.1:" + strconv.Itoa(port),
			name:     k.name, port: port, health: k.health, durable: o.Folder != "", log: o.Log,
			command: func() *exec.Cmd { return command(port) },
			gone:    make(chan struct{}),
		}
		s.ctx, s.cancel = context.WithCancel(context.Background())
		process, err := s.launch(ctx)
		if err == nil {
			s.process = process
			go s.supervise(process)
			return s, nil
		}
		s.cancel()
		if ctx.Err() != nil || o.Port != 0 || attempt == 3 {
			return nil, err
		}
	}
}

// portGrace is how long a busy port is asked again: the servers of a stack that was just killed take a moment to die.
const portGrace = 1500 * time.Millisecond

// choosePort returns the port asked for if nobody listens there, or a free one for 0.
func choosePort(ctx context.Context, k kind, port int) (int, error) {
	for deadline := time.Now().Add(portGrace); ; {
		listener, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		switch {
		case err == nil:
			defer listener.Close()
			return listener.Addr().(*net.TCPAddr).Port, nil
		case !errors.Is(err, syscall.EADDRINUSE):
			return 0, fmt.Errorf("port %d for %s: %w", port, k.name, err)
		case time.Now().After(deadline):
			return 0, fmt.Errorf("port %d is busy, and %s needs it: end the program that listens there, or set %s to another port", port, k.name, k.variable)
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// launch starts the process and waits until it answers.
func (s *Server) launch(ctx context.Context) (*child.Process, error) {
	said := &output{server: s}
	cmd := s.command()
	cmd.Stdout, cmd.Stderr = said, said
	process, err := child.Start(cmd)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", s.name, err)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, startDeadline, fmt.Errorf("it did not answer within %v", startDeadline))
	defer cancel()
	for !s.answers(ctx) {
		select {
		case <-time.After(25 * time.Millisecond):
		case <-process.Done():
			if strings.Contains(said.String(), "UnsupportedClassVersionError") {
				return nil, fmt.Errorf("this Java is too old for %s: install version 17 or newer and start again", s.name)
			}
			return nil, fmt.Errorf("%s ended at its start (%v): %s", s.name, process.Err(), said.String())
		case <-ctx.Done():
			process.Kill()
			return nil, fmt.Errorf("start %s: %w: %s", s.name, context.Cause(ctx), said.String())
		}
	}
	return process, nil
}

// answers asks for any HTTP answer at all.
func (s *Server) answers(ctx context.Context) bool {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, s.Endpoint+s.health, nil)
	if err != nil {
		return false
	}
	response, err := healthClient.Do(request)
	if err != nil {
		return false
	}
	response.Body.Close()
	return response.StatusCode < 500
}

var healthClient = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// supervise brings a durable server back when it died unasked. One in memory stays dead: an empty server in its place
// would look like lost data.
func (s *Server) supervise(process *child.Process) {
	defer close(s.gone)
	for {
		select {
		case <-s.ctx.Done():
			process.Stop(stopGrace)
			return
		case <-process.Done():
		}
		if s.ctx.Err() != nil {
			return
		}
		if !s.durable {
			s.log.Error("server ended; it kept everything in memory and is not started again", "server", s.name, "error", process.Err())
			return
		}
		s.log.Warn("server ended and is started again on its data", "server", s.name, "error", process.Err())
		next, err := s.launch(s.ctx)
		for err != nil {
			select {
			case <-s.ctx.Done():
				return
			case <-time.After(time.Second):
			}
			s.log.Error("server does not start again", "server", s.name, "error", err)
			next, err = s.launch(s.ctx)
		}
		s.mu.Lock()
		s.process, process = next, next
		s.mu.Unlock()
		s.log.Info("server is back", "server", s.name)
	}
}

// Kill ends the server as kill -9 does. One with a data folder comes back by itself; WaitUntilUp waits for that.
func (s *Server) Kill() {
	s.mu.Lock()
	process := s.process
	s.mu.Unlock()
	process.Kill()
}

// WaitUntilUp returns when the server answers, or with the context's error.
func (s *Server) WaitUntilUp(ctx context.Context) error {
	for !s.answers(ctx) {
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w", s.name, ctx.Err())
		case <-time.After(25 * time.Millisecond):
		}
	}
	return nil
}

// stopping says whether the server was asked to end: what it says then is no news.
func (s *Server) stopping() bool { return s.ctx.Err() != nil }

// Stop ends the server, kindly at first. It may be called more than once.
func (s *Server) Stop() {
	s.cancel()
	<-s.gone
}
