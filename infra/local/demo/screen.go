package main

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"chatkeeper/infra/local/demo/morning"
)

// screen shows how far the morning is: one line that changes on a terminal, a line for each part elsewhere.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	last     morning.Progress
	printed  time.Time // of the last line about trouble, where lines are not overwritten
}

// patience is how long trouble lasts before it gets a line of its own, and then another.
const patience = 15 * time.Second

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	return &screen{out: out, terminal: err == nil && info.Mode()&os.ModeCharDevice != 0}
}

func (s *screen) progress(p morning.Progress) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.Doing == s.last.Doing && p.Done < s.last.Done && p.Trouble == "" {
		return // workers report out of turn
	}
	complete := p.Total > 0 && p.Done == p.Total
	switch {
	case s.terminal:
		fmt.Fprintf(s.out, "\r\033[K  %s", line(p))
		if complete {
			fmt.Fprintln(s.out)
		}
	case complete || p.Trouble != "" && time.Since(s.printed) > patience:
		fmt.Fprintf(s.out, "  %s\n", line(p))
		s.printed = time.Now()
	}
	s.last = p
}

func line(p morning.Progress) string {
	switch {
	case p.Trouble != "":
		return p.Doing + ": " + p.Trouble
	case p.Total > 1:
		return fmt.Sprintf("%s: %d of %d", p.Doing, p.Done, p.Total)
	case p.Total == 1 && p.Done == 1:
		return p.Doing + ": done"
	}
	return p.Doing
}

// end leaves the line that changes.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		fmt.Fprint(s.out, "\r\033[K")
	}
}
