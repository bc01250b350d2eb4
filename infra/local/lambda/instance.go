package lambda

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os/exec"
	"strconv"
	"sync"
	"time"

	"chatkeeper/infra/local/child"
	"chatkeeper/infra/local/servers"
)

// instance is one process and the Runtime API that it alone talks to.
type instance struct {
	config  *Config
	process *child.Process
	api     *http.Server
	output  *lineWriter

	asks chan struct{}    // the process has asked for an invocation and waits
	work chan *invocation // what it is given

	mu      sync.Mutex
	current *invocation // until it is answered
	initErr *Failure    // what the process said before it gave up starting
}

type invocation struct {
	id       string
	payload  []byte
	deadline time.Time
	answered chan answer // takes one
}

// start starts a process and waits until it asks for its first invocation.
func (f *Function) start() (*instance, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the Runtime API: %w", err)
	}
	in := &instance{config: &f.config, asks: make(chan struct{}), work: make(chan *invocation)}
	in.api = &http.Server{Handler: in.routes()}
	go in.api.Serve(listener)

	cmd := exec.Command(f.config.Binary)
	cmd.Env = environment(f.config, listener.Addr().String())
	cmd.Dir = "/"
	in.output = &lineWriter{to: f.config.Output}
	cmd.Stdout, cmd.Stderr = in.output, in.output
	in.process, err = child.Start(cmd)
	if err != nil {
		in.api.Close()
		return nil, fmt.Errorf("start %s: %w", f.config.Binary, err)
	}
	f.mu.Lock()
	f.instances[in] = true
	closed := f.isClosed
	f.mu.Unlock()
	if closed {
		err = ErrClosed
	} else {
		err = in.awaitFirst()
	}
	if err != nil {
		f.mu.Lock()
		delete(f.instances, in)
		f.mu.Unlock()
		in.end()
		return nil, err
	}
	return in, nil
}

// environment is what Lambda gives a function: its own variables, who and where it is, and nothing of this machine.
func environment(c Config, runtimeAPI string) []string {
	variables := map[string]string{
		"AWS_LAMBDA_RUNTIME_API":          runtimeAPI,
		"AWS_LAMBDA_FUNCTION_NAME":        c.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     "$LATEST",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.Memory),
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      "local",
		"AWS_LAMBDA_LOG_FORMAT":           c.LogFormat,
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_REGION":                      servers.Region,
		"AWS_DEFAULT_REGION":              servers.Region,
		"AWS_ACCESS_KEY_ID":               servers.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY":           servers.SecretAccessKey,
		// Lambda has no such files; a laptop has, and its owner's profile must not reach a function.
		"AWS_CONFIG_FILE":             "/dev/null",
		"AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
		"_HANDLER":                    "bootstrap",
		"TZ":                          ":UTC",
	}
	if c.LogLevel != "" {
		variables["AWS_LAMBDA_LOG_LEVEL"] = c.LogLevel
	}
	for name, value := range c.Environment {
		variables[name] = value
	}
	var out []string
	for name, value := range variables {
		out = append(out, name+"="+value)
	}
	return out
}

func (in *instance) awaitFirst() error {
	select {
	case <-in.asks:
		return nil
	case <-in.process.Done():
		in.mu.Lock()
		defer in.mu.Unlock()
		if in.initErr != nil {
			return in.initErr
		}
		return &Failure{Type: ExitError, Message: "the runtime exited before it asked for an invocation: " + exitText(in.process)}
	case <-time.After(initTimeout):
		return &Failure{Type: InitError, Message: fmt.Sprintf("the runtime did not ask for an invocation within %v", initTimeout)}
	}
}

func exitText(p *child.Process) string {
	if err := p.Err(); err != nil {
		return err.Error()
	}
	return "exit status 0"
}

// invoke gives the waiting process one invocation and returns its answer.
func (in *instance) invoke(payload []byte) answer {
	inv := &invocation{id: requestID(), payload: payload, deadline: time.Now().Add(in.config.Timeout), answered: make(chan answer, 1)}
	in.mu.Lock()
	in.current = inv
	in.mu.Unlock()
	timeout := time.NewTimer(in.config.Timeout)
	defer timeout.Stop()
	for work, asks := in.work, in.asks; ; {
		select {
		case work <- inv:
			work, asks = nil, nil // given once; what it asks for now is the next
		case <-asks: // its connection broke before it was given anything, and it asks once more
		case a := <-inv.answered:
			return a
		case <-in.process.Done():
			return in.failed(inv, ExitError, "Runtime exited: "+exitText(in.process))
		case <-timeout.C:
			in.process.Kill()
			return in.failed(inv, TimedOut, fmt.Sprintf("Task timed out after %.2f seconds", in.config.Timeout.Seconds()))
		}
	}
}

// failed is the answer to an invocation whose process is gone, if none came with its last breath.
func (in *instance) failed(inv *invocation, kind, message string) answer {
	in.mu.Lock()
	in.current = nil
	in.mu.Unlock()
	select {
	case a := <-inv.answered:
		return a
	default:
		return answer{err: &Failure{Type: kind, Message: "RequestId: " + inv.id + " Error: " + message}}
	}
}

// awaitNext waits until the process asks again after an answer. One that doesn't is of no use any more.
func (in *instance) awaitNext() {
	select {
	case <-in.asks:
	case <-in.process.Done():
	case <-time.After(settleAfterAnswer):
		in.process.Kill()
	}
}

func (in *instance) isBusy() bool {
	in.mu.Lock()
	defer in.mu.Unlock()
	return in.current != nil
}

func (in *instance) end() {
	in.process.Kill()
	in.output.end()
	in.api.Close()
}

// routes is the Runtime API, version 2018-06-01.
func (in *instance) routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /2018-06-01/runtime/invocation/next", in.next)
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/response", func(w http.ResponseWriter, r *http.Request) {
		body, err := readBody(r)
		switch {
		case errors.Is(err, errTooLarge):
			in.settle(w, r, answer{err: &Failure{Type: ResponseTooLarge, Message: "the response is larger than 6 MB"}})
		case err == nil:
			in.settle(w, r, answer{payload: body})
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/invocation/{id}/error", func(w http.ResponseWriter, r *http.Request) {
		if body, err := readBody(r); err == nil {
			in.settle(w, r, answer{err: failureOf(body)})
		}
	})
	mux.HandleFunc("POST /2018-06-01/runtime/init/error", func(w http.ResponseWriter, r *http.Request) {
		if body, err := readBody(r); err == nil {
			in.mu.Lock()
			in.initErr = failureOf(body)
			in.mu.Unlock()
			accepted(w)
		}
	})
	return mux
}

func (in *instance) next(w http.ResponseWriter, r *http.Request) {
	select {
	case in.asks <- struct{}{}:
	case <-r.Context().Done():
		return
	}
	select {
	case inv := <-in.work:
		h := w.Header()
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", in.config.ARN)
		h.Set("Content-Type", "application/json")
		w.Write(inv.payload)
	case <-r.Context().Done():
	}
}

// settle ends the invocation that the request names with its answer.
func (in *instance) settle(w http.ResponseWriter, r *http.Request, a answer) {
	in.mu.Lock()
	inv := in.current
	if inv == nil || inv.id != r.PathValue("id") {
		in.mu.Unlock()
		w.WriteHeader(http.StatusBadRequest)
		io.WriteString(w, `{"errorType":"InvalidRequestID","errorMessage":"Invalid request ID"}`)
		return
	}
	in.current = nil
	in.mu.Unlock()
	inv.answered <- a
	accepted(w)
}

func accepted(w http.ResponseWriter) {
	w.WriteHeader(http.StatusAccepted)
	io.WriteString(w, `{"status":"OK"}`)
}

var errTooLarge = errors.New("body too large")

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxResponse+1))
	if err == nil && len(body) > maxResponse {
		return nil, errTooLarge
	}
	return body, err
}
