package main

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/team"
)

// A calendar whose zone can't be loaded is neither inside its hours nor outside: all other rules work, the log says so once
// per load, and once more whenever settings or rules are saved, until it is mended.
//
// It is not parallel: the log is everybody's.
func TestAZoneThatCantBeLoaded(t *testing.T) {
	var log bytes.Buffer
	before := slog.Default()
	slog.SetDefault(slog.New(slog.NewTextHandler(&log, nil)))
	t.Cleanup(func() { slog.SetDefault(before) })
	w := newWorld(t)
	monday := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC) // 10 in Dubai
	w.now = func() time.Time { return monday }
	week := map[time.Weekday][]team.Span{time.Monday: {{From: 9 * 60, To: 17 * 60}}}
	lost := team.Calendar{ID: "lost", Zone: "Asia/Dubay", Week: week}
	rule := func(id, calendar, is, to string) string {
		return fmt.Sprintf(`{"id": %q, "name": %q, "enabled": true, "when": {"field": "hours", "calendar": %q, "is": %q},
			"to": [{"team": %q, "strategy": "round_robin"}]}`, id, id, calendar, is, to)
	}
	w.saveRules(`{"rules": [` + strings.Join([]string{rule("a", "lost", "inside", "arabic"), rule("b", "lost", "outside", "arabic"), rule("c", "office", "inside", "sales")}, ",") +
		`], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}]}}`)
	w.must(w.store.SaveSettings(t.Context(), team.Settings{Calendars: []team.Calendar{{ID: "office", Zone: "Asia/Dubai", Week: week}, lost}}))
	n := 0
	goesTo := func(want string) {
		t.Helper()
		n++
		user := fmt.Sprint("US.", n)
		w.receives(text(user, "", "hello", monday))
		c, err := w.store.Chat(t.Context(), testSecret.UserAddress(seed.SupportNumber, user))
		w.must(err)
		if !slices.Equal(c.Pools, []string{want}) {
			t.Errorf("%s waits in %v, want %s", user, c.Pools, want)
		}
	}
	said := func(want int) {
		t.Helper()
		lines := 0
		for line := range strings.Lines(log.String()) {
			if strings.Contains(line, `level=ERROR msg="zone not loadable" calendar=lost error=`) {
				lines++
			}
		}
		if lines != want {
			t.Errorf("said %d times, want %d:\n%s", lines, want, log.String())
		}
	}
	goesTo("team:sales")
	goesTo("team:sales")
	said(1)
	monday = monday.Add(8 * time.Hour)
	goesTo(support)
	said(1)
	w.must(w.store.SaveSettings(t.Context(), team.Settings{Teams: []team.Team{{ID: "arabic", Name: "Arabic"}}}))
	goesTo(support)
	said(2)
	lost.Zone = "Asia/Dubai"
	w.must(w.store.SaveSettings(t.Context(), team.Settings{Calendars: []team.Calendar{lost}}))
	goesTo("team:arabic")
	said(2)
	w.checked()
}
