package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatkeeper/infra/local/issuer/issuertest"
	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	signals "chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

// TestRandomStories tells long stories drawn at random. In each chapter several things happen at once, in an order drawn
// with it, and sometimes one thing goes wrong; then everything must come to rest by itself, and every promise is checked,
// I10 among them: what the sweeper's net signals goes nowhere (see sqs). Between chapters hours pass.
//
// A failure prints the story; CHATKEEPER_SEARCH_STORY tells it again. Bigger in `make soak`.
func TestRandomStories(t *testing.T) {
	t.Parallel()
	g := newGround(t)
	for _, p := range storyPeople {
		g.tokens[p.ID] = issuertest.Token(t, g.issuer, p)
	}
	for _, doc := range storyRules {
		if _, err := assign.Parse([]byte(doc)); err != nil {
			t.Fatalf("%v in %s", err, doc)
		}
	}
	if text := os.Getenv("CHATKEEPER_SEARCH_STORY"); text != "" {
		var s story
		if err := json.Unmarshal([]byte(text), &s); err != nil {
			t.Fatal(err)
		}
		r, err := g.newLane(t).told(t.Context(), s)
		if err != nil {
			t.Error(err)
		}
		t.Log(r.story())
		return
	}
	for lane := range 2 {
		t.Run(fmt.Sprint("lane", lane), func(t *testing.T) {
			t.Parallel()
			l := g.newLane(t)
			told, failed := tale{}, false
			rapid.Check(t, func(rt *rapid.T) {
				if told.stories == big(1, 10) && !failed {
					return
				}
				s := stories(big(8, 80)).Draw(rt, "story")
				r, err := l.told(t.Context(), s)
				if err != nil {
					failed = true
					rt.Fatalf("%v\nCHATKEEPER_SEARCH_STORY='%s' repeats it\n%s", err, s, lastOf(r))
				}
				told.add(r)
				t.Logf("%+v", told)
			})
		})
	}
}

// big is a number for `make test`, and another for `make soak`.
func big(usual, soak int) int {
	if os.Getenv("CHATKEEPER_SOAK") != "" {
		return soak
	}
	return usual
}

// tale counts what stories were about.
type tale struct {
	stories, chapters, steps, operations, chats int
	events                                      map[string]int
}

func (t *tale) add(r *telling) {
	t.stories++
	t.chapters += r.chapters
	t.steps += r.steps
	t.operations += r.operations
	t.chats += len(r.last.Chats)
	if t.events == nil {
		t.events = map[string]int{}
	}
	for _, e := range r.last.Events {
		what := string(e.Type)
		if e.By.Kind == chat.ByRule && e.Owner != "" && (e.Type == chat.Created || e.Type == chat.Reopened) {
			what += " for somebody"
		}
		t.events[what]++
	}
}

// story is a plan of its own: all of it is drawn before anything is done.
type story struct {
	Seed     uint64 // orders what could happen at once
	Retries  bool   // as in plan
	Chapters []chapter
}

func (s story) String() string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // numbers and words always marshal
	}
	return string(text)
}

type chapter struct {
	Minutes int // that pass before
	Sweep   bool
	Steps   []step
	Wrong   *wrong
}

// wrong is what goes wrong at a request or delivery of a chapter.
type wrong struct {
	Delivery bool
	At       int
	Kind     kind
}

// step is what somebody does. What the numbers choose from depends on it.
type step struct {
	Do           string
	Who, How, To int
}

var (
	ofAnything  = []kind{fails, answerLost, slow, late, killBefore, killAfter}
	ofADelivery = []kind{twice, again, dead, forgot, split}
)

// doings are how often a step is what.
var doings = map[string]int{"writes": 16, "writes late": 3, "comes again": 3, "takes over a number": 1, "gets a new id": 1, "reacts": 2,
	"closes": 12, "opens": 3, "gives": 4, "passes": 3, "knows": 3, "replies": 2, "reads": 3,
	"is": 6, "capacity": 3, "active": 2, "role": 1, "teams": 3, "languages": 2, "weight": 1, "rules": 3, "is served": 1, "sweeps": 2}

// evenly draws a number below n, each as often as the others: rapid's own generators prefer small ones.
func evenly(n int) *rapid.Generator[int] {
	return rapid.Custom(func(t *rapid.T) int {
		drawn := 0
		for range 10 {
			if drawn *= 2; rapid.Bool().Draw(t, "bit") {
				drawn++
			}
		}
		return drawn % n
	})
}

func stories(chapters int) *rapid.Generator[story] {
	var all []string
	for _, do := range slices.Sorted(maps.Keys(doings)) {
		all = append(all, slices.Repeat([]string{do}, doings[do])...)
	}
	number := evenly(100)
	one := rapid.Custom(func(t *rapid.T) step {
		return step{Do: of(all, evenly(len(all)).Draw(t, "do")), Who: number.Draw(t, "who"), How: number.Draw(t, "how"), To: number.Draw(t, "to")}
	})
	part := rapid.Custom(func(t *rapid.T) chapter {
		var c chapter
		if c.Minutes = of([]int{0, 0, 0, 3, 10, 70, 700, 1500}, number.Draw(t, "minutes")); c.Minutes > 0 {
			c.Sweep = rapid.Bool().Draw(t, "sweep")
		}
		c.Steps = rapid.SliceOfN(one, 2, 9).Draw(t, "steps")
		if evenly(5).Draw(t, "goes wrong") == 4 {
			w := wrong{Delivery: rapid.Bool().Draw(t, "delivery")}
			if w.Delivery {
				w.At, w.Kind = 1+evenly(12).Draw(t, "at"), of(ofADelivery, number.Draw(t, "kind"))
			} else {
				w.At, w.Kind = 1+evenly(80).Draw(t, "at"), of(ofAnything, number.Draw(t, "kind"))
			}
			c.Wrong = &w
		}
		return c
	})
	return rapid.Custom(func(t *rapid.T) story {
		return story{Seed: 1 + rapid.Uint64Range(0, 1<<32).Draw(t, "order"), Retries: rapid.Bool().Draw(t, "sdk retries"),
			Chapters: rapid.SliceOfN(part, chapters/2, 3*chapters/2).Draw(t, "chapters")}
	})
}

// The people of the stories, beside the Admin.
var storyPeople = []team.Person{agent("amira", 2, "arabic", "support"), agent("bruno", 2, "sales"), agent("chloe", 3, "support"),
	agent("dan", 1, "sales", "support"), away(agent("mei", 2, "support"))}

// storyRules are documents that an Admin saves one after the other.
var storyRules = []string{toEveryone, toSupport,
	`{"rules": [{"id": "arabic", "name": "Arabic", "enabled": true, "when": {"field": "language", "in": ["ar"]},
		"to": [{"team": "arabic", "strategy": "least_loaded"}, {"team": "support", "strategy": "round_robin", "after": "5m"}, {"team": "everyone", "strategy": "least_loaded", "after": "1h"}],
		"requires": {"languages": ["ar"]}, "priority": "high"}],
	  "otherwise": {"to": [{"team": "support", "strategy": "weighted"}, {"team": "sales", "strategy": "weighted", "after": "2m"}], "priority": "low"}}`,
	`{"rules": [{"id": "dans", "name": "Dan's", "enabled": true, "when": {"field": "text", "contains": ["price"]},
		"to": [{"person": "dan", "strategy": "agent"}, {"team": "sales", "strategy": "least_loaded", "after": "10m"}]},
		{"id": "again", "name": "Again", "enabled": true, "when": {"field": "openedBy", "in": ["reopened"]},
		"to": [{"team": "everyone", "strategy": "round_robin"}], "previousAssignee": {"prefer": true, "within": "24h"}}],
	  "otherwise": {"to": [{"team": "everyone", "strategy": "weighted"}]}}`,
	`{"rules": [{"id": "vip", "name": "VIP", "enabled": true, "when": {"any": [{"field": "customerTag", "in": ["vip"]}, {"not": {"field": "language", "in": ["en", "ar", "unknown"]}}]},
		"to": [{"team": "sales", "strategy": "round_robin"}, {"team": "sales", "strategy": "weighted", "after": "1m"}, {"team": "support", "strategy": "weighted", "after": "20m"}],
		"previousAssignee": {"prefer": true, "within": "2h"}, "priority": "high"}],
	  "otherwise": {"to": [{"team": "support", "strategy": "least_loaded"}, {"person": "bruno", "strategy": "agent", "after": "30m"}]}}`,
}

var storyTexts = []string{"My order has not arrived, and I wonder where it is", "What is the price of a bell?", "أين طلبي؟ لم يصل حتى الآن وأنا أنتظر منذ أسبوع",
	"Bonjour, je voudrais savoir pourquoi ma commande n'est toujours pas arrivée"}

// telling is a story on its way.
type telling struct {
	*run
	customers []customer.Customer // as they are called now
	ids       map[string]int      // which customer a user id is, or was
	brought   []delivered         // by WhatsApp so far
	second    int
	chapters  int
	steps     int
	last      invariant.Snapshot
}

// delivered is a customer's message that was brought.
type delivered struct {
	second int
	wamid  string
	from   int  // the customer
	named  bool // it told their user id
	action action
}

// told tells a story from its beginning, in empty tables.
func (l *lane) told(ctx context.Context, s story) (*telling, error) {
	everybody := &scenario{name: "story", people: there(toEveryone, storyPeople...), capacities: true}
	if err := l.become(ctx, nil); err != nil {
		return nil, err
	}
	if err := everybody.people(ctx, l.store); err != nil {
		return nil, err
	}
	t := &telling{run: l.newRun(everybody, plan{scenario: "story", seed: s.Seed, retries: s.Retries}), ids: map[string]int{}}
	defer t.close()
	for i := range 9 {
		t.customers = append(t.customers, customer.Customer{Name: "Customer", UserID: fmt.Sprintf("GB.%020d", i), Phone: fmt.Sprintf("4400000000%02d", i)})
		t.ids[t.customers[i].UserID] = i
	}
	for _, c := range s.Chapters {
		if err := t.tells(ctx, c); err != nil {
			return t, fmt.Errorf("chapter %d: %w", t.chapters+1, err)
		}
		t.chapters++
	}
	return t, nil
}

// tells is one chapter: hours pass and the steps that are due open; then everything else, and then it is quiet.
func (t *telling) tells(ctx context.Context, c chapter) error {
	t.note("chapter %d: %d minutes later", t.chapters+1, c.Minutes)
	if c.Minutes > 0 {
		if err := t.passes(ctx, time.Duration(c.Minutes)*time.Minute); err != nil {
			return err
		}
	}
	if c.Sweep { // in time, so that no step is late
		if err := t.happens(ctx, phase{sweeps()}, nil); err != nil {
			return err
		}
	}
	var all phase
	for _, s := range c.Steps {
		if a, possible := t.action(s); possible {
			all = append(all, a)
			t.steps++
		}
	}
	return t.happens(ctx, all, c.Wrong)
}

func (t *telling) happens(ctx context.Context, all phase, w *wrong) (err error) {
	if w != nil && w.Delivery {
		t.plan.faults = []fault{{true, t.deliveries + w.At, w.Kind}}
	} else if w != nil {
		t.plan.faults = []fault{{false, t.requests + w.At, w.Kind}}
	}
	if err := t.tell([]phase{all}, true); err != nil {
		return err
	}
	t.plan.faults = nil
	t.countsNoMore()
	if t.last, err = t.check(ctx); err != nil {
		return err
	}
	return errors.Join(t.waitRight(ctx), t.standRight())
}

// waitRight: who waits does so by the rules in force, and every pool that a step is yet to open has its timer. Nothing is
// left to do but what is due later.
func (t *telling) waitRight(ctx context.Context) error {
	f, err := t.store.InForce(ctx)
	if err != nil {
		return err
	}
	waits, armed := map[string]chat.Chat{}, map[string]bool{}
	for _, c := range t.last.Chats {
		waits[c.ID] = c
	}
	for shard := range dynamo.TimerShards {
		page, err := t.store.Due(ctx, shard, dynamo.Now().Add(1000*time.Hour), "", 1000)
		if err != nil {
			return err
		}
		for _, timer := range page.Timers {
			if timer.Applies(waits[timer.Entry.Chat]) {
				armed[timer.Entry.Chat] = true
			}
		}
	}
	for _, e := range t.last.Entries {
		if e.RulesVersion < f.Version {
			return fmt.Errorf("the Chat %s waits by version %d of the rules, and %d is in force", e.Chat, e.RulesVersion, f.Version)
		}
		if e.RulesVersion == chat.ByHand || armed[e.Chat] { // the steps after that one follow it
			continue
		}
		for _, step := range f.Rules.Steps(e.RuleID)[e.Step:] {
			if pool := step.Pool.String(); !waits[e.Chat].WaitsIn(pool) {
				return fmt.Errorf("the Chat %s waits for %s by rule %s, and no timer is armed", e.Chat, pool, e.RuleID)
			}
		}
	}
	return nil
}

// countsNoMore: beyond forty unread messages a Chat does not list them one by one.
func (t *telling) countsNoMore() {
	all, err := t.store.Snapshot(context.Background())
	if err != nil {
		t.broken(err)
	}
	if slices.ContainsFunc(all.Chats, func(c chat.Chat) bool { return !c.More.IsZero() }) {
		for m := range t.kept.unread {
			t.kept.unread[m] = false
		}
	}
}

// passes lets time pass while nobody does anything: every time that is stored becomes earlier, which is the same. Instances
// do not live that long, and the queues forget what they have seen.
func (t *telling) passes(ctx context.Context, d time.Duration) error {
	for _, slots := range t.slots {
		for _, s := range slots {
			if s.function != nil {
				s.function.Kill()
				s.function.Close(ctx)
			}
		}
	}
	clear(t.slots)
	for _, q := range t.queues {
		clear(q.seen)
	}
	return t.ages(ctx, d)
}

// of picks one of them by a number.
func of[T any](all []T, n int) T { return all[n%len(all)] }

// action is what a step does, as the customers are called by then.
func (t *telling) action(s step) (a action, possible bool) {
	who := s.Who % len(t.customers)
	c := &t.customers[who]
	as := of([]func(customer.Customer) customer.Customer{func(c customer.Customer) customer.Customer { return c }, byID, byPhoneOnly}, s.How)
	person, other := of(storyPeople, s.How).ID, of(storyPeople, s.To).ID
	switch s.Do {
	case "writes":
		t.second += 5
		return t.writes(as(*c), who, t.second, of(storyTexts, s.To)), true
	case "writes late":
		t.second += 5
		return t.writes(as(*c), who, max(1, t.second-8-s.To%30), of(storyTexts, s.To)), true
	case "reacts":
		t.second += 5
		return t.brings(mayBeDropped(reacts(as(*c), t.second, t.wamid())), who, as(*c).UserID != ""), true
	case "comes again":
		if len(t.brought) == 0 {
			return a, false
		}
		m := t.brought[max(0, len(t.brought)-1-s.Who%12)]
		return t.again(m.action, s.How%2 == 0), true
	case "takes over a number":
		loser := &t.customers[s.To%len(t.customers)]
		if loser == c {
			return a, false
		}
		c.Phone = loser.Phone
		loser.Phone = fmt.Sprintf("44000000%04d", 1000+t.second) // and gets another one
		t.second += 5
		return t.writes(*c, who, t.second, of(storyTexts, s.How)), true
	case "gets a new id":
		t.second += 5
		before := *c
		c.UserID = fmt.Sprintf("GB.9%019d", t.second)
		t.ids[c.UserID] = who
		return t.brings(unkept(isCalled(before, t.second, t.wamid(), c.UserID)), who, true), true
	case "closes":
		return t.byAssignee(*c, s, func(person string) action { return sets(person, "closed", *c) }), true
	case "opens":
		return t.byAssignee(*c, s, func(person string) action { return sets(person, "open", *c) }), true
	case "gives":
		return t.byAssignee(*c, s, func(person string) action { return gives(person, *c, `{"personId":"`+other+`"}`) }), true
	case "passes":
		to := of([]string{"support", "sales", "arabic", "everyone"}, s.To)
		return t.byAssignee(*c, s, func(person string) action { return gives(person, *c, `{"teamId":"`+to+`"}`) }), true
	case "knows":
		what := of([]string{`{"language":"ar"}`, `{"language":"unknown"}`, `{"tags":["vip"]}`, `{"tags":[],"name":"Somebody"}`}, s.To)
		return t.byAssignee(*c, s, func(person string) action { return knows(person, *c, what) }), true
	case "replies":
		t.second += 5
		text := fmt.Sprint("On it, since ", t.second)
		return t.byAssignee(*c, s, func(person string) action { return replies(person, *c, text) }), true
	case "reads":
		return t.reads(*c, who, s)
	case "is":
		return tolerant(is(person, of([]team.Availability{team.Online, team.Online, team.Away, team.Offline}, s.To))), true
	case "is served":
		return t.signals(of([]string{"team:support", "team:sales", "team:everyone", "team:arabic;languages=ar", "person:dan"}, s.To)), true
	case "sweeps":
		return sweeps(), true
	case "rules":
		return savesNext(of(storyRules, s.To)), true
	}
	edit := t.edit(s)
	return edits(person+": "+s.Do, person, edit), true
}

// edit is what an Admin changes about somebody.
func (t *telling) edit(s step) func(*team.Person) {
	switch s.Do {
	case "capacity":
		limit := of([]int{1, 2, 3, 0}, s.To)
		return func(p *team.Person) {
			if p.Capacity, p.Limit = limit, limit; limit == 0 {
				p.Limit = team.NoLimit
			}
		}
	case "active":
		return func(p *team.Person) { p.Active = s.To%3 != 0 }
	case "role":
		return func(p *team.Person) { p.Role = of([]team.Role{team.Agent, team.Agent, team.Admin, ""}, s.To) }
	case "teams":
		return func(p *team.Person) {
			p.Teams = of([][]string{{"support"}, {"sales"}, {"sales", "support"}, {"arabic", "support"}, nil}, s.To)
		}
	case "languages":
		return func(p *team.Person) { p.Languages = of([][]string{{"en"}, {"ar", "en"}, nil}, s.To) }
	}
	return func(p *team.Person) { p.Weight = 1 + s.To%4 }
}

// standRight is I8 for a stranger's messages: what told a user id stands in the Chat of whoever that is.
func (t *telling) standRight() error {
	brought := map[string]delivered{}
	for _, m := range t.brought {
		brought[m.wamid] = m
	}
	chats := map[string]chat.Chat{}
	for _, c := range t.last.Chats {
		chats[c.ID] = c
	}
	for _, m := range t.last.Messages {
		in := chats[m.Chat]
		for in.Status == chat.Merged {
			in = chats[in.MergedInto]
		}
		whose, known := t.ids[in.Customer.UserID]
		if b, ok := brought[m.WAMID]; ok && b.named && (!known || whose != b.from) {
			return fmt.Errorf("I8: the message %s of customer %d stands with %q", m.WAMID, b.from, in.Customer.UserID)
		}
	}
	return nil
}

func (t *telling) wamid() string { return fmt.Sprintf("wamid.story%d", len(t.brought)) }

func (t *telling) writes(c customer.Customer, who, second int, text string) action {
	wamid := t.wamid()
	a := brings(second, wamid, counts, c.Sends(seed.SupportNumber, "", wamid, at(second), customer.Message{Text: text}).Body)
	t.brought = append(t.brought, delivered{second, wamid, who, c.UserID != "", a})
	return a
}

// brings keeps a delivery that is no text, so that it may come again.
func (t *telling) brings(a action, who int, named bool) action {
	t.brought = append(t.brought, delivered{t.second, t.wamid(), who, named, a})
	return a
}

// mayBeDropped is unkept for what may count as unread where it is stored: a reaction.
func mayBeDropped(a action) action {
	then := a.then
	a.then = func(r *run, status int, body []byte) error {
		before := r.kept.wamids
		err := then(r, status, body)
		r.kept.wamids = before
		return err
	}
	return a
}

// again is a redelivery of WhatsApp's, which SQS may have forgotten by then.
func (t *telling) again(a action, forgotten bool) action {
	a = unkept(a)
	a.name += " again"
	event := a.event
	a.event = func(r *run) []byte {
		if forgotten {
			clear(r.queues[0].seen)
		}
		return event(r)
	}
	return a
}

// byAssignee is what mostly the Assignee does, as they are when it comes to it; else the Admin or anybody.
func (t *telling) byAssignee(c customer.Customer, s step, does func(person string) action) action {
	by := of(append(storyPeople, admin), s.How).ID
	a := tolerant(does(by))
	if s.How%4 == 0 {
		return a
	}
	var once sync.Once // whoever does it again is the same person
	a.event = func(r *run) []byte {
		once.Do(func() { by = t.assigneeOr(by, c) })
		return does(by).event(r)
	}
	return a
}

func (t *telling) assigneeOr(other string, c customer.Customer) string {
	found, err := t.store.Chat(context.Background(), t.chatOf(c))
	switch {
	case err != nil:
		t.broken(err)
	case found != nil && found.Owner != "":
		return found.Owner
	}
	return other
}

// tolerant takes the answers that somebody gets who may not even sign in, or whose Chat is another's by now.
func tolerant(a action) action {
	otherwise := a.then
	a.then = func(r *run, status int, body []byte) error {
		switch status {
		case http.StatusUnauthorized, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusUnprocessableEntity:
			return nil
		}
		return otherwise(r, status, body)
	}
	return a
}

// reads names some of a customer's messages. Some may stand elsewhere by now: numbers and ids go from one to another.
func (t *telling) reads(c customer.Customer, who int, s step) (a action, possible bool) {
	var named []string
	var marks []chat.Mark
	for _, m := range slices.Backward(t.brought) {
		if m.from == who && len(named) < 20 {
			k := t.key(m.second, m.wamid)
			named, marks = append(named, `"`+k.String()+`"`), append(marks, k.Mark())
		}
	}
	if len(named) == 0 {
		return a, false
	}
	body := `{"messages":[` + strings.Join(named, ",") + `]}`
	a = t.byAssignee(c, s, func(person string) action {
		return asks(person, "ChatsFunction", http.MethodPost, "/v1/chats/{chatId}/read", c, says(body), nil)
	})
	then := a.then
	a.then = func(r *run, status int, body []byte) error {
		for _, m := range marks {
			if _, kept := r.kept.unread[m]; kept {
				r.kept.unread[m] = false
			}
		}
		return then(r, status, body)
	}
	return a, true
}

// signals serves a pool for no reason.
func (t *telling) signals(pool string) action {
	return action{name: pool + " is served", directly: func(context.Context, *dynamo.Store) error {
		t.sequence++
		e := signals.Signal{Pool: pool}.Entry(fmt.Sprint("no reason ", t.sequence))
		t.queues[1].send(fmt.Sprintf("00000000-0000-4000-8000-%012d", t.sequence), e.Group, e.Dedup, e.Body)
		return nil
	}}
}

// savesNext puts a document in force, whatever was saved before.
func savesNext(doc string) action {
	return action{name: "rules are saved", directly: func(ctx context.Context, store *dynamo.Store) error {
		f, err := store.InForce(ctx)
		if err != nil {
			return err
		}
		return store.SaveRules(ctx, doc, "alex", f.Saved, dynamo.Now())
	}}
}

// lastOf is the end of a telling's trace, and what the functions complained of.
func lastOf(t *telling) string {
	if t == nil {
		return ""
	}
	from := len(t.trace) - 1
	for from > 0 && !strings.HasPrefix(t.trace[from], "chapter") {
		from--
	}
	return strings.Join(t.trace[max(from, 0):], "\n")
}
