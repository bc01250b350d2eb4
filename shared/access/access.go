// Package access says who may do what with a Chat. It is the only place that does: a pure function of the person, the
// action and the Chat as it was read for the write, that answers with the rule that decided. Deny is the default.
//
//	                        view  read  reply  change status  reassign, edit customer
//	Assignee                yes   yes   yes    yes            yes
//	other team member       yes   no    no     no             no
//	Admin, not Assignee     yes   no    no     no             yes
//	deactivated, no role    no    no    no     no             no
//
// Viewing is not reading: only the Assignee's reading lets the unread count fall. On a merged Chat nobody acts; on a closed
// one the Assignee can't reply until it is open again.
package access

import (
	"fmt"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Action is what somebody wants to do with a Chat.
type Action string

// The actions.
const (
	View         Action = "view"
	Read         Action = "read"
	Reply        Action = "reply"
	ChangeStatus Action = "change_status"
	Reassign     Action = "reassign"
	EditCustomer Action = "edit_customer"
)

// Rule is what decided.
type Rule string

// The rules, in the order in which they are asked. The first that applies decides.
const (
	InactiveMayNothing Rule = "inactive_may_nothing"
	EverybodyViews     Rule = "everybody_views"
	MergedIsDone       Rule = "merged_is_done"
	ClosedTakesNoReply Rule = "closed_takes_no_reply"
	AssigneeActs       Rule = "assignee_acts"
	AdminReassigns     Rule = "admin_reassigns"
	OnlyAssigneeActs   Rule = "only_assignee_acts"
)

// Decision is the answer: whether, and by which rule.
type Decision struct {
	Allowed bool
	Rule    Rule
	Code    chat.Code // of a denial
}

// Decide answers whether the person may do it with the Chat as it is.
func Decide(p team.Person, a Action, c chat.Chat) Decision {
	assignee := c.Owner == p.ID
	switch {
	case !p.Active || p.Role != team.Agent && p.Role != team.Admin:
		return Decision{Rule: InactiveMayNothing, Code: chat.Inactive}
	case a == View:
		return Decision{Allowed: true, Rule: EverybodyViews}
	case c.Status == chat.Merged:
		return Decision{Rule: MergedIsDone, Code: chat.ChatMerged}
	case assignee && a == Reply && c.Status != chat.Open:
		return Decision{Rule: ClosedTakesNoReply, Code: chat.ChatClosed}
	case assignee && acts(a):
		return Decision{Allowed: true, Rule: AssigneeActs}
	case p.Role == team.Admin && (a == Reassign || a == EditCustomer):
		return Decision{Allowed: true, Rule: AdminReassigns}
	case p.Role == team.Admin:
		return Decision{Rule: OnlyAssigneeActs, Code: chat.AdminNotOwner}
	}
	return Decision{Rule: OnlyAssigneeActs, Code: chat.NotAssignee}
}

func acts(a Action) bool {
	switch a {
	case Read, Reply, ChangeStatus, Reassign, EditCustomer:
		return true
	}
	return false
}

// Check is Decide as an error: nil, or a *[chat.Error] that says which rule denied, and who the Assignee is.
func Check(p team.Person, a Action, c chat.Chat) error {
	d := Decide(p, a, c)
	if d.Allowed {
		return nil
	}
	e := &chat.Error{Code: d.Code, Detail: words(d, c)}
	if d.Rule == OnlyAssigneeActs {
		e.Assignee = c.Owner
	}
	return e
}

// Can is what a person may do with a Chat now, as a frontend shows it.
type Can struct {
	Read         bool `json:"read"`
	Reply        bool `json:"reply"`
	ChangeStatus bool `json:"changeStatus"`
	Reassign     bool `json:"reassign"`
}

// Of asks Decide for every action.
func Of(p team.Person, c chat.Chat) Can {
	may := func(a Action) bool { return Decide(p, a, c).Allowed }
	return Can{Read: may(Read), Reply: may(Reply), ChangeStatus: may(ChangeStatus), Reassign: may(Reassign)}
}

// Notice tells somebody who views a Chat why they can't reply; nil if they can.
type Notice struct {
	Code     chat.Code
	Text     string
	Assignee string // who can; empty if nobody can now
}

// NoticeOf is the notice that goes with Of.
func NoticeOf(p team.Person, c chat.Chat) *Notice {
	d := Decide(p, Reply, c)
	if d.Allowed {
		return nil
	}
	n := &Notice{Code: d.Code, Text: words(d, c)}
	if d.Rule == OnlyAssigneeActs {
		n.Assignee = c.Owner
	}
	return n
}

func words(d Decision, c chat.Chat) string {
	switch d.Rule {
	case InactiveMayNothing:
		return "You are deactivated or have no role; an Admin can change that."
	case MergedIsDone:
		return fmt.Sprintf("This Chat was merged into %s; go on there.", c.MergedInto)
	case ClosedTakesNoReply:
		return "The Chat is closed; open it again to reply."
	case OnlyAssigneeActs:
		if c.Owner == "" {
			return "You cannot respond, because you are not the assigned agent: the Chat waits for one."
		}
		return "You cannot respond, because you are not the assigned agent."
	}
	return ""
}
