package chat

import (
	"time"

	"chatkeeper/shared/assign"
)

// OpensFor is Opens where somebody can take the Chat at once and nobody waits before it: it is theirs from the start, by
// one epoch, with one event that tells both the opening and the choice. The event is the rule's, which gave the Chat.
// The store takes the person only if they are as chosen; else nothing of the Change happens.
func (c Chat) OpensFor(at time.Time, placed Placed, arrival Arrival, auto Auto, choice assign.Choice) Change {
	change := c.Opens(at, placed, arrival)
	decision := change.Event.Decision.With(choice)
	change.After.Owner = auto.Person.ID
	change.After.Pools = nil
	change.After.WaitingSince = time.Time{}
	change.Entry = Entry{}
	change.Auto = &auto
	change.Event.Owner = auto.Person.ID
	change.Event.By = Actor{Kind: ByRule, ID: decision.RuleID, Name: decision.RuleName}
	change.Event.Decision = &decision
	return change
}
