package servers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"chatkeeper/infra/local/child"
)

// Dynoxide as cargo knows it, and as it calls itself: the crate's version is that of its Rust interface. infra/tools/need
// asks for the same.
const (
	dynoxideCrate   = "3.2.0"
	dynoxideProgram = "1.5.0"
	rustVersion     = "1.88.0"
)

// StartDynamoDB starts Dynoxide and returns when it answers.
func StartDynamoDB(ctx context.Context, o Options) (*Server, error) {
	if err := o.complete(ctx, dynamoDB); err != nil {
		return nil, err
	}
	binary, err := dynoxide(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	return start(ctx, dynamoDB, o, func(port int) *exec.Cmd {
		args := []string{"serve", "--host", "127.0.0.1", "--port", strconv.Itoa(port), "--log", "quiet"}
		if o.Folder != "" {
			args = append(args, "--db-path", filepath.Join(o.Folder, "dynoxide.db"))
		}
		cmd := exec.Command(binary, args...)
		// Its warnings, uncoloured; and the data is never encrypted, whatever the owner of the machine uses it for.
		cmd.Env = append(slices.DeleteFunc(os.Environ(), func(v string) bool { return strings.HasPrefix(v, "DYNOXIDE_") }),
			"RUST_LOG=warn", "NO_COLOR=1")
		return cmd
	})
}

// CanStartDynamoDB says whether StartDynamoDB finds Dynoxide, or what it needs to build it.
func CanStartDynamoDB(ctx context.Context) bool {
	if binary, _ := packaged(ctx); binary != "" {
		return true
	}
	cache, err := cacheFolder()
	return err == nil && exists(filepath.Join(cache, dynoxideFolder)) || canBuild(ctx) == nil
}

// dynoxideFolder is its folder in the cache.
const dynoxideFolder = "dynoxide-" + dynoxideCrate

// dynoxide returns the path of the program: one on the PATH, if it is new enough, or the one in the cache, which is built
// the first time, telling progress about it. Later calls need neither Rust nor a network.
func dynoxide(ctx context.Context, progress io.Writer) (string, error) {
	binary, unfit := packaged(ctx)
	if binary != "" {
		return binary, nil
	}
	if unfit != "" {
		fmt.Fprintln(progress, unfit+"; it is left alone, and one of the right version is built in the cache.")
	}
	folder, err := once(ctx, dynoxideFolder, "dynoxide.lock", progress, func(work string) (string, error) {
		return "made", buildDynoxide(ctx, work, progress)
	})
	if err != nil {
		return "", err
	}
	return filepath.Join(folder, "bin", "dynoxide"), nil
}

// packaged looks for Dynoxide on the PATH. One that does not fit is said, not taken.
func packaged(ctx context.Context) (binary, unfit string) {
	binary, err := exec.LookPath("dynoxide")
	if err != nil {
		return "", ""
	}
	have := versionOf(ctx, binary)
	if !atLeast(have, dynoxideProgram) || strings.SplitN(have, ".", 2)[0] != strings.SplitN(dynoxideProgram, ".", 2)[0] {
		return "", fmt.Sprintf("%s is version %q, and %s or a later 1.x is needed", binary, have, dynoxideProgram)
	}
	return binary, ""
}

// canBuild says in one line what is missing to build Dynoxide, and what else would do.
func canBuild(ctx context.Context) error {
	var missing []string
	if have := versionOf(ctx, "cargo"); have == "" {
		missing = append(missing, "no Rust")
	} else if !atLeast(have, rustVersion) {
		missing = append(missing, "Rust "+have)
	}
	compiler := strings.Fields(os.Getenv("CC") + " cc")[0]
	if _, err := exec.LookPath(compiler); err != nil {
		missing = append(missing, "no C compiler")
	}
	if missing == nil {
		return nil
	}
	return fmt.Errorf("no DynamoDB (found %s): install Rust 1.88 or newer (https://rustup.rs) and a C compiler, and Dynoxide is built once; or put dynoxide %s or a later 1.x on the PATH; or name a running DynamoDB Local, as in CHATKEEPER_DYNAMODB=http://127.0.0.1:8000",
		strings.Join(missing, ", "), dynoxideProgram)
}

var number = regexp.MustCompile(`\d+\.\d+\.\d+`)

// versionOf is the first version that the program prints when asked for its own; empty if it can't say.
func versionOf(ctx context.Context, program string) string {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	said, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return ""
	}
	return number.FindString(string(said))
}

// atLeast compares versions of three numbers. An empty one is older than any.
func atLeast(have, want string) bool {
	numbers := func(version string) (out [3]int) {
		for i, part := range strings.SplitN(version, ".", 3) {
			out[i], _ = strconv.Atoi(part)
		}
		return out
	}
	h, w := numbers(have), numbers(want)
	return have != "" && slices.Compare(h[:], w[:]) >= 0
}

// buildDynoxide lets cargo build and install the crate into work/made.
func buildDynoxide(ctx context.Context, work string, progress io.Writer) error {
	if err := canBuild(ctx); err != nil {
		return err
	}
	fmt.Fprintf(progress, "Building Dynoxide %s (the crate dynoxide-rs %s) with cargo: once, two to four minutes on two cores.\n", dynoxideProgram, dynoxideCrate)
	cmd := exec.Command("cargo", "install", "dynoxide-rs", "--version", dynoxideCrate, "--locked",
		"--no-default-features", "--features", "native-sqlite,http-server,cli", "--root", filepath.Join(work, "made"))
	// Where no settings of a project around apply.
	cmd.Dir = work
	cmd.Env = append(os.Environ(), "CARGO_TARGET_DIR="+filepath.Join(work, "target"), "CARGO_TERM_COLOR=never")
	said := &cargoOutput{}
	cmd.Stdout, cmd.Stderr = said, said
	process, err := child.Start(cmd)
	if err != nil {
		return fmt.Errorf("start cargo: %w", err)
	}
	began := time.Now()
	for tick := time.NewTicker(10 * time.Second); ; {
		select {
		case <-process.Done():
			tick.Stop()
			if err := process.Err(); err != nil {
				return fmt.Errorf("build Dynoxide with cargo: %w. Is the network up? Cargo said:\n%s", err, said.problem())
			}
			fmt.Fprintf(progress, "Dynoxide is here, after %s.\n", time.Since(began).Round(time.Second))
			return nil
		case <-tick.C:
			fmt.Fprintf(progress, "  Dynoxide: %d crates so far, after %s\n", said.compiled(), time.Since(began).Round(time.Second))
		case <-ctx.Done():
			tick.Stop()
			process.Kill()
			return ctx.Err()
		}
	}
}

// cargoOutput is what cargo prints.
type cargoOutput struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (c *cargoOutput) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.Write(p)
}

// compiled is how many crates were begun.
func (c *cargoOutput) compiled() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return bytes.Count(c.text.Bytes(), []byte("   Compiling "))
}

// problem is what cargo said from its first error on, in a few lines.
func (c *cargoOutput) problem() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var problem []string
	for lines := bufio.NewScanner(&c.text); lines.Scan() && len(problem) < 8; {
		if line := lines.Text(); len(problem) > 0 || strings.HasPrefix(line, "error") {
			problem = append(problem, "  "+line)
		}
	}
	return strings.Join(problem, "\n")
}
