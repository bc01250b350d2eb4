// Package child runs the programs that the local stack is made of, so that none of them outlives it.
//
// Every child is the leader of its own process group: a Ctrl-C in the terminal reaches the stack alone, which then
// ends its children in order. On Linux the kernel also kills a child the moment its parent is gone, however it went.
package child

import (
	"errors"
	"os/exec"
	"runtime"
	"sync"
	"syscall"
	"time"
)

// Process is a started child.
type Process struct {
	cmd  *exec.Cmd
	done chan struct{}
	err  error // set before done is closed
}

// Start runs cmd. The caller has set everything about it except SysProcAttr, which belongs to this package.
func Start(cmd *exec.Cmd) (*Process, error) {
	setAttributes(cmd)
	// A child that holds the pipe of its output open must not keep Wait from returning.
	if cmd.WaitDelay == 0 {
		cmd.WaitDelay = time.Second
	}
	if err := startOnLastingThread(cmd); err != nil {
		return nil, err
	}
	p := &Process{cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// PID is the child's process id, also that of its group.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Done is closed when the child has ended and all its output was copied.
func (p *Process) Done() <-chan struct{} { return p.done }

// Running says whether the child has not ended yet.
func (p *Process) Running() bool {
	select {
	case <-p.done:
		return false
	default:
		return true
	}
}

// Err waits for the end and says how it came: nil for exit status 0, else an *exec.ExitError.
func (p *Process) Err() error {
	<-p.done
	return p.err
}

// Signal sends s to the child and everything it started. A child that has ended already is no error.
func (p *Process) Signal(s syscall.Signal) error {
	if !p.Running() {
		return nil
	}
	err := syscall.Kill(-p.PID(), s)
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// Kill ends the child as kill -9 does and waits until it is gone.
func (p *Process) Kill() {
	p.Signal(syscall.SIGKILL)
	<-p.done
}

// Stop asks the child to end, and kills it when it has not ended after the grace.
func (p *Process) Stop(grace time.Duration) {
	p.Signal(syscall.SIGTERM)
	select {
	case <-p.done:
	case <-time.After(grace):
		p.Kill()
	}
}

// ExitCode is the child's exit status as a shell would show it: 128 + n after signal n.
func (p *Process) ExitCode() int {
	<-p.done
	status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return p.cmd.ProcessState.ExitCode()
}

var (
	starter sync.Once
	starts  = make(chan func())
)

// startOnLastingThread starts cmd from a thread that lives as long as this process. Linux sends a child its
// parent-death signal when the *thread* that started it ends, and Go may end any thread but this one.
func startOnLastingThread(cmd *exec.Cmd) error {
	starter.Do(func() {
		go func() {
			runtime.LockOSThread()
			for start := range starts {
				start()
			}
		}()
	})
	result := make(chan error, 1)
	starts <- func() { result <- cmd.Start() }
	return <-result
}
