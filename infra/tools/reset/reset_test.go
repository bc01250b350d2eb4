package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"chatkeeper/infra/local/lockfile"
)

func TestReset(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	if said, err := reset(t.Context(), folder); err != nil || !strings.Contains(said, "nothing to reset") {
		t.Errorf("without a folder: %q, %v", said, err)
	}
	kept := filepath.Join(folder, "dynamodb", "tables.db")
	if err := errors.Join(os.MkdirAll(filepath.Dir(kept), 0o755), os.WriteFile(kept, []byte("data"), 0o644)); err != nil {
		t.Fatal(err)
	}
	if _, err := reset(t.Context(), folder); err == nil || !strings.Contains(err.Error(), "left alone") {
		t.Errorf("a folder where no stack ever ran: got error %v", err)
	}

	end, err := lockfile.Try(filepath.Join(folder, lockFile)) // as a stack does when it starts
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reset(t.Context(), folder); err == nil || !strings.Contains(err.Error(), "a stack runs") {
		t.Errorf("while a stack runs: got error %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Fatalf("the running stack lost its data: %v", err)
	}

	end()
	if said, err := reset(t.Context(), folder); err != nil || !strings.Contains(said, "Deleted") {
		t.Errorf("after the stack ended: %q, %v", said, err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}
