package folder

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	here  = "http://127.0.0.1:8000"
	there = "http://127.0.0.1:8001"
)

// A folder is opened with the DynamoDB that it began with, and refused in one line with another one.
func TestAFolderBelongsToOneDynamoDB(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ began, now, want string }{
		{"", "", ""}, {here, here, ""},
		{"", here, "are Dynoxide's"}, {here, "", "CHATKEEPER_DYNAMODB=" + here}, {here, there, "are on the DynamoDB at " + here},
	} {
		path := t.TempDir()
		first, err := Open(path, c.began)
		if err != nil {
			t.Fatal(err)
		}
		if err := first.SetMade(); err != nil {
			t.Fatal(err)
		}
		second, err := Open(path, c.now)
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "make reset") || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q, then %q: got %v, want one line with %q and `make reset`", c.began, c.now, err, c.want)
			}
			continue
		}
		if err != nil {
			t.Fatalf("%q, then %q: %v", c.began, c.now, err)
		}
		if second.ID() != first.ID() || !second.Made() || second.DynamoDB() != c.began {
			t.Errorf("%q: it was %+v and is %+v", c.began, first, second)
		}
	}
}

// A first start that failed, because Dynoxide could not be built, binds the folder to nothing.
func TestAFolderWithoutTablesTakesAnotherDynamoDB(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	for _, dynamoDB := range []string{"", here, there, ""} {
		f, err := Open(path, dynamoDB)
		if err != nil || f.DynamoDB() != dynamoDB {
			t.Errorf("%q: got %+v, %v", dynamoDB, f, err)
		}
		if err := os.MkdirAll(filepath.Join(path, "dynamodb"), 0o755); err != nil { // as a start makes it
			t.Fatal(err)
		}
	}
}

func TestAFolderOfDynamoDBLocalIsRefused(t *testing.T) {
	t.Parallel()
	path := t.TempDir()
	if err := os.MkdirAll(filepath.Join(path, "dynamodb"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, dynamoDB := range []string{"", here} {
		_, err := Open(path, dynamoDB)
		if err == nil || !strings.Contains(err.Error(), "DynamoDB Local") || !strings.Contains(err.Error(), "make reset") || strings.Contains(err.Error(), "\n") {
			t.Errorf("got %v, want one line that names `make reset`", err)
		}
	}
}

// On a server that others may use too, two folders never have the same tables.
func TestOnANamedServerEachFolderHasNamesOfItsOwn(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for range 2 {
		f, err := Open(t.TempDir(), here)
		if err != nil {
			t.Fatal(err)
		}
		names[f.StackName()] = true
		own, err := Open(t.TempDir(), "")
		if err != nil {
			t.Fatal(err)
		}
		if own.StackName() != Name {
			t.Errorf("on a server of its own the names begin with %q, want %q", own.StackName(), Name)
		}
	}
	if len(names) != 2 {
		t.Errorf("two folders have the names %v", names)
	}
}
