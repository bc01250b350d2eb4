package system

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"chatkeeper/infra/local/running"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
)

// Somebody pulls the plug of `make run` itself, twice, while customers write: what was acknowledged is there after the
// restart, and everybody has an owner.
func TestKillEverything(t *testing.T) {
	t.Parallel()
	root, binary := serverstest.Root(t), filepath.Join(t.TempDir(), "local")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", binary, "./infra/local")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	ports := map[string]string{}
	environment := append(os.Environ(), "CHATKEEPER_DATA="+filepath.Join(t.TempDir(), "data"))
	for _, name := range []string{"API", "WHATSAPP", "OIDC", "DYNAMODB", "ELASTICMQ"} {
		ports[name] = freePort(t)
		environment = append(environment, "CHATKEEPER_"+name+"_PORT="+ports[name])
	}
	said, err := os.Create(filepath.Join(t.TempDir(), "said"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if text, _ := os.ReadFile(said.Name()); t.Failed() {
			t.Logf("it said:\n%s", text)
		}
	})
	run := func() *exec.Cmd {
		cmd := exec.Command(binary)
		cmd.Dir, cmd.Env, cmd.Stderr = root, environment, said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	now := run()
	t.Cleanup(func() { _ = now.Process.Kill(); _ = now.Wait() })
	w := &world{T: t, patience: patience, Stack: &stack.Stack{URL: "http://127.0.0.1:" + ports["API"]}, secret: chat.Secret("local-IdentityKey"),
		store: dynamo.New(servers.DynamoDB("http://127.0.0.1:"+ports["DYNAMODB"]), running.Name+"-ChatsTable", running.Name+"-TeamTable")}
	customers := big(30, 200)
	var taken atomic.Int64
	done := make(chan bool)
	go func() {
		defer close(done)
		sideBySide(customers, 4, func(i int) {
			w.insist(text(seed.SalesNumber, fmt.Sprintf("GB.%d", i), "", fmt.Sprintf("wamid.%d", i), "Good morning", morning))
			taken.Add(1)
		})
	}()
	for i := range 2 {
		w.eventually("some more are taken", func() bool { return int(taken.Load()) >= (i+1)*customers/3 })
		if err := now.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = now.Wait()
		now = run()
	}
	<-done
	// What was received in the very moment of a kill, and not noted yet, is hidden for the queue's visibility: 3 minutes.
	w.patience = 6 * time.Minute
	all := w.checked("all are stored and owned", func(all invariant.Snapshot) bool {
		return len(all.Chats) == customers && len(owned(all)) == customers
	})
	if len(all.Messages) != customers {
		t.Errorf("%d Messages of %d customers are stored", len(all.Messages), customers)
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}
