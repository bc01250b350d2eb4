package servers

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// script writes a program that is a shell script.
func script(t *testing.T, folder, name, text string) string {
	t.Helper()
	file := filepath.Join(folder, name)
	if err := os.WriteFile(file, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return file
}

const (
	rust    = `if [ "$1" = --version ]; then echo "cargo 1.88.0 (873a06493 2025-05-10)"; exit; fi`
	oldRust = `echo "cargo 1.87.0 (99624be96 2025-05-06)"`
)

func TestWithoutDynoxideOneLineSaysTheChoices(t *testing.T) { // not parallel: it changes the environment
	for _, c := range []struct {
		name  string
		found map[string]string // programs on the PATH
		want  string
	}{
		{"nothing", nil, "found no Rust, no C compiler"},
		{"an old Rust", map[string]string{"cargo": oldRust, "cc": ""}, "found Rust 1.87.0"},
		{"no C compiler", map[string]string{"cargo": rust}, "found no C compiler"},
	} {
		bin := t.TempDir()
		for name, text := range c.found {
			script(t, bin, name, text)
		}
		t.Setenv("PATH", bin)
		t.Setenv("CC", "")
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		_, err := StartDynamoDB(t.Context(), Options{Progress: io.Discard})
		for _, want := range []string{c.want, "install Rust 1.88", "on the PATH", "CHATKEEPER_DYNAMODB=http://"} {
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: got %v, want one line with %q", c.name, err, want)
			}
		}
		if CanStartDynamoDB(t.Context()) {
			t.Errorf("%s: it says that it can start", c.name)
		}
	}
}

func TestDynoxideOnThePathIsUsedIfItFits(t *testing.T) { // not parallel: it changes the environment
	for _, c := range []struct {
		version string
		fits    bool
	}{
		{"1.5.0", true}, {"1.5.1", true}, {"1.10.0", true}, {"1.4.9", false}, {"0.9.0", false}, {"2.0.0", false}, {"", false},
	} {
		bin, cache := t.TempDir(), t.TempDir()
		onPath := script(t, bin, "dynoxide", "echo dynoxide "+c.version)
		built := filepath.Join(cache, "chatkeeper", dynoxideFolder, "bin", "dynoxide")
		if err := os.MkdirAll(filepath.Dir(built), 0o755); err != nil {
			t.Fatal(err)
		}
		t.Setenv("PATH", bin)
		t.Setenv("XDG_CACHE_HOME", cache)
		said := &safeBuffer{}
		got, err := dynoxide(t.Context(), said)
		want := built
		if c.fits {
			want = onPath
		}
		if got != want || err != nil {
			t.Errorf("version %q: got %s, %v; want %s", c.version, got, err, want)
		}
		if warned := strings.Contains(said.String(), onPath); warned == c.fits {
			t.Errorf("version %q: it said %q", c.version, said)
		}
	}
}

func TestManyProcessesBuildDynoxideOnceAndAFailedBuildLeavesNothing(t *testing.T) { // not parallel: it changes the environment
	cache, bin := t.TempDir(), t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("PATH", bin+":/usr/bin:/bin")
	t.Setenv("CC", script(t, bin, "compiler", ""))
	folder := filepath.Join(cache, "chatkeeper", dynoxideFolder)
	left := func() []string {
		all, err := filepath.Glob(folder + "*")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	script(t, bin, "cargo", rust+`
echo "    Updating index" >&2; echo "error: could not find dynoxide-rs" >&2; echo "Caused by: no network" >&2; exit 101`)
	if _, err := dynoxide(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "could not find dynoxide-rs\n  Caused by: no network") || strings.Contains(err.Error(), "Updating") {
		t.Errorf("got %v, want cargo's own words from its error on", err)
	}
	if all := left(); len(all) > 0 {
		t.Errorf("a failed build left %v", all)
	}

	if err := os.MkdirAll(folder+"-making-1", 0o755); err != nil { // as a killed one leaves
		t.Fatal(err)
	}
	script(t, bin, "cargo", rust+`
echo "$@" >> `+filepath.Join(cache, "runs")+`
while [ "$1" != --root ]; do shift; done
mkdir -p "$2/bin" && echo made > "$2/bin/dynoxide"`)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			binary, err := dynoxide(t.Context(), io.Discard)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(binary); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	runs, err := os.ReadFile(filepath.Join(cache, "runs"))
	if err != nil || strings.Count(string(runs), "\n") != 1 {
		t.Errorf("cargo ran %q, %v; want once", runs, err)
	}
	for _, want := range []string{"install dynoxide-rs --version 3.2.0 --locked", "--no-default-features --features native-sqlite,http-server,cli"} {
		if !strings.Contains(string(runs), want) {
			t.Errorf("cargo ran %q, want %q in it", runs, want)
		}
	}
	if all := left(); len(all) != 1 {
		t.Errorf("the cache has %v, want the finished folder alone", all)
	}
}

func TestANamedDynamoDB(t *testing.T) { // not parallel: it changes the environment
	for _, c := range []struct{ text, want string }{
		{"", ""}, {"http://127.0.0.1:8000", "http://127.0.0.1:8000"}, {"http://dynamo.example:8000/", "http://dynamo.example:8000"},
		{"8000", "no address"}, {"127.0.0.1:8000", "no address"}, {"http://127.0.0.1", "no address"}, {"http://127.0.0.1:8000/shell", "no address"},
	} {
		t.Setenv(DynamoDBVariable, c.text)
		got, err := NamedDynamoDB()
		if err != nil {
			got = err.Error()
		}
		if err != nil && !strings.Contains(got, c.want) || err == nil && got != c.want {
			t.Errorf("%q: got %q, %v; want %q", c.text, got, err, c.want)
		}
	}
	if err := AwaitNamed(t.Context(), "http://127.0.0.1:1"); err == nil || strings.Contains(err.Error(), "\n") || !strings.Contains(err.Error(), "no DynamoDB answers at http://127.0.0.1:1") {
		t.Errorf("where nothing listens: got %v", err)
	}
}
