package servers

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"chatkeeper/infra/local/lockfile"
)

// artifact is a server as Maven knows it.
type artifact struct {
	name    string // as people call it
	folder  string // start of its folder's name in the cache
	group   string
	id      string
	version string
	size    string // roughly what the first fetch downloads
}

var elasticMQArtifact = artifact{"ElasticMQ", "elasticmq", "org.elasticmq", "elasticmq-server_3", "1.7.1", "43 MB"}

// cacheFolder is where the fetched servers of all checkouts of this user lie.
func cacheFolder() (string, error) {
	base, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no cache folder for the local servers (set HOME or XDG_CACHE_HOME): %w", err)
	}
	return filepath.Join(base, "chatkeeper"), nil
}

// jars returns the folder with the artifact's jars and fetches them the first time, telling progress about it. Later
// calls need neither Maven nor a network.
func (a artifact) jars(ctx context.Context, progress io.Writer) (string, error) {
	// One Maven at a time: its own repository folder takes no concurrent writers.
	return once(ctx, a.folder+"-"+a.version, "fetch.lock", progress, func(work string) (string, error) {
		return "jars", a.fetch(ctx, work, progress)
	})
}

// once returns the folder of that name in the cache, and has it filled the first time. A folder that exists is complete:
// fill works in a temporary one and returns the name of what is to be kept in it, which is then renamed. Several
// processes may call it at once; one fills, and those that ask for the same lock wait for it.
func once(ctx context.Context, name, lock string, progress io.Writer, fill func(work string) (string, error)) (string, error) {
	cache, err := cacheFolder()
	if err != nil {
		return "", err
	}
	folder := filepath.Join(cache, name)
	if exists(folder) {
		return folder, nil
	}
	if err := os.MkdirAll(cache, 0o755); err != nil {
		return "", err
	}
	unlock, err := lockfile.Try(filepath.Join(cache, lock))
	if errors.Is(err, lockfile.ErrLocked) {
		fmt.Fprintf(progress, "Another process prepares %s; waiting for it.\n", name)
		unlock, err = lockfile.Wait(ctx, filepath.Join(cache, lock))
	}
	if err != nil {
		return "", err
	}
	defer unlock()
	if exists(folder) {
		return folder, nil
	}
	// The lock is held, so what is there of another try was left by a kill.
	left, err := filepath.Glob(folder + "-making-*")
	if err != nil {
		return "", err
	}
	for _, l := range left {
		os.RemoveAll(l)
	}
	work, err := os.MkdirTemp(cache, name+"-making-")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(work)
	kept, err := fill(work)
	if err != nil {
		return "", err
	}
	if err := os.Rename(filepath.Join(work, kept), folder); err != nil {
		return "", fmt.Errorf("keep %s: %w", name, err)
	}
	return folder, nil
}

const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>chatkeeper</groupId><artifactId>%s</artifactId><version>1</version>
  <dependencies>
    <dependency><groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version></dependency>
  </dependencies>
</project>
`

// fetch lets Maven copy the artifact and all it needs into work/jars.
func (a artifact) fetch(ctx context.Context, work string, progress io.Writer) error {
	maven, err := exec.LookPath("mvn")
	if err != nil {
		return fmt.Errorf("no Maven found: %s is fetched with it the first time. Install it (Debian: apt install maven, macOS: brew install maven) and start again", a.name)
	}
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), fmt.Appendf(nil, pom, a.folder, a.group, a.id, a.version), 0o644); err != nil {
		return err
	}
	fmt.Fprintf(progress, "Fetching %s %s with Maven: once, about %s.\n", a.name, a.version, a.size)
	cmd := exec.CommandContext(ctx, maven, "--batch-mode", "dependency:copy-dependencies",
		"-DincludeScope=runtime", "-DoutputDirectory="+filepath.Join(work, "jars"))
	cmd.Dir = work
	output, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	cmd.Stderr = cmd.Stdout
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start Maven: %w", err)
	}
	problems := reportDownloads(output, a.name, progress)
	if err := cmd.Wait(); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return fmt.Errorf("fetch %s %s with Maven: %w. Is the network up? Maven said:\n%s", a.name, a.version, err, strings.Join(problems, "\n"))
	}
	fmt.Fprintf(progress, "%s %s is here.\n", a.name, a.version)
	return nil
}

// reportDownloads reads Maven's output, says every two seconds how many files have come, and returns its error lines.
func reportDownloads(output io.Reader, name string, progress io.Writer) (problems []string) {
	files, said := 0, time.Now()
	for lines := bufio.NewScanner(output); lines.Scan(); {
		line := lines.Text()
		if strings.Contains(line, "Downloaded ") {
			files++
		}
		if strings.Contains(line, "ERROR") && len(problems) < 5 {
			problems = append(problems, "  "+line)
		}
		if time.Since(said) > 2*time.Second {
			fmt.Fprintf(progress, "  %s: %d files downloaded so far\n", name, files)
			said = time.Now()
		}
	}
	return problems
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
