// Package stacktest starts stacks for tests.
package stacktest

import (
	"bytes"
	"sync"
	"testing"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
)

// Start starts a stack that ends with the test. Unless the options give it a folder, and so servers of its own, it keeps
// everything in memory on the servers that all tests share. What it printed is shown when the test fails.
func Start(t testing.TB, o stack.Options) *stack.Stack {
	t.Helper()
	if o.Folder == "" {
		o.DynamoDB, o.ElasticMQ = serverstest.DynamoDBEndpoint(t), serverstest.SQSEndpoint(t)
	}
	said := &output{}
	if o.Output == nil {
		o.Output = said
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the stack said:\n%s", said)
		}
	})
	s, err := stack.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
