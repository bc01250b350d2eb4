// Command mutants takes away every condition of every write, one at a time, and looks whether a test notices:
//
//	go run ./infra/local/withservers -- go run ./infra/mutants
//
// It does not touch the source. The tests of the packages that write run against DynamoDB Local as always, but through a
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
	"functions/reassign", "functions/chats", "functions/me",
}

// patience bounds one run of a test. A mutant that makes one hang is noticed too.
const patience = 3 * time.Minute

func main() {
	only := flag.String("only", "", "a regular expression: try only the conditions it matches")
	list := flag.Bool("list", false, "list the conditions and who comes by, and stop")
	flag.Parse()
	if err := run(regexp.MustCompile(*only), *list); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

type test struct {
	binary string // of the package's tests
	folder string
	name   string
	took   time.Duration
}

func run(only *regexp.Regexp, list bool) error {
	target := os.Getenv(servers.TestDynamoDBVariable)
	if target == "" {
		return errors.New("run it beside servers: go run ./infra/local/withservers -- go run ./infra/mutants")
	}
	folder, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	tests, err := collect(folder)
	if err != nil {
		return err
	}
	fmt.Printf("%d tests, first without a mutant\n", len(tests))
	var mu sync.Mutex
	by := map[site][]test{}
	var broken []string
	side(len(tests), func(i int) {
		t := tests[i]
		begin := time.Now()
		p := &proxy{seen: map[site]bool{}}
		failed, output := t.run(p, target)
		t.took = time.Since(begin)
		mu.Lock()
		defer mu.Unlock()
		if failed {
			broken = append(broken, t.name+"\n"+output)
			return
		}
		for s := range p.seen {
			by[s] = append(by[s], t)
		}
	})
	if broken != nil {
		return fmt.Errorf("these fail without a mutant:\n%s", strings.Join(broken, "\n"))
	}
	var sites []site
	for s, tests := range by {
		slices.SortFunc(tests, func(a, b test) int { return cmp.Compare(a.took, b.took) })
		if only.MatchString(s.String()) {
			sites = append(sites, s)
		}
	}
	slices.SortFunc(sites, func(a, b site) int { return cmp.Compare(a.String(), b.String()) })
	fmt.Printf("%d conditions to take away\n", len(sites))
	if list {
		for _, s := range sites {
			fmt.Printf("%s   (%d tests, %s the quickest)\n", s, len(by[s]), by[s][0].name)
		}
		return nil
	}
	noticed, accepted, survived := 0, 0, 0
	side(len(sites), func(i int) {
		s := sites[i]
		who := ""
		for _, t := range by[s] {
			if failed, _ := t.run(&proxy{mutant: &s, seen: map[site]bool{}}, target); failed {
				who = t.name
				break
			}
		}
		mu.Lock()
		defer mu.Unlock()
		switch why := whyAccepted(s); {
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
	})
	fmt.Printf("%d noticed, %d accepted with a reason, %d survived\n", noticed, accepted, survived)
	if survived > 0 {
		return errors.New("a condition that no test misses is either not needed or not tested")
	}
	return nil
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

// collect builds the tests of all packages and lists them.
func collect(folder string) ([]test, error) {
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
			tests = append(tests, test{binary: binary, folder: p, name: name})
		}
	}
	return tests, nil
}

// run runs the test alone, through the proxy.
func (t test) run(p *proxy, target string) (failed bool, output string) {
	endpoint, stop, err := p.serve(target)
	if err != nil {
		return true, err.Error()
	}
	defer stop()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	command := exec.CommandContext(ctx, t.binary, "-test.run", "^"+t.name+"$", "-test.failfast")
	command.Dir = t.folder
	command.Env = append(os.Environ(), servers.TestDynamoDBVariable+"="+endpoint)
	out, err := command.CombinedOutput()
	return err != nil, string(out)
}
