//go:build unix

package team_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"chatkeeper/shared/team"
)

// withoutFiles is set in the process in which no file can be opened.
const withoutFiles = "CHATKEEPER_TEST_WITHOUT_FILES"

// An image to run functions in need not have zone files: a zone is loaded where no file can be read at all.
func TestZonesNeedNoFiles(t *testing.T) {
	t.Parallel()
	if os.Getenv(withoutFiles) == "" {
		child := exec.Command(os.Args[0], "-test.run=^TestZonesNeedNoFiles$", "-test.v")
		child.Env = append(os.Environ(), withoutFiles+"=1", "ZONEINFO=/nowhere")
		if said, err := child.CombinedOutput(); err != nil {
			t.Errorf("%v:\n%s", err, said)
		}
		return
	}
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	limit.Cur = 0
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Open(os.Args[0]); err == nil {
		t.Fatal("files can be opened, which proves nothing")
	}
	office := team.Calendar{ID: "office", Zone: "Asia/Dubai", Week: map[time.Weekday][]team.Span{time.Monday: {{From: 9 * 60, To: 17 * 60}}}}
	ten := time.Date(2026, 11, 23, 6, 0, 0, 0, time.UTC) // in Dubai
	if inside, err := office.Inside(ten); err != nil || !inside {
		t.Errorf("on Monday at ten: inside %v, %v", inside, err)
	}
	if inside, err := office.Inside(ten.Add(8 * time.Hour)); err != nil || inside {
		t.Errorf("on Monday at six: inside %v, %v", inside, err)
	}
}

// A calendar without a zone is not one of UTC, and one in the zone of the machine depends on where it is asked.
func TestUnknownZones(t *testing.T) {
	t.Parallel()
	for _, zone := range []string{"", "Local", "Mars/Olympus", "asia/dubai ", "../../etc/passwd"} {
		c := team.Calendar{ID: "lost", Zone: zone}
		if inside, err := c.Inside(time.Now()); err == nil || inside {
			t.Errorf("%q: inside %v, no error", zone, inside)
		}
	}
}
