package assign

import (
	"encoding/json"
	"maps"
	"unicode/utf8"

	"chatkeeper/shared/team"
)

// MaxDecision is the most bytes that a Decision takes in JSON: a history item has 1 KB for all.
const MaxDecision = 640

// Decision is what a history item keeps of one routing event: enough to answer "why this person?" and "why not me?",
// and for a checker to see that the choice was allowed. Why earlier rules did not match is not kept: Explain finds it
// again from Input, with the text of Message.
//
// Its JSON has at most MaxDecision bytes. What does not fit is left out in this order: ends of names, then candidates
// from the last on (they are counted in Others instead), then inputs, which Partial tells.
type Decision struct {
	RulesVersion int64          `json:"v,omitempty"`
	Input        *Input         `json:"i,omitempty"` // of a routing; absent where a waiting Chat was only served
	Message      string         `json:"m,omitempty"` // whose text the rules looked at, by its id; empty if it was not stored yet, and they saw none
	RuleID       string         `json:"r,omitempty"`
	RuleName     string         `json:"n,omitempty"`
	Pool         string         `json:"p,omitempty"` // canonical text
	Strategy     Strategy       `json:"s,omitempty"`
	Priority     Priority       `json:"y,omitempty"`
	Step         int            `json:"e,omitempty"` // 0 for the rule's first pool
	WaitingSince int64          `json:"w,omitempty"` // Unix milliseconds; 0 when the Chat did not wait
	Candidates   []Candidate    `json:"c,omitempty"` // best first; the chosen one, if any, is the first
	Others       map[Reason]int `json:"o,omitempty"` // everybody else, counted by reason
	TieBreak     Reason         `json:"t,omitempty"`
	PersonID     string         `json:"u,omitempty"` // who got it
	Nobody       Reason         `json:"x,omitempty"` // why nobody did
	Partial      bool           `json:"z,omitempty"` // inputs are missing, so that Explain can't repeat the routing
}

// With is the decision with what a Choice adds to it.
func (d Decision) With(c Choice) Decision {
	d.Candidates, d.Others, d.TieBreak, d.Nobody = c.Candidates, c.Others, c.TieBreak, c.Nobody
	d.PersonID = ""
	if c.Person != nil {
		d.PersonID = c.Person.ID
	}
	return d
}

// Lengths of names, in characters, in decisions: always, and where room is short.
const (
	nameLength      = 24
	shortNameLength = 12
)

// MarshalJSON is the form in which decisions are stored.
func (d Decision) MarshalJSON() ([]byte, error) {
	type plain Decision
	text, err := json.Marshal(plain(d))
	if err != nil || len(text) <= MaxDecision {
		return text, err
	}
	d.RuleName = firstRunes(d.RuleName, nameLength)
	candidates := make([]Candidate, len(d.Candidates))
	for i, c := range d.Candidates {
		c.Name = firstRunes(c.Name, shortNameLength)
		candidates[i] = c
	}
	d.Candidates, d.Others = candidates, maps.Clone(d.Others)
	for {
		text, err = json.Marshal(plain(d))
		if err != nil || len(text) <= MaxDecision {
			return text, err
		}
		switch last := len(d.Candidates) - 1; {
		case last > 0 || last == 0 && d.PersonID == "":
			if d.Others == nil {
				d.Others = make(map[Reason]int)
			}
			d.Others[d.Candidates[last].counted()]++
			d.Candidates = d.Candidates[:last]
		case d.Input != nil && (d.Input.Tags != nil || d.Input.Hours != nil):
			in := *d.Input
			in.Tags, in.Hours = nil, nil
			d.Input, d.Partial = &in, true
		case d.Input != nil:
			d.Input, d.Message, d.Partial = nil, "", true
		default:
			return text, nil
		}
	}
}

func firstRunes(s string, n int) string {
	at := 0
	for ; n > 0 && at < len(s); n-- {
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return s[:at]
}

// Candidate is one person who was looked at, as they were at that moment.
type Candidate struct {
	PersonID     string
	Name         string // its first 24 characters
	Outcome      string // Chosen or Passed
	Because      Reason
	OpenChats    int // before the assignment
	Limit        int // capacity in force; team.NoLimit when there is none
	Availability team.Availability
}

// The outcomes of a Candidate.
const (
	Chosen = "chosen"
	Passed = "passed"
)

// MarshalJSON writes a list, and leaves out what the reason tells: [id, name, because, openChats, limit, availability],
// where a limit of 0 is team.NoLimit and an availability of "" is the one that goes with the reason.
func (c Candidate) MarshalJSON() ([]byte, error) {
	if c.Limit == team.NoLimit {
		c.Limit = 0
	}
	list := []any{c.PersonID, c.Name, c.Because, c.OpenChats, c.Limit, c.Availability}
	if c.Availability == c.Because.availability() {
		list = list[:5]
	}
	return json.Marshal(list)
}

// UnmarshalJSON reads what MarshalJSON writes.
func (c *Candidate) UnmarshalJSON(text []byte) error {
	*c = Candidate{}
	list := [...]any{&c.PersonID, &c.Name, &c.Because, &c.OpenChats, &c.Limit, &c.Availability}
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	c.Outcome = c.Because.outcome()
	if c.Limit == 0 {
		c.Limit = team.NoLimit
	}
	if c.Availability == "" {
		c.Availability = c.Because.availability()
	}
	return nil
}

// counted is the reason under which the candidate is counted when they are not named.
func (c Candidate) counted() Reason {
	switch c.Because {
	case AssignedLater, MoreOpenChats, LaterByWeight, LowerWeight, PreviousPreferred, LaterID:
		return LaterInOrder
	}
	return c.Because
}
