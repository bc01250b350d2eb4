package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var binary string

func TestMain(m *testing.M) {
	folder, err := os.MkdirTemp("", "probe")
	if err != nil {
		panic(err)
	}
	binary = filepath.Join(folder, "bootstrap")
	if out, err := exec.Command("go", "build", "-o", binary, "./testdata/probe").CombinedOutput(); err != nil {
		panic(fmt.Sprintf("%v: %s", err, out))
	}
	code := m.Run()
	os.RemoveAll(folder)
	os.Exit(code)
}

type output struct {
	Text     string
	PID      int
	Left     int64
	Function string
	Memory   int
}

// lines collects what functions print and what is logged.
type lines struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func newFunction(t *testing.T, change func(*Config)) (*Function, *lines) {
	t.Helper()
	said := &lines{}
	c := Config{
		Name: "probe", ARN: "arn:aws:lambda:eu-west-1:000000000000:function:probe", Binary: binary, Memory: 256,
		Timeout: 20 * time.Second, Concurrency: 4, LogFormat: "JSON",
		Environment: map[string]string{"GREETING": "hello"},
		Output:      said, Log: slog.New(slog.NewTextHandler(said, nil)),
	}
	if change != nil {
		change(&c)
	}
	f := New(c)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		f.Close(ctx)
	})
	return f, said
}

func invoke(t *testing.T, f *Function, do, text string) (output, error) {
	t.Helper()
	payload, err := json.Marshal(map[string]string{"do": do, "text": text})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := f.Invoke(t.Context(), payload)
	var out output
	if err == nil {
		if err := json.Unmarshal(answer, &out); err != nil {
			t.Fatalf("%v in %s", err, answer)
		}
	}
	return out, err
}

func mustInvoke(t *testing.T, f *Function, do, text string) output {
	t.Helper()
	out, err := invoke(t, f, do, text)
	if err != nil {
		t.Fatalf("%s: %v", do, err)
	}
	return out
}

func TestAWarmInstanceIsUsedAgain(t *testing.T) {
	t.Parallel()
	f, _ := newFunction(t, nil)
	first := mustInvoke(t, f, "echo", "one")
	for range 20 {
		if again := mustInvoke(t, f, "echo", "two"); again.PID != first.PID {
			t.Fatalf("served by process %d, want the warm one, %d", again.PID, first.PID)
		}
	}
	if first.Text != "one" || first.Function != "probe" || first.Memory != 256 {
		t.Errorf("the function saw %+v", first)
	}
	if first.Left < 15_000 || first.Left > 20_000 {
		t.Errorf("the deadline was %d ms away, want 20 s at most", first.Left)
	}
}

func TestFailuresAreNamedAsLambdaDoesAndTheNextInvocationIsServed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		do, kind, message string
		sameProcess       bool // an error is an answer; the process lives on
	}{
		{"fail", "errorString", "as asked", true},
		{"exit", ExitError, "exit status 4", false},
		{"die", ExitError, "signal: killed", false},
		{"panic", "string", "as asked", false},
		{"hang", TimedOut, "Task timed out after 1.00 seconds", false},
	} {
		t.Run(c.do, func(t *testing.T) {
			t.Parallel()
			f, _ := newFunction(t, func(c *Config) { c.Timeout = time.Second })
			before := mustInvoke(t, f, "echo", "")
			_, err := invoke(t, f, c.do, "")
			var failure *Failure
			if !errors.As(err, &failure) || failure.Type != c.kind || !strings.Contains(failure.Message, c.message) {
				t.Errorf("got %v, want a %s that says %q", err, c.kind, c.message)
			}
			if after := mustInvoke(t, f, "echo", ""); (after.PID == before.PID) != c.sameProcess {
				t.Errorf("process %d before, %d after", before.PID, after.PID)
			}
		})
	}
}

func TestInstancesRunSideBySideUpToTheLimit(t *testing.T) {
	t.Parallel()
	f, _ := newFunction(t, func(c *Config) { c.Concurrency = 3 })
	gate := filepath.Join(t.TempDir(), "open")
	pids := make(chan int, 6)
	var group sync.WaitGroup
	for range 6 {
		group.Go(func() { pids <- mustInvoke(t, f, "wait", gate).PID })
	}
	eventually(t, "three instances", func() bool { return busyInstances(f) == 3 })
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	group.Wait()
	close(pids)
	var all []int
	for pid := range pids {
		all = append(all, pid)
	}
	slices.Sort(all)
	if n := len(slices.Compact(all)); n != 3 {
		t.Errorf("six invocations were served by %d processes, want 3", n)
	}
}

func busyInstances(f *Function) (n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for in := range f.instances {
		if in.isBusy() {
			n++
		}
	}
	return n
}

func TestKillFailsTheRunningInvocationOnly(t *testing.T) {
	t.Parallel()
	f, _ := newFunction(t, nil)
	if f.Kill() {
		t.Error("killed an instance of a function that has none")
	}
	gate := filepath.Join(t.TempDir(), "never")
	failed := make(chan error, 1)
	go func() { _, err := invoke(t, f, "wait", gate); failed <- err }()
	eventually(t, "a running invocation", func() bool { return busyInstances(f) == 1 })
	if !f.Kill() {
		t.Fatal("there was nothing to kill")
	}
	var failure *Failure
	if err := <-failed; !errors.As(err, &failure) || failure.Type != ExitError {
		t.Errorf("got %v, want %s", err, ExitError)
	}
	mustInvoke(t, f, "echo", "")
	if !f.Kill() {
		t.Fatal("there was no idle instance to kill")
	}
	mustInvoke(t, f, "echo", "")
}

func TestAStartThatFailsIsSaidOnceAndTriedAgain(t *testing.T) {
	t.Parallel()
	mark := filepath.Join(t.TempDir(), "broken")
	if err := os.WriteFile(mark, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	f, said := newFunction(t, func(c *Config) { c.Environment = map[string]string{"FAILS_WHILE_EXISTS": mark} })
	for range 3 {
		_, err := invoke(t, f, "echo", "")
		var failure *Failure
		if !errors.As(err, &failure) || failure.Type != ExitError || !strings.Contains(failure.Message, "exit status 3") {
			t.Fatalf("got %v, want the exit", err)
		}
	}
	if n := strings.Count(said.String(), "function does not start"); n != 1 {
		t.Errorf("it was said %d times that the function does not start:\n%s", n, said)
	}
	if !strings.Contains(said.String(), "no start today") {
		t.Error("the function's own words are missing")
	}
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	mustInvoke(t, f, "echo", "")
	if !strings.Contains(said.String(), "function starts again") {
		t.Error("nobody said that it starts again")
	}
}

func TestAFunctionSeesLambdasEnvironmentAndNothingOfThisMachine(t *testing.T) {
	t.Parallel()
	f, _ := newFunction(t, nil)
	seen := mustInvoke(t, f, "env", "").Text
	for _, want := range []string{"GREETING=hello", "AWS_LAMBDA_FUNCTION_NAME=probe", "AWS_REGION=eu-west-1", "AWS_LAMBDA_LOG_FORMAT=JSON", "AWS_ACCESS_KEY_ID=local"} {
		if !strings.Contains(seen, want) {
			t.Errorf("%s is missing in %s", want, seen)
		}
	}
	for _, leak := range []string{" HOME=", " PATH=", " USER="} {
		if strings.Contains(seen, leak) {
			t.Errorf("%s leaks in", leak)
		}
	}
}

func TestTheCallerMayLeaveAndTheInvocationGoesOn(t *testing.T) {
	t.Parallel()
	f, _ := newFunction(t, func(c *Config) { c.Concurrency = 1 })
	first := mustInvoke(t, f, "echo", "")
	gate := filepath.Join(t.TempDir(), "open")
	ctx, cancel := context.WithCancel(t.Context())
	left := make(chan error, 1)
	go func() {
		_, err := f.Invoke(ctx, fmt.Appendf(nil, `{"do":"wait","text":%q}`, gate))
		left <- err
	}()
	eventually(t, "a running invocation", func() bool { return busyInstances(f) == 1 })
	cancel()
	if err := <-left; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if busyInstances(f) != 1 {
		t.Error("the invocation ended with its caller")
	}
	if err := os.WriteFile(gate, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if again := mustInvoke(t, f, "echo", ""); again.PID != first.PID {
		t.Error("the instance was not used again")
	}
}

func TestAClosedFunctionTakesNothingAndLeavesNoProcess(t *testing.T) {
	t.Parallel()
	f, _ := newFunction(t, nil)
	pid := mustInvoke(t, f, "echo", "").PID
	f.Close(t.Context())
	if _, err := invoke(t, f, "echo", ""); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v, want %v", err, ErrClosed)
	}
	if _, err := os.Stat(fmt.Sprintf("/proc/%d", pid)); err == nil {
		t.Errorf("process %d is still there", pid)
	}
}

func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(2 * time.Millisecond)
	}
}
