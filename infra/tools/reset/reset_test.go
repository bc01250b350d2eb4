package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/local/folder"
	"chatkeeper/infra/local/lockfile"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
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

// The tables on a named server go with the folder, and those of others stay.
func TestResetDropsTheTablesOnANamedServer(t *testing.T) {
	t.Parallel()
	client, endpoint := serverstest.DynamoDB(t), serverstest.DynamoDBEndpoint(t)
	stackIn := func() (path, table string) {
		path = t.TempDir()
		f, err := folder.Open(path, endpoint)
		if err != nil {
			t.Fatal(err)
		}
		names, err := serverstest.Template(t).CreateTables(t.Context(), client, f.StackName())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if _, err := servers.DropTables(context.Background(), client, f.StackName()+"-"); err != nil {
				t.Error(err)
			}
		})
		end, err := lockfile.Try(filepath.Join(path, lockFile))
		if err != nil {
			t.Fatal(err)
		}
		end()
		return path, names["ChatsTable"]
	}
	isThere := func(table string) bool {
		_, err := client.DescribeTable(t.Context(), &dynamodb.DescribeTableInput{TableName: &table})
		return err == nil
	}
	path, table := stackIn()
	_, others := stackIn()
	if said, err := reset(t.Context(), path); err != nil || !strings.Contains(said, "Deleted 2 tables on "+endpoint) {
		t.Errorf("it said %q, %v", said, err)
	}
	if isThere(table) || !isThere(others) {
		t.Errorf("its own table is there: %v; another stack's: %v", isThere(table), isThere(others))
	}
}

// A server that has gone for good does not keep the folder from being deleted.
func TestResetWithoutTheNamedServer(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	_, err := folder.Open(path, "http://127.0.0.1:1")
	if err != nil {
		t.Fatal(err)
	}
	end, err := lockfile.Try(filepath.Join(path, lockFile))
	if err != nil {
		t.Fatal(err)
	}
	end()
	if said, err := reset(t.Context(), path); err != nil || !strings.Contains(said, "http://127.0.0.1:1 does not answer") {
		t.Errorf("it said %q, %v", said, err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the folder is still there: %v", err)
	}
}
