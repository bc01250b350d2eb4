package main

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

// page reads one page of a list as somebody sees it.
func (d *desk) page(viewer, filter string, limit int, cursor string) (ids []string, next string) {
	d.Helper()
	query, err := url.ParseQuery(filter)
	d.ok(err)
	query.Set("limit", fmt.Sprint(limit))
	if cursor != "" {
		query.Set("cursor", cursor)
	}
	res, err := d.list(d.Context(), &httpapi.Request{Person: team.Person{ID: viewer, Role: team.Agent, Active: true}, Query: query, Now: dynamo.Now()})
	d.ok(err)
	answer := res.Body.(httpapi.List[httpapi.ShownChat])
	for _, c := range answer.Items {
		ids = append(ids, c.ID)
	}
	return ids, answer.NextCursor
}

// A person with a hundred open Chats is given another between two pages, and one whose opening was before all of theirs: the
// list goes on to its end.
func TestListGoesOnWhenThereAreTooManyForItsOrder(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.opens("older", "15550000000", "hello")
	var want []string
	for i := range mostRecent {
		id := fmt.Sprintf("chat-%03d", i)
		d.opens(id, fmt.Sprintf("1555%07d", i+1), "hello")
		d.given(id, "dan")
		want = append(want, id)
	}
	got, next := d.page("dan", "assignee=me", 50, "")
	d.given("older", "dan")
	for next != "" {
		var some []string
		some, next = d.page("dan", "assignee=me", 50, next)
		got = append(got, some...)
	}
	slices.Reverse(want)
	if want = append(want, "older"); !slices.Equal(got, want) {
		t.Errorf("%d Chats: %v", len(got), got)
	}
}

// The ways in which a Chat moves between the first page and the second, of one Chat each: it is shown, and once.
func TestOneChatMovesBetweenTwoPages(t *testing.T) {
	t.Parallel()
	by := chat.Actor{Kind: chat.ByPerson, ID: "dan"}
	closes := func(d *desk, id string) {
		d.becomes(id, func(c chat.Chat) chat.Change { return c.Closes(d.clock, by) })
	}
	opens := func(d *desk, id string) {
		d.becomes(id, func(c chat.Chat) chat.Change { return c.OpensAgain(d.clock, by) })
	}
	for what, test := range map[string]struct {
		filter string
		before func(d *desk) // three Chats of dan, one, two and three, are open, the last is first
		moves  func(d *desk) // when three was shown, or what is first after before
		want   []string
	}{
		"a message comes into one that is not shown yet": {"assignee=dan", func(*desk) {}, func(d *desk) {
			_, err := d.store.Deliver(d.Context(), "one", chat.Arrival{Message: d.wrote(d.clock.Add(time.Second), "again"), Preview: "again"})
			d.ok(err)
		}, []string{"three", "one", "two"}},
		"one that is not shown yet is closed": {"assignee=dan&status=open,closed", func(*desk) {}, func(d *desk) { closes(d, "one") },
			[]string{"three", "two", "one"}},
		"one that was shown is closed": {"assignee=dan&status=open,closed", func(*desk) {}, func(d *desk) { closes(d, "three") },
			[]string{"three", "two", "one"}},
		"one that is not shown yet is opened": {"assignee=dan&status=open,closed", func(d *desk) { closes(d, "one") },
			func(d *desk) { opens(d, "one") }, []string{"three", "two", "one"}},
		"a closed one that is not shown yet is opened": {"assignee=dan&status=open,closed", func(d *desk) {
			for _, id := range []string{"one", "two", "three"} {
				closes(d, id)
			}
		}, func(d *desk) { opens(d, "one") }, []string{"three", "two", "one"}},
		"one that is not shown yet is opened, of everybody's": {"status=open,closed", func(d *desk) { closes(d, "one") },
			func(d *desk) { opens(d, "one") }, []string{"three", "two", "one"}},
		"one that was shown is opened, of everybody's": {"status=open,closed", func(d *desk) { closes(d, "three") },
			func(d *desk) { opens(d, "three") }, []string{"three", "two", "one"}},
		"one that waits merges with one that has waited longer": {"assignee=none", func(d *desk) {
			for _, id := range []string{"one", "two", "three"} {
				d.becomes(id, func(c chat.Chat) chat.Change { return c.PassedTo(d.clock, by, "support", "") })
			}
			d.ok(d.store.List(d.Context(), "team:support"))
			f, err := d.store.InForce(d.Context())
			d.ok(err)
			for _, id := range []string{"one", "three"} { // where a merger sends them
				c := d.chat(id)
				d.ok(d.store.List(d.Context(), c.Place(chat.Message{}, f.Rules, f.Version, f.Settings, d.clock).Routing.Pool.String()))
			}
		}, func(d *desk) { d.merges("one", "three") }, []string{"three", "two"}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			for i, id := range []string{"one", "two", "three"} {
				d.opens(id, fmt.Sprint("1555000000", i), "hello")
				d.given(id, "dan")
			}
			test.before(d)
			got, next := d.page("alex", test.filter, 1, "")
			test.moves(d)
			for next != "" && len(got) < 10 {
				var some []string
				some, next = d.page("alex", test.filter, 1, next)
				got = append(got, some...)
			}
			if !slices.Equal(got, test.want) || next != "" {
				t.Errorf("%v, want %v", got, test.want)
			}
		})
	}
}

// A cursor stays short enough for an address, however long the walk.
func TestCursorsStayShort(t *testing.T) {
	t.Parallel()
	var a at
	for i := range 10 * maxShown {
		a.show(fmt.Sprint(i))
	}
	a.Part, a.Place, a.ByTime, a.New = 1, dynamo.Place{At: 1_790_000_000_000, ID: chat.RandomID()}, true, true
	a.Tops, a.Floors = []dynamo.Place{a.Place, a.Place}, []dynamo.Place{a.Place, a.Place}
	if sealed := httpapi.NewCursors("secret").Seal("GET /v1/chats", a); len(sealed) > 2700 {
		t.Errorf("%d bytes", len(sealed))
	}
	if !a.wasShown("0") || a.wasShown("x") || a.room() != 0 {
		t.Error("it does not say what was shown first")
	}
}

// mover changes Chats while somebody pages, and knows which list each is in.
type mover struct {
	*desk
	r    *rapid.T
	made int
}

func (m *mover) pick(what string, from []string) string {
	return rapid.SampledFrom(from).Draw(m.r, what)
}

// all are all Chats as they are, merged ones too.
func (m *mover) all() map[string]chat.Chat {
	all := map[string]chat.Chat{}
	for n := range m.made {
		id := fmt.Sprintf("chat-%02d", n)
		all[id] = m.chat(id)
	}
	return all
}

var (
	owners  = []string{"amira", "dan"}
	inTeams = []string{"support", "sales"}
)

func (m *mover) placed(c chat.Chat, team string) chat.Placed {
	return chat.Placed{Routing: assign.Routing{RuleID: "otherwise", Pool: assign.Pool{Team: team}, Strategy: assign.RoundRobin,
		Priority: rapid.SampledFrom([]assign.Priority{assign.High, assign.Normal}).Draw(m.r, "priority")}, RulesVersion: 1, Message: c.LastIn}
}

// tick lets some time go by, up to twice what the rounds of a walk overlap.
func (m *mover) tick() {
	m.clock = m.clock.Add(time.Duration(rapid.IntRange(1, 2*late/1000).Draw(m.r, "seconds")) * time.Second)
}

func (m *mover) message(id string) chat.Message {
	m.tick()
	wamid := fmt.Sprint(id, m.clock)
	return chat.Message{Key: m.secret.Key(m.clock.Unix(), wamid), WAMID: wamid, Direction: chat.In, Type: "text", Text: "hello", Arrived: m.clock}
}

// makes a Chat that waits for a team.
func (m *mover) makes() {
	id := fmt.Sprintf("chat-%02d", m.made)
	m.made++
	in := m.message(id)
	c := chat.Chat{ID: id, Number: seed.SupportNumber, Customer: chat.Customer{Phone: id}}
	m.ok(m.store.Commit(m.Context(), c.Opens(m.clock, m.placed(c, m.pick("team", inTeams)), chat.Arrival{Message: in})))
}

// moves changes one Chat, in one of the ways that its state allows.
func (m *mover) moves() {
	all := m.all()
	ids := make([]string, 0, len(all))
	for id, c := range all {
		if c.Status != chat.Merged {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	c := all[m.pick("which", ids)]
	by := chat.Actor{Kind: chat.ByPerson, ID: "alex"}
	ways := []string{"is given away"}
	switch {
	case c.Status == chat.Closed:
		ways = append(ways, "is opened by the customer", "is opened by the customer")
		if c.Owner != "" {
			ways = append(ways, "is opened by its Assignee", "is opened by its Assignee")
		}
	case c.Waiting():
		ways = append(ways, "gets a message", "is routed again", "is passed to a team")
	default:
		ways = append(ways, "gets a message", "gets a message", "is closed", "is closed", "is passed to a team")
	}
	if len(ids) > 1 {
		ways = append(ways, "is merged")
	}
	if m.made < 12 {
		ways = append(ways, "a new one comes")
	}
	m.tick()
	switch way := m.pick("how", ways); way {
	case "gets a message":
		_, err := m.store.Deliver(m.Context(), c.ID, chat.Arrival{Message: m.message(c.ID), Preview: "again"})
		m.ok(err)
	case "is given away":
		to := m.pick("to", owners)
		m.becomes(c.ID, func(c chat.Chat) chat.Change { return c.Reassigned(m.clock, by, to, "") })
	case "is closed":
		m.becomes(c.ID, func(c chat.Chat) chat.Change { return c.Closes(m.clock, by) })
	case "is opened by its Assignee":
		m.becomes(c.ID, func(c chat.Chat) chat.Change { return c.OpensAgain(m.clock, by) })
	case "is opened by the customer":
		m.ok(m.store.Commit(m.Context(), c.Opens(m.clock, m.placed(c, m.pick("team", inTeams)), chat.Arrival{Message: m.message(c.ID)})))
	case "is routed again":
		placed := m.placed(c, m.pick("team", inTeams))
		m.becomes(c.ID, func(c chat.Chat) chat.Change { return c.Rerouted(m.clock, placed) })
	case "is passed to a team":
		to := m.pick("team", inTeams)
		m.becomes(c.ID, func(c chat.Chat) chat.Change { return c.PassedTo(m.clock, by, to, "") })
	case "is merged":
		other := all[m.pick("with", slices.DeleteFunc(ids, func(id string) bool { return id == c.ID }))]
		if _, err := m.store.Merge(m.Context(), c, other, "", nil, m.clock); err != nil {
			m.r.Fatalf("merge %s with %s: %v", c.ID, other.ID, err)
		}
	case "a new one comes":
		m.makes()
	}
}

// However Chats move between two pages, a walk through any list comes to its end, shows no Chat twice, and shows every one that
// was in the list all the time.
func TestListsWhileChatsMove(t *testing.T) {
	t.Parallel()
	lists := map[string]func(chat.Chat) bool{
		"assignee=me":                       func(c chat.Chat) bool { return c.Load() == "amira" },
		"assignee=me&status=closed":         func(c chat.Chat) bool { return c.Owner == "amira" && c.Status == chat.Closed },
		"assignee=amira&status=closed,open": func(c chat.Chat) bool { return c.Owner == "amira" && c.Status != chat.Merged },
		"assignee=none":                     chat.Chat.Waiting,
		"team=support":                      func(c chat.Chat) bool { return c.WaitsIn("team:support") },
		"":                                  func(c chat.Chat) bool { return c.Status == chat.Open },
		"status=closed":                     func(c chat.Chat) bool { return c.Status == chat.Closed },
		"status=open,closed":                func(c chat.Chat) bool { return c.Status != chat.Merged },
	}
	filters := make([]string, 0, len(lists))
	for filter := range lists {
		filters = append(filters, filter)
	}
	slices.Sort(filters)
	rounds := 40 // each makes hundreds of requests
	if os.Getenv("CHATKEEPER_SOAK") != "" {
		rounds = 2000
	}
	passed := 0
	rapid.Check(t, func(r *rapid.T) {
		if passed == rounds {
			return
		}
		m := &mover{desk: newBareDesk(t), r: r}
		for _, id := range append([]string{"alex"}, owners...) {
			role := map[bool]team.Role{true: team.Admin, false: team.Agent}[id == "alex"]
			m.ok(m.store.AddPerson(t.Context(), team.Person{ID: id, Role: role, Active: true, Limit: team.NoLimit}, m.clock))
		}
		for _, id := range append([]string{team.Everyone}, inTeams...) { // a merger routes by the rules in force, to everyone
			m.ok(m.store.List(t.Context(), "team:"+id))
		}
		m.recent = rapid.SampledFrom([]int{0, 2}).Draw(r, "most by last message")
		for range rapid.IntRange(2, 8).Draw(r, "chats") {
			m.makes()
		}
		for range rapid.IntRange(0, 20).Draw(r, "moves before") {
			m.moves()
		}
		filter := m.pick("list", filters)
		limit := rapid.IntRange(1, 4).Draw(r, "limit")
		has := lists[filter]
		lasting := map[string]bool{}
		for id, c := range m.all() {
			lasting[id] = has(c)
		}
		shown := map[string]int{}
		for pages, cursor := 0, ""; ; pages++ {
			ids, next := m.page("amira", filter, limit, cursor)
			if len(ids) > limit || pages > 100 {
				r.Fatalf("%s: page %d has %d Chats of at most %d", filter, pages, len(ids), limit)
			}
			for _, id := range ids {
				if shown[id]++; shown[id] > 1 {
					r.Fatalf("%s: %s comes twice", filter, id)
				}
			}
			if cursor = next; cursor == "" {
				break
			}
			for range rapid.IntRange(0, 3).Draw(r, "moves") {
				m.moves()
				for id, c := range m.all() {
					lasting[id] = lasting[id] && has(c)
				}
			}
		}
		for id, lasts := range lasting {
			if lasts && shown[id] == 0 {
				r.Fatalf("%s: %s was there all the time, and is not shown", filter, id)
			}
		}
		passed++
	})
}
