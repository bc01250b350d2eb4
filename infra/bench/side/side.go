// Package side measures two ways of doing the same side by side, in one process and by turns, so that what else the
// machine does meets both.
package side

import (
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"
)

// CPU is the time that processors have spent for this process. What servers do for it does not count.
func CPU() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err) // the arguments are right
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

var begun = time.Now()

// Wall is the time that has passed.
func Wall() time.Duration { return time.Since(begun) }

// Compare does both by turns (ours, the other twice, ours, so that being first or second is no one's advantage), and reports
// the median of the quotients (ours ÷ other) as "ratio", and the medians of what each took, in microseconds for one of n
// things that doing it once does. The first time of each is not counted.
func Compare(b *testing.B, turns, n int, clock func() time.Duration, ours, other func()) {
	b.Helper()
	took := func(do func()) float64 {
		runtime.GC()
		before := clock()
		do()
		return float64(clock()-before) / float64(n)
	}
	took(ours)
	took(other)
	var ratios, first, second []float64
	for range turns {
		a, o := took(ours), took(other)+took(other)
		a += took(ours)
		ratios, first, second = append(ratios, a/o), append(first, a/2), append(second, o/2)
	}
	b.ReportMetric(Median(ratios), "ratio")
	b.ReportMetric(Median(first)/1000, "ours-µs")
	b.ReportMetric(Median(second)/1000, "other-µs")
	b.ReportMetric(0, "ns/op") // says nothing here
}

// Median is the middle one.
func Median(of []float64) float64 {
	slices.Sort(of)
	return of[len(of)/2]
}
