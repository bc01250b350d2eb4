package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/order"
	"chatkeeper/shared/access"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
)

// Customers write, pools are served, people act on Chats and are changed, all at once and on several instances. Afterwards
// there must be, for each Chat and for each person, one order of all that happened to them that explains every answer and
// every look: one owner at every instant (I1), and automatic assignments only to people who were free then (I2, I3).
func TestHistories(t *testing.T) {
	t.Parallel()
	for range big(2, 40) {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			h := newHistories(t)
			h.run()
			h.checks()
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

// histories is a world in which everything that happens is noted, with when it began and ended.
type histories struct {
	*world
	instances []*world
	clock     ticker
	people    []team.Person // before
	morning   time.Time     // when customers begin to write
	chats     map[string]string

	mu         sync.Mutex
	spans      map[time.Time]span // by the instant that an event of a Chat's history carries
	acts       map[string][]porcupine.Operation
	edits      map[string][]porcupine.Operation
	deliveries []delivery
	replies    map[string]int       // accepted, by Chat
	wakes      map[string]chan bool // by pool
}

// span is when something can have happened.
type span struct{ from, to int64 }

// ticker is a clock that never tells the same time twice, so that an instant tells whose it is.
type ticker struct {
	mu   sync.Mutex
	last time.Time
}

func (c *ticker) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = c.last.Add(time.Millisecond)
	if real := dynamo.Now(); real.After(c.last) {
		c.last = real
	}
	return c.last
}

// bySales sends a question about prices to sales, with or without room for others, and all else to support.
const bySales = `{"rules": [{"id": "sales", "name": "Sales", "enabled": true, "when": {"field": "text", "contains": ["price"]},
	"to": [{"team": "sales", "strategy": "least_loaded"}]}], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}]}}`

func newHistories(t *testing.T) *histories {
	alex := team.Person{ID: "alex", Name: "alex", Role: team.Admin, Active: true, Availability: team.Offline, Limit: team.NoLimit, Weight: 1}
	w := newWorld(t, alex, agent("amira", 2, "support", "sales"), agent("bruno", 1, "sales"), agent("chloe", 2, "support", "sales"), agent("eve", 1, "support"))
	w.saveRules(bySales)
	h := &histories{world: w, morning: dynamo.Now().Add(-time.Minute), chats: map[string]string{}, spans: map[time.Time]span{}, replies: map[string]int{},
		acts: map[string][]porcupine.Operation{}, edits: map[string][]porcupine.Operation{},
		wakes: map[string]chan bool{support: make(chan bool, 1), "team:sales": make(chan bool, 1)}}
	for range 3 {
		other := w.instance()
		other.through(dynamodb.WithAPIOptions(lookingFirst(w.store)))
		h.instances = append(h.instances, other)
	}
	for i := range 4 {
		user := fmt.Sprintf("US.%d", i)
		h.chats[user] = w.secret.UserAddress(seed.SupportNumber, user)
	}
	var err error
	h.people, err = w.store.People(t.Context())
	w.must(err)
	return h
}

// lookingFirst reads something before each transaction, so that others come in between what was read and what is written.
func lookingFirst(store *dynamo.Store) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("look first", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			if middleware.GetOperationName(ctx) == "TransactWriteItems" {
				_, _ = store.Person(ctx, "alex")
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}

// invocation is one thing that is done on one instance. The instants that it is told are nobody else's.
type invocation struct {
	*assigner
	*histories
	began int64
	ticks []time.Time
}

func (h *histories) begins() *invocation {
	one := *h.instances[rand.IntN(len(h.instances))].assigner
	i := &invocation{assigner: &one, histories: h}
	one.now = func() time.Time {
		i.ticks = append(i.ticks, h.clock.now())
		return i.ticks[len(i.ticks)-1]
	}
	i.began = one.now().UnixMilli()
	return i
}

// ends notes when that can have happened which carries one of the invocation's instants: not before it was told the time.
// Serving a pool, it asks for the time anew only when it is done with what it did before.
func (i *invocation) ends(serving bool) (ended int64) {
	end := i.now()
	i.mu.Lock()
	defer i.mu.Unlock()
	for n, at := range i.ticks {
		s := span{at.UnixMilli(), end.UnixMilli()}
		if serving && n+1 < len(i.ticks) {
			s.to = i.ticks[n+1].UnixMilli()
		}
		i.spans[at] = s
	}
	return end.UnixMilli()
}

func (i *invocation) note(in map[string][]porcupine.Operation, what string, input, output any) {
	ended := i.ends(false)
	i.mu.Lock()
	defer i.mu.Unlock()
	i.add(in, what, input, output, span{i.began, ended})
}

// run lets everybody do something until all have done enough, and serves the pools once more then.
func (h *histories) run() {
	var clients, servers sync.WaitGroup
	for pool, woken := range h.wakes {
		servers.Go(func() {
			for range woken {
				h.served(pool)
			}
			h.served(pool)
		})
	}
	for user := range h.chats {
		clients.Go(func() {
			for n := range big(10, 30) {
				h.writes(user, n)
				h.wake()
			}
		})
	}
	for range 3 {
		clients.Go(func() {
			for range big(20, 50) {
				h.somebodyActs()
				h.wake()
			}
		})
	}
	for range 2 {
		clients.Go(func() {
			for range big(16, 40) {
				h.somebodyIsChanged()
				h.wake()
			}
		})
	}
	clients.Wait()
	for _, woken := range h.wakes {
		close(woken)
	}
	servers.Wait()
}

func (h *histories) wake() {
	for _, woken := range h.wakes {
		select {
		case woken <- true:
		default: // it is served anyway
		}
	}
}

func (h *histories) served(pool string) {
	i := h.begins()
	err := errToBeContinued
	for errors.Is(err, errToBeContinued) { // as the signal that is sent then would
		_, err = i.serve(order.Begin(h.Context()), queue.Signal{Pool: pool})
	}
	i.ends(true)
	if err != nil {
		h.Error(err)
	}
}

// delivery is a customer's message on its way, with every instant that whoever stored it was told.
type delivery struct {
	chat  string
	took  span
	ticks []time.Time
}

// writes is a customer's message, sometimes by two instances at once.
func (h *histories) writes(user string, n int) {
	says := oneOf("hello", "what is the price?")
	body := h.updates("messages", text(user, "", says, h.morning.Add(time.Duration(n)*time.Second)))[0]
	d := delivery{chat: h.chats[user]}
	var both sync.WaitGroup
	for range 1 + rand.IntN(2) {
		i := h.begins()
		if d.took.from == 0 {
			d.took.from = i.began
		}
		both.Go(func() {
			err := i.update(order.Begin(h.Context()), body)
			for dynamo.Again(err) { // as the queue would
				err = i.update(order.Begin(h.Context()), body)
			}
			if err != nil {
				h.Error(err)
			}
			ended := i.ends(false)
			h.mu.Lock()
			defer h.mu.Unlock()
			d.took.to = max(d.took.to, ended)
			d.ticks = append(d.ticks, i.ticks...)
		})
	}
	both.Wait()
	h.mu.Lock()
	h.deliveries = append(h.deliveries, d)
	h.mu.Unlock()
	h.looksAt(user)
}

func (h *histories) looksAt(user string) {
	i := h.begins()
	c, err := i.store.Chat(h.Context(), h.chats[user])
	if err != nil {
		h.Error(err)
		return
	}
	seen := ownership{}
	if c != nil {
		seen = ownership{status: c.Status, owner: c.Owner, epoch: c.Epoch}
	}
	i.note(h.acts, h.chats[user], did{do: "looks"}, seen)
}

func oneOf[T any](all ...T) T { return all[rand.IntN(len(all))] }

// somebodyActs: mostly the Assignee.
func (h *histories) somebodyActs() {
	user := oneOf(slices.Collect(maps.Keys(h.chats))...)
	id := h.chats[user]
	c, err := h.store.Chat(h.Context(), id)
	if err != nil {
		h.Error(err)
		return
	}
	d := did{by: oneOf("alex", "amira", "bruno", "chloe")}
	switch {
	case c == nil || c.Owner == "":
		d.do = oneOf("gives", "passes", "closes")
	case c.Owner == "eve":
		d.do, d.by = "gives", "alex"
	case c.Status == chat.Open:
		d.do = oneOf("closes", "closes", "closes", "closes", "gives", "passes", "replies", "opens")
	default:
		d.do = oneOf("opens", "opens", "closes", "gives", "replies")
	}
	if c != nil && c.Owner != "" && c.Owner != "eve" && rand.IntN(8) > 0 {
		d.by = c.Owner
	}
	switch d.do {
	case "gives":
		d.to = oneOf("alex", "amira", "bruno", "chloe", "eve", "eve", "eve")
	case "passes":
		d.to = oneOf("support", "sales")
	}
	i := h.begins()
	answer := i.does(id, d)
	i.note(h.acts, id, d, answer)
	h.looksAt(user)
	if d.to != "" && d.do == "gives" {
		h.looksAtPerson(d.to)
	}
}

// does is what the API's functions do.
func (i *invocation) does(id string, d did) said {
	now, by := i.now(), chat.Actor{Kind: chat.ByPerson, ID: d.by}
	if d.do == "replies" {
		return i.reply(now, id, d)
	}
	c, err := i.store.Act(i.Context(), id, []string{d.by, d.to}, func(c chat.Chat, who dynamo.Cast) (*chat.Change, error) {
		action := access.ChangeStatus
		if d.do == "gives" || d.do == "passes" {
			action = access.Reassign
		}
		if err := access.Check(who[d.by], action, c); err != nil {
			return nil, err
		}
		var change chat.Change
		switch {
		case d.do == "passes" && c.Status != chat.Open:
			return nil, &chat.Error{Code: chat.ChatClosed}
		case d.do == "gives" && c.Owner == d.to, d.do == "passes" && c.WaitsByHand(d.to),
			d.do == "closes" && c.Status == chat.Closed, d.do == "opens" && c.Status == chat.Open:
			return nil, nil
		case d.do == "gives" && !who[d.to].MayAct():
			return nil, &chat.Error{Code: chat.CannotOwn}
		case d.do == "gives":
			change = c.Reassigned(now, by, d.to, "")
		case d.do == "passes":
			change = c.PassedTo(now, by, d.to, "")
		case d.do == "closes":
			change = c.Closes(now, by)
		case d.do == "opens":
			change = c.OpensAgain(now, by)
		}
		return &change, nil
	})
	return saidBy(c, err)
}

func (i *invocation) reply(now time.Time, id string, d did) said {
	var read chat.Chat
	_, err := i.store.Reply(i.Context(), id, d.by, nil, now, "hello", func(c chat.Chat, p team.Person) (chat.Message, error) {
		read = c
		if err := access.Check(p, access.Reply, c); err != nil {
			return chat.Message{}, err
		}
		return c.Replies(now, d.by, chat.NewKey(now), chat.Message{Type: "text", Text: "hello"})
	})
	if err == nil {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.replies[id]++
	}
	return saidBy(read, err)
}

func saidBy(c chat.Chat, err error) said {
	var e *chat.Error
	switch {
	case err == nil:
		return said{epoch: c.Epoch}
	case !errors.As(err, &e):
		return said{code: chat.Code(err.Error())}
	case e.Code == chat.NotAssignee || e.Code == chat.AdminNotOwner:
		return said{code: denied}
	}
	return said{code: e.Code}
}

// somebodyIsChanged: availability, capacity, teams; and one person is deactivated and comes back.
func (h *histories) somebodyIsChanged() {
	id := oneOf("amira", "bruno", "chloe", "eve", "eve")
	availability, limit, active := oneOf(team.Online, team.Online, team.Away), 1+rand.IntN(3), rand.IntN(2) == 0
	teams := oneOf([]string{"support"}, []string{"sales"}, []string{"sales", "support"})
	var t touch
	var edit func(*team.Person)
	switch what := rand.IntN(4); {
	case what <= 1 && id == "eve": // who never acts, so that no answer of the Chats' histories depends on it
		t.what, t.edit, edit = fmt.Sprint("active ", active), func(l *load) { l.active = active }, func(p *team.Person) { p.Active = active }
	case what <= 1:
		t.what, t.edit, edit = fmt.Sprint(availability), func(l *load) { l.availability = availability }, func(p *team.Person) { p.Availability = availability }
	case what == 2:
		t.what, t.edit, edit = fmt.Sprint("limit ", limit), func(l *load) { l.limit = limit }, func(p *team.Person) { p.Capacity, p.Limit = limit, limit }
	default:
		t.what = fmt.Sprint(teams)
		edit = func(p *team.Person) { p.Teams = teams }
		t.edit = func(l *load) { l.teams = loadOf(team.Person{Teams: teams}).teams }
	}
	t.do = "edited"
	i := h.begins()
	if _, err := i.store.UpdatePerson(h.Context(), id, i.now(), func(p *team.Person) error { edit(p); return nil }); err == nil {
		i.note(h.edits, id, t, nil)
	} else if !dynamo.Again(err) { // others were always first
		h.Error(err)
	}
	h.looksAtPerson(id)
}

func (h *histories) looksAtPerson(id string) {
	i := h.begins()
	p, err := i.store.Person(h.Context(), id)
	if err != nil {
		h.Error(err)
		return
	}
	i.note(h.edits, id, touch{do: "looks"}, loadOf(*p))
}

// checks looks for the orders, and then checks the tables.
func (h *histories) checks() {
	for user := range h.chats {
		h.looksAt(user)
	}
	for _, p := range h.people {
		h.looksAtPerson(p.ID)
	}
	all := h.checked()
	events := map[chat.EventType]int{}
	opened := map[time.Time]bool{}
	for _, e := range all.Events {
		if !e.Type.Changes() {
			continue
		}
		s, ok := h.spans[e.At]
		if !ok {
			h.Fatalf("nobody did what the history tells: %+v", e)
		}
		events[e.Type]++
		opened[e.At] = e.Type == chat.Created || e.Type == chat.Reopened
		h.happened(e.Chat, e.Event, s)
	}
	for _, d := range h.deliveries {
		if !slices.ContainsFunc(d.ticks, func(at time.Time) bool { return opened[at] }) {
			h.add(h.acts, d.chat, did{do: "writes"}, nil, d.took)
		}
	}
	explained := 0
	for id, operations := range h.acts {
		explained += h.explains("Chat "+id, chatModel, operations)
	}
	for _, p := range h.people {
		explained += h.explains(p.ID, loadModel(loadOf(p)), h.edits[p.ID])
	}
	for _, m := range all.Messages {
		if m.Direction == chat.Out {
			h.replies[m.Chat]--
		}
	}
	for id, n := range h.replies {
		if n != 0 {
			h.Errorf("Chat %s: %d more replies were accepted than are stored", id, n)
		}
	}
	h.Logf("%d operations explained, with these events: %v", explained, events)
}

// happened puts a change of a Chat where it belongs: the Chat's history, where nobody heard an answer, and those of the
// people whose load it changed.
func (h *histories) happened(id string, e chat.Event, s span) {
	switch e.Type {
	case chat.Created, chat.Reopened:
		h.add(h.acts, id, did{do: "takes", event: e}, nil, s)
	case chat.Assigned:
		h.add(h.acts, id, did{do: "assigned", event: e}, nil, s)
	}
	gets, loses := e.Owner, ""
	kind := "by hand"
	switch e.Type {
	case chat.Created, chat.Reopened, chat.Assigned:
		kind = "automatically"
	case chat.ClosedBy:
		gets, loses = "", e.Owner
	case chat.Reassigned:
		loses = e.From
		if e.Status == chat.Closed {
			return
		}
	}
	if gets != "" {
		h.add(h.edits, gets, touch{do: kind, decision: e.Decision, what: fmt.Sprint(id, e.Epoch)}, nil, s)
	}
	if loses != "" {
		h.add(h.edits, loses, touch{do: "ends", what: fmt.Sprint(id, e.Epoch)}, nil, s)
	}
}

func (h *histories) add(to map[string][]porcupine.Operation, what string, input, output any, s span) {
	to[what] = append(to[what], porcupine.Operation{Input: input, Output: output, Call: s.from, Return: s.to})
}

// explains fails the test unless there is an order.
func (h *histories) explains(whose string, model porcupine.Model, operations []porcupine.Operation) int {
	result, info := porcupine.CheckOperationsVerbose(model, operations, time.Minute)
	if result == porcupine.Ok {
		return len(operations)
	}
	h.Errorf("%s: no order of what happened explains it (%s)", whose, result)
	if parts := info.PartialLinearizationsOperations(); len(parts) > 0 && len(parts[0]) > 0 {
		longest := slices.MaxFunc(parts[0], func(a, b []porcupine.Operation) int { return len(a) - len(b) })
		h.Logf("explained %d of %d, at last:", len(longest), len(operations))
		explained := map[string]bool{}
		for n, o := range longest {
			line := fmt.Sprintf("  %d to %d: %s", o.Call, o.Return, model.DescribeOperation(o.Input, o.Output))
			explained[line] = true
			if n >= len(longest)-8 {
				h.Log(line)
			}
		}
		h.Log("not explained:")
		slices.SortFunc(operations, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		n := 0
		for _, o := range operations {
			if line := fmt.Sprintf("  %d to %d: %s", o.Call, o.Return, model.DescribeOperation(o.Input, o.Output)); !explained[line] && n < 8 {
				h.Log(line)
				n++
			}
		}
	}
	return 0
}
