// Command reset forgets everything that `make run` keeps in its data folder, unless a stack runs there.
package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"chatkeeper/infra/local/lockfile"
	"chatkeeper/infra/local/running"
)

// lockFile is what `make run` holds locked in its data folder.
const lockFile = "lock"

func main() {
	said, err := run()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(said)
}

func run() (string, error) {
	settings, err := running.ReadSettings()
	if err != nil {
		return "", err
	}
	return reset(settings.Folder)
}

// reset deletes the folder and says what it did. The folder stays whole while a stack runs there, and where none ever ran.
func reset(folder string) (string, error) {
	if _, err := os.Stat(folder); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("There is nothing to reset: %s does not exist.", folder), nil
	}
	lock := filepath.Join(folder, lockFile)
	if _, err := os.Stat(lock); err != nil {
		return "", fmt.Errorf("%s is left alone: it is no folder of `make run`, which would hold a file named %s", folder, lockFile)
	}
	// Held until the folder is gone, so that no stack starts in half of it.
	unlock, err := lockfile.Try(lock)
	if errors.Is(err, lockfile.ErrLocked) {
		return "", fmt.Errorf("a stack runs with the data in %s: end it first (Ctrl-C in the terminal of `make run`)", folder)
	}
	if err != nil {
		return "", err
	}
	defer unlock()
	if err := os.RemoveAll(folder); err != nil {
		return "", err
	}
	return fmt.Sprintf("Deleted %s: the local stack's tables, queues and logs. The next `make run` begins with the seed data.", folder), nil
}
