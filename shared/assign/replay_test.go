package assign_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func anyChat(t *rapid.T) chat.Chat {
	one := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label) }
	c := chat.Chat{ID: "c", Number: one("number", "100000000000001", "100000000000002"), Customer: chat.Customer{
		Phone: one("phone", "", "971501234567", "12125550123"), Language: one("language", "ar", "en", "zh", assign.Unknown),
		Country: one("country", "AE", "US", assign.Unknown),
		Tags:    rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"VIP", "wholesale", "new here"}), 0, 3, rapid.ID).Draw(t, "tags"),
	}}
	if rapid.Bool().Draw(t, "was closed") {
		c.Status, c.Epoch, c.Owner = chat.Closed, 3, one("previous", "a", "b", "c")
		c.ClosedAt = noon.Add(-time.Duration(rapid.IntRange(0, 48).Draw(t, "closed hours ago")) * time.Hour)
	}
	return c
}

func anyMessage(t *rapid.T) chat.Message {
	one := func(label string, values ...string) string { return rapid.SampledFrom(values).Draw(t, label) }
	return chat.Message{Key: chat.Secret("s").Key(noon.Unix(), "wamid.1"), Direction: chat.In, Type: one("type", "text", "image", "interactive"), ReplyID: one("reply", "", "buy", strings.Repeat("long ", 30)),
		AdSource: one("ad", "", "ad-1", strings.Repeat("9", 60)), Text: strings.Join(rapid.SliceOfN(rapid.SampledFrom(assign.TestWords), 0, 4).Draw(t, "text"), " ")}
}

// stored is the decision as it comes back from the history.
func stored(t *rapid.T, d *assign.Decision) assign.Decision {
	text, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	if len(text) > assign.MaxDecision {
		t.Fatalf("a decision of %d bytes: %s", len(text), text)
	}
	var back assign.Decision
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	return back
}

// Whatever the rules, the Chat and the message: the stored inputs, with the text of the Message, take the rules of that
// version to the stored decision again; and the stored candidates, as they were then, to the stored choice.
func TestReplayGivesTheStoredDecision(t *testing.T) {
	t.Parallel()
	partial, chosen := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		doc := assign.AnyDocument(t)
		rules, err := assign.Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		c, m := anyChat(t), anyMessage(t)
		opened := c.Opens(noon, c.Place(m, rules, 7, assign.TestSeed, noon), chat.Arrival{Message: m, Preview: "hello"})
		routed := stored(t, opened.Event.Decision)
		if routed.Partial {
			partial++
			return
		}
		if routed.Message != m.Key.String() {
			t.Fatalf("the message is %s, stored is %q", m.Key, routed.Message)
		}
		in := *routed.Input
		in.Text = m.Text
		again, err := assign.Parse(doc)
		if err != nil {
			t.Fatal(err)
		}
		r := again.Route(in)
		if r.RuleID != routed.RuleID || r.Pool.String() != routed.Pool || r.Strategy != routed.Strategy || r.Priority != routed.Priority || routed.RulesVersion != 7 {
			t.Fatalf("stored %+v, again %+v\nfrom %+v\nby %s", routed, r, in, doc)
		}
		for _, x := range again.Explain(in) {
			if (x.Outcome == assign.Matched) != (x.RuleID == routed.RuleID) {
				t.Fatalf("%s is explained as %+v", routed.RuleID, x)
			}
		}

		entry := opened.Enters()[0]
		people := rapid.SliceOfNDistinct(rapid.Custom(assign.AnyPerson), 0, 12, func(p team.Person) string { return p.ID }).Draw(t, "people")
		for i := range people { // most belong to the pool
			if rapid.IntRange(0, 3).Draw(t, "belongs") > 0 {
				people[i].Teams, people[i].Languages = append(people[i].Teams, r.Pool.Team), append(people[i].Languages, r.Pool.Languages...)
			}
		}
		want := assign.Want{Pool: r.Pool, Strategy: entry.Strategy, Prefer: entry.Prefer}
		choice := assign.Choose(want, people, noon)
		d := assign.Decision{RulesVersion: 7, RuleID: entry.RuleID, RuleName: entry.RuleName, Pool: entry.Pool, Strategy: entry.Strategy,
			Priority: entry.Priority, WaitingSince: noon.UnixMilli()}.With(choice)
		served := stored(t, &d)
		total := len(served.Candidates)
		for _, n := range served.Others {
			total += n
		}
		if total != len(people) {
			t.Fatalf("%d people, but stored %+v", len(people), served)
		}
		var then []team.Person
		for i, k := range served.Candidates {
			then = append(then, asStored(r.Pool, k, i))
		}
		replayed := assign.Choose(assign.Want{Pool: r.Pool, Strategy: served.Strategy, Prefer: entry.Prefer}, then, noon)
		if served.PersonID == "" {
			if replayed.Person != nil {
				t.Fatalf("stored that nobody could take it, but %s could", replayed.Person.ID)
			}
			return
		}
		chosen++
		if replayed.Person == nil || replayed.Person.ID != served.PersonID || served.Candidates[0].PersonID != served.PersonID {
			t.Fatalf("stored %+v, again %+v", served, replayed)
		}
		if preferred := served.Candidates[0].Because == assign.PreviousAssignee; preferred && served.PersonID != entry.Prefer {
			t.Fatalf("%s is called the previous Assignee; that was %q", served.PersonID, entry.Prefer)
		}
		for i, k := range replayed.Candidates {
			if s := served.Candidates[i]; k.PersonID != s.PersonID || k.Outcome != s.Outcome || k.Outcome == assign.Passed && unable[s.Because] && k.Because != s.Because {
				t.Fatalf("stored %+v, again %+v", s, k)
			}
		}
	})
	t.Logf("of all: %d were chosen, %d decisions without all inputs", chosen, partial)
	if chosen == 0 {
		t.Error("nobody was ever chosen")
	}
}

// unable are the reasons that do not depend on who else is there.
var unable = map[assign.Reason]bool{assign.AtCapacity: true, assign.IsAway: true, assign.IsOffline: true, assign.OnlineEnded: true}

// asStored is a candidate as a person: a member of the pool who stood at this place. When they were assigned, and their
// turns, are not stored; the order of the candidates is.
func asStored(pool assign.Pool, k assign.Candidate, place int) team.Person {
	p := team.Person{ID: k.PersonID, Role: team.Agent, Active: true, Availability: k.Availability, OpenChats: k.OpenChats, Limit: k.Limit,
		Teams: []string{pool.Team}, Languages: pool.Languages, Skills: pool.Skills, Weight: 1,
		AssignedAt: noon.Add(time.Duration(place-100) * time.Hour), Turn: int64(1 + place)}
	if k.Because == assign.OnlineEnded {
		p.OnlineUntil = noon
	}
	return p
}
