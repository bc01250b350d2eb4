package access_test

import (
	"testing"

	"chatkeeper/shared/access"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// S9 to S19: the permission table of product and README, cell by cell.
func TestPermissionTable(t *testing.T) {
	t.Parallel()
	agent := team.Person{ID: "dan", Role: team.Agent, Active: true}
	admin := team.Person{ID: "alex", Role: team.Admin, Active: true}
	gone := team.Person{ID: "dan", Role: team.Agent}
	roleless := team.Person{ID: "dan", Active: true}
	chats := map[string]chat.Chat{
		"own, open":        {Ownership: chat.Ownership{Status: chat.Open, Owner: "self"}},
		"own, closed":      {Ownership: chat.Ownership{Status: chat.Closed, Owner: "self"}},
		"another's":        {Ownership: chat.Ownership{Status: chat.Open, Owner: "mei"}},
		"another's closed": {Ownership: chat.Ownership{Status: chat.Closed, Owner: "mei"}},
		"waiting":          {Ownership: chat.Ownership{Status: chat.Open}},
		"merged":           {Ownership: chat.Ownership{Status: chat.Merged}, MergedInto: "x"},
	}
	actions := []access.Action{access.View, access.Read, access.Reply, access.ChangeStatus, access.Reassign, access.EditCustomer}
	const yes = chat.Code("yes")
	for _, test := range []struct {
		who    team.Person
		chat   string
		answer [6]chat.Code // to the actions in order
	}{
		{agent, "own, open", [6]chat.Code{yes, yes, yes, yes, yes, yes}},
		{agent, "own, closed", [6]chat.Code{yes, yes, "chat_closed", yes, yes, yes}},
		{agent, "another's", [6]chat.Code{yes, "not_assignee", "not_assignee", "not_assignee", "not_assignee", "not_assignee"}},
		{agent, "another's closed", [6]chat.Code{yes, "not_assignee", "not_assignee", "not_assignee", "not_assignee", "not_assignee"}},
		{agent, "waiting", [6]chat.Code{yes, "not_assignee", "not_assignee", "not_assignee", "not_assignee", "not_assignee"}},
		{agent, "merged", [6]chat.Code{yes, "chat_merged", "chat_merged", "chat_merged", "chat_merged", "chat_merged"}},
		{admin, "own, open", [6]chat.Code{yes, yes, yes, yes, yes, yes}},
		{admin, "own, closed", [6]chat.Code{yes, yes, "chat_closed", yes, yes, yes}},
		{admin, "another's", [6]chat.Code{yes, "admin_not_assignee", "admin_not_assignee", "admin_not_assignee", yes, yes}},
		{admin, "another's closed", [6]chat.Code{yes, "admin_not_assignee", "admin_not_assignee", "admin_not_assignee", yes, yes}},
		{admin, "waiting", [6]chat.Code{yes, "admin_not_assignee", "admin_not_assignee", "admin_not_assignee", yes, yes}},
		{admin, "merged", [6]chat.Code{yes, "chat_merged", "chat_merged", "chat_merged", "chat_merged", "chat_merged"}},
		{gone, "own, open", [6]chat.Code{"inactive", "inactive", "inactive", "inactive", "inactive", "inactive"}},
		{roleless, "own, open", [6]chat.Code{"inactive", "inactive", "inactive", "inactive", "inactive", "inactive"}},
	} {
		c := chats[test.chat]
		if c.Owner == "self" {
			c.Owner = test.who.ID
		}
		for i, a := range actions {
			got := access.Decide(test.who, a, c)
			code := got.Code
			if got.Allowed {
				code = yes
			}
			if code != test.answer[i] {
				t.Errorf("%s (%s) wants to %s a Chat that is %s: %s by %s, want %s", test.who.ID, test.who.Role, a, test.chat, code, got.Rule, test.answer[i])
			}
			if err := access.Check(test.who, a, c); (err == nil) != got.Allowed {
				t.Errorf("Check and Decide disagree about %s %s", a, test.chat)
			}
		}
		if can, n := access.Of(test.who, c), access.NoticeOf(test.who, c); can.Reply == (n != nil) {
			t.Errorf("%s, %s: can reply is %v beside the notice %v", test.who.ID, test.chat, can.Reply, n)
		}
	}
	if d := access.Decide(agent, "something new", chats["waiting"]); d.Allowed {
		t.Error("an unknown action is allowed")
	}
}
