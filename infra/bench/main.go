// Command bench measures what has goals, as ratios within one run, and writes a table and a plot:
//
//	make bench                            # into .local/bench
//	CHATKEEPER_BENCH_FULL=1 make bench    # with 100,000 waiting Chats and 1,000,000 Chats: takes an hour to fill in
//
// The benchmarks are beside what they measure (BenchmarkGoal…); each compares two sides by turns and reports the median of
// the quotients. A goal that is missed is shown and no failure: a busy machine misses some.
package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"text/tabwriter"
	"text/template"
)

// goal is a bound on a metric of benchmarks.
type goal struct {
	Benchmark string // begins its name
	Metric    string
	What      string
	Bound     float64
	AtLeast   bool
}

var goals = []goal{
	{"BenchmarkGoalWebhook", "ratio", "webhook's CPU ÷ bare SDK call", 1.15, false},
	{"BenchmarkGoalServing", "ratio", "serving a pool: throughput ÷ bare loop of its calls", 0.9, true},
	{"BenchmarkGoalRules", "cpu-µs", "1,000 rules, µs of CPU", 50, false},
	{"BenchmarkGoalStart", "ratio", "exec to first poll ÷ an empty function", 1.5, false},
	{"BenchmarkGoalFlat", "ratio", "CPU of an assignment, many ÷ few", 1.10, false},
	{"BenchmarkGoalFlat", "units-ratio", "units of an assignment, many ÷ few", 1.10, false},
}

// Each repeats by itself; one package after the other, so that they don't measure each other.
var packages = []string{"./functions/webhook", "./functions/assigner", "./shared/assign", "./infra/bench/start"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, filepath.Join(".local", "bench")); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, folder string) error {
	args := append([]string{"test", "-run", "^$", "-bench", "^BenchmarkGoal", "-benchtime", "1x", "-p", "1", "-timeout", "4h"}, packages...)
	command := exec.CommandContext(ctx, "go", args...)
	var said bytes.Buffer
	command.Stdout, command.Stderr = io.MultiWriter(&said, os.Stderr), os.Stderr
	if err := command.Run(); err != nil {
		return fmt.Errorf("the benchmarks: %w", err)
	}
	results, err := parse(bytes.NewReader(said.Bytes()))
	if err != nil {
		return err
	}
	rows := judge(results)
	if len(rows) == 0 {
		return errors.New("no benchmark told anything")
	}
	var table, plot bytes.Buffer
	printTable(&table, rows)
	if err := svg.Execute(&plot, bars(rows)); err != nil {
		return err
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for name, content := range map[string][]byte{"bench.txt": table.Bytes(), "bench.svg": plot.Bytes(), "raw.txt": said.Bytes()} {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return err
		}
	}
	fmt.Printf("\n%s\nin %s: bench.txt, bench.svg, raw.txt\n", table.Bytes(), folder)
	return nil
}

// result is one line of go test -bench.
type result struct {
	Name    string
	Metrics map[string]float64
}

// parse reads the benchmark lines: the name, how often it ran, then values with their units.
func parse(from io.Reader) ([]result, error) {
	var all []result
	lines := bufio.NewScanner(from)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		r := result{Name: fields[0], Metrics: map[string]float64{}}
		if i := strings.LastIndex(r.Name, "-"); i > 0 {
			r.Name = r.Name[:i] // the number of processors
		}
		for i := 2; i < len(fields); i += 2 {
			v, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", lines.Text(), err)
			}
			r.Metrics[fields[i+1]] = v
		}
		all = append(all, r)
	}
	return all, lines.Err()
}

// row is a goal and what was measured.
type row struct {
	goal
	Case  string
	Value float64
	More  string
}

// Met says whether the goal is met.
func (r row) Met() bool { return r.AtLeast && r.Value >= r.Bound || !r.AtLeast && r.Value <= r.Bound }

func judge(results []result) []row {
	var rows []row
	for _, g := range goals {
		for _, r := range results {
			value, ok := r.Metrics[g.Metric]
			if !ok || !strings.HasPrefix(r.Name, g.Benchmark) {
				continue
			}
			_, which, _ := strings.Cut(r.Name, "/")
			var more []string
			for _, unit := range []string{"ours-µs", "other-µs", "a-second", "allocs/op"} {
				if v, ok := r.Metrics[unit]; ok {
					more = append(more, fmt.Sprintf("%.4g %s", v, unit))
				}
			}
			rows = append(rows, row{g, which, value, strings.Join(more, ", ")})
		}
	}
	return rows
}

func printTable(to io.Writer, rows []row) {
	out := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(out, "what\twhich\tmeasured\tgoal\t\tbeside")
	for _, r := range rows {
		sign, verdict := "≤", "met"
		if r.AtLeast {
			sign = "≥"
		}
		if !r.Met() {
			verdict = "missed"
		}
		fmt.Fprintf(out, "%s\t%s\t%.4g\t%s %.4g\t%s\t%s\n", r.What, r.Case, r.Value, sign, r.Bound, verdict, r.More)
	}
	out.Flush()
}

// bar is a row as it is drawn: its goal is at the line in the middle, better is shorter.
type bar struct {
	Y, Width float64
	Label    string
	Met      bool
}

type plot struct {
	Height float64
	Bars   []bar
}

const (
	barHeight = 26
	goalAt    = 200 // where the goal's line is, in pixels from the bars' left
)

func bars(rows []row) plot {
	p := plot{Height: float64(len(rows)+1) * barHeight}
	for i, r := range rows {
		share := r.Value / r.Bound
		if r.AtLeast {
			share = r.Bound / r.Value
		}
		p.Bars = append(p.Bars, bar{Y: float64(i) * barHeight, Width: min(share, 2) * goalAt, Met: r.Met(),
			Label: strings.TrimSpace(fmt.Sprintf("%s %s: %.4g of %.4g", r.What, r.Case, r.Value, r.Bound))})
	}
	return p
}

var svg = template.Must(template.New("plot").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="{{.Height}}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="white"/>
{{range .Bars}}<rect x="10" y="{{.Y}}" width="{{.Width}}" height="20" fill="{{if .Met}}#4c9a6a{{else}}#c8553d{{end}}"/>
<text x="430" y="{{.Y}}" dy="15">{{html .Label}}</text>
{{end}}<line x1="210" x2="210" y1="0" y2="{{.Height}}" stroke="black" stroke-dasharray="4"/>
<text x="216" y="{{.Height}}" dy="-6">goal</text>
</svg>
`))
