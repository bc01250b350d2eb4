package system

import (
	"context"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/local/folder"
	"chatkeeper/infra/local/running"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/stack/stacktest"
	"chatkeeper/infra/local/statefile"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
)

// makeRun is `make run` as a process, with ports and a data folder of its own.
type makeRun struct {
	*testing.T
	binary      string
	data        string
	ports       map[string]string
	environment []string
	said        *os.File
	now         *exec.Cmd
	place       running.Place
}

func newMakeRun(t *testing.T, variables ...string) *makeRun {
	t.Helper()
	r := &makeRun{T: t, binary: filepath.Join(t.TempDir(), "local"), data: filepath.Join(t.TempDir(), "data"), ports: map[string]string{}}
	build := exec.CommandContext(t.Context(), "go", "build", "-o", r.binary, "./infra/local")
	build.Dir = serverstest.Root(t)
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	r.environment = append(append(os.Environ(), "CHATKEEPER_DATA="+r.data), variables...)
	for _, name := range []string{"API", "WHATSAPP", "OIDC", "DYNAMODB", "ELASTICMQ"} {
		r.ports[name] = freePort(t)
		r.environment = append(r.environment, "CHATKEEPER_"+name+"_PORT="+r.ports[name])
	}
	var err error
	if r.said, err = os.Create(filepath.Join(t.TempDir(), "said")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("it said:\n%s", r.log())
		}
	})
	t.Cleanup(func() {
		if r.now != nil {
			_ = r.kill()
		}
		if r.place.Name == "" || r.place.Name == folder.Name {
			return // the server was its own
		}
		if _, err := servers.DropTables(context.Background(), servers.DynamoDB(r.place.DynamoDB), r.place.Name+"-"); err != nil {
			t.Error(err)
		}
	})
	return r
}

func (r *makeRun) log() string {
	text, _ := os.ReadFile(r.said.Name())
	return string(text)
}

func (r *makeRun) start() {
	r.now = exec.Command(r.binary)
	r.now.Dir, r.now.Env, r.now.Stderr = serverstest.Root(r), r.environment, r.said
	if err := r.now.Start(); err != nil {
		r.Fatal(err)
	}
}

func (r *makeRun) kill() error {
	err := r.now.Process.Kill()
	_ = r.now.Wait()
	return err
}

// world is what a test sees of it, once it is up.
func (r *makeRun) world() *world {
	w := &world{T: r.T, patience: patience, Stack: &stack.Stack{URL: "http://127.0.0.1:" + r.ports["API"]}, secret: chat.Secret("local-IdentityKey")}
	w.eventually("it is up", func() bool {
		err := statefile.Load(filepath.Join(r.data, "running.json"), &r.place)
		return err == nil && r.place.DynamoDB != ""
	})
	w.store = dynamo.New(servers.DynamoDB(r.place.DynamoDB), r.place.Name+"-ChatsTable", r.place.Name+"-TeamTable")
	return w
}

// Somebody pulls the plug of `make run` itself, twice, while customers write: what was acknowledged is there after the
// restart, and everybody has an owner.
func TestKillEverything(t *testing.T) {
	t.Parallel()
	var own []string
	if servers.CanStartDynamoDB(t.Context()) {
		own = []string{servers.DynamoDBVariable + "="} // a server of its own, which dies with it
	}
	r := newMakeRun(t, own...)
	r.start()
	w := r.world()
	killing := func() error {
		err := r.kill()
		r.start()
		return err
	}
	// What was received in the very moment of a kill, and not noted yet, is hidden for the queue's visibility: 3 minutes.
	w.patience = 6 * time.Minute
	w.writtenToDuring(seed.SalesNumber, killing, killing)
}

// The DynamoDB that `make run` was told to use is started again and has forgotten everything: `make run` says so, makes
// the tables again with the seed, and serves again.
func TestANamedServerForgets(t *testing.T) {
	t.Parallel()
	endpoint, forget := stacktest.Forgetful(t)
	r := newMakeRun(t, servers.DynamoDBVariable+"="+endpoint)
	r.start()
	w := r.world()
	w.insist(text(seed.SalesNumber, "GB.1", "", "wamid.1", "Good morning", morning))
	w.eventually("it is stored", func() bool { return len(w.snapshot().Messages) == 1 })

	forget(r.place.Name)
	w.eventually("it says so", func() bool { return strings.Contains(r.log(), "has forgotten the tables") })
	w.insist(text(seed.SalesNumber, "GB.2", "", "wamid.2", "Good morning", morning))
	w.checked("the next customer has an owner", func(all invariant.Snapshot) bool { return len(all.Chats) == 1 && len(owned(all)) == 1 })
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
