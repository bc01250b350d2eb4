package servers

import (
	"context"
	"log/slog"
	"strings"
	"testing"
)

// What a server warns of comes to the log, with what was thrown; its stack's frames, what it tells beside it, and
// requests that are refused as they should be do not.
func TestAServersWarningsComeToTheLog(t *testing.T) {
	t.Parallel()
	said := &safeBuffer{}
	s := &Server{name: "ElasticMQ", log: slog.New(slog.NewTextHandler(said, nil))}
	s.ctx, s.cancel = context.WithCancel(t.Context())
	out := &output{server: s}
	lines := "12:00:00.000 [main] INFO  org.elasticmq.server.Main$ - Starting\n" +
		"12:00:00.001 [elasticmq-pekko.actor.default-dispatcher-7] ERROR s.StatementExecutor$$anon$1 - SQL execution failed\n" +
		"org.h2.jdbc.JdbcSQLException: Unique index violation\n" +
		"\tat org.h2.message.DbException.get(DbException.java:508)\n" +
		"Caused by: the same again\n" +
		"12:00:00.002 [main] INFO  org.elasticmq.server.Main$ - WARN is a word\n" +
		"and so on\n" +
		"2026-11-22T12:00:00.730745Z  WARN dynoxide::server: error response operation=\"PutItem\" status=400 Bad Request\n" +
		"2026-11-22T12:00:00.730746Z  WARN dynoxide::server: error response operation=\"PutItem\" status=500 Internal Server Error\n" +
		"thread 'main' (7) panicked at src/main.rs:1:1:\n"
	for _, part := range strings.SplitAfter(lines, "e") { // in pieces, as a pipe brings them
		if _, err := out.Write([]byte(part)); err != nil {
			t.Fatal(err)
		}
	}
	s.cancel()
	if _, err := out.Write([]byte("12:00:00.003 [main] WARN  o.a.pekko.actor.CoordinatedShutdown - Could not\n")); err != nil {
		t.Fatal(err)
	}
	got := strings.Split(strings.TrimSpace(said.String()), "\n")
	want := []string{"SQL execution failed", "Unique index violation", "Caused by: the same again", "status=500", "panicked at"}
	if len(got) != len(want) {
		t.Fatalf("the log has %d lines, want %d:\n%s", len(got), len(want), said)
	}
	for i := range want {
		if !strings.Contains(got[i], want[i]) || !strings.Contains(got[i], "server=ElasticMQ") || !strings.Contains(got[i], "level=WARN") {
			t.Errorf("line %d is %q, want a warning of ElasticMQ with %q", i, got[i], want[i])
		}
	}
}
