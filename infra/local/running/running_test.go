package running

import (
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"chatkeeper/infra/local/folder"
	"chatkeeper/infra/local/statefile"
)

// stackIn is a stack with its data in a new folder, as far as the commands beside it look: what it writes down and what
// its phone page answers. The settings are those of a command of the same checkout.
func stackIn(t *testing.T) (Place, Settings) {
	t.Helper()
	f, err := folder.Open(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	p := Place{Folder: f.Path, ID: f.ID(), Name: f.StackName()}
	server := httptest.NewUnstartedServer(nil)
	p.Page = "http://" + server.Listener.Addr().String()
	server.Config.Handler = Handler(p, http.NotFoundHandler())
	server.Start()
	t.Cleanup(server.Close)
	withdraw, err := Publish(p)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(withdraw)
	return p, Settings{Folder: f.Path, WhatsApp: portOf(t, server.Listener.Addr().String())}
}

func portOf(t *testing.T, address string) int {
	t.Helper()
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func refuses(t *testing.T, what string, s Settings, want ...string) {
	t.Helper()
	p, err := find(t.Context(), s)
	if err == nil {
		t.Errorf("%s: it found %+v", what, p)
		return
	}
	for _, w := range want {
		if !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %q, want one line with %q", what, err, w)
		}
	}
}

func TestACommandFindsTheStackOfItsFolder(t *testing.T) {
	t.Parallel()
	p, s := stackIn(t)
	s.WhatsApp = 1 // the ports are the stack's business
	if got, err := find(t.Context(), s); err != nil || got != p {
		t.Errorf("got %+v, %v; want %+v", got, err, p)
	}
}

// Both checkouts use the usual ports; the stack of the first one runs.
func TestACommandDoesNotActOnTheStackOfAnotherCheckout(t *testing.T) {
	t.Parallel()
	first, s := stackIn(t)
	s.Folder = filepath.Join(t.TempDir(), ".local") // of the second, where no stack ever ran
	refuses(t, "a new checkout", s, first.Folder, s.Folder, "make run")

	// The stack of the second was killed, and left word that it is where the first is now.
	f, err := folder.Open(s.Folder, "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Publish(Place{Folder: f.Path, ID: f.ID(), Name: f.StackName(), Page: first.Page}); err != nil {
		t.Fatal(err)
	}
	refuses(t, "after a kill", s, first.Folder, f.Path, "make run")

	// The second is a copy of the first, data folder included.
	if _, err := Publish(Place{Folder: f.Path, ID: first.ID, Name: first.Name, Page: first.Page}); err != nil {
		t.Fatal(err)
	}
	refuses(t, "in a copy", s, first.Folder, f.Path, "make run")
	if err := statefile.Save(filepath.Join(f.Path, placeFile), first); err != nil {
		t.Fatal(err)
	}
	refuses(t, "in a copy of everything", s, first.Folder, f.Path, "make run")
}

func TestThereIsNoStack(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.NotFoundHandler()) // some other program at the port
	t.Cleanup(server.Close)
	s := Settings{Folder: t.TempDir(), WhatsApp: portOf(t, server.Listener.Addr().String())}
	refuses(t, "no stack", s, "no stack runs with the data in", "make run")
}
