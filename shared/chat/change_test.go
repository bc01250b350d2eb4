package chat_test

import (
	"maps"
	"testing"
	"time"

	"pgregory.net/rapid"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// Whatever happens to a Chat, in whatever order: one owner or a waiting entry, an epoch for every change of owner or
// status and for nothing else, loads that follow, and a history that gives the Chat back (I1, I2, I5).
func TestAnyLifeOfAChat(t *testing.T) {
	t.Parallel()
	rules := []*assign.Rules{
		parse(t, `{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`),
		parse(t, `{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "least_loaded"},
			{"team": "sales", "strategy": "round_robin", "after": "1m"}, {"team": "everyone", "strategy": "round_robin", "after": "2m"}], "priority": "high"}}`),
	}
	rapid.Check(t, func(t *rapid.T) {
		c := chat.Chat{ID: "chat", Number: "1"}
		now := time.UnixMilli(1_000_000).UTC()
		people := map[string]int{"amira": 0, "dan": 0}
		entries := map[string]chat.Entry{}
		var events []invariant.Event
		var messages []invariant.Message
		apply := func(change chat.Change) {
			for person, n := range change.Loads() {
				people[person] += n
			}
			for _, pool := range change.Leaves() {
				if _, ok := entries[pool]; !ok {
					t.Fatalf("%s is to leave, and was not there", pool)
				}
				delete(entries, pool)
			}
			for _, e := range change.Enters() {
				entries[e.Pool] = e
			}
			c = change.After
			events = append(events, invariant.Event{Chat: c.ID, Event: change.Event})
		}
		var timers []chat.Timer // of all its waitings
		by := func() chat.Actor { return chat.Actor{Kind: chat.ByPerson, ID: c.Owner} }
		t.Repeat(map[string]func(*rapid.T){
			"message": func(t *rapid.T) {
				if c.Status == chat.Open {
					t.Skip("open")
				}
				m := chat.Message{Key: chat.Secret("s").Key(now.Unix(), now.String()), WAMID: now.String(), Direction: chat.In, Arrived: now}
				messages = append(messages, invariant.Message{Chat: c.ID, Message: m})
				version := rapid.IntRange(0, 1).Draw(t, "rules")
				apply(c.Opens(now, c.Place(m, rules[version], int64(version), team.Settings{}, now), chat.Arrival{Message: m, Preview: "hello"}))
			},
			"message, and somebody is free": func(t *rapid.T) {
				if c.Status == chat.Open {
					t.Skip("open")
				}
				p := team.Person{ID: rapid.SampledFrom([]string{"amira", "dan"}).Draw(t, "person"), Role: team.Agent, Active: true,
					Availability: team.Online, Limit: team.NoLimit, Teams: []string{"support"}}
				m := chat.Message{Key: chat.Secret("s").Key(now.Unix(), now.String()), WAMID: now.String(), Direction: chat.In, Arrived: now}
				messages = append(messages, invariant.Message{Chat: c.ID, Message: m})
				placed := c.Place(m, rules[0], 0, team.Settings{}, now)
				choice := assign.Choose(assign.Want{Pool: placed.Routing.Pool, Strategy: assign.RoundRobin}, []team.Person{p}, now)
				apply(c.OpensFor(now, placed, chat.Arrival{Message: m, Preview: "hello"}, chat.Auto{Person: p, Pool: placed.Routing.Pool}, choice))
			},
			"new rules": func(t *rapid.T) {
				if !c.Waiting() {
					t.Skip("not waiting")
				}
				since := c.WaitingSince
				apply(c.Rerouted(now, c.Place(chat.Message{}, rules[1], 1, team.Settings{}, now)))
				if !c.WaitingSince.Equal(since) {
					t.Fatal("it lost its place in time")
				}
			},
			"nobody is found": func(t *rapid.T) {
				if !c.Waiting() {
					t.Skip("not waiting")
				}
				e := entries[rapid.SampledFrom(c.Pools).Draw(t, "pool")]
				e.Because = assign.NobodyOnline
				entries[e.Pool] = e
				if timer, ahead := e.Next(rules[1].Steps(assign.OtherwiseID)); ahead && e.RulesVersion == 1 {
					timers = append(timers, timer)
				}
			},
			"step": func(t *rapid.T) {
				if len(timers) == 0 {
					t.Skip("no timer")
				}
				timer := rapid.SampledFrom(timers).Draw(t, "timer")
				if !timer.Applies(c) || c.WaitsIn(timer.Entry.Pool) {
					t.Skip("does not apply")
				}
				before, was := c.Ownership, maps.Clone(entries)
				apply(c.Widened(now, timer))
				if len(entries) != len(was)+1 || entries[timer.Entry.Pool].Step != timer.Entry.Step {
					t.Fatalf("its entries became %+v", entries)
				}
				for pool, e := range was {
					if entries[pool] != e {
						t.Fatalf("the entry in %s became %+v", pool, entries[pool])
					}
				}
				if !c.WaitingSince.Equal(before.WaitingSince) || c.Epoch != before.Epoch || c.Routed != before.Routed {
					t.Fatalf("it became %+v", c.Ownership)
				}
			},
			"assigned": func(t *rapid.T) {
				if !c.Waiting() {
					t.Skip("not waiting")
				}
				p := team.Person{ID: rapid.SampledFrom([]string{"amira", "dan"}).Draw(t, "person"), Role: team.Agent, Active: true,
					Availability: team.Online, Limit: team.NoLimit, Teams: []string{"support", "sales"}, OpenChats: 0}
				pool, err := assign.ParsePool(c.Pools[0])
				if err != nil {
					t.Fatal(err)
				}
				choice := assign.Choose(assign.Want{Pool: pool, Strategy: assign.RoundRobin}, []team.Person{p}, now)
				apply(c.Assigned(now, chat.Auto{Person: p, Pool: pool}, assign.Decision{Pool: c.Pools[0], Priority: c.Priority}.With(choice)))
			},
			"reassigned": func(t *rapid.T) {
				if c.Epoch == 0 {
					t.Skip("no chat")
				}
				apply(c.Reassigned(now, by(), rapid.SampledFrom([]string{"amira", "dan"}).Draw(t, "person"), ""))
			},
			"passed to a team": func(t *rapid.T) {
				if c.Status != chat.Open {
					t.Skip("not open")
				}
				waited, since := c.Waiting(), c.WaitingSince
				apply(c.PassedTo(now, chat.Actor{Kind: chat.ByPerson, ID: "alex"}, "support", ""))
				if waited && !c.WaitingSince.Equal(since) {
					t.Fatal("it lost its place in time")
				}
				if !c.WaitsByHand("support") || c.WaitsByHand("sales") {
					t.Fatal("it does not wait for the team")
				}
			},
			"reply": func(t *rapid.T) {
				if c.Load() == "" || c.LastIn.IsZero() {
					t.Skip("nobody's, or nothing to answer")
				}
				m, err := c.Replies(now, c.Owner, chat.NewKey(now), chat.Message{Type: "text"})
				if err != nil {
					t.Fatal(err)
				}
				messages = append(messages, invariant.Message{Chat: c.ID, Message: m})
				c = c.Sends(m, "hello")
			},
			"closed": func(t *rapid.T) {
				if c.Load() == "" {
					t.Skip("nothing to close")
				}
				ownerEpoch := c.OwnerEpoch
				apply(c.Closes(now, by()))
				if c.OwnerEpoch != ownerEpoch {
					t.Fatal("closing began another ownership")
				}
			},
			"opened again": func(t *rapid.T) {
				if c.Status != chat.Closed {
					t.Skip("not closed")
				}
				apply(c.OpensAgain(now, by()))
			},
			"": func(t *rapid.T) {
				now = now.Add(time.Second)
				s := invariant.Snapshot{Events: events, Messages: messages}
				if c.Epoch > 0 {
					s.Chats = []chat.Chat{c}
				}
				for _, e := range entries {
					s.Entries = append(s.Entries, e)
				}
				for id, n := range people {
					s.People = append(s.People, team.Person{ID: id, OpenChats: n})
				}
				for _, b := range invariant.Check(s) {
					t.Fatal(b)
				}
			},
		})
	})
}

func parse(t *testing.T, doc string) *assign.Rules {
	t.Helper()
	r, err := assign.Parse([]byte(doc))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// Keys keep WhatsApp's order, come back from their text, and give no id away.
func TestKeys(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.SliceOfN(rapid.Int64(), 2, 2).Draw(t, "seconds")
		secret := chat.Secret(rapid.String().Draw(t, "secret"))
		a, b := secret.Key(seconds[0], "wamid.a"), secret.Key(seconds[1], "wamid.b")
		if a.Time().Before(b.Time()) && (!a.Before(b) || a.String() >= b.String()) {
			t.Fatal("the earlier one comes later")
		}
		if back, err := chat.ParseKey(a.String()); err != nil || back != a {
			t.Fatalf("%v came back as %v (%v)", a, back, err)
		}
		if a == append(secret, 0x78).Key(seconds[0], "wamid.a") {
			t.Fatal("the secret does not matter")
		}
		if x, y := secret.UserAddress("1", "23"), secret.UserAddress("12", "3"); x == y {
			t.Fatal("two customers have one address")
		}
	})
}

func TestCut(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{"": "", "abc": "abc", "abcde": "abcd", "ääää": "ää", "a€€": "a€"} {
		if got := chat.Cut(text, 4); got != want {
			t.Errorf("Cut(%q) is %q, want %q", text, got, want)
		}
	}
}
