package assign

// Decision is what a history item keeps of one routing event: enough to answer "why this person?" and "why not me?",
// and for a checker to see that the choice was allowed. Why earlier rules did not match is not kept: Explain finds it
// again from Input.
type Decision struct {
	RulesVersion int64          `json:"v,omitempty" dynamodbav:"v,omitempty"`
	Input        *Input         `json:"i,omitempty" dynamodbav:"i,omitempty"` // of a routing; absent where a waiting Chat was only served
	RuleID       string         `json:"r,omitempty" dynamodbav:"r,omitempty"`
	RuleName     string         `json:"n,omitempty" dynamodbav:"n,omitempty"`
	Pool         string         `json:"p,omitempty" dynamodbav:"p,omitempty"` // canonical text
	Strategy     Strategy       `json:"s,omitempty" dynamodbav:"s,omitempty"`
	Priority     Priority       `json:"y,omitempty" dynamodbav:"y,omitempty"`
	Step         int            `json:"e,omitempty" dynamodbav:"e,omitempty"` // 0 for the rule's first pool
	WaitingSince int64          `json:"w,omitempty" dynamodbav:"w,omitempty"` // Unix milliseconds; 0 when the Chat did not wait
	Candidates   []Candidate    `json:"c,omitempty" dynamodbav:"c,omitempty"` // best first
	Others       map[Reason]int `json:"o,omitempty" dynamodbav:"o,omitempty"` // everybody else, counted by reason
	TieBreak     Reason         `json:"t,omitempty" dynamodbav:"t,omitempty"`
	PersonID     string         `json:"u,omitempty" dynamodbav:"u,omitempty"` // who got it
	Nobody       Reason         `json:"x,omitempty" dynamodbav:"x,omitempty"` // why nobody did
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
