package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// desk is the function over the seed's people.
type desk struct {
	*testing.T
	store *dynamo.Store
}

func newDesk(t *testing.T) desk {
	t.Helper()
	tables := serverstest.Tables(t)
	d := desk{t, dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])}
	for _, p := range seed.People() {
		if err := d.store.AddPerson(t.Context(), p, now); err != nil {
			t.Fatal(err)
		}
	}
	return d
}

func (d desk) person(id string) team.Person {
	d.Helper()
	p, err := d.store.Person(d.Context(), id)
	if err != nil || p == nil {
		d.Fatal(p, err)
	}
	return *p
}

func (d desk) edit(id string, edit func(*team.Person)) {
	d.Helper()
	if _, err := d.store.UpdatePerson(d.Context(), id, now, func(p *team.Person) error { edit(p); return nil }); err != nil {
		d.Fatal(err)
	}
}

// send sends a request of somebody who was let in as they are now.
func (d desk) send(route, id, body string) (shownMe, error) {
	d.Helper()
	return d.sendAs(route, d.person(id), body)
}

func (d desk) sendAs(route string, p team.Person, body string) (shownMe, error) {
	d.Helper()
	response, err := me{people: d.store}.routes()[route](d.Context(), &httpapi.Request{Person: p, Body: []byte(body), Now: now})
	if err != nil {
		return shownMe{}, err
	}
	text, err := json.Marshal(response.Body)
	if err != nil {
		d.Fatal(err)
	}
	var shown shownMe
	if err := json.Unmarshal(text, &shown); err != nil {
		d.Fatal(err)
	}
	return shown, nil
}

func TestWhoIAm(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for id, want := range map[string]rights{"alex": {ReassignAny: true, Configure: true}, "amira": {}} {
		got, err := d.send("GET /v1/me", id, "")
		if err != nil || got.ID != id || got.Can != want || got.Availability != team.Online || got.Capacity != nil {
			t.Errorf("%s: %+v, %v", id, got, err)
		}
	}
	d.edit("amira", func(p *team.Person) { p.OnlineUntil, p.Capacity, p.Limit = now, 3, 3 })
	if got, err := d.send("GET /v1/me", "amira", ""); err != nil || got.Availability != team.Offline || *got.Capacity != 3 {
		t.Errorf("whose online has ended: %+v, %v", got, err)
	}
}

func TestAvailability(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for _, step := range []struct {
		body         string
		availability team.Availability
		until        time.Time
		writes       int64
	}{
		{`{"availability":"away"}`, team.Away, time.Time{}, 1},
		{`{"availability":"away"}`, team.Away, time.Time{}, 0},
		{`{"availability":"offline"}`, team.Offline, time.Time{}, 1},
		{`{"availability":"online"}`, team.Online, now.Add(12 * time.Hour), 1},
		{`{"availability":"online"}`, team.Online, now.Add(12 * time.Hour), 1}, // the 12 hours begin anew
	} {
		before := d.person("dan")
		got, err := d.send("PATCH /v1/me", "dan", step.body)
		after := d.person("dan")
		if err != nil || got.Availability != step.availability || after.Availability != step.availability || !after.OnlineUntil.Equal(step.until) || after.Changed-before.Changed != step.writes {
			t.Errorf("%s: %v, shown %s, stored %+v", step.body, err, got.Availability, after)
		}
	}
}

func TestAvailabilitiesThatThereAreNot(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	for body, code := range map[string]chat.Code{
		`{}`: chat.Invalid, `{"availability":"busy"}`: chat.Invalid, `{"availability":"Online"}`: chat.Invalid, `{"availability":null}`: chat.Invalid,
		`{"availability":"away","role":"admin"}`: chat.Invalid, `[]`: chat.BadRequest,
	} {
		_, err := d.send("PATCH /v1/me", "dan", body)
		var e *chat.Error
		if !errors.As(err, &e) || e.Code != code {
			t.Errorf("%s: %v, want %s", body, err, code)
		}
	}
	if p := d.person("dan"); p.Changed != 0 {
		t.Errorf("something was written: %+v", p)
	}
}

// Whoever is deactivated after the request was let in writes nothing, and a role or load that changes meanwhile stays.
func TestTheWriteLooksAgain(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	asLetIn := d.person("mei")
	d.edit("mei", func(p *team.Person) { p.Active = false })
	_, err := d.sendAs("PATCH /v1/me", asLetIn, `{"availability":"away"}`)
	var e *chat.Error
	if !errors.As(err, &e) || e.Code != chat.Inactive || d.person("mei").Availability != team.Online {
		t.Errorf("%v, %+v", err, d.person("mei"))
	}

	dan, results := d.person("dan"), make(chan error)
	const each = 5
	for n := range each {
		go func() {
			_, err := d.sendAs("PATCH /v1/me", dan, fmt.Sprintf(`{"availability":%q}`, []string{"online", "away"}[n%2]))
			results <- err
		}()
		go func() {
			_, err := d.store.UpdatePerson(d.Context(), "dan", now, func(p *team.Person) error {
				p.Skills = append(p.Skills, fmt.Sprintf("skill%d", n))
				return nil
			})
			results <- err
		}()
	}
	for range 2 * each {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if p := d.person("dan"); len(p.Skills) != each {
		t.Errorf("skills were lost: %v", p.Skills)
	}
}
