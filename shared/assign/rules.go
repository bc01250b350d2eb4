// Package assign decides who should get a Chat: the rules document that Admins save, the pools its rules lead to, and
// the choice of a person in a pool. It is pure: inputs, people and time are passed in, nothing is read or written.
//
// # The rules document
//
// One JSON object with "rules", an ordered list, and "otherwise". The first enabled rule whose "when" holds decides;
// otherwise decides when none does. A rule has
//
//	id                a name for machines: a-z, 0-9 and "-", at most 32; unique
//	name              for people, at most 48 characters
//	enabled           true or false
//	when              a condition, see below
//	to                one to eight steps: {"team": …} or {"person": …}, with "strategy", and from the second on "after":
//	                  how long the Chat has waited when the step opens, such as "5m", growing from step to step
//	requires          optional {"languages": […], "skills": […]}: everybody in the pool has all of them
//	previousAssignee  optional {"prefer": true or false, "within": "24h"}: who gets a Chat that is opened again
//	priority          optional: high, normal (the default) or low
//
// and otherwise the same without id, name, enabled and when. The strategies of a team are round_robin, least_loaded and
// weighted; the one of a person is agent. Choose says what they do. Whoever had a Chat until it was closed comes before
// them if previousAssignee says so, within the time it names since then (any, if it names none), and if they belong to
// the pool and can take the Chat now.
//
// # Conditions
//
// A condition is one of {"all": […]}, {"any": […]}, {"not": …} or a question about one field. Nothing in it may be
// empty, so that no condition holds, or fails, by accident.
//
//	{"field": F, "in": […]}                     the value is one of those listed; F is one of
//	    language        ISO 639-1 in lower case, or "unknown"
//	    country         ISO 3166 alpha-2 in upper case, or "unknown"
//	    phonePrefix     one to six digits, with or without "+": the phone number begins with them
//	    businessNumber  WhatsApp's phone_number_id
//	    department      id of a department
//	    messageType     WhatsApp's type of the message, such as "text" or "image"
//	    replyId         id of the button or list choice
//	    adSource        source id of the ad the customer came from
//	    customerTag     a tag of the Customer; one that is listed is enough; compared without case
//	    customer        "new" or "returning"
//	    openedBy        "created" or "reopened"
//	{"field": "text", "contains": […]}          the text has one of these words or phrases: compared without case, whole
//	                                            words only, except in scripts that put no spaces between words
//	{"field": "hours", "calendar": C, "is": S}  the moment lies in the hours of calendar C; S is "inside" or "outside".
//	                                            A calendar that is gone is neither
package assign

import (
	"slices"
	"time"

	"chatkeeper/shared/team"
)

// Limits of a rules document.
const (
	MaxRules     = 1000
	MaxBytes     = 300 << 10
	maxNesting   = 8   // conditions within conditions
	maxList      = 500 // values of a question, conditions of an all or any
	maxSteps     = 8
	MaxPool      = 160 // bytes of a pool's canonical text: it is a key, and stands in Chats and waiting entries
	maxRequired  = 8   // languages, and skills
	maxCalendars = 8   // in one document, so that what was asked fits into a decision
	maxNameRunes = 48
	maxIDBytes   = 32
	maxValue     = 256 // bytes of one value
	maxWait      = 7 * 24 * time.Hour
	maxWithin    = 90 * 24 * time.Hour
)

// OtherwiseID is the rule id in routings and decisions when no rule matched. No rule may have it.
const OtherwiseID = "otherwise"

// Strategy is how the next person of a pool is chosen.
type Strategy string

// The strategies; see Choose.
const (
	RoundRobin  Strategy = "round_robin"
	LeastLoaded Strategy = "least_loaded"
	Weighted    Strategy = "weighted"
	Agent       Strategy = "agent"
)

// known reports whether Choose can follow the strategy.
func (s Strategy) known() bool {
	return s == RoundRobin || s == LeastLoaded || s == Weighted || s == Agent
}

// Priority orders the waiting Chats of a pool before their time does.
type Priority string

// The priorities.
const (
	High   Priority = "high"
	Normal Priority = "normal"
	Low    Priority = "low"
)

// Rank is 0 for High, 1 for Normal and 2 for Low: the order in which waiting Chats are served.
func (p Priority) Rank() int {
	switch p {
	case High:
		return 0
	case Low:
		return 2
	}
	return 1
}

// Rules is a rules document that was read and found sound. It does not change, and many goroutines may use it at once.
type Rules struct {
	rules     []rule
	otherwise rule // without id, name and condition
	index     index
}

type rule struct {
	id, name  string
	enabled   bool
	when      condition
	to        []target
	languages []string
	skills    []string
	previous  *previous
	priority  Priority

	routing Routing // made of the above once, so that Route only copies it
}

type target struct {
	team, person string
	strategy     Strategy
	after        time.Duration
}

type previous struct {
	prefer bool
	within time.Duration // zero when the document does not say
}

// Routing is where the rules send a Chat.
type Routing struct {
	RuleID   string // OtherwiseID when no rule matched
	RuleName string
	Pool     Pool
	Strategy Strategy
	Priority Priority
	Steps    []Step // further pools that open while the Chat waits, in the order of After; not to be changed

	Previous bool          // the previous Assignee is to be preferred; see Prefers
	Within   time.Duration // this long after the Chat was closed; zero means however long
}

// Prefers reports whether somebody who was the Assignee of a Chat until it was closed is to be preferred when it is
// opened again.
func (r Routing) Prefers(closed, opened time.Time) bool {
	return r.Previous && (r.Within == 0 || opened.Sub(closed) <= r.Within)
}

// Step is a further pool of a Routing.
type Step struct {
	Pool     Pool
	Strategy Strategy
	After    time.Duration // since the Chat began to wait
}

// Route applies the rules to a routing event: the first enabled rule whose condition holds decides, or otherwise.
func (r *Rules) Route(in Input) Routing {
	holds := r.index.answer(in)
	for i := range r.rules {
		if rule := &r.rules[i]; rule.enabled && rule.when.holds(holds) {
			return rule.routing
		}
	}
	return r.otherwise.routing
}

// Steps is the further pools of a rule, or of otherwise by OtherwiseID, in the order of After; not to be changed. None when
// the rule has none, is disabled, or is not there.
func (r *Rules) Steps(ruleID string) []Step {
	if ruleID == OtherwiseID {
		return r.otherwise.routing.Steps
	}
	for i := range r.rules {
		if r.rules[i].id == ruleID && r.rules[i].enabled {
			return r.rules[i].routing.Steps
		}
	}
	return nil
}

// Hours asks the calendars that the rules name whether now lies inside, for Input.Hours. Calendars that are not there,
// or whose zone does not exist, are left out: Check tells of both, and the store logs the latter whenever it loads them.
func (r *Rules) Hours(calendars []team.Calendar, now time.Time) map[string]bool {
	if len(r.index.calendars) == 0 {
		return nil
	}
	hours := make(map[string]bool, len(r.index.calendars))
	for _, c := range calendars {
		if !slices.Contains(r.index.calendars, c.ID) {
			continue
		}
		if inside, err := c.Inside(now); err == nil {
			hours[c.ID] = inside
		}
	}
	return hours
}

// pool is the pool of one of the rule's steps.
func (r *rule) pool(t target) Pool {
	return Pool{Team: t.team, Person: t.person, Languages: r.languages, Skills: r.skills}
}

// route fills in the rule's routing.
func (r *rule) route() {
	r.routing = Routing{RuleID: r.id, RuleName: r.name, Priority: r.priority}
	if r.previous != nil {
		r.routing.Previous, r.routing.Within = r.previous.prefer, r.previous.within
	}
	for i, t := range r.to {
		pool := r.pool(t)
		if i == 0 {
			r.routing.Pool, r.routing.Strategy = pool, t.strategy
			continue
		}
		r.routing.Steps = append(r.routing.Steps, Step{Pool: pool, Strategy: t.strategy, After: t.after})
	}
}
