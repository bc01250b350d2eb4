// Command reset forgets everything that `make run` keeps: its data folder and, where CHATKEEPER_DYNAMODB named a server
// when it was made, the tables there. It does nothing while a stack runs.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"chatkeeper/infra/local/folder"
	"chatkeeper/infra/local/lockfile"
	"chatkeeper/infra/local/running"
	"chatkeeper/infra/local/servers"
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
	return reset(context.Background(), settings.Folder)
}

// patience is how long the server that has the tables may take to delete them.
const patience = 30 * time.Second

// reset deletes the folder's tables and the folder, and says what it did. The folder stays whole while a stack runs there,
// and where none ever ran. A server that does not answer does not keep it: what that has in memory is gone with it.
func reset(ctx context.Context, path string) (string, error) {
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("There is nothing to reset: %s does not exist.", path), nil
	}
	lock := filepath.Join(path, lockFile)
	if _, err := os.Stat(lock); err != nil {
		return "", fmt.Errorf("%s is left alone: it is no folder of `make run`, which would hold a file named %s", path, lockFile)
	}
	// Held until the folder is gone, so that no stack starts in half of it.
	unlock, err := lockfile.Try(lock)
	if errors.Is(err, lockfile.ErrLocked) {
		return "", fmt.Errorf("a stack runs with the data in %s: end it first (Ctrl-C in the terminal of `make run`)", path)
	}
	if err != nil {
		return "", err
	}
	defer unlock()
	elsewhere, err := dropTables(ctx, path)
	if err != nil {
		return "", err
	}
	if err := os.RemoveAll(path); err != nil {
		return "", err
	}
	return fmt.Sprintf("Deleted %s: the local stack's tables, queues and logs. The next `make run` begins with the seed data.%s", path, elsewhere), nil
}

// dropTables deletes the folder's tables if they are on a server that was named by its address, and says what became of
// them.
func dropTables(ctx context.Context, path string) (said string, err error) {
	f, err := folder.Read(path)
	if err != nil || f == nil || f.DynamoDB() == "" {
		return "", nil // a mark that can't be read must not keep the folder from being deleted
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := servers.AwaitNamed(ctx, f.DynamoDB()); err != nil {
		return fmt.Sprintf("\nThe DynamoDB at %s does not answer; if it keeps its data, the tables %s-… are left on it.", f.DynamoDB(), f.StackName()), nil
	}
	n, err := servers.DropTables(ctx, servers.DynamoDB(f.DynamoDB()), f.StackName()+"-")
	if err != nil {
		return "", fmt.Errorf("nothing is deleted: the tables on %s: %s", f.DynamoDB(), strings.ReplaceAll(err.Error(), "\n", " "))
	}
	return fmt.Sprintf("\nDeleted %d tables on %s.", n, f.DynamoDB()), nil
}
