// Command reset forgets everything that `make run` keeps in its data folder, unless a stack runs there.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// The folder in which `make run` keeps its data, and the file in it that a running stack holds locked.
const (
	dataFolder = ".local"
	lockFile   = "lock"
)

func main() {
	said, err := reset(dataFolder)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(said)
}

// reset deletes the folder and says what it did. The folder stays whole while a stack runs there.
func reset(folder string) (string, error) {
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("There is nothing to reset: %s does not exist.", folder), nil
	}
	lock, err := os.OpenFile(filepath.Join(folder, lockFile), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	// Held until the folder is gone, so that no stack starts in half of it.
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return "", fmt.Errorf("a stack runs in %s: end it first (Ctrl-C in the terminal of `make run`)", folder)
	}
	if err != nil {
		return "", fmt.Errorf("lock %s: %w", lock.Name(), err)
	}
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	return fmt.Sprintf("Deleted %s: the local stack's tables, queues and logs. The next `make run` begins with the seed data.", folder), nil
}
