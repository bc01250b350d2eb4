package phone

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"chatkeeper/infra/local/phone/story"
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

	input  *assign.Input
	looked string // id of the message whose text the rules looked at; empty if they saw none
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

var strategies = map[assign.Strategy]string{
	assign.RoundRobin: "in turn", assign.LeastLoaded: "to whoever has the fewest open Chats",
	assign.Weighted: "in turn by weight", assign.Agent: "to the person named",
}

// newWhyView puts the Chat's last routing together from its history. nil for a Chat that no rule ever looked at.
func newWhyView(n story.Names, c chat.Chat, nobody assign.Reason, events []chat.Event) *whyView {
	s := story.Of(events)
	if s.Routed == nil {
		return nil
	}
	d := s.Routed.Decision
	w := &whyView{Headline: n.Headline(c, nobody, s), At: s.Routed.At, RulesVersion: d.RulesVersion, RuleID: d.RuleID, Rule: story.Rule(*d),
		Pool: n.Pool(d.Pool), Strategy: cmp.Or(strategies[d.Strategy], string(d.Strategy)), Priority: string(d.Priority),
		Inputs: inputs(n, *d.Input), input: d.Input, looked: d.Message}
	if s.Served == nil {
		return w
	}
	d = s.Served.Decision
	w.At, w.TieBreak = s.Served.At, d.TieBreak.Words()
	for _, x := range d.Candidates {
		v := candidateView{Name: cmp.Or(x.Name, n.Person(x.PersonID)), Chosen: x.Outcome == assign.Chosen, Because: x.Because.Words(),
			OpenChats: x.OpenChats, Availability: string(x.Availability)}
		if x.Limit != team.NoLimit {
			v.Capacity = x.Limit
		}
		w.Candidates = append(w.Candidates, v)
	}
	for _, reason := range slices.Sorted(maps.Keys(d.Others)) {
		w.Others = append(w.Others, otherView{d.Others[reason], reason.Words()})
	}
	return w
}

func inputs(n story.Names, in assign.Input) []inputView {
	var views []inputView
	add := func(name, value string) {
		if value != "" {
			views = append(views, inputView{name, value})
		}
	}
	add("language", cmp.Or(in.Language, assign.Unknown))
	add("country", cmp.Or(in.Country, assign.Unknown))
	add("phone prefix", in.PhonePrefix)
	add("business number", n.Number(in.BusinessNumber))
	add("department", n.Department(in.Department))
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
