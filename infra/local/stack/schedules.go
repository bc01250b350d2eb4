package stack

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"time"

	"chatkeeper/infra/local/lambda"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/template"

	"github.com/aws/aws-lambda-go/events"
)

// runSchedule invokes a function whenever its schedule is due, until ctx ends. Like Lambda's asynchronous invocations, one
// that fails is tried twice more. A due time that comes while the last one still runs is left out.
func runSchedule(ctx context.Context, times template.Times, s template.Schedule, f *lambda.Function, log *slog.Logger) {
	for due := times.Next(time.Now()); !due.IsZero(); due = times.Next(time.Now()) {
		select {
		case <-time.After(time.Until(due)):
		case <-ctx.Done():
			return
		}
		payload := []byte(s.Input)
		if s.Input == "" {
			var err error
			payload, err = json.Marshal(events.CloudWatchEvent{
				Version: "0", ID: rand.Text(), DetailType: "Scheduled Event", Source: "aws.events", AccountID: servers.Account,
				Time: due.UTC().Truncate(time.Second), Region: servers.Region, Detail: json.RawMessage("{}"),
				Resources: []string{"arn:aws:events:" + servers.Region + ":" + servers.Account + ":rule/" + s.Event},
			})
			if err != nil {
				log.Error("schedule has no event", "function", f.Name(), "error", err)
				return
			}
		}
		const attempts = 3
		for attempt := 1; attempt <= attempts; attempt++ {
			_, err := f.Invoke(context.WithoutCancel(ctx), payload)
			if err == nil || errors.Is(err, lambda.ErrClosed) || ctx.Err() != nil {
				break
			}
			log.Warn("scheduled invocation failed", "function", f.Name(), "schedule", s.Event, "attempt", attempt, "error", err)
		}
	}
}
