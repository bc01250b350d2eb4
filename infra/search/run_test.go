package search

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/local/lambda"
	"chatkeeper/infra/local/queues"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/template"
	"chatkeeper/infra/order"
	"chatkeeper/shared/dynamo"
)

// run is one telling of a scenario's story. A single goroutine decides what happens next: which request goes on, which batch
// is handed to a function, what a person does. So whatever a run does, it does because its plan says so.
type run struct {
	*lane
	plan     plan
	scenario *scenario
	id       string
	random   *rand.Rand // nil: one thing after the other

	arrivals chan *call
	ended    chan ending
	over     chan struct{}

	slots   map[string][]*slot // by logical id of the function
	running []*invocation
	queues  []*queue
	streams map[string]*stream // by table
	order   []*stream
	acts    []*act

	counting             bool // faults begin with the scenario's own story
	mayBeFirst           bool // somebody may ask about a Chat before there is one
	requests, deliveries int
	sequence             int
	operations           int
	met                  []chance // what faults could be placed at
	kept                 promises
	trace                []string
	output               bytes.Buffer
	failure              error
}

// chance is a request or delivery and the faults that make sense for it.
type chance struct {
	delivery bool
	at       int
	kinds    []kind
}

// slot is an instance of a function, or a person's browser in this process.
type slot struct {
	name     string
	function *lambda.Function // nil: in this process
	current  *invocation
}

type invocation struct {
	what   string
	slot   *slot
	calls  []*call
	over   func(out []byte, err error)
	again  func() // others believe that it is dead
	isLate bool
	looks  order.Looks
}

type ending struct {
	invocation *invocation
	out        []byte
	err        error
}

// maxOperations is several times what any phase needs. Whoever goes round in circles ends here.
const maxOperations = 3000

// tell runs the phases one after the other, each until nothing can move any more.
func (r *run) tell(phases []phase, counting bool) error {
	r.counting = counting
	r.mayBeFirst = len(r.scenario.before) == 0
	for i, p := range phases {
		r.acts = nil
		for _, a := range p {
			r.acts = append(r.acts, &act{action: a})
		}
		r.note("phase %d", i+1)
		if err := r.untilQuiet(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) untilQuiet() error {
	most := r.operations + maxOperations
	for r.failure == nil {
		if err := r.settle(); err != nil {
			return err
		}
		next := r.choices()
		switch {
		case len(next) == 0:
			if !r.wakeLate() && !r.redrive() {
				return r.failure
			}
		case r.random == nil:
			next[0]()
		default:
			next[r.random.IntN(len(next))]()
		}
		if r.operations > most {
			return fmt.Errorf("nothing comes to an end: %d operations", r.operations)
		}
	}
	return r.failure
}

// settle waits until every invocation has a request at the proxy, or has ended.
func (r *run) settle() error {
	patience := time.NewTimer(2 * time.Minute)
	defer patience.Stop()
	for {
		wait := slices.ContainsFunc(r.running, func(i *invocation) bool { return len(i.calls) == 0 })
		if !wait {
			select {
			case c := <-r.arrivals:
				r.park(c)
			case e := <-r.ended:
				r.end(e)
			default:
				return nil
			}
			continue
		}
		select {
		case c := <-r.arrivals:
			r.park(c)
		case e := <-r.ended:
			r.end(e)
		case <-patience.C:
			return errors.New("an invocation neither asks for anything nor ends")
		}
	}
}

func (r *run) park(c *call) {
	for _, i := range r.running {
		if i.slot.name == c.slot {
			i.calls, c.invocation = append(i.calls, c), i
			return
		}
	}
	c.answers <- answer{cut: true} // of somebody who was killed
}

func (r *run) end(e ending) {
	i := e.invocation
	i.slot.current = nil
	r.running = slices.DeleteFunc(r.running, func(other *invocation) bool { return other == i })
	for _, c := range i.calls {
		c.answers <- answer{cut: true}
	}
	i.calls = nil
	if e.err != nil {
		r.note("%s: %v", i.what, e.err)
	} else {
		r.note("%s: ended", i.what)
	}
	if !i.isLate {
		i.over(e.out, e.err)
	} else if a, ok := r.actOf(i); ok {
		a.answered(r, e.out, e.err)
	}
}

// choices are all that could happen next. The first is the usual: what runs goes on, and what is quiet begins.
func (r *run) choices() []func() {
	var all []func()
	for _, i := range r.running {
		for _, c := range i.calls {
			if !c.held {
				all = append(all, func() { r.goOn(i, c, true) })
			}
		}
	}
	if r.random == nil && len(all) > 0 {
		return all
	}
	if !r.plan.patient {
		all = append(all, r.doings()...)
	}
	for _, s := range r.order {
		if len(s.records) > 0 && !s.busy && !s.rests && r.free("DispatcherFunction") {
			all = append(all, func() { r.hand(s) })
		}
	}
	for _, q := range r.queues {
		for _, group := range q.groups() {
			if r.free("AssignerFunction") {
				all = append(all, func() { r.deliver(q, group) })
			}
		}
	}
	if r.plan.patient {
		all = append(all, r.doings()...)
	}
	return all
}

// doings are what people and WhatsApp could do next.
func (r *run) doings() []func() {
	var all []func()
	for _, a := range r.acts {
		if !a.begun && r.free(a.function) {
			all = append(all, func() { r.perform(a) })
		}
	}
	return all
}

// goOn lets a request go on, or lets the plan have its way with it.
func (r *run) goOn(i *invocation, c *call, counts bool) {
	select {
	case <-c.gone: // the function gave up waiting
		i.calls = slices.DeleteFunc(i.calls, func(other *call) bool { return other == c })
		return
	default:
	}
	r.operations++
	var k kind
	if r.counting && counts {
		r.requests++
		r.met = append(r.met, chance{at: r.requests, kinds: c.faults()})
		k = r.plan.of(false, r.requests)
	}
	r.note("r%d %s %s %s", r.requests, i.slot.name, c.describe(), k)
	if k == slow || k == late {
		c.held = true
		if k == late && !i.isLate && i.again != nil {
			i.isLate = true
			i.again()
		}
		return
	}
	i.calls = slices.DeleteFunc(i.calls, func(other *call) bool { return other == c })
	var a answer
	switch k {
	case "", answerLost, killAfter:
		a = r.do(c)
	default:
		a = c.refused(k)
	}
	switch k {
	case answerLost:
		a = answer{cut: true}
	case killBefore, killAfter:
		if i.slot.function != nil {
			i.slot.function.Kill()
		}
		a = answer{cut: true}
	}
	if a.status >= http.StatusBadRequest {
		r.note("   %d %.200s", a.status, a.body)
	}
	c.answers <- a
}

func (r *run) do(c *call) answer {
	if c.service == "sqs" {
		return r.sqs(c)
	}
	a := r.forward(c)
	r.inOrder(c, a)
	return a
}

// wakeLate lets the request go on that has been held for longest; when there is none, what rests.
func (r *run) wakeLate() bool {
	for _, i := range r.running {
		for _, c := range i.calls {
			if c.held {
				c.held = false
				r.note("held until now:")
				r.goOn(i, c, false)
				return true
			}
		}
	}
	woken := false
	for _, s := range r.order {
		woken = woken || s.rests
		s.rests = false
	}
	for _, q := range r.queues {
		woken = woken || len(q.rests) > 0
		clear(q.rests)
	}
	return woken
}

// redrive brings dead letters back, as somebody does who has mended what was wrong.
func (r *run) redrive() bool {
	brought := false
	for _, q := range r.queues {
		for _, m := range q.dead {
			m.receives = 0
			q.messages = append(q.messages, m)
			brought = true
		}
		q.dead = nil
	}
	return brought
}

// instances is how many instances of a function may run at once.
const instances = 3

func (r *run) free(function string) bool {
	busy := 0
	for _, s := range r.slots[function] {
		if s.current != nil {
			busy++
		}
	}
	return busy < instances
}

// begin runs an invocation on an instance that is free.
func (r *run) begin(function string, i *invocation, work func(*slot) ([]byte, error)) {
	var s *slot
	for _, other := range r.slots[function] {
		if other.current == nil {
			s = other
			break
		}
	}
	if s == nil {
		s = &slot{name: fmt.Sprintf("%s-%d", function, len(r.slots[function])+1)}
		if f := r.function(function); f != nil {
			s.function = lambda.New(r.config(f, s.name))
		}
		r.slots[function] = append(r.slots[function], s)
	}
	s.current, i.slot = i, s
	r.operations++
	r.note("%s on %s", i.what, s.name)
	r.running = append(r.running, i)
	go func() {
		out, err := work(s)
		select {
		case r.ended <- ending{i, out, err}:
		case <-r.over:
		}
	}()
}

func (r *run) invoke(function string, payload []byte, i *invocation) {
	r.begin(function, i, func(s *slot) ([]byte, error) { return s.function.Invoke(context.Background(), payload) })
}

// config is what the function runs with: as in template.yaml, but for where AWS is.
func (r *run) config(f *template.Function, slot string) lambda.Config {
	variables := map[string]string{
		"AWS_ENDPOINT_URL_DYNAMODB": r.endpoint(slot, "dynamodb"),
		"AWS_ENDPOINT_URL_SQS":      r.endpoint(slot, "sqs"),
	}
	if !r.plan.retries {
		variables["AWS_MAX_ATTEMPTS"] = "1"
	}
	for name, text := range f.Environment {
		value, err := text.Resolve(r.lookup)
		if err != nil {
			r.broken(err)
		}
		variables[name] = value
	}
	return lambda.Config{Name: f.ID, ARN: "arn:aws:lambda:" + servers.Region + ":" + servers.Account + ":function:" + f.ID, Binary: r.binaries[f.ID],
		Environment: variables, Memory: f.Memory, Timeout: f.Timeout, Concurrency: 1, LogFormat: "Text", Output: &r.output,
		Log: slog.New(slog.NewTextHandler(&r.output, nil))}
}

func (r *run) endpoint(slot, service string) string {
	return r.proxy.url + "/" + r.id + "/" + slot + "/" + service
}

// chanceOf counts a delivery and says what goes wrong with it.
func (r *run) chanceOf(kinds ...kind) kind {
	if !r.counting {
		return ""
	}
	r.deliveries++
	r.met = append(r.met, chance{delivery: true, at: r.deliveries, kinds: kinds})
	return r.plan.of(true, r.deliveries)
}

// deliver hands the beginning of a group to the assigner, and sometimes the beginning of another with it.
func (r *run) deliver(q *queue, group string) {
	kinds := []kind{twice, again, dead, forgot}
	messages := q.head(group, q.batch)
	if len(messages) > 1 {
		kinds = append(kinds, split)
	}
	if q == r.queues[0] {
		kinds = append(kinds, other)
	}
	k := r.chanceOf(kinds...)
	switch k {
	case dead:
		r.note("d%d %s: %s is a dead letter", r.deliveries, q.name, messages[0].id)
		q.remove(messages[0])
		q.dead = append(q.dead, messages[0])
		return
	case split:
		messages = messages[:max(1, len(messages)/2)]
	case other:
		for _, m := range messages {
			r.sequence++
			q.send(fmt.Sprintf("00000000-0000-4000-8000-%012d", r.sequence), m.group+" other", m.id, m.body)
		}
	}
	groups := []string{group}
	if r.random != nil && r.random.IntN(3) == 0 {
		for _, g := range q.groups() {
			if g != group && len(messages) < q.batch {
				groups = append(groups, g)
				messages = append(messages, q.head(g, q.batch-len(messages))...)
			}
		}
	}
	i := &invocation{what: fmt.Sprintf("d%d %s of %s %s", r.deliveries, names(messages), q.name, k)}
	for _, m := range messages {
		m.receives++
		if m.receives > q.receives {
			r.broken(fmt.Errorf("a message of %s failed %d times", q.name, q.receives))
		}
	}
	for _, g := range groups {
		q.busy[g] = i
	}
	i.again = func() {
		for _, g := range groups {
			delete(q.busy, g)
		}
	}
	i.over = func(out []byte, err error) {
		i.again()
		failed, err := failures(out, err)
		if k == forgot {
			for _, q := range r.queues {
				clear(q.seen)
			}
		}
		if k == again {
			for _, g := range groups {
				q.rests[g] = true
			}
		}
		if err != nil || k == twice || k == again || k == forgot {
			return
		}
		for _, m := range messages {
			if !failed[m.id] {
				q.remove(m)
			}
		}
	}
	r.invoke("AssignerFunction", q.event(messages), i)
}

func names(messages []*message) string {
	var out string
	for _, m := range messages {
		out += fmt.Sprintf("%s(%d) ", m.id[24:], m.receives)
	}
	return out
}

func failures(out []byte, err error) (map[string]bool, error) {
	if err != nil {
		return nil, err
	}
	return queues.FailedItems(out)
}

// hand gives the next records of a stream to the dispatcher.
func (r *run) hand(s *stream) {
	records := s.records[:min(len(s.records), s.batch)]
	kinds := []kind{twice, again, forgot}
	if len(records) > 1 {
		kinds = append(kinds, split)
	}
	k := r.chanceOf(kinds...)
	n := len(records)
	switch {
	case s.only > 0:
		n = min(s.only, n)
	case k == split:
		n = max(1, n/2)
	case r.random != nil && r.random.IntN(3) == 0:
		n = 1 + r.random.IntN(n)
	}
	records = slices.Clone(records[:n])
	s.busy = true
	i := &invocation{what: fmt.Sprintf("d%d %d records of %s from %s %s", r.deliveries, n, s.table, records[0].id, k), again: func() { s.busy = false }}
	i.over = func(out []byte, err error) {
		s.busy = false
		s.only = 0
		failed, err := failures(out, err)
		if k == forgot {
			for _, q := range r.queues {
				clear(q.seen)
			}
		}
		s.rests = k == again
		if err == nil && len(failed) == 0 && k != twice && k != again && k != forgot {
			s.records, s.failed = s.records[n:], 0
			return
		}
		if s.failed++; s.failed > s.attempts {
			r.broken(fmt.Errorf("the dispatcher failed records of %s %d times", s.table, s.attempts))
		}
		if err != nil && n > 1 {
			s.only = n / 2 // bisected
		}
		if err == nil && len(failed) > 0 {
			if at := slices.IndexFunc(records, func(rec record) bool { return failed[rec.id] }); at > 0 {
				s.records, s.failed = s.records[at:], 0
			}
		}
	}
	event := []byte(`{"Records":[`)
	for n, rec := range records {
		if n > 0 {
			event = append(event, ',')
		}
		event = append(event, rec.event...)
	}
	r.invoke("DispatcherFunction", append(event, `]}`...), i)
}

// act is something that people or WhatsApp do, and do again until they know its outcome.
type act struct {
	action
	begun, known bool
	attempts     int
	by           []*invocation
}

func (r *run) actOf(i *invocation) (*act, bool) {
	for _, a := range r.acts {
		if slices.Contains(a.by, i) {
			return a, true
		}
	}
	return nil, false
}

func (r *run) perform(a *act) {
	a.begun = true
	if a.attempts++; a.attempts > 12 {
		r.broken(fmt.Errorf("%s: nobody answers", a.name))
		return
	}
	i := &invocation{what: a.name}
	a.by = append(a.by, i)
	i.again = func() { a.begun = a.known }
	i.over = func(out []byte, err error) { a.answered(r, out, err) }
	if a.directly != nil {
		r.begin("", i, func(s *slot) ([]byte, error) {
			return nil, a.directly(context.Background(), r.storeOf(s.name))
		})
		return
	}
	r.invoke(a.function, a.event(r), i)
}

// answered takes an answer; without one, or with one that says nothing, whoever acted does it again.
func (a *act) answered(r *run, out []byte, err error) {
	status := 0
	var response events.APIGatewayV2HTTPResponse
	switch {
	case a.directly != nil && (err == nil || errors.Is(err, dynamo.ErrRefused)):
		status = http.StatusOK
	case a.unanswered && err == nil:
		status = http.StatusOK
	case a.directly == nil && !a.unanswered && err == nil:
		if err := json.Unmarshal(out, &response); err != nil {
			r.broken(err)
		}
		status = response.StatusCode
	}
	r.note("%s: %d %.300s", a.name, status, response.Body)
	if status == 0 || status >= http.StatusInternalServerError || status == http.StatusTooManyRequests {
		a.begun = a.known
		return
	}
	a.known, a.begun = true, true
	if a.then != nil {
		if err := a.then(r, status, []byte(response.Body)); err != nil {
			r.broken(fmt.Errorf("%s: %w", a.name, err))
		}
	}
}

// storeOf is a Store of somebody in this process; what it asks goes through the proxy too.
func (r *run) storeOf(slot string) *dynamo.Store {
	client := dynamodb.New(r.db.Options(), func(o *dynamodb.Options) {
		o.BaseEndpoint = aws.String(r.endpoint(slot, "dynamodb"))
		if !r.plan.retries {
			o.RetryMaxAttempts = 1
		}
	})
	return dynamo.New(client, r.tables["ChatsTable"], r.tables["TeamTable"])
}

func (r *run) broken(err error) {
	if r.failure == nil {
		r.failure = err
	}
}

func (r *run) note(format string, args ...any) {
	r.trace = append(r.trace, fmt.Sprintf(format, args...))
}

// close ends everything that still runs.
func (r *run) close() {
	r.proxy.remove(r.id)
	close(r.over)
	for _, slots := range r.slots {
		for _, s := range slots {
			if s.function != nil {
				s.function.Kill()
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for _, slots := range r.slots {
		for _, s := range slots {
			if s.function != nil {
				s.function.Close(ctx)
			}
		}
	}
}
