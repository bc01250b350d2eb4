package child

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets the test program stand in for a stack that starts a child and is then killed.
func TestMain(m *testing.M) {
	if os.Getenv("STARTS_A_CHILD") == "" {
		os.Exit(m.Run())
	}
	p, err := Start(exec.Command("sleep", "600"))
	if err != nil {
		panic(err)
	}
	fmt.Println(p.PID())
	select {}
}

func TestAChildDiesWithItsKilledParent(t *testing.T) {
	t.Parallel()
	if runtime.GOOS != "linux" {
		t.Skip("only Linux promises this")
	}
	parent := exec.Command(os.Args[0])
	parent.Env = append(os.Environ(), "STARTS_A_CHILD=1")
	out, err := parent.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := parent.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	parent.Process.Kill()
	parent.Wait()
	awaitEnd(t, pid)
}

func awaitEnd(t *testing.T, pid int) {
	t.Helper()
	for deadline := time.Now().Add(5 * time.Second); isRunning(pid); {
		if time.Now().After(deadline) {
			syscall.Kill(pid, syscall.SIGKILL)
			t.Fatalf("process %d is still there", pid)
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// isRunning tells a process from one that has ended and waits for somebody to notice.
func isRunning(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	return err == nil && !strings.Contains(string(stat), ") Z ")
}

func TestStopReachesWhatAChildStartedAndIsHardAtLast(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, script string
		code         int
	}{
		{"kind", "sleep 600 & echo $!; wait", 128 + int(syscall.SIGTERM)},
		{"deaf", "trap '' TERM; sleep 600 & echo $!; while :; do wait; done", 128 + int(syscall.SIGKILL)},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command("sh", "-c", c.script)
			said := make(chan string, 1)
			cmd.Stdout = writerFunc(func(p []byte) (int, error) { said <- string(p); return len(p), nil })
			p, err := Start(cmd)
			if err != nil {
				t.Fatal(err)
			}
			grandchild, err := strconv.Atoi(strings.TrimSpace(<-said))
			if err != nil {
				t.Fatal(err)
			}
			p.Stop(300 * time.Millisecond)
			if code := p.ExitCode(); code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			awaitEnd(t, grandchild)
		})
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
