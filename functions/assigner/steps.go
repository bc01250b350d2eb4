package main

import (
	"context"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// arm stores the timer of the step that is ahead of an entry, unless somebody found before that nobody could take it: then
// it was armed. So only Chats that really wait pay for steps, once a step. It reports whether that is still to be done:
// only the entry's own rules tell what is ahead, and while they are not in force (newer ones route it again, and those that
// can't be loaded may be mended) nobody knows.
func (s *serving) arm(ctx context.Context, e chat.Entry, rules dynamo.InForce) (unarmed bool, err error) {
	if e.Because != "" && !e.Unarmed || e.RulesVersion == chat.ByHand {
		return false, nil
	}
	if e.RulesVersion != rules.Version {
		return true, nil
	}
	timer, ahead := e.Next(rules.Rules.Steps(e.RuleID))
	if !ahead {
		return false, nil
	}
	return false, s.store.Arm(ctx, timer)
}
