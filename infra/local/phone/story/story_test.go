package story_test

import (
	"testing"
	"time"

	"chatkeeper/infra/local/phone/story"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

var names = story.NewNames(team.Settings{Teams: []team.Team{{ID: "sales", Name: "Sales"}}},
	[]team.Person{{ID: "dan", Name: "Dan"}, {ID: "mei", Name: "Mei"}, {ID: "alex", Name: "Alex"}})

const pool = "team:sales"

var (
	at     = time.Date(2026, 11, 2, 9, 0, 0, 0, time.UTC)
	byAlex = chat.Actor{Kind: chat.ByPerson, ID: "alex", Name: "Alex"}
	byDan  = chat.Actor{Kind: chat.ByPerson, ID: "dan", Name: "Dan"}
	chosen = []assign.Candidate{{PersonID: "dan", Name: "Dan", Outcome: assign.Chosen, Because: assign.LongestAgo}}

	created = chat.Event{Epoch: 1, At: at, Type: chat.Created, Status: chat.Open, By: chat.System,
		Decision: &assign.Decision{Input: &assign.Input{}, RuleID: "prices", RuleName: "Prices", Pool: pool}}
	direct = chat.Event{Epoch: 1, At: at, Type: chat.Created, Status: chat.Open, Owner: "dan", By: chat.System,
		Decision: &assign.Decision{Input: &assign.Input{}, RuleID: assign.OtherwiseID, Pool: pool, Candidates: chosen}}
	nobody = chat.Event{Epoch: 1, At: at.Add(time.Second), Type: chat.Nobody, Status: chat.Open,
		Decision: &assign.Decision{Nobody: assign.AllAtCapacity, Pool: pool}}
	assigned = chat.Event{Epoch: 2, At: at.Add(time.Minute), Type: chat.Assigned, Status: chat.Open, Owner: "dan",
		By: chat.Actor{Kind: chat.ByRule, ID: "prices", Name: "Prices"}, Decision: &assign.Decision{Pool: pool, Candidates: chosen}}
	closed     = chat.Event{Epoch: 3, At: at.Add(2 * time.Minute), Type: chat.ClosedBy, Status: chat.Closed, From: "dan", Owner: "dan", By: byDan}
	opened     = chat.Event{Epoch: 4, At: at.Add(3 * time.Minute), Type: chat.OpenedBy, Status: chat.Open, From: "dan", Owner: "dan", By: byDan}
	reassigned = chat.Event{Epoch: 5, At: at.Add(4 * time.Minute), Type: chat.Reassigned, Status: chat.Open, From: "dan", Owner: "mei", By: byAlex}
)

func TestHeadlines(t *testing.T) {
	t.Parallel()
	owned := func(by string, status chat.Status) chat.Chat {
		return chat.Chat{Ownership: chat.Ownership{Status: status, Owner: by}}
	}
	for _, c := range []struct {
		name     string
		chat     chat.Chat
		nobody   assign.Reason
		events   []chat.Event
		headline string
	}{
		{"nothing is known", owned("dan", chat.Open), "", nil, ""},
		{"not served yet", owned("", chat.Open), "", []chat.Event{created}, "It waits for team Sales: its pool has not been served yet."},
		{"nobody could", owned("", chat.Open), assign.AllAtCapacity, []chat.Event{created, nobody},
			"It waits for team Sales: everybody in this pool has as many open Chats as their capacity allows."},
		{"by a rule", owned("dan", chat.Open), "", []chat.Event{created, nobody, assigned},
			"Dan got it by “Prices”: of team Sales, Dan was given a Chat longest ago."},
		{"by a rule at once", owned("dan", chat.Open), "", []chat.Event{direct},
			"Dan got it by “Otherwise”: of team Sales, Dan was given a Chat longest ago."},
		{"closed", owned("dan", chat.Closed), "", []chat.Event{created, assigned, closed},
			"Dan got it by “Prices”: of team Sales, Dan was given a Chat longest ago."},
		{"opened again", owned("dan", chat.Open), "", []chat.Event{created, assigned, closed, opened}, "Dan opened it again and keeps it."},
		{"given", owned("mei", chat.Open), "", []chat.Event{created, assigned, closed, opened, reassigned}, "Mei has it because Alex gave it to them."},
		{"out of order", owned("dan", chat.Open), "", []chat.Event{assigned, nobody, created},
			"Dan got it by “Prices”: of team Sales, Dan was given a Chat longest ago."},
	} {
		if got := names.Headline(c.chat, c.nobody, story.Of(story.InOrder(c.events))); got != c.headline {
			t.Errorf("%s: %q, want %q", c.name, got, c.headline)
		}
	}
}

func TestEvents(t *testing.T) {
	t.Parallel()
	for want, e := range map[string]chat.Event{
		"A new Chat, waits for team Sales by “Prices”":                                                 created,
		"A new Chat, given to Dan, who was given a Chat longest ago":                                   direct,
		"Nobody could take it: everybody in this pool has as many open Chats as their capacity allows": nobody,
		"Given to Dan by “Prices”, who was given a Chat longest ago":                                   assigned,
		"Closed by Dan":       closed,
		"Opened again by Dan": opened,
		"Alex gave it to Mei": reassigned,
		"released":            {Type: "released"},
	} {
		if got := names.Event(e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestPoolsInWords(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"team:sales": "team Sales", "team:everyone": "team everyone", "team:gone": "team gone",
		assign.Pool{Team: "sales", Languages: []string{"zh", "ar"}, Skills: []string{"tax"}}.String(): "team Sales, who speak ar, zh, skilled in tax",
		assign.Pool{Person: "mei"}.String(): "Mei", "nonsense": "nonsense",
	} {
		if got := names.Pool(text); got != want {
			t.Errorf("%s is %q, want %q", text, got, want)
		}
	}
}
