// Package start measures how long functions take from exec to their first poll.
package start

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/bench/side"
	"chatkeeper/infra/local/issuer/issuertest"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
)

// From exec to first poll, beside an empty function that holds the same clients. Connections are opened meanwhile: to the
// servers of this machine, which are near.
func BenchmarkGoalStart(b *testing.B) {
	for _, name := range []string{"webhook", "assigner", "reply"} {
		b.Run(name, func(b *testing.B) {
			folder := b.TempDir()
			ours, empty := build(b, folder, "functions/"+name), build(b, folder, "infra/bench/start/empty")
			polled := make(chan bool, 1)
			runtime := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				select {
				case polled <- true:
				default:
				}
				<-r.Context().Done()
			}))
			defer runtime.Close()
			tables, queues, oidc := serverstest.Tables(b), serverstest.Queues(b), issuertest.Start(b)
			environment := append(os.Environ(),
				"AWS_LAMBDA_RUNTIME_API="+strings.TrimPrefix(runtime.URL, "http://"), "AWS_REGION="+servers.Region,
				"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_LAMBDA_FUNCTION_NAME="+name,
				"AWS_ENDPOINT_URL_DYNAMODB="+serverstest.DynamoDBEndpoint(b), "AWS_ENDPOINT_URL_SQS="+serverstest.SQSEndpoint(b),
				"CHATS_TABLE="+tables["ChatsTable"], "TEAM_TABLE="+tables["TeamTable"], "IDENTITY_KEY=key", "APP_SECRET=secret", "VERIFY_TOKEN=token",
				"INBOUND_QUEUE_URL="+queues["InboundQueue"], "POOLS_QUEUE_URL="+queues["PoolsQueue"], "ISSUER="+oidc.URL, "AUDIENCE="+oidc.Audience)
			start := func(binary string) func() {
				return func() {
					process := exec.Command(binary)
					process.Env, process.Stderr = environment, os.Stderr
					if err := process.Start(); err != nil {
						b.Fatal(err)
					}
					select {
					case <-polled:
					case <-time.After(time.Minute):
						b.Error("it never polled")
					}
					process.Process.Kill()
					process.Wait()
				}
			}
			for b.Loop() {
				side.Compare(b, 25, 1, side.Wall, start(ours), start(empty))
			}
		})
	}
}

func build(b *testing.B, folder, from string) string {
	b.Helper()
	binary := filepath.Join(folder, filepath.Base(from))
	command := exec.Command("go", "build", "-trimpath", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", binary, "./"+from)
	command.Dir = serverstest.Root(b)
	command.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := command.CombinedOutput(); err != nil {
		b.Fatalf("%v\n%s", err, out)
	}
	return binary
}
