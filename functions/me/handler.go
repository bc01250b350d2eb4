package main

import (
	"context"
	"time"

	"chatkeeper/shared/access"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

// onlineFor is how long somebody stays online who does not say so again, so that nobody gets Chats all weekend by mistake.
const onlineFor = 12 * time.Hour

// me answers for the person who asks, and for nobody else.
type me struct {
	people interface {
		UpdatePerson(ctx context.Context, id string, now time.Time, edit func(*team.Person) error) (team.Person, error)
	}
}

func (m me) routes() httpapi.Routes {
	return httpapi.Routes{
		"GET /v1/me":   m.show,
		"PATCH /v1/me": m.change,
	}
}

// shownMe is a person as they see themselves.
type shownMe struct {
	httpapi.ShownPerson
	Can rights `json:"can"`
}

// rights are what goes beyond the Chats of one's own; what somebody may do with one Chat stands with the Chat.
type rights struct {
	ReassignAny bool `json:"reassignAny"` // any Chat, at any time
	Configure   bool `json:"configure"`   // people, teams and rules
}

func show(p team.Person, now time.Time) *httpapi.Response {
	anothers := chat.Chat{Ownership: chat.Ownership{Status: chat.Open}}
	return &httpapi.Response{Body: shownMe{httpapi.ShowPerson(p, now), rights{
		ReassignAny: access.Decide(p, access.Reassign, anothers).Allowed,
		Configure:   p.Role == team.Admin,
	}}}
}

func (m me) show(_ context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := httpapi.CheckQuery(r); err != nil {
		return nil, err
	}
	return show(r.Person, r.Now), nil
}

// change sets the availability. Saying online again begins the 12 hours anew; saying anything else again writes nothing.
func (m me) change(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := httpapi.CheckQuery(r); err != nil {
		return nil, err
	}
	body, err := httpapi.Decode[struct {
		Availability team.Availability `json:"availability"`
	}](r)
	if err != nil {
		return nil, err
	}
	var until time.Time
	switch body.Availability {
	case team.Online:
		until = r.Now.Add(onlineFor)
	case team.Away, team.Offline:
		if r.Person.Availability == body.Availability {
			return show(r.Person, r.Now), nil
		}
	default:
		return nil, httpapi.Invalid("/availability", "must be online, away or offline")
	}
	p, err := m.people.UpdatePerson(ctx, r.Person.ID, r.Now, func(p *team.Person) error {
		if !p.Active || p.Role == "" { // since the request was let in
			return &chat.Error{Code: chat.Inactive}
		}
		p.Availability, p.OnlineUntil = body.Availability, until
		return nil
	})
	if err != nil {
		return nil, err
	}
	return show(p, r.Now), nil
}
