// Package lambda runs a function's real bootstrap binary as AWS Lambda does: an instance is a process that asks its own
// Runtime API for one invocation after another. Busy functions get more instances, up to a limit; warm ones are used
// again. An instance that exits, is killed or takes too long fails the invocation it had, and the next gets a new one.
package lambda

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Config describes a function.
type Config struct {
	Name        string            // as the function sees it
	ARN         string            //
	Binary      string            // path of its bootstrap
	Environment map[string]string // its own variables and what points the AWS SDK at the local servers
	Memory      int               // MB; told to the function, not enforced
	Timeout     time.Duration     // of one invocation
	Concurrency int               // instances at once, at least 1; further invocations wait
	LogFormat   string            // JSON or Text
	LogLevel    string            // empty: the function's default
	Output      io.Writer         // gets what the instances print, one whole line a Write, from several goroutines
	Log         *slog.Logger
}

// Failure is an invocation that the function did not do. Nothing is tried again here; that is up to the event source.
type Failure struct {
	Type    string // as Lambda names it: Runtime.ExitError, Sandbox.Timedout, or the type of the function's own error
	Message string
}

func (f *Failure) Error() string { return f.Type + ": " + f.Message }

// The failures that Lambda itself reports.
const (
	ExitError         = "Runtime.ExitError"
	TimedOut          = "Sandbox.Timedout"
	InitError         = "Runtime.InitError"
	ResponseTooLarge  = "Function.ResponseSizeTooLarge"
	maxResponse       = 6 << 20
	initTimeout       = 10 * time.Second
	firstInitPause    = 100 * time.Millisecond
	longestInitPause  = 5 * time.Second
	settleAfterAnswer = time.Second
)

// ErrClosed is the answer of a function that was closed.
var ErrClosed = errors.New("the function is closed")

// Function hands invocations to instances.
type Function struct {
	config Config
	slots  chan struct{} // one per instance that may be busy
	closed chan struct{}

	mu        sync.Mutex
	idle      []*instance // the warmest last
	instances map[*instance]bool
	failures  int // starts that failed in a row
	notBefore time.Time
	busy      sync.WaitGroup
	isClosed  bool
}

// New returns a function without instances; they start when they are needed.
func New(c Config) *Function {
	return &Function{
		config: c, slots: make(chan struct{}, max(c.Concurrency, 1)), closed: make(chan struct{}),
		instances: map[*instance]bool{},
	}
}

// Concurrency is how many invocations run at once.
func (f *Function) Concurrency() int { return cap(f.slots) }

// Name is the function's name, as it sees it itself.
func (f *Function) Name() string { return f.config.Name }

// ARN is the function's ARN.
func (f *Function) ARN() string { return f.config.ARN }

// Timeout is the longest an invocation may take.
func (f *Function) Timeout() time.Duration { return f.config.Timeout }

// Invoke runs one invocation and returns the function's answer, or a *Failure. When ctx ends first, the invocation goes
// on without the caller, as on AWS.
func (f *Function) Invoke(ctx context.Context, payload []byte) ([]byte, error) {
	select {
	case f.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-f.closed:
		return nil, ErrClosed
	}
	if !f.begin() {
		<-f.slots
		return nil, ErrClosed
	}
	answered := make(chan answer, 1)
	go func() {
		a := f.run(payload)
		f.end()
		answered <- a
	}()
	select {
	case a := <-answered:
		return a.payload, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

type answer struct {
	payload []byte
	err     error
}

// run does one invocation. Like Lambda's it is over when the instance asks for the next one, so that the instance is
// free by the time the caller has the answer.
func (f *Function) run(payload []byte) answer {
	in, err := f.instance()
	if err != nil {
		return answer{err: err}
	}
	a := in.invoke(payload)
	in.awaitNext()
	f.release(in)
	return a
}

func (f *Function) begin() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.isClosed {
		return false
	}
	f.busy.Add(1)
	return true
}

func (f *Function) end() {
	<-f.slots
	f.busy.Done()
}

// instance returns a warm instance or starts one.
func (f *Function) instance() (*instance, error) {
	for in := f.warm(); in != nil; in = f.warm() {
		if in.process.Running() {
			return in, nil
		}
		f.forget(in)
	}
	f.mu.Lock()
	pause := time.Until(f.notBefore)
	f.mu.Unlock()

	if pause > 0 {
		select {
		case <-time.After(pause):
		case <-f.closed:
			return nil, ErrClosed
		}
	}
	in, err := f.start()
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		f.failures++
		f.notBefore = time.Now().Add(min(firstInitPause<<min(f.failures-1, 10), longestInitPause))
		if f.failures == 1 { // said once; the function's own output above says why
			f.config.Log.Error("function does not start; it is tried again, more and more slowly", "function", f.config.Name, "error", err)
		}
		return nil, err
	}
	if f.failures > 0 {
		f.config.Log.Info("function starts again", "function", f.config.Name)
	}
	f.failures = 0
	return in, nil
}

// warm takes the instance that was idle for the shortest time; nil if none is.
func (f *Function) warm() *instance {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.idle) == 0 {
		return nil
	}
	last := len(f.idle) - 1
	in := f.idle[last]
	f.idle = f.idle[:last]
	return in
}

// release takes an instance back after an invocation.
func (f *Function) release(in *instance) {
	f.mu.Lock()
	keep := in.process.Running() && !f.isClosed
	if keep {
		f.idle = append(f.idle, in)
	}
	f.mu.Unlock()
	if !keep {
		f.forget(in)
	}
}

func (f *Function) forget(in *instance) {
	f.mu.Lock()
	delete(f.instances, in)
	f.mu.Unlock()
	in.end()
}

// Kill ends one instance as kill -9 does, one in the middle of an invocation if there is any. It says whether there was
// an instance at all.
func (f *Function) Kill() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	var victim *instance
	for in := range f.instances {
		if in.process.Running() && (victim == nil || in.isBusy()) {
			victim = in
		}
	}
	if victim == nil {
		return false
	}
	victim.process.Kill()
	return true
}

// Close waits for running invocations until ctx ends and then ends all instances.
func (f *Function) Close(ctx context.Context) {
	f.mu.Lock()
	if !f.isClosed {
		f.isClosed = true
		close(f.closed)
	}
	f.mu.Unlock()
	done := make(chan struct{})
	go func() { f.busy.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
	f.mu.Lock()
	instances := f.instances
	f.instances, f.idle = map[*instance]bool{}, nil
	f.mu.Unlock()
	for in := range instances {
		in.end()
	}
	<-done
}

// requestID has the form of a UUID, as on AWS.
func requestID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// failureOf reads what a function posted as its error.
func failureOf(body []byte) *Failure {
	var posted struct{ ErrorType, ErrorMessage string }
	if err := json.Unmarshal(body, &posted); err != nil {
		return &Failure{Type: "Runtime.Unknown", Message: "the function reported an error that is not JSON"}
	}
	return &Failure{Type: posted.ErrorType, Message: posted.ErrorMessage}
}
