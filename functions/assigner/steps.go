package main

import (
	"context"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// arm stores the timer of the step that is ahead of an entry, unless somebody found before that nobody could take it: then
// it was armed. So only Chats that really wait pay for steps, once a step. Newer rules than the entry's say nothing about
// it: they route it again.
func (s *serving) arm(ctx context.Context, e chat.Entry, rules dynamo.InForce) error {
	if e.Because != "" || e.RulesVersion != rules.Version {
		return nil
	}
	timer, ahead := e.Next(rules.Rules.Steps(e.RuleID))
	if !ahead {
		return nil
	}
	return s.store.Arm(ctx, timer)
}
