package stack

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"

	"chatkeeper/infra/local/lockfile"
	"chatkeeper/infra/local/template"
)

// built remembers what this process has built: its sources do not change while it runs, and a test starts many stacks.
var built struct {
	mu       sync.Mutex
	binaries map[string]map[string]string // from root, folder and functions
}

func buildOnce(ctx context.Context, root, folder string, functions []*template.Function) (map[string]string, error) {
	key := root + "\n" + folder
	for _, f := range functions {
		key += "\n" + f.ID
	}
	built.mu.Lock()
	defer built.mu.Unlock()
	if binaries, ok := built.binaries[key]; ok {
		return binaries, nil
	}
	binaries, err := build(ctx, root, folder, functions)
	if err != nil {
		return nil, err
	}
	if built.binaries == nil {
		built.binaries = map[string]map[string]string{}
	}
	built.binaries[key] = binaries
	return binaries, nil
}

// build compiles the functions of the project in root and returns where each one's bootstrap is, by logical id. They
// live in folder/<logical id>/bootstrap, where `sam build` would put them too. Several processes may build into one
// folder at once; a binary in use is replaced, never changed.
func build(ctx context.Context, root, folder string, functions []*template.Function) (map[string]string, error) {
	if len(functions) == 0 {
		return nil, nil
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return nil, err
	}
	unlock, err := lockfile.Wait(ctx, filepath.Join(folder, "build.lock"))
	if err != nil {
		return nil, err
	}
	defer unlock()

	// All at once: the packages they share are looked at a single time, and what is up to date is not linked again.
	compiled := filepath.Join(folder, "compiled")
	if err := os.MkdirAll(compiled, 0o755); err != nil {
		return nil, err
	}
	args := []string{"build", "-trimpath", "-o", compiled + string(filepath.Separator)}
	for _, f := range functions {
		source := filepath.Join("functions", sourceName(f.ID))
		if _, err := os.Stat(filepath.Join(root, source)); err != nil {
			return nil, fmt.Errorf("%s has no source: there is no folder %s", f.ID, source)
		}
		args = append(args, "./"+filepath.ToSlash(source))
	}
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if output, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the functions: %w\n%s", err, strings.TrimSpace(string(output)))
	}
	binaries := map[string]string{}
	for _, f := range functions {
		binary := filepath.Join(folder, f.ID, "bootstrap")
		if err := replace(filepath.Join(compiled, sourceName(f.ID)), binary); err != nil {
			return nil, fmt.Errorf("place the binary of %s: %w", f.ID, err)
		}
		binaries[f.ID] = binary
	}
	return binaries, nil
}

// sourceName is the folder of a function's source under functions: WebhookFunction is in functions/webhook.
func sourceName(id string) string { return strings.ToLower(strings.TrimSuffix(id, "Function")) }

// replace makes binary a link to compiled, in one step for whoever starts it meanwhile.
func replace(compiled, binary string) error {
	if err := os.MkdirAll(filepath.Dir(binary), 0o755); err != nil {
		return err
	}
	temporary := binary + ".new"
	os.Remove(temporary)
	if err := os.Link(compiled, temporary); err != nil {
		return err
	}
	return os.Rename(temporary, binary)
}

// sharedBinaries is the folder of binaries for stacks that keep nothing: one for each checkout, so that test processes
// don't build the same again and again.
func sharedBinaries(root string) (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	return filepath.Join(cache, "chatkeeper", fmt.Sprintf("functions-%x", sha256.Sum256([]byte(root)))[:26]), nil
}

// Binaries builds a project's functions for whoever runs them without a stack, and returns where each one's bootstrap is,
// by logical id.
func Binaries(ctx context.Context, root string, t *template.Template) (map[string]string, error) {
	folder, err := sharedBinaries(root)
	if err != nil {
		return nil, err
	}
	return buildOnce(ctx, root, folder, t.Functions)
}
