// Package start measures how long functions take from exec to their first poll.
package start

import (
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatkeeper/infra/bench/side"
	"chatkeeper/infra/local/issuer/issuertest"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
)

// From exec to first poll, beside an empty function that holds the same clients. Ours open a connection meanwhile, to a
// server that answers at once: how long a local DynamoDB and ElasticMQ take is not the start's, and much longer.
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
			var calls atomic.Int64
			aws := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				calls.Add(1)
				answer(w, r)
			}))
			defer aws.Close()
			oidc := issuertest.Start(b)
			// What Lambda gives, and nothing of this machine: a bundle of certificates, say, takes as long to read as all else.
			environment := []string{
				"AWS_LAMBDA_RUNTIME_API=" + strings.TrimPrefix(runtime.URL, "http://"), "AWS_LAMBDA_FUNCTION_NAME=" + name, "AWS_REGION=" + servers.Region,
				"AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
				"AWS_ENDPOINT_URL_DYNAMODB=" + aws.URL, "AWS_ENDPOINT_URL_SQS=" + aws.URL,
				"CHATS_TABLE=chats", "TEAM_TABLE=team", "IDENTITY_KEY=key", "APP_SECRET=secret", "VERIFY_TOKEN=token",
				"INBOUND_QUEUE_URL=" + aws.URL + "/inbound.fifo", "POOLS_QUEUE_URL=" + aws.URL + "/pools.fifo", "ISSUER=" + oidc.URL, "AUDIENCE=" + oidc.Audience,
			}
			start := func(binary string, connections int64) func() {
				return func() {
					before := calls.Load()
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
					if opened := calls.Load() - before; opened != connections {
						b.Errorf("%s called AWS %d times until it polled, want %d", filepath.Base(binary), opened, connections)
					}
					process.Process.Kill()
					process.Wait()
				}
			}
			for b.Loop() {
				side.Compare(b, 51, 1, side.Wall, start(ours, 1), start(empty, 0))
			}
		})
	}
}

// answer is what DynamoDB answers for a key that does not exist, and SQS for an empty batch.
func answer(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "DynamoDB") {
		const nothing = "{}"
		w.Header().Set("X-Amz-Crc32", fmt.Sprint(crc32.ChecksumIEEE([]byte(nothing))))
		io.WriteString(w, nothing)
		return
	}
	w.WriteHeader(http.StatusBadRequest)
	io.WriteString(w, `{"__type":"com.amazonaws.sqs#EmptyBatchRequest","message":"There should be at least one SendMessageBatchRequestEntry in the request."}`)
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
