// Package folder is the data folder of a local stack: whose tables and queues its states belong to.
//
// What a stack keeps in its folder (how far streams were read, messages, receive counts) is worth something beside the
// tables that it was written for, and harmful beside others. So the folder names the DynamoDB that has its tables, and is
// refused with another one.
package folder

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/statefile"
)

// Name begins the names of a stack's tables and queues.
const Name = "chatkeeper"

// Folder is a data folder.
type Folder struct {
	Path string // absolute, without symbolic links

	mark mark
}

// mark is what the folder says about itself.
type mark struct {
	ID       string `json:"id"`       // made at random with the folder
	DynamoDB string `json:"dynamoDB"` // address of a named server; empty: the stack's own Dynoxide
	Made     bool   `json:"made"`     // the tables were made there
}

const markFile = "stack.json"

// Open opens the folder for a stack whose tables are on the DynamoDB at the address, or for "" on a Dynoxide of its own.
// A folder that is not there is made. One that belongs to another DynamoDB is an error of one line that says what to do.
func Open(path, dynamoDB string) (*Folder, error) {
	if err := os.MkdirAll(path, 0o755); err != nil {
		return nil, err
	}
	f, err := Read(path)
	if err != nil {
		return nil, err
	}
	if f == nil {
		if f, err = begin(path, dynamoDB); err != nil {
			return nil, err
		}
	}
	if was := f.mark.DynamoDB; was != dynamoDB {
		switch {
		case !f.mark.Made: // the first start failed, and nothing is there that another DynamoDB would not have
			f.mark.DynamoDB = dynamoDB
			return f, f.save()
		case dynamoDB == "":
			return nil, fmt.Errorf("the tables of %s are on the DynamoDB at %s: set %s=%s to go on there, or forget them by `make reset`", path, was, servers.DynamoDBVariable, was)
		case was == "":
			return nil, fmt.Errorf("the tables of %s are Dynoxide's, and %s names another DynamoDB: unset it to go on, or forget them by `make reset`", path, servers.DynamoDBVariable)
		default:
			return nil, fmt.Errorf("the tables of %s are on the DynamoDB at %s, and %s names another: set it to that to go on, or forget them by `make reset`", path, was, servers.DynamoDBVariable)
		}
	}
	return f, nil
}

// begin marks a folder that has no mark yet. One that has servers' files nevertheless was made by DynamoDB Local, when
// the stack still started that.
func begin(path, dynamoDB string) (*Folder, error) {
	if _, err := os.Stat(filepath.Join(path, "dynamodb")); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("the tables of %s were made by DynamoDB Local, whose files are no use to Dynoxide: forget them by `make reset`", path)
	}
	resolved, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	f := &Folder{Path: resolved, mark: mark{ID: strings.ToLower(rand.Text()[:8]), DynamoDB: dynamoDB}}
	return f, f.save()
}

// Read returns the folder at path as its mark describes it; nil if there is none.
func Read(path string) (*Folder, error) {
	if _, err := os.Stat(filepath.Join(path, markFile)); errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	resolved, err := Resolve(path)
	if err != nil {
		return nil, err
	}
	f := &Folder{Path: resolved}
	return f, statefile.Load(filepath.Join(path, markFile), &f.mark)
}

// Resolve is the one way to spell a folder: absolute, without symbolic links as far as it exists.
func Resolve(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real, nil
	}
	return path, nil
}

func (f *Folder) save() error { return statefile.Save(filepath.Join(f.Path, markFile), f.mark) }

// ID tells the folder from every other, also from one that was at the same place before.
func (f *Folder) ID() string { return f.mark.ID }

// DynamoDB is the address of the server that has the tables; empty for a Dynoxide of the stack's own.
func (f *Folder) DynamoDB() string { return f.mark.DynamoDB }

// StackName begins the names of the tables and queues. On a named server, which others may use too, the folder's own id
// is part of it.
func (f *Folder) StackName() string {
	if f.mark.DynamoDB == "" {
		return Name
	}
	return Name + "-" + f.mark.ID
}

// Made says whether the tables were made once.
func (f *Folder) Made() bool { return f.mark.Made }

// SetMade notes that the tables were made.
func (f *Folder) SetMade() error {
	f.mark.Made = true
	return f.save()
}
