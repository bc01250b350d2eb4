// Command reassign gives Chats to other people, or to a team.
package main

import (
	"context"
	"slices"
	"time"
	"unicode/utf8"

	"chatkeeper/shared/access"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

type reassign struct {
	store store
	names *httpapi.NameBook
}

type store interface {
	Act(ctx context.Context, chatID string, people []string, decide func(chat.Chat, dynamo.Cast) (*chat.Change, error)) (chat.Chat, error)
	InForce(ctx context.Context) (dynamo.InForce, error)
}

func (s *reassign) routes() httpapi.Routes {
	return httpapi.Routes{"PUT /v1/chats/{chatId}/assignee": s.put}
}

// wanted is the body: a person or a team, not both.
type wanted struct {
	PersonID *string `json:"personId"`
	TeamID   *string `json:"teamId"`
	Note     string  `json:"note"`
	IfEpoch  *int64  `json:"ifEpoch"`
}

const maxNote = 1000 // characters

func (w wanted) check() error {
	var wrong []chat.Field
	switch {
	case w.PersonID == nil && w.TeamID == nil:
		wrong = append(wrong, chat.Field{Pointer: "/personId", Detail: "a personId or a teamId is needed"})
	case w.PersonID != nil && w.TeamID != nil:
		wrong = append(wrong, chat.Field{Pointer: "/teamId", Detail: "can't stand beside a personId"})
	case w.PersonID != nil && *w.PersonID == "":
		wrong = append(wrong, chat.Field{Pointer: "/personId", Detail: "is empty"})
	case w.TeamID != nil && *w.TeamID == "":
		wrong = append(wrong, chat.Field{Pointer: "/teamId", Detail: "is empty"})
	}
	if utf8.RuneCountInString(w.Note) > maxNote {
		wrong = append(wrong, chat.Field{Pointer: "/note", Detail: "must have 1000 characters at most"})
	}
	if wrong != nil {
		return &chat.Error{Code: chat.Invalid, Detail: "The body is not valid.", Fields: wrong}
	}
	return nil
}

// answer is the Chat as it is now, with what speaks against the choice. Nothing of that prevents it: people know why.
type answer struct {
	httpapi.ShownChat
	Warnings []string `json:"warnings"`
}

// put gives the Chat away. That it is there already is success, and writes nothing.
func (s *reassign) put(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	want, err := httpapi.Decode[wanted](r)
	if err != nil {
		return nil, err
	}
	if err := want.check(); err != nil {
		return nil, err
	}
	to := "" // a person's id, if it is no team
	if want.TeamID == nil {
		to = *want.PersonID
	} else if err := s.teamExists(ctx, *want.TeamID); err != nil {
		return nil, err
	}
	by := chat.Actor{Kind: chat.ByPerson, ID: r.Person.ID, Name: r.Person.Name}
	var against []string
	c, err := s.store.Act(ctx, r.Path["chatId"], []string{r.Person.ID, to}, func(c chat.Chat, who dynamo.Cast) (*chat.Change, error) {
		if err := access.Check(who[r.Person.ID], access.Reassign, c); err != nil {
			return nil, err
		}
		if err := c.IfEpoch(want.IfEpoch); err != nil {
			return nil, err
		}
		if want.TeamID != nil {
			return toTeam(c, r.Now, by, *want.TeamID, want.Note)
		}
		target := who[to]
		against = warnings(c, target, r.Now)
		return toPerson(c, r.Now, by, target, to, want.Note)
	})
	if err != nil {
		return nil, err
	}
	names := s.names.Names(ctx, c.Owner)
	return &httpapi.Response{Body: answer{httpapi.ShowChat(c, r.Person, names, r.Now), append([]string{}, against...)}}, nil
}

func (s *reassign) teamExists(ctx context.Context, id string) error {
	if id == team.Everyone {
		return nil
	}
	f, err := s.store.InForce(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(f.Settings.Teams, func(t team.Team) bool { return t.ID == id }) {
		return &chat.Error{Code: chat.NoSuchTeam, Detail: "There is no such team."}
	}
	return nil
}

func toTeam(c chat.Chat, now time.Time, by chat.Actor, teamID, note string) (*chat.Change, error) {
	if c.Status != chat.Open {
		return nil, &chat.Error{Code: chat.ChatClosed, Detail: "A closed Chat can't wait for a team; open it first, or give it to somebody."}
	}
	if c.WaitsByHand(teamID) {
		return nil, nil
	}
	change := c.PassedTo(now, by, teamID, note)
	return &change, nil
}

func toPerson(c chat.Chat, now time.Time, by chat.Actor, target team.Person, to, note string) (*chat.Change, error) {
	if c.Owner == to {
		return nil, nil
	}
	if !target.MayAct() {
		return nil, &chat.Error{Code: chat.CannotOwn, Detail: "There is no such active team member.",
			Fields: []chat.Field{{Pointer: "/personId", Detail: "is unknown or inactive"}}}
	}
	change := c.Reassigned(now, by, to, note)
	return &change, nil
}

// warnings says why the rules would not have chosen this person.
func warnings(c chat.Chat, target team.Person, now time.Time) []string {
	var against []string
	switch {
	case target.Online(now):
	case target.Availability == team.Away:
		against = append(against, "away")
	default:
		against = append(against, "offline")
	}
	if c.Status == chat.Open && c.Owner != target.ID && target.OpenChats >= target.Limit {
		against = append(against, "at_capacity")
	}
	if l := c.Customer.Language; l != "" && l != assign.Unknown && !slices.Contains(target.Languages, l) {
		against = append(against, "wrong_language")
	}
	return against
}
