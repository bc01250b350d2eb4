// Package story tells people what became of a Chat: which rule sent it where, who got it there, and why, or why nobody did.
// It puts the ids and codes of a Chat's history into words.
package story

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Names puts ids into the words that people gave to them. An id that nobody gave a name to is its own.
type Names struct {
	people, teams, numbers, departments map[string]string
}

// NewNames returns the names of a business.
func NewNames(s team.Settings, people []team.Person) Names {
	n := Names{map[string]string{}, map[string]string{team.Everyone: "everyone"}, map[string]string{}, map[string]string{}}
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

// Person, Team, Number and Department name what has the id.
func (n Names) Person(id string) string     { return cmp.Or(n.people[id], id) }
func (n Names) Team(id string) string       { return cmp.Or(n.teams[id], id) }
func (n Names) Number(id string) string     { return cmp.Or(n.numbers[id], id) }
func (n Names) Department(id string) string { return cmp.Or(n.departments[id], id) }

// Pool is the canonical text of a pool in words.
func (n Names) Pool(text string) string {
	p, err := assign.ParsePool(text)
	if err != nil {
		return text
	}
	words := "team " + n.Team(p.Team)
	if p.Person != "" {
		words = n.Person(p.Person)
	}
	if len(p.Languages) > 0 {
		words += ", who speak " + strings.Join(p.Languages, ", ")
	}
	if len(p.Skills) > 0 {
		words += ", skilled in " + strings.Join(p.Skills, ", ")
	}
	return words
}

// Otherwise is how the part of the rules is called that decides when no rule does.
const Otherwise = "Otherwise"

// Rule names the rule of a decision.
func Rule(d assign.Decision) string {
	if d.RuleID == assign.OtherwiseID {
		return Otherwise
	}
	return cmp.Or(d.RuleName, d.RuleID)
}

// Story is the part of a Chat's history that says why it is where it is. Any of it may be missing.
type Story struct {
	Routed *chat.Event // by the rules, with a decision that holds the inputs
	Served *chat.Event // the last time that its pool was looked at for it: somebody was chosen, or nobody could be
	Owned  *chat.Event // how the present ownership began, or the waiting
}

// InOrder sorts a history by what happened when, oldest first, and returns it.
func InOrder(events []chat.Event) []chat.Event {
	slices.SortStableFunc(events, func(a, b chat.Event) int { return cmp.Or(cmp.Compare(a.Epoch, b.Epoch), a.At.Compare(b.At)) })
	return events
}

// Of finds the story in a history that is in order.
func Of(events []chat.Event) Story {
	var s Story
	for i := range events {
		e := &events[i]
		if e.Type.Changes() && e.Type != chat.ClosedBy {
			s.Owned = e
		}
		if e.Decision == nil {
			continue
		}
		if e.Decision.Input != nil {
			s.Routed, s.Served = e, nil
		}
		if len(e.Decision.Candidates) > 0 || e.Decision.Nobody != "" {
			s.Served = e
		}
	}
	return s
}

// chosen is the candidate who was chosen when the pool was served last; nil if nobody was.
func (s Story) chosen() *assign.Candidate {
	if s.Served == nil || len(s.Served.Decision.Candidates) == 0 {
		return nil
	}
	if first := &s.Served.Decision.Candidates[0]; first.Outcome == assign.Chosen {
		return first
	}
	return nil
}

// Because says in a few words why the Chat has this owner or none. nobody is what its waiting entry says.
func (n Names) Because(c chat.Chat, nobody assign.Reason, s Story) string {
	chosen := s.chosen()
	switch {
	case c.Waiting() && nobody == "":
		return "its pool has not been served yet"
	case c.Waiting():
		return nobody.Words()
	case s.Owned != nil && s.Owned.Type == chat.OpenedBy:
		return "opened it again and keeps it"
	case s.Owned != nil && s.Owned.By.Kind == chat.ByPerson:
		return Actor(s.Owned.By) + " gave it to them"
	case chosen != nil:
		return chosen.Because.Words()
	}
	return ""
}

// Headline answers "why this person?", or "why nobody?", in a sentence. It is empty for a Chat that no rule ever looked at.
func (n Names) Headline(c chat.Chat, nobody assign.Reason, s Story) string {
	if s.Routed == nil {
		return ""
	}
	pool, owner, because := n.Pool(s.Routed.Decision.Pool), n.Person(c.Owner), n.Because(c, nobody, s)
	switch {
	case c.Waiting():
		return fmt.Sprintf("It waits for %s: %s.", pool, because)
	case s.Owned != nil && s.Owned.Type == chat.OpenedBy:
		return fmt.Sprintf("%s %s.", owner, because)
	case s.Owned != nil && s.Owned.By.Kind == chat.ByPerson:
		return fmt.Sprintf("%s has it because %s.", owner, because)
	case s.chosen() != nil:
		return fmt.Sprintf("%s got it by “%s”: of %s, %s %s.", owner, Rule(*s.Routed.Decision), pool, owner, because)
	}
	return fmt.Sprintf("The rule “%s” sent it to %s.", Rule(*s.Routed.Decision), pool)
}

// Event tells an event in a sentence without a full stop.
func (n Names) Event(e chat.Event) string {
	switch e.Type {
	case chat.Created:
		return "A new Chat" + n.goes(e)
	case chat.Reopened:
		return "Opened again by a message" + n.goes(e)
	case chat.Assigned:
		return fmt.Sprintf("Given to %s by “%s”", n.Person(e.Owner), cmp.Or(e.By.Name, Otherwise)) + whoWas(e.Decision)
	case chat.Reassigned:
		return fmt.Sprintf("%s gave it to %s", Actor(e.By), n.Person(e.Owner))
	case chat.ClosedBy:
		return "Closed by " + Actor(e.By)
	case chat.OpenedBy:
		return "Opened again by " + Actor(e.By)
	case chat.Routed:
		return "Routed again by newer rules" + n.goes(e)
	case chat.Widened:
		return "Still nobody" + n.goes(e) + ", too"
	case chat.Nobody:
		if e.Decision == nil {
			return "Nobody could take it"
		}
		return "Nobody could take it: " + e.Decision.Nobody.Words()
	}
	return string(e.Type)
}

// goes says where a routing sent the Chat.
func (n Names) goes(e chat.Event) string {
	switch {
	case e.Owner != "":
		return ", given to " + n.Person(e.Owner) + whoWas(e.Decision)
	case e.Decision != nil:
		return fmt.Sprintf(", waits for %s by “%s”", n.Pool(e.Decision.Pool), Rule(*e.Decision))
	}
	return ""
}

func whoWas(d *assign.Decision) string {
	if d == nil || len(d.Candidates) == 0 || d.Candidates[0].Outcome != assign.Chosen {
		return ""
	}
	return ", who " + d.Candidates[0].Because.Words()
}

// Actor names who caused an event.
func Actor(by chat.Actor) string { return cmp.Or(by.Name, by.ID, "the system") }
