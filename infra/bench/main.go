// Command bench measures what has goals, as ratios within one run, and writes a table and a plot:
//
//	make bench                            # into .local/bench
//	CHATKEEPER_BENCH_FULL=1 make bench    # with 100,000 waiting Chats and 1,000,000 Chats: some twenty minutes more
//
// All but one are ratios: how long somebody who comes online waits for a Chat is told in seconds, on this machine.
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
	Beside    []string // other metrics of it that say more
}

var took = []string{"ours-µs", "other-µs"}

var goals = []goal{
	{"BenchmarkGoalWebhook", "ratio", "webhook's CPU ÷ bare SDK call", 1.15, false, took},
	{"BenchmarkGoalServing", "ratio", "serving a pool: throughput ÷ bare loop of its calls", 0.9, true, []string{"a-second"}},
	{"BenchmarkGoalRules", "cpu-µs", "1,000 rules, µs of CPU", 50, false, []string{"allocs/op"}},
	{"BenchmarkGoalStart", "ratio", "exec to first poll ÷ an empty function", 1.5, false, took},
	{"BenchmarkGoalFlat", "ratio", "CPU of an assignment, many ÷ few", 1.10, false, took},
	{"BenchmarkGoalFlat", "units-ratio", "units of an assignment, many ÷ few", 1.10, false, nil},
	{"BenchmarkGoalNewcomer", "worst-s", "seconds to a Chat while rules are saved, 5,000 waiting", 1, false, []string{"median-ms", "routed-a-second"}},
}

// Each repeats by itself; one package after the other, so that they don't measure each other.
var packages = []string{"./functions/webhook", "./functions/assigner", "./shared/assign", "./infra/bench/start", "./infra/bench/newcomer"}

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
			for _, unit := range g.Beside {
				if v, ok := r.Metrics[unit]; ok {
					more = append(more, fmt.Sprintf("%s %s", strconv.FormatFloat(v, 'f', 0, 64), unit))
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

// bar is a row as it is drawn, as a share of its goal: shorter is better.
type bar struct {
	Y, Width      float64
	Label, Figure string
	Met           bool
}

type plot struct {
	Height float64
	Bars   []bar
}

// In pixels.
const (
	rowHeight = 26
	headings  = 56  // above the first bar
	goalWidth = 240 // of a bar that just meets its goal
	widest    = 360 // what is longer is cut off; its figure tells how long it is
)

func bars(rows []row) plot {
	p := plot{Height: headings + float64(len(rows))*rowHeight + 8}
	for i, r := range rows {
		share, sign := r.Value/r.Bound, "≤"
		if r.AtLeast {
			share, sign = r.Bound/r.Value, "≥"
		}
		label := r.What
		if r.Case != "" {
			label += ": " + strings.ReplaceAll(r.Case, "-", " ")
		}
		p.Bars = append(p.Bars, bar{Y: headings + float64(i)*rowHeight, Width: min(share*goalWidth, widest), Met: r.Met(),
			Label: label, Figure: fmt.Sprintf("%.3g (%s %.3g)", r.Value, sign, r.Bound)})
	}
	return p
}

var svg = template.Must(template.New("plot").Parse(`<svg xmlns="http://www.w3.org/2000/svg" width="1000" height="{{.Height}}" font-family="sans-serif" font-size="13">
<rect width="100%" height="100%" fill="white"/>
<text x="12" y="24" font-size="16">What has a goal, as a share of it: shorter is better</text>
{{range .Bars}}<text x="488" y="{{.Y}}" dy="14" text-anchor="end">{{html .Label}}</text>
<rect x="500" y="{{.Y}}" width="{{.Width}}" height="18" fill="{{if .Met}}#4c9a6a{{else}}#c8553d{{end}}"/>
<text x="872" y="{{.Y}}" dy="14">{{html .Figure}}</text>
{{end}}<line x1="740" x2="740" y1="46" y2="{{.Height}}" stroke="black" stroke-dasharray="4"/>
<text x="740" y="40" text-anchor="middle">goal</text>
</svg>
`))
