package servers

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAMissingProgramIsOneClearLine(t *testing.T) { // not parallel: it changes the environment
	empty := t.TempDir()
	for _, c := range []struct {
		name string
		path func() string
		want string
	}{
		{"java", func() string { return empty }, "no Java found: ElasticMQ runs on it. Install version 17"},
		{"maven", func() string { return withJava(t) }, "no Maven found: ElasticMQ is fetched with it"},
	} {
		t.Setenv("PATH", c.path())
		t.Setenv("XDG_CACHE_HOME", t.TempDir()) // nothing fetched yet
		_, err := StartElasticMQ(t.Context(), Options{Progress: io.Discard})
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("without %s: got %v, want one line with %q", c.name, err, c.want)
		}
	}
}

// withJava is a folder where a program named java is, and nothing else.
func withJava(t *testing.T) string {
	t.Helper()
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "java"), []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return folder
}

func TestManyProcessesFetchOnceAndAFailedFetchLeavesNothing(t *testing.T) { // not parallel: it changes the environment
	cache, bin := t.TempDir(), withJava(t)
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv("PATH", bin+":"+os.Getenv("PATH"))
	maven := func(script string) {
		if err := os.WriteFile(filepath.Join(bin, "mvn"), []byte("#!/bin/sh\n"+script), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	a := artifact{name: "Thing", folder: "thing", group: "g", id: "i", version: "1", size: "1 MB"}

	maven("echo '[ERROR] no such thing'; exit 1\n")
	if _, err := a.jars(t.Context(), io.Discard); err == nil || !strings.Contains(err.Error(), "no such thing") {
		t.Errorf("got %v, want Maven's own words", err)
	}
	left, err := filepath.Glob(filepath.Join(cache, "chatkeeper", "thing*"))
	if err != nil || len(left) > 0 {
		t.Errorf("a failed fetch left %v, %v", left, err)
	}

	maven("echo run >> " + filepath.Join(cache, "runs") + "; mkdir jars; echo jar > jars/thing.jar\n")
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			folder, err := a.jars(t.Context(), io.Discard)
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := os.Stat(filepath.Join(folder, "thing.jar")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	runs, err := os.ReadFile(filepath.Join(cache, "runs"))
	if err != nil || string(runs) != "run\n" {
		t.Errorf("Maven ran %q, %v; want once", runs, err)
	}
}

func TestAServerInMemoryThatDiesIsNotReplacedByAnEmptyOne(t *testing.T) {
	t.Parallel()
	said := &safeBuffer{}
	s, err := StartElasticMQ(t.Context(), Options{Log: slog.New(slog.NewTextHandler(said, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s.Kill()
	for deadline := time.Now().Add(5 * time.Second); !strings.Contains(said.String(), "not started again"); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it said %q", said)
		}
	}
	s.Stop() // returns, although there is nothing to stop
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := s.WaitUntilUp(ctx); err == nil {
		t.Error("it answers")
	}
}

type safeBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}
