package system

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"chatkeeper/infra/local/folder"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
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
		store: dynamo.New(servers.DynamoDB("http://127.0.0.1:"+ports["DYNAMODB"]), folder.Name+"-ChatsTable", folder.Name+"-TeamTable")}
	killing := func() error {
		if err := now.Process.Kill(); err != nil {
			return err
		}
		_ = now.Wait()
		now = run()
		return nil
	}
	// What was received in the very moment of a kill, and not noted yet, is hidden for the queue's visibility: 3 minutes.
	w.patience = 6 * time.Minute
	w.writtenToDuring(seed.SalesNumber, killing, killing)
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
