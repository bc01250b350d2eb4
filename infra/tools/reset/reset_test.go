package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestReset(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), dataFolder)
	if said, err := reset(folder); err != nil || !strings.Contains(said, "nothing to reset") {
		t.Errorf("without a folder: %q, %v", said, err)
	}
	kept := filepath.Join(folder, "dynamodb", "tables.db")
	if err := errors.Join(os.MkdirAll(filepath.Dir(kept), 0o755), os.WriteFile(kept, []byte("data"), 0o644)); err != nil {
		t.Fatal(err)
	}

	stack, err := os.Create(filepath.Join(folder, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(stack.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := reset(folder); err == nil || !strings.Contains(err.Error(), "a stack runs") {
		t.Errorf("while a stack runs: got error %v", err)
	}
	if _, err := os.Stat(kept); err != nil {
		t.Fatalf("the running stack lost its data: %v", err)
	}

	if err := stack.Close(); err != nil { // the kernel frees the lock, as it does after a hard kill
		t.Fatal(err)
	}
	if said, err := reset(folder); err != nil || !strings.Contains(said, "Deleted") {
		t.Errorf("after the stack ended: %q, %v", said, err)
	}
	if _, err := os.Stat(folder); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}
