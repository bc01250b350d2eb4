package stacktest

import (
	"strconv"
	"strings"
	"testing"

	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
)

// Forgetful returns the address of a DynamoDB that keeps everything in memory, and a function that starts it again there,
// empty. Where there is no Dynoxide, it is the one that all tests share, and loses the tables of the named stack only.
func Forgetful(t *testing.T) (endpoint string, forget func(stack string)) {
	t.Helper()
	if !servers.CanStartDynamoDB(t.Context()) {
		return serverstest.DynamoDBEndpoint(t), func(stack string) {
			t.Helper()
			if _, err := servers.DropTables(t.Context(), serverstest.DynamoDB(t), stack+"-"); err != nil {
				t.Fatal(err)
			}
		}
	}
	server, err := servers.StartDynamoDB(t.Context(), servers.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { server.Stop() })
	return server.Endpoint, func(string) {
		t.Helper()
		server.Stop()
		port, err := strconv.Atoi(server.Endpoint[strings.LastIndex(server.Endpoint, ":")+1:])
		if err != nil {
			t.Fatal(err)
		}
		if server, err = servers.StartDynamoDB(t.Context(), servers.Options{Port: port}); err != nil {
			t.Fatal(err)
		}
	}
}
