package assign

import "encoding/json"

// MarshalJSON prints the document. Parse reads it back to rules that route alike, and those print the same bytes.
func (r *Rules) MarshalJSON() ([]byte, error) {
	doc := printedRules{Rules: make([]printedRule, 0, len(r.rules)), Otherwise: r.otherwise.print()}
	doc.Otherwise.ID = ""
	doc.Otherwise.Enabled = nil
	for i := range r.rules {
		rule := &r.rules[i]
		p := rule.print()
		when := rule.when.print()
		p.When = &when
		doc.Rules = append(doc.Rules, p)
	}
	return json.Marshal(doc)
}

type printedRules struct {
	Rules     []printedRule `json:"rules"`
	Otherwise printedRule   `json:"otherwise"`
}

type printedRule struct {
	ID       string            `json:"id,omitempty"`
	Name     string            `json:"name,omitempty"`
	Enabled  *bool             `json:"enabled,omitempty"`
	When     *printedCondition `json:"when,omitempty"`
	To       []printedTarget   `json:"to"`
	Requires *printedRequires  `json:"requires,omitempty"`
	Previous *printedPrevious  `json:"previousAssignee,omitempty"`
	Priority Priority          `json:"priority,omitempty"`
}

type printedCondition struct {
	All      []printedCondition `json:"all,omitempty"`
	Any      []printedCondition `json:"any,omitempty"`
	Not      *printedCondition  `json:"not,omitempty"`
	Field    string             `json:"field,omitempty"`
	In       []string           `json:"in,omitempty"`
	Contains []string           `json:"contains,omitempty"`
	Calendar string             `json:"calendar,omitempty"`
	Is       string             `json:"is,omitempty"`
}

type printedTarget struct {
	Team     string   `json:"team,omitempty"`
	Person   string   `json:"person,omitempty"`
	Strategy Strategy `json:"strategy"`
	After    string   `json:"after,omitempty"`
}

type printedRequires struct {
	Languages []string `json:"languages,omitempty"`
	Skills    []string `json:"skills,omitempty"`
}

type printedPrevious struct {
	Prefer bool   `json:"prefer"`
	Within string `json:"within,omitempty"`
}

func (r *rule) print() printedRule {
	p := printedRule{ID: r.id, Name: r.name, Enabled: &r.enabled}
	for _, t := range r.to {
		target := printedTarget{Team: t.team, Person: t.person, Strategy: t.strategy}
		if t.after > 0 {
			target.After = formatWait(t.after)
		}
		p.To = append(p.To, target)
	}
	if len(r.languages)+len(r.skills) > 0 {
		p.Requires = &printedRequires{r.languages, r.skills}
	}
	if r.previous != nil {
		p.Previous = &printedPrevious{Prefer: r.previous.prefer}
		if r.previous.within > 0 {
			p.Previous.Within = formatWait(r.previous.within)
		}
	}
	if r.priority != Normal {
		p.Priority = r.priority
	}
	return p
}

func (c *condition) print() printedCondition {
	parts := make([]printedCondition, len(c.parts))
	for i := range c.parts {
		parts[i] = c.parts[i].print()
	}
	switch c.kind {
	case allOf:
		return printedCondition{All: parts}
	case anyOf:
		return printedCondition{Any: parts}
	case notOf:
		return printedCondition{Not: &parts[0]}
	}
	p := printedCondition{Field: c.field, Calendar: c.calendar, Is: c.is}
	if c.field == fieldText {
		p.Contains = c.values
	} else {
		p.In = c.values
	}
	return p
}
