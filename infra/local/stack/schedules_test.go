package stack

import (
	"context"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/local/lambda"
	"chatkeeper/infra/local/template"
)

// often is due every few milliseconds; a real schedule is due every minute at most.
type often struct{}

func (often) Next(after time.Time) time.Time { return after.Add(5 * time.Millisecond) }

func TestAScheduleInvokesItsFunctionAgainAndAgain(t *testing.T) {
	t.Parallel()
	root, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	folder, err := sharedBinaries(root)
	if err != nil {
		t.Fatal(err)
	}
	binaries, err := buildOnce(t.Context(), root, folder, []*template.Function{{ID: "WorkerFunction"}})
	if err != nil {
		t.Fatal(err)
	}
	diary := filepath.Join(t.TempDir(), "diary")
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	f := lambda.New(lambda.Config{
		Name: "worker", Binary: binaries["WorkerFunction"], Environment: map[string]string{"DIARY": diary},
		Timeout: 5 * time.Second, Concurrency: 1, Output: io.Discard, Log: log,
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { runSchedule(ctx, often{}, template.Schedule{Event: "Tick"}, f, log); close(ended) }()
	for deadline := time.Now().Add(15 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		content, _ := os.ReadFile(diary)
		if strings.Count(string(content), "schedule Scheduled Event\n") >= 3 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for three invocations; the diary says %q", content)
		}
	}
	cancel()
	<-ended
	f.Close(t.Context())
}
