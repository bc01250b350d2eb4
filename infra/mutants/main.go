// Command mutants takes away every condition of every write, one at a time, and looks whether a test notices:
//
//	go run ./infra/local/withservers -- go run ./infra/mutants
//
// Before that it lists the attributes that an update alters without asking for them (bare.go).
//
// It does not touch the source. The tests of the packages that write run against a real DynamoDB as always, but through a
// proxy that leaves one part of one condition out of every request of the product. A first round without a mutant runs
// each test alone and notes which conditions it comes by, so that a mutant meets only the tests that can notice it. What
// no test notices is listed; it is a failure unless accepted.go says why it can't be noticed.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"chatkeeper/infra/local/servers"
)

// packages whose tests write to the tables.
var packages = []string{
	"shared/dynamo", "functions/assigner", "functions/dispatcher", "functions/sweeper", "functions/reply", "functions/status",
	"functions/reassign", "functions/chats", "functions/me", "functions/people",
}

// patience bounds one run of tests, beside five times what they took without a mutant. A mutant that makes one hang is
// noticed too.
const patience = 3 * time.Minute

func main() {
	only := flag.String("only", "", "a regular expression: try only the conditions it matches")
	list := flag.Bool("list", false, "list the conditions and who comes by, and stop")
	among := flag.String("tests", "", "a regular expression: run only the tests it matches; what they don't come by is not tried")
	flag.Parse()
	if err := run(regexp.MustCompile(*only), regexp.MustCompile(*among), *list); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// test is one test of a package. Several tests of a package run in one process.
type test struct {
	binary string // of the package's tests
	folder string
	name   string
	took   time.Duration
}

func run(only, among *regexp.Regexp, list bool) error {
	target := os.Getenv(servers.DynamoDBVariable)
	if target == "" {
		return errors.New("run it beside servers: go run ./infra/local/withservers -- go run ./infra/mutants")
	}
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	tests, err := collect(folder, among)
	if err != nil {
		return err
	}
	fmt.Printf("%d tests, first without a mutant\n", len(tests))
	begin := time.Now()
	by, bareSites, err := whoComesBy(tests, target)
	if err != nil {
		return err
	}
	unguarded := 0
	for _, b := range bareSites {
		if whyBare(b) == "" {
			unguarded++
			fmt.Printf("UNGUARDED %s\n", b)
		}
	}
	fmt.Printf("%d attributes are altered without being asked for, %d of them for no known reason\n", len(bareSites), unguarded)
	var sites []site
	for s := range by {
		if only.MatchString(s.String()) {
			sites = append(sites, s)
		}
	}
	slices.SortFunc(sites, func(a, b site) int { return cmp.Compare(a.String(), b.String()) })
	fmt.Printf("%d conditions to take away, after %s\n", len(sites), time.Since(begin).Round(time.Second))
	if list {
		for _, s := range sites {
			fmt.Printf("%s   (%d tests, %s the quickest)\n", s, len(by[s]), by[s][0].name)
		}
		return nil
	}
	var mu sync.Mutex
	noticed, accepted, survived := 0, 0, 0
	side(len(sites), func(i int) {
		s := sites[i]
		who, why := "", whyAccepted(s)
		if why == "" {
			who = notices(s, by[s], target)
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case who != "":
			noticed++
			fmt.Printf("noticed   %s   (%s)\n", s, who)
		case why != "":
			accepted++
			fmt.Printf("accepted  %s   (%s)\n", s, why)
		default:
			survived++
			fmt.Printf("SURVIVED  %s   (%d tests come by)\n", s, len(by[s]))
		}
		if done := noticed + accepted + survived; done%10 == 0 {
			fmt.Printf("          %d of %d after %s\n", done, len(sites), time.Since(begin).Round(time.Second))
		}
	})
	fmt.Printf("%d noticed, %d accepted with a reason, %d survived, in %s\n", noticed, accepted, survived, time.Since(begin).Round(time.Second))
	switch {
	case survived > 0:
		return errors.New("a condition that no test misses is either not needed or not tested")
	case unguarded > 0:
		return errors.New("an attribute that is altered whatever it was needs a condition, or a reason in bare.go")
	}
	return nil
}

// whoComesBy runs each test alone without a mutant: which of them send which condition, the quickest first, and which
// attributes any of them alters without a condition.
func whoComesBy(tests []test, target string) (map[site][]test, []bareSite, error) {
	bareSites := map[bareSite]bool{}
	var mu sync.Mutex
	by := map[site][]test{}
	var broken []string
	side(len(tests), func(i int) {
		t := tests[i]
		begin := time.Now()
		p := newProxy(nil)
		failed, output := together([]test{t}, p, target)
		t.took = time.Since(begin)
		if failed != "" {
			failed, output = together([]test{t}, p, target)
		}
		mu.Lock()
		defer mu.Unlock()
		if failed != "" {
			broken = append(broken, t.name+"\n"+output)
		}
		for s := range p.seen {
			by[s] = append(by[s], t)
		}
		maps.Copy(bareSites, p.bare)
	})
	if broken != nil {
		return nil, nil, fmt.Errorf("these fail without a mutant:\n%s", strings.Join(broken, "\n"))
	}
	for _, tests := range by {
		slices.SortFunc(tests, func(a, b test) int { return cmp.Compare(a.took, b.took) })
	}
	return by, slices.SortedFunc(maps.Keys(bareSites), func(a, b bareSite) int { return cmp.Compare(a.String(), b.String()) }), nil
}

// noticers are the names of tests that noticed something in this run.
var noticers sync.Map

// notices names a test that fails when the condition is taken away; empty if none does. Tests that noticed another one are
// tried first, then the quick ones; those of a package together.
func notices(s site, tests []test, target string) string {
	var known, others []test
	for _, t := range tests {
		if _, ok := noticers.Load(t.name); ok {
			known = append(known, t)
		} else {
			others = append(others, t)
		}
	}
	for _, round := range slices.Concat(byTime(known), byTime(others)) {
		byPackage := map[string][]test{}
		for _, t := range round {
			byPackage[t.binary] = append(byPackage[t.binary], t)
		}
		for _, binary := range slices.Sorted(maps.Keys(byPackage)) {
			if who := fails(s, byPackage[binary], target); who != "" {
				noticers.Store(who, true)
				return who
			}
		}
	}
	return ""
}

// byTime puts tests of about the same length together: up to a second, up to three, up to nine…
func byTime(tests []test) [][]test {
	var rounds [][]test
	for upTo := time.Second; len(tests) > 0; upTo *= 3 {
		n := slices.IndexFunc(tests, func(t test) bool { return t.took > upTo })
		if n < 0 {
			n = len(tests)
		}
		rounds, tests = append(rounds, tests[:n]), tests[n:]
	}
	return rounds
}

// fails names a test that fails twice without the condition: one that fails once may have been too slow for something.
func fails(s site, tests []test, target string) string {
	for len(tests) > 0 {
		name, _ := together(tests, newProxy(&s), target)
		if name == "" {
			return ""
		}
		suspects, others := tests, []test(nil)
		if i := slices.IndexFunc(tests, func(t test) bool { return t.name == name }); i >= 0 {
			suspects, others = tests[i:i+1], slices.Concat(tests[:i], tests[i+1:])
		}
		if again, _ := together(suspects, newProxy(&s), target); again != "" {
			return again
		}
		tests = others
	}
	return ""
}

// side runs do for 0 to n-1, a few at a time.
func side(n int, do func(int)) {
	var all sync.WaitGroup
	slots := make(chan struct{}, runtime.NumCPU())
	for i := range n {
		slots <- struct{}{}
		all.Go(func() { defer func() { <-slots }(); do(i) })
	}
	all.Wait()
}

// collect builds the tests of all packages and lists those among them that are asked for.
func collect(folder string, among *regexp.Regexp) ([]test, error) {
	var tests []test
	for _, p := range packages {
		binary := filepath.Join(folder, strings.ReplaceAll(p, "/", "-")+".test")
		if out, err := exec.Command("go", "test", "-c", "-o", binary, "./"+p).CombinedOutput(); err != nil {
			return nil, fmt.Errorf("build tests of %s: %w\n%s", p, err, out)
		}
		list := exec.Command(binary, "-test.list", "^Test")
		list.Dir = p
		out, err := list.Output()
		if err != nil {
			return nil, fmt.Errorf("list tests of %s: %w", p, err)
		}
		for _, name := range strings.Fields(string(out)) {
			if among.MatchString(name) {
				tests = append(tests, test{binary: binary, folder: p, name: name})
			}
		}
	}
	return tests, nil
}

var failure = regexp.MustCompile(`--- FAIL: (\w+)`)

// together runs tests of one package in one process, through the proxy, and names one that fails.
func together(tests []test, p *proxy, target string) (failed, output string) {
	endpoint, stop, err := p.serve(target)
	if err != nil {
		return tests[0].name, err.Error()
	}
	defer stop()
	var names []string
	limit := patience
	for _, t := range tests {
		names = append(names, t.name)
		limit += 5 * t.took
	}
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	command := exec.CommandContext(ctx, tests[0].binary, "-test.run", "^("+strings.Join(names, "|")+")$", "-test.failfast")
	command.Dir = tests[0].folder
	command.Env = append(os.Environ(), servers.DynamoDBVariable+"="+endpoint)
	out, err := command.CombinedOutput()
	switch found := failure.FindSubmatch(out); {
	case err == nil:
		return "", ""
	case found != nil:
		return string(found[1]), string(out)
	}
	return "one of " + strings.Join(names, ", "), string(out) // it hung, or took the process with it
}
