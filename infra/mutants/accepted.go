package main

import "regexp"

// whyAccepted says why nothing can go wrong, as far as a test could see, where a condition is taken away; empty where it
// can. Such a condition is not tried.
func whyAccepted(s site) string {
	for _, a := range accepted {
		if a.conditions.MatchString(s.String()) {
			return a.because
		}
	}
	return ""
}

// accepted are conditions that others of the same write imply.
var accepted = []struct {
	conditions *regexp.Regexp
	because    string
}{
	{regexp.MustCompile(`^(assigned|created|reopened): Update P if (active = true|availability = online|openChats < limit|role = agent|contains \(\w+, \?\))$`),
		"the person is as chosen: every write of a person raises `changed`. These say I3 where it is enforced"},
	{regexp.MustCompile(`^(assigned|routed|widened): Update C 0 if ep = \?$`),
		"a Chat waits in these pools, by this routing: whoever ends a waiting empties the pools, whoever begins one raises the routing"},
	{regexp.MustCompile(`^(closed|opened|reopened|(ConditionCheck P, )?Update C 0): Update C 0 if rt = \?$`),
		"the Chat does not wait, and is routed only together with a new epoch"},
	{regexp.MustCompile(` if attribute_not_exists \(po\)$`),
		"the Chat does not wait, and begins to only together with a new epoch"},
	{regexp.MustCompile(`^ConditionCheck P, Put C M, (Put I 0, )?Update C 0: Update C 0 if (ow = \?|st = open)$`),
		"owner and status change only together with the epoch. These say I7 where it is enforced"},
	{regexp.MustCompile(`^ConditionCheck P, Put C M, Put I 0, Update C 0: Put C M if `),
		"an attempt that put the Message put the client's key too"},
	{regexp.MustCompile(`^Update C 0: Update C 0 if st <> merged$`),
		"the Chat is the reader's, and a merged one is nobody's"},
	{regexp.MustCompile(`^merged: Update C 0 that is merged if li = \?$`),
		"whoever moves the last message of an open Chat forward moves the preview (pv) to it; of a closed one, the epoch"},
	{regexp.MustCompile(`^created: Put C M if `),
		"a Chat that is not there has no Messages: Chats are never deleted"},
	{regexp.MustCompile(`^ConditionCheck C 0, (ConditionCheck C M, )?Put C M: ConditionCheck C 0 if \(attribute_not_exists \((ur|mo)\)\) OR `),
		"the message is counted already, so that the write counts nothing"},
	{regexp.MustCompile(`^ConditionCheck C 0, Update C 0, Update alias: Update alias if to = \?$`),
		"the Chat that it leads to has the number (ph), which goes with the alias"},
	{regexp.MustCompile(`^Delete T, Put Q: Delete T if rt = \?$`),
		"a timer's key ends with the routing"},
	{regexp.MustCompile(`^Put F 0, Put MAIL, Put P, Put SUB: Put P if `),
		"the id is new: 60 random bits"},
	{regexp.MustCompile(`^Put R V, Update R 0: Update R 0 if \(attribute_not_exists \(version\)\) OR `),
		"version 1 is put by the transaction that first sets the pointer, and only once"},
}
