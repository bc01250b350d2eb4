package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"gopkg.in/yaml.v3"

	"chatkeeper/infra/local/servers/serverstest"
)

// Every function gets a value for each of its variables, as the stack's own instances have it.
func TestEnvironment(t *testing.T) {
	t.Parallel()
	tmpl, client, stack := serverstest.Template(t), serverstest.SQS(t), serverstest.Name()
	if _, err := environment(t.Context(), tmpl, client, stack); err == nil || !strings.Contains(err.Error(), "make run") {
		t.Errorf("a stack that does not run: got error %v, want one that names `make run`", err)
	}
	urls, err := tmpl.CreateQueues(t.Context(), client, stack)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, url := range urls {
			if _, err := client.DeleteQueue(context.Background(), &sqs.DeleteQueueInput{QueueUrl: &url}); err != nil {
				t.Error(err)
			}
		}
	})
	got, err := environment(t.Context(), tmpl, client, stack)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"APP_SECRET": "local-app-secret", "APP_SECRET_PREVIOUS": "", "VERIFY_TOKEN": "local-verify-token",
		"IDENTITY_KEY": "local-IdentityKey", "INBOUND_QUEUE_URL": urls["InboundQueue"],
	}
	if !maps.Equal(got["WebhookFunction"], want) {
		t.Errorf("the webhook gets %v, want %v", got["WebhookFunction"], want)
	}
	if got := got["AssignerFunction"]["CHATS_TABLE"]; got != stack+"-ChatsTable" {
		t.Errorf("the assigner's table is %q", got)
	}
}

func TestAdaptTemplate(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "template.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	endpoints := map[string]string{"AWS_ENDPOINT_URL_SQS": "http://192.0.2.1:1", "AWS_ENDPOINT_URL_DYNAMODB": "http://192.0.2.1:2"}
	for range 2 { // the second time changes nothing more
		if err := adaptTemplate(file, endpoints, "x86_64"); err != nil {
			t.Fatal(err)
		}
	}
	adapted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	before, after := top(t, text), top(t, adapted)
	type function struct {
		Architectures []string `yaml:"Architectures"`
		Timeout       int      `yaml:"Timeout"`
		Environment   struct {
			Variables map[string]string `yaml:"Variables"`
		} `yaml:"Environment"`
	}
	was, is := function{}, function{}
	if err := errors.Join(child(before["Globals"], "Function").Decode(&was), child(after["Globals"], "Function").Decode(&is)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(is.Architectures, []string{"x86_64"}) || is.Timeout != was.Timeout {
		t.Errorf("functions were %+v, and are %+v", was, is)
	}
	if got := slices.Sorted(maps.Keys(is.Environment.Variables)); !slices.Equal(got, slices.Sorted(maps.Keys(endpoints))) {
		t.Errorf("declared variables are %v", got)
	}
	for key, value := range before {
		if key == "Globals" {
			continue
		}
		kept, err := yaml.Marshal(after[key])
		wanted, err2 := yaml.Marshal(value)
		if err != nil || err2 != nil || len(kept) == 0 || !bytes.Equal(kept, wanted) {
			t.Errorf("%s is not kept", key)
		}
	}
}

// top returns the template's top-level values as they are, with CloudFormation's functions in them.
func top(t *testing.T, text []byte) map[string]*yaml.Node {
	t.Helper()
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		t.Fatal(err)
	}
	pairs, values := root.Content[0].Content, map[string]*yaml.Node{}
	for i := 0; i < len(pairs); i += 2 {
		values[pairs[i].Value] = pairs[i+1]
	}
	return values
}

// What a container sends to the bridge arrives at the server, and the answer comes back.
func TestBridgePassesOn(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	}))
	defer server.Close()
	address, err := bridge{"127.0.0.1"}.reachable(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	if address == server.URL {
		t.Fatal("this is the server's own address")
	}
	sent := strings.Repeat("message ", 100_000)
	for range 2 {
		answer, err := http.Post(address, "text/plain", strings.NewReader(sent))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil || string(got) != sent {
			t.Errorf("%d bytes came back of %d; %v", len(got), len(sent), err)
		}
	}
}

func TestDockerDesktopHasItsOwnName(t *testing.T) {
	t.Parallel()
	for _, own := range []string{"http://127.0.0.1:8000", "http://localhost:8000"} {
		if got, err := (bridge{}).reachable(own); err != nil || got != "http://host.docker.internal:8000" {
			t.Errorf("%s: got %s, %v", own, got, err)
		}
	}
}

// A DynamoDB that CHATKEEPER_DYNAMODB names may be on another machine, which containers reach as we do.
func TestAnotherMachineIsReachedAsItIs(t *testing.T) {
	t.Parallel()
	for _, b := range []bridge{{}, {"127.0.0.1"}} {
		if got, err := b.reachable("http://192.0.2.1:8000"); err != nil || got != "http://192.0.2.1:8000" {
			t.Errorf("got %s, %v", got, err)
		}
	}
}

// SAM passes the caller's AWS account on to the functions; what it gets here exists nowhere else.
func TestLocalCredentials(t *testing.T) {
	t.Parallel()
	got := localCredentials([]string{"PATH=/bin", "AWS_PROFILE=production", "AWS_ACCESS_KEY_ID=real", "AWS_SESSION_TOKEN=real"})
	want := []string{"PATH=/bin", "AWS_ACCESS_KEY_ID=local", "AWS_SECRET_ACCESS_KEY=local", "AWS_DEFAULT_REGION=eu-west-1"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}
