package lambda

import (
	"bytes"
	"io"
	"sync"
)

// lineWriter passes what an instance prints on line by line, so that instances never cut each other's lines.
type lineWriter struct {
	to io.Writer

	mu   sync.Mutex
	rest []byte
}

// longestLine is where a line without an end is cut.
const longestLine = 256 << 10

func (l *lineWriter) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, p...)
	for {
		end := bytes.IndexByte(l.rest, '\n')
		if end < 0 {
			break
		}
		l.to.Write(l.rest[:end+1])
		l.rest = l.rest[end+1:]
	}
	if len(l.rest) > longestLine {
		l.flush()
	}
	return len(p), nil
}

// end passes on what came without a line end.
func (l *lineWriter) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.rest) > 0 {
		l.flush()
	}
}

func (l *lineWriter) flush() {
	l.to.Write(append(l.rest, '\n'))
	l.rest = nil
}
