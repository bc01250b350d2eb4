package chat

import (
	"slices"
	"time"

	"chatkeeper/shared/assign"
)

// Timer is the moment at which the next step of a rule opens a further pool to a waiting Chat, and the waiting entry that
// the Chat then has there. Epoch and Routed of the entry are those of the waiting that it belongs to: an assignment, a
// reassignment, newer rules or a merge end that waiting, and the timer with it.
type Timer struct {
	Due   time.Time
	Entry Entry
}

// Next is the timer of the step after the one whose pool the entry stands in; steps are the rule's, without the first.
// It reports false when no step is ahead. A timer may be due already: the rules may have sent the Chat there late.
func (e Entry) Next(steps []assign.Step) (Timer, bool) {
	if e.Step < 0 || e.Step >= len(steps) {
		return Timer{}, false
	}
	step := steps[e.Step]
	e.Pool, e.Strategy, e.Because, e.Unarmed = step.Pool.String(), step.Strategy, "", false
	e.Step++
	return Timer{Due: e.Since.Add(step.After), Entry: e}, true
}

// Applies reports whether the Chat still waits as it did when the timer was armed.
func (t Timer) Applies(c Chat) bool {
	return c.Waiting() && c.Epoch == t.Entry.Epoch && c.Routed == t.Entry.Routed
}

// Widened is what a step makes of a waiting Chat that the timer applies to: it waits in one pool more, keeps those it
// waits in and its place in time, and whichever pool has somebody first gives it away. Owner, status, epoch and routing
// stay. The timer goes in the same transaction.
func (c Chat) Widened(at time.Time, t Timer) Change {
	after := c.Ownership
	after.Pools = slices.Sorted(slices.Values(append([]string{t.Entry.Pool}, c.Pools...)))
	change := c.becomes(at, after)
	e := t.Entry
	change.Event.Type = Widened
	change.Event.By = Actor{Kind: ByRule, ID: e.RuleID, Name: e.RuleName}
	change.Event.Decision = &assign.Decision{RulesVersion: e.RulesVersion, RuleID: e.RuleID, RuleName: e.RuleName, Pool: e.Pool,
		Strategy: e.Strategy, Priority: after.Priority, Step: e.Step, WaitingSince: after.WaitingSince.UnixMilli()}
	change.Entry = e
	change.Timer = &t
	return change
}
