package phone

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// whyView says why the Chat is where it is: which rule sent it where, and who was chosen there, or why nobody was.
type whyView struct {
	Headline     string          `json:"headline"`
	At           time.Time       `json:"at"`
	RulesVersion int64           `json:"rulesVersion"`
	RuleID       string          `json:"ruleId"`
	Rule         string          `json:"rule"`
	Pool         string          `json:"pool"`
	Strategy     string          `json:"strategy"`
	Priority     string          `json:"priority"`
	Inputs       []inputView     `json:"inputs"`
	Rules        []ruleView      `json:"rules"`
	Candidates   []candidateView `json:"candidates"`
	Others       []otherView     `json:"others"`
	TieBreak     string          `json:"tieBreak"`

	input *assign.Input
	at    time.Time // of the routing
}

type inputView struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

type ruleView struct {
	Name    string `json:"name"`
	Outcome string `json:"outcome"`
	Because string `json:"because"`
}

type candidateView struct {
	Name         string `json:"name"`
	Chosen       bool   `json:"chosen"`
	Because      string `json:"because"`
	OpenChats    int    `json:"openChats"`
	Capacity     int    `json:"capacity"` // 0 for none
	Availability string `json:"availability"`
}

type otherView struct {
	Count   int    `json:"count"`
	Because string `json:"because"`
}

type eventView struct {
	At    time.Time `json:"at"`
	Epoch int64     `json:"epoch"`
	Type  string    `json:"type"`
	Says  string    `json:"says"`
	Note  string    `json:"note"`
}

// otherwise is how the part of the rules is called that decides when no rule does.
const otherwise = "Otherwise"

// names puts ids into the words that people gave to them.
type names struct {
	people, teams, numbers, departments map[string]string
}

func newNames(s team.Settings, people []team.Person) names {
	n := names{map[string]string{}, map[string]string{team.Everyone: "everyone"}, map[string]string{}, map[string]string{}}
	for _, p := range people {
		n.people[p.ID] = p.Name
	}
	for _, t := range s.Teams {
		n.teams[t.ID] = t.Name
	}
	for _, v := range s.Numbers {
		n.numbers[v.ID] = v.Name
	}
	for _, d := range s.Departments {
		n.departments[d.ID] = d.Name
	}
	return n
}

func (n names) person(id string) string { return cmp.Or(n.people[id], id) }
func (n names) team(id string) string   { return cmp.Or(n.teams[id], id) }
func (n names) number(id string) string { return cmp.Or(n.numbers[id], id) }

// pool is the canonical text of a pool in words.
func (n names) pool(text string) string {
	p, err := assign.ParsePool(text)
	if err != nil {
		return text
	}
	words := "team " + n.team(p.Team)
	if p.Person != "" {
		words = n.person(p.Person)
	}
	if len(p.Languages) > 0 {
		words += ", who speak " + strings.Join(p.Languages, ", ")
	}
	if len(p.Skills) > 0 {
		words += ", skilled in " + strings.Join(p.Skills, ", ")
	}
	return words
}

func rule(d *assign.Decision) string {
	if d.RuleID == assign.OtherwiseID {
		return otherwise
	}
	return cmp.Or(d.RuleName, d.RuleID)
}

var strategies = map[assign.Strategy]string{
	assign.RoundRobin: "in turn", assign.LeastLoaded: "to whoever has the fewest open Chats", assign.Agent: "to the person named",
}

func strategy(s assign.Strategy) string { return cmp.Or(strategies[s], string(s)) }

// why puts the Chat's last routing together from its history: the event that routed it, and what came of serving its pool.
// nil for a Chat that no rule ever looked at.
func (n names) why(c chat.Chat, nobody assign.Reason, events []chat.Event) *whyView {
	var routed, served *chat.Event
	for i := range events {
		e := &events[i]
		if e.Decision == nil {
			continue
		}
		if e.Decision.Input != nil {
			routed, served = e, nil
		}
		if len(e.Decision.Candidates) > 0 || e.Decision.Nobody != "" {
			served = e
		}
	}
	if routed == nil {
		return nil
	}
	d := routed.Decision
	w := &whyView{At: routed.At, RulesVersion: d.RulesVersion, RuleID: d.RuleID, Rule: rule(d), Pool: n.pool(d.Pool),
		Strategy: strategy(d.Strategy), Priority: string(d.Priority), Inputs: n.inputs(*d.Input), input: d.Input, at: routed.At}
	if served != nil {
		w.At = served.At
		w.TieBreak = served.Decision.TieBreak.Words()
		for _, x := range served.Decision.Candidates {
			v := candidateView{Name: cmp.Or(x.Name, n.person(x.PersonID)), Chosen: x.Outcome == assign.Chosen, Because: x.Because.Words(),
				OpenChats: x.OpenChats, Availability: string(x.Availability)}
			if x.Limit != team.NoLimit {
				v.Capacity = x.Limit
			}
			w.Candidates = append(w.Candidates, v)
		}
		for _, reason := range slices.Sorted(maps.Keys(served.Decision.Others)) {
			w.Others = append(w.Others, otherView{served.Decision.Others[reason], reason.Words()})
		}
	}
	w.Headline = n.headline(c, nobody, events, w)
	return w
}

// headline answers "why this person?", or "why nobody?", in a sentence.
func (n names) headline(c chat.Chat, nobody assign.Reason, events []chat.Event, w *whyView) string {
	last := lastOwnership(events)
	switch {
	case c.Waiting() && nobody != "":
		return fmt.Sprintf("It waits for %s: %s.", w.Pool, nobody.Words())
	case c.Waiting():
		return fmt.Sprintf("It waits for %s, which has not been served yet.", w.Pool)
	case last != nil && last.By.Kind == chat.ByPerson && last.Type == chat.OpenedBy:
		return fmt.Sprintf("%s opened it again and keeps it.", n.person(c.Owner))
	case last != nil && last.By.Kind == chat.ByPerson:
		return fmt.Sprintf("%s has it because %s gave it to them.", n.person(c.Owner), n.actor(last.By))
	case len(w.Candidates) > 0:
		chosen := w.Candidates[0]
		return fmt.Sprintf("%s got it by “%s”: of %s, %s %s.", chosen.Name, w.Rule, w.Pool, chosen.Name, chosen.Because)
	}
	return fmt.Sprintf("The rule “%s” sent it to %s.", w.Rule, w.Pool)
}

// lastOwnership is the event by which the present ownership began.
func lastOwnership(events []chat.Event) *chat.Event {
	for i := range slices.Backward(events) {
		if t := events[i].Type; t.Changes() && t != chat.ClosedBy {
			return &events[i]
		}
	}
	return nil
}

func (n names) actor(by chat.Actor) string {
	if by.Kind == chat.ByPerson {
		return cmp.Or(by.Name, n.person(by.ID))
	}
	return cmp.Or(by.Name, by.ID, "the system")
}

func (n names) inputs(in assign.Input) []inputView {
	var views []inputView
	add := func(name, value string) {
		if value != "" {
			views = append(views, inputView{name, value})
		}
	}
	add("language", cmp.Or(in.Language, assign.Unknown))
	add("country", cmp.Or(in.Country, assign.Unknown))
	add("phone prefix", in.PhonePrefix)
	add("business number", n.number(in.BusinessNumber))
	add("department", cmp.Or(n.departments[in.Department], in.Department))
	add("message type", in.MessageType)
	add("choice", in.ReplyID)
	add("ad", in.AdSource)
	add("tags", strings.Join(in.Tags, ", "))
	add("customer", in.Customer)
	add("opened by", map[string]string{assign.Created: "a first message", assign.Reopened: "a message after it was closed"}[in.OpenedBy])
	for _, id := range slices.Sorted(maps.Keys(in.Hours)) {
		add("hours of "+id, map[bool]string{true: "inside", false: "outside"}[in.Hours[id]])
	}
	return views
}

// eventView tells an event in a sentence.
func (n names) eventView(e chat.Event) eventView {
	v := eventView{At: e.At, Epoch: e.Epoch, Type: string(e.Type), Note: e.Note}
	goes := func() string {
		switch {
		case e.Owner != "":
			return ", given to " + n.person(e.Owner) + n.because(e.Decision)
		case e.Decision != nil:
			return fmt.Sprintf(", waits for %s by “%s”", n.pool(e.Decision.Pool), rule(e.Decision))
		}
		return ""
	}
	switch e.Type {
	case chat.Created:
		v.Says = "A new Chat" + goes()
	case chat.Reopened:
		v.Says = "Opened again by a message" + goes()
	case chat.Assigned:
		v.Says = fmt.Sprintf("Given to %s by “%s”", n.person(e.Owner), cmp.Or(e.By.Name, otherwise)) + n.because(e.Decision)
	case chat.Reassigned:
		v.Says = fmt.Sprintf("%s gave it to %s", n.actor(e.By), n.person(e.Owner))
	case chat.ClosedBy:
		v.Says = "Closed by " + n.actor(e.By)
	case chat.OpenedBy:
		v.Says = "Opened again by " + n.actor(e.By)
	case chat.Routed:
		v.Says = "Routed again by newer rules" + goes()
	case chat.Nobody:
		v.Says = "Nobody could take it"
		if e.Decision != nil && e.Decision.Nobody != "" {
			v.Says += ": " + e.Decision.Nobody.Words()
		}
	default:
		v.Says = string(e.Type)
	}
	return v
}

func (n names) because(d *assign.Decision) string {
	if d == nil || len(d.Candidates) == 0 || d.Candidates[0].Outcome != assign.Chosen {
		return ""
	}
	return ", who " + d.Candidates[0].Because.Words()
}
