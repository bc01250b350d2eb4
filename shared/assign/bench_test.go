package assign

import (
	"testing"
	"time"

	"chatkeeper/infra/bench/side"
)

// What a routing by a thousand rules takes of a processor, when the last one matches: the median of many.
func BenchmarkGoalRules(b *testing.B) {
	rules := thousand(b)
	b.ReportAllocs()
	const turns, n = 25, 200
	for b.Loop() {
		var took []float64
		for range turns {
			before := side.CPU()
			for range n {
				rules.Route(busy)
			}
			took = append(took, float64(side.CPU()-before)/float64(time.Microsecond)/n)
		}
		b.ReportMetric(side.Median(took), "cpu-µs")
	}
	b.ReportMetric(testing.AllocsPerRun(100, func() { rules.Route(busy) }), "allocs/op")
	b.ReportMetric(0, "ns/op")
}
