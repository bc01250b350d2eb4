// Package stacktest starts stacks for tests.
package stacktest

import (
	"bytes"
	"context"
	"os"
	"sync"
	"testing"

	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
)

// Start starts a stack that ends with the test. Unless the options give it a folder, and so servers of its own, it keeps
// everything in memory on the servers that all tests share. Where there is no Dynoxide and nothing to build one with, a
// stack with a folder has its tables on the DynamoDB that CHATKEEPER_DYNAMODB names. What it printed is shown when the
// test fails.
func Start(t testing.TB, o stack.Options) *stack.Stack {
	t.Helper()
	switch {
	case o.Folder == "":
		o.DynamoDB, o.ElasticMQ = serverstest.DynamoDBEndpoint(t), serverstest.SQSEndpoint(t)
	case o.DynamoDB == "" && os.Getenv(servers.DynamoDBVariable) != "" && !servers.CanStartDynamoDB(t.Context()):
		named := lineTo(t, o.Folder, serverstest.DynamoDBEndpoint(t))
		o.DynamoDB, o.CutDynamoDB = named.endpoint, named.cut
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
	t.Cleanup(func() {
		s.Close()
		if o.Folder != "" && o.DynamoDB != "" {
			if _, err := servers.DropTables(context.Background(), servers.DynamoDB(o.DynamoDB), s.Name()+"-"); err != nil {
				t.Errorf("drop tables: %v", err)
			}
		}
	})
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
