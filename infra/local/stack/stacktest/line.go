package stacktest

import (
	"context"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// line leads to a server that a test can't kill, and can be cut instead.
type line struct {
	endpoint string

	mu    sync.Mutex
	conns map[net.Conn]bool
}

// lines are those of this process by the data folder of their stack, which must find its server at one address.
var lines sync.Map

// lineTo returns the folder's line to the server at target, http://host:port.
func lineTo(t testing.TB, folder, target string) *line {
	t.Helper()
	if l, ok := lines.Load(folder); ok {
		return l.(*line)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{endpoint: "http://" + listener.Addr().String(), conns: map[net.Conn]bool{}}
	go func() {
		for {
			from, err := listener.Accept()
			if err != nil {
				return
			}
			to, err := net.Dial("tcp", strings.TrimPrefix(target, "http://"))
			if err != nil {
				from.Close()
				continue
			}
			l.keep(from, to)
			for _, way := range [][2]net.Conn{{from, to}, {to, from}} {
				go func() {
					_, _ = io.Copy(way[0], way[1])
					way[0].Close()
				}()
			}
		}
	}()
	lines.Store(folder, l)
	return l // it ends with the process: a stack that a test starts later may have the same folder
}

func (l *line) keep(conns ...net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range conns {
		l.conns[c] = true
	}
}

// cut breaks every connection, whatever is on the way.
func (l *line) cut(context.Context) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		c.Close()
	}
	clear(l.conns)
	return nil
}
