package servers

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
)

// output is what a server prints. Its end is kept for the one line that tells why the server did not start, and what the
// server warns of goes to the log.
type output struct {
	server *Server

	mu      sync.Mutex
	end     []byte
	line    []byte // begun and not yet ended
	warning bool   // the last whole record is one
}

// warns recognises the first line of a record that is a warning or an error: ElasticMQ prints
// "12:00:00.000 [thread] WARN  logger - text", Dynoxide "2026-11-22T12:00:00.000Z  WARN logger: text", Java and Rust
// their own when a thread dies.
var (
	record = regexp.MustCompile(`^\S+\s+(\[[^]]*\]\s+)?(TRACE|DEBUG|INFO|WARN|ERROR)\s`)
	warns  = regexp.MustCompile(`^\S+\s+(\[[^]]*\]\s+)?(WARN|ERROR)\s|^Exception in thread |^thread '.*' .*panicked at |^error: `)
	// Dynoxide warns of every request that it answers with 400, and so of every condition that does not hold.
	answers = regexp.MustCompile(`\sWARN dynoxide::server: error response .*\sstatus=4`)
)

// Write takes whole lines and parts of them.
func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.end = append(o.end, p...)
	if extra := len(o.end) - 2000; extra > 0 {
		o.end = o.end[extra:]
	}
	o.line = append(o.line, p...)
	for {
		line, rest, whole := bytes.Cut(o.line, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		o.line = rest
		o.report(strings.TrimRight(string(line), "\r"))
	}
}

// report logs a warning's first line, and of what follows it the lines that say what was thrown; frames of a stack begin
// with a blank.
func (o *output) report(line string) {
	switch {
	case warns.MatchString(line):
		o.warning = !answers.MatchString(line)
	case record.MatchString(line):
		o.warning = false
	}
	if !o.warning || line == "" || strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") || o.server.stopping() {
		return
	}
	o.server.log.Warn("server says", "server", o.server.name, "line", line)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return strings.TrimSpace(string(o.end))
}
