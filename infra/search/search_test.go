// Package search looks for a moment at which something may go wrong and Chatkeeper does not stand up to it.
//
// It runs the functions' real binaries against a real DynamoDB, but every request of theirs waits at a proxy until
// the run lets it go on, so that a run decides by itself, and by its plan alone, what happens when and what goes wrong:
// requests that fail, that happen without anybody hearing so, that conflict, are throttled, slow or come late when somebody
// else has long begun anew; functions that are killed before and after every request; messages and stream records that come
// twice, in other batches, by another group, or back from the dead letters. Queues and streams are kept here, by SQS's and
// DynamoDB's rules, because no server of theirs can be made to do all that on demand.
//
// After every run all invariants hold, everything acknowledged is stored once, and no Chat waits that somebody could take.
// No sweep makes that good: the sweeper runs only where steps are due, because it opens them, and where a sweep's requests are
// counted; what its net signals goes nowhere.
//
// Beside the scenarios, which are small and searched thoroughly, there are long stories drawn at random (random_test.go).
package search

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatkeeper/infra/local/issuer/issuertest"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

func newGround(t testing.TB) *ground {
	people := []team.Person{admin, agent("amira", 1), agent("dan", 1)}
	i := issuertest.Start(t, people...)
	g := &ground{proxy: startProxy(t), issuer: i, tokens: map[string]string{}, dynamoDB: serverstest.DynamoDBEndpoint(t),
		client: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
	g.db = servers.DynamoDB(g.dynamoDB)
	for _, p := range people {
		g.tokens[p.ID] = issuertest.Token(t, i, p)
	}
	var err error
	g.template, err = template.Load(filepath.Join(serverstest.Root(t), "template.yaml"),
		map[string]string{"AppSecret": appSecret, "Issuer": i.URL, "Audience": i.Audience})
	if err != nil {
		t.Fatal(err)
	}
	if g.binaries, err = stack.Binaries(t.Context(), serverstest.Root(t), g.template); err != nil {
		t.Fatal(err)
	}
	key, err := g.function("AssignerFunction").Environment["IDENTITY_KEY"].Resolve((&run{lane: &lane{ground: g}}).lookup)
	if err != nil {
		t.Fatal(err)
	}
	g.secret = chat.Secret(key)
	return g
}

// job is a plan that somebody should run.
type job struct {
	scenario *scenario
	plan     plan
}

// searching hands jobs to lanes and counts.
type searching struct {
	t          *testing.T
	jobs       chan job
	operations atomic.Int64
	runs       atomic.Int64
	found      atomic.Int64
}

// maxFound is how many plans that break something are told before the search ends.
const maxFound = 5

func (s *searching) work(l *lane) {
	for j := range s.jobs {
		if s.found.Load() >= maxFound || s.t.Context().Err() != nil {
			continue
		}
		r, err := l.play(s.t.Context(), j.scenario, j.plan)
		s.runs.Add(1)
		if r != nil {
			s.operations.Add(int64(r.operations))
		}
		if err != nil && s.t.Context().Err() == nil {
			s.found.Add(1)
			s.t.Errorf("%s: %v\n%s", j.plan, err, storyOf(r))
		}
	}
}

// TestSearch walks through what may go wrong: every single fault, then pairs at random.
//
// CHATKEEPER_SEARCH repeats one plan, as a failure prints it. CHATKEEPER_SEARCH_SEED chooses the pairs; without it, chance
// does, and the seed is printed. CHATKEEPER_SEARCH_OPERATIONS is how many operations to make at least, after all single
// faults; a million in `make soak`. CHATKEEPER_SEARCH_SCENARIO searches only
// the scenarios whose names begin so.
func TestSearch(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	if text := os.Getenv("CHATKEEPER_SEARCH"); text != "" {
		repeat(t, g, text)
		return
	}
	wanted := number(t, "CHATKEEPER_SEARCH_OPERATIONS", 0)
	if wanted == 0 && os.Getenv("CHATKEEPER_SOAK") != "" {
		wanted = soakOperations
	}
	seed := number(t, "CHATKEEPER_SEARCH_SEED", rand.Uint64N(1<<32))
	s := &searching{t: t, jobs: make(chan job)}
	var lanes sync.WaitGroup
	var first []*lane
	for range 4 {
		first = append(first, g.newLane(t))
	}
	began := time.Now()
	all := scenarios()
	if name := os.Getenv("CHATKEEPER_SEARCH_SCENARIO"); name != "" {
		all = slices.DeleteFunc(all, func(s *scenario) bool { return !strings.HasPrefix(s.name, name) })
	}
	chances := walked(t, first, all)
	for _, l := range first {
		lanes.Go(func() { s.work(l) })
	}
	singles := singlesOf(all, chances)
	taken := singles
	if wanted == 0 {
		taken = nil
		likely := slices.DeleteFunc(slices.Clone(singles), func(j job) bool { return !isTelling(j.plan) })
		for i := range usualSingles { // spread evenly, the same ones every time
			taken = append(taken, likely[i*len(likely)/usualSingles])
		}
	}
	random := rand.New(rand.NewPCG(seed, 0))
	random.Shuffle(len(taken), func(i, j int) { taken[i], taken[j] = taken[j], taken[i] })
	for _, j := range taken {
		s.jobs <- j
	}
	enough := func(pairs int) bool {
		if wanted > 0 {
			return s.operations.Load() >= int64(wanted)
		}
		return pairs >= usualPairs
	}
	pairs := 0
	for ; !enough(pairs) && s.found.Load() < maxFound; pairs++ {
		s.jobs <- pairOf(random, all, chances)
	}
	close(s.jobs)
	lanes.Wait()
	t.Logf("%d of %d single faults and %d pairs in %d scenarios: %d runs, %d operations, seed %d, %v", len(taken), len(singles), pairs, len(all),
		s.runs.Load(), s.operations.Load(), seed, time.Since(began).Round(time.Second))
}

// isTelling reports whether a single fault is of those that find most.
func isTelling(p plan) bool {
	return slices.Contains([]kind{slow, late, answerLost, killAfter, again}, p.faults[0].kind)
}

// number is a number of the environment.
func number(t *testing.T, name string, otherwise uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

const (
	usualSingles   = 36
	usualPairs     = 24
	soakOperations = 1_000_000
)

// start is a way to begin a scenario.
type start struct {
	scenario string
	patient  bool
}

func storyOf(r *run) string {
	if r == nil {
		return ""
	}
	return r.story()
}

// walked runs every scenario once without faults, which must go well, and returns what could go wrong in each.
func walked(t *testing.T, lanes []*lane, all []*scenario) map[start][]chance {
	chances := map[start][]chance{}
	var mu sync.Mutex
	var group sync.WaitGroup
	next := make(chan *scenario)
	for _, l := range lanes {
		group.Go(func() {
			for s := range next {
				if err := l.prepare(t.Context(), s); err != nil {
					t.Errorf("%s: what was before: %v", s.name, err)
					continue
				}
				for _, patient := range []bool{false, true} {
					r, err := l.play(t.Context(), s, plan{scenario: s.name, patient: patient})
					if err != nil {
						t.Errorf("%s without any fault: %v\n%s", s.name, err, storyOf(r))
						continue
					}
					mu.Lock()
					chances[start{s.name, patient}] = r.met
					mu.Unlock()
				}
			}
		})
	}
	for _, s := range all {
		next <- s
	}
	close(next)
	group.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return chances
}

func singlesOf(all []*scenario, chances map[start][]chance) []job {
	var jobs []job
	for _, s := range all {
		for _, patient := range []bool{false, true} {
			for _, c := range chances[start{s.name, patient}] {
				for _, k := range c.kinds {
					p := plan{scenario: s.name, faults: []fault{{c.delivery, c.at, k}}, patient: patient}
					jobs = append(jobs, job{s, p})
					if k == answerLost { // then the SDK itself does it again, and meets what it did
						p.retries = true
						jobs = append(jobs, job{s, p})
					}
				}
			}
		}
	}
	return jobs
}

// pairOf is a plan of two faults and an order of things. What a plan does not come to, because its order or its first fault
// made the story another, does not happen.
func pairOf(random *rand.Rand, all []*scenario, chances map[start][]chance) job {
	s := all[random.IntN(len(all))]
	p := plan{scenario: s.name, seed: 1 + random.Uint64N(1<<32), retries: random.IntN(4) == 0}
	where := chances[start{s.name, true}]
	for range 2 {
		c := where[random.IntN(len(where))]
		p.faults = append(p.faults, fault{c.delivery, c.at, c.kinds[random.IntN(len(c.kinds))]})
	}
	return job{s, p}
}

func repeat(t *testing.T, g *ground, text string) {
	p, err := parsePlan(text)
	if err != nil {
		t.Fatal(err)
	}
	l := g.newLane(t)
	for _, s := range scenarios() {
		if s.name != p.scenario {
			continue
		}
		if err := l.prepare(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		r, err := l.play(t.Context(), s, p)
		if err != nil {
			t.Error(err)
		}
		if r != nil {
			t.Logf("%s", r.story())
		}
		return
	}
	t.Fatal(fmt.Errorf("there is no scenario %q", p.scenario))
}
