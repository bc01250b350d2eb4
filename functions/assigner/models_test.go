package main

import (
	"fmt"
	"strings"

	"github.com/anishathalye/porcupine"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Two models, of what a Chat is and of what a person's load is, said once more without a database. A history is right if
// there is one order of everything that happened to the one Chat, or to the one person, in which each step was allowed at
// that instant, each answer was right, and every look saw what there was.

// did is one thing that somebody did with a Chat, or that happened to it.
type did struct {
	do     string // gives, passes, closes, opens, replies; writes (the customer), takes (a message opens it), assigned; looks
	by, to string
	event  chat.Event // of takes and assigned: what the history says
}

// said is the answer to what a person does: an error's code or, without one, the epoch that the Chat was left at.
type said struct {
	code  chat.Code
	epoch int64
}

// ownership is all that a Chat is to a history, and what somebody who looks sees, but for passed.
type ownership struct {
	status chat.Status // empty while there is no Chat
	owner  string
	epoch  int64
	passed string // the team that it waits for because a person passed it on
}

// denied stands for all answers by which the permission table says no.
const denied chat.Code = "denied"

// next is what becomes of the Chat, and whether that, and the answer, was right.
func (now ownership) next(d did, answer said) (bool, ownership) {
	switch d.do {
	case "writes": // it was an open Chat's, or it would have opened it
		return now.status == chat.Open, now
	case "takes":
		e := d.event
		return now.status != chat.Open && now.owner == e.From && now.epoch+1 == e.Epoch && (e.Type == chat.Created) == (now.epoch == 0),
			ownership{status: chat.Open, owner: e.Owner, epoch: e.Epoch}
	case "assigned":
		e := d.event
		return now.status == chat.Open && now.owner == "" && e.From == "" && e.Owner != "" && now.epoch+1 == e.Epoch,
			ownership{status: chat.Open, owner: e.Owner, epoch: e.Epoch}
	}
	next, refused := now.acts(d)
	switch {
	case answer.code == chat.CannotOwn: // depends on the person; the other model says whether it may be
		return d.do == "gives" && (now.owner == d.by || d.by == "alex"), now
	case refused != "":
		return answer.code == refused, now
	}
	return answer == said{epoch: next.epoch}, next
}

// acts is the permission table, and what a person makes of the Chat.
func (now ownership) acts(d did) (next ownership, refused chat.Code) {
	owns := now.owner == d.by
	next = ownership{status: now.status, owner: now.owner, epoch: now.epoch + 1}
	switch {
	case now.status == "":
		return now, chat.NoSuchChat
	case !owns && !(d.by == "alex" && (d.do == "gives" || d.do == "passes")):
		return now, denied
	case (d.do == "passes" || d.do == "replies") && now.status == chat.Closed:
		return now, chat.ChatClosed
	case d.do == "gives" && now.owner == d.to, d.do == "passes" && now.passed == d.to,
		d.do == "closes" && now.status == chat.Closed, d.do == "opens" && now.status == chat.Open, d.do == "replies":
		return now, "" // it is so already, or changes nothing
	}
	switch d.do {
	case "gives":
		next.owner = d.to
	case "passes":
		next.owner, next.passed = "", d.to
	case "closes":
		next.status = chat.Closed
	case "opens":
		next.status = chat.Open
	}
	return next, ""
}

var chatModel = porcupine.Model{
	Init: func() any { return ownership{} },
	Step: func(state, input, output any) (bool, any) {
		now := state.(ownership)
		if seen, ok := output.(ownership); ok {
			now.passed = ""
			return now == seen, state
		}
		answer, _ := output.(said)
		ok, next := now.next(input.(did), answer)
		return ok, next
	},
	DescribeOperation: func(input, output any) string {
		d := input.(did)
		e := d.event
		return fmt.Sprintf("%s %s %s %s %s->%s %d -> %+v", d.by, d.do, d.to, e.Type, e.From, e.Owner, e.Epoch, output)
	},
	DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
}

// load is all that a person is to a history, and what somebody who looks sees: also how often they were written, so
// that no write is unaccounted for.
type load struct {
	open, limit  int
	availability team.Availability
	active       bool
	teams        string
	changed      int64
}

func loadOf(p team.Person) load {
	return load{open: p.OpenChats, limit: p.Limit, availability: p.Availability, active: p.Active, teams: strings.Join(p.Teams, " "), changed: p.Changed}
}

// touch is one write of a person.
type touch struct {
	do       string // automatically, by hand, ends, edited; looks
	decision *assign.Decision
	edit     func(*load)
	what     string // of an edit, for people
}

// next is I2 and I3 at one instant. What a decision tells of the person chosen is exact.
func (now load) next(t touch) (bool, load) {
	next := now
	next.changed++
	ok := true
	switch t.do {
	case "automatically":
		chosen := t.decision.Candidates[0]
		ok = now.mayTake(t.decision.Pool) && chosen.OpenChats == now.open && chosen.Limit == now.limit
		next.open++
	case "by hand":
		ok = now.active
		next.open++
	case "ends":
		next.open--
	case "edited":
		t.edit(&next)
	}
	return ok && next.open >= 0, next
}

func (now load) mayTake(pool string) bool {
	p, err := assign.ParsePool(pool)
	return err == nil && now.availability == team.Online && now.open < now.limit &&
		p.Fits(team.Person{Role: team.Agent, Active: now.active, Teams: strings.Fields(now.teams)})
}

// loadModel begins with the person as they were before.
func loadModel(before load) porcupine.Model {
	return porcupine.Model{
		Init: func() any { return before },
		Step: func(state, input, output any) (bool, any) {
			now := state.(load)
			if seen, ok := output.(load); ok {
				return now == seen, now
			}
			ok, next := now.next(input.(touch))
			return ok, next
		},
		DescribeOperation: func(input, output any) string {
			t := input.(touch)
			return fmt.Sprintf("%s %s %+v", t.do, t.what, output)
		},
		DescribeState: func(state any) string { return fmt.Sprintf("%+v", state) },
	}
}
