package dynamo_test

import (
	"errors"
	"slices"
	"sync"
	"testing"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// office is a team of the seed's people that several functions read, each with a memory of its own.
type office struct {
	*testing.T
	tables map[string]string
}

func newOffice(t *testing.T) office {
	t.Helper()
	o := office{t, serverstest.Tables(t)}
	for _, p := range seed.People() {
		if err := o.function("").AddPerson(t.Context(), p, dynamo.Now()); err != nil {
			t.Fatal(err)
		}
	}
	return o
}

func (o office) function(firstAdmin string) *dynamo.Store {
	s := dynamo.New(serverstest.DynamoDB(o), o.tables["ChatsTable"], o.tables["TeamTable"])
	s.InviteFirstAdmin(firstAdmin)
	return s
}

// expect signs in and compares who it is; an empty id stands for nobody.
func (o office) expect(s *dynamo.Store, who team.Identity, id string) team.Person {
	o.Helper()
	p, err := s.SignedIn(o.Context(), who)
	var e *chat.Error
	switch {
	case id == "" && (!errors.As(err, &e) || e.Code != chat.UnknownPerson):
		o.Errorf("%+v is %q (%v), want nobody", who, p.ID, err)
	case id != "" && (err != nil || p.ID != id):
		o.Errorf("%+v is %q (%v), want %q", who, p.ID, err, id)
	}
	return p
}

func identity(subject, email string, verified bool) team.Identity {
	return team.Identity{Issuer: "https://issuer.example", Subject: subject, Email: email, EmailVerified: verified}
}

func TestAPersonIsFoundByEmailOnceAndBySubjectFromThenOn(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	s := o.function("")
	o.expect(s, identity("1", "", false), "")
	o.expect(s, identity("1", "dan@example.com", false), "")
	o.expect(s, identity("1", "nobody@example.com", true), "")
	o.expect(s, identity("1", "DAN@example.com", true), "dan")
	o.expect(s, identity("1", "", false), "dan")
	o.expect(o.function(""), identity("1", "mei@example.com", true), "dan") // the e-mail does not count any more, in no function
	o.expect(s, identity("2", "dan@example.com", true), "")                 // whoever has the mailbox now
	moved := identity("1", "dan@example.com", true)
	moved.Issuer = "https://other.example"
	o.expect(s, moved, "dan")

	if _, err := s.UpdatePerson(t.Context(), "dan", dynamo.Now(), func(p *team.Person) error { p.Email = "daniel@example.com"; return nil }); err != nil {
		t.Fatal(err)
	}
	o.expect(s, identity("3", "dan@example.com", true), "")
	o.expect(s, identity("2", "daniel@example.com", true), "dan") // an Admin gave them another e-mail, so they may bind again
}

// Role and activity are as of this very request, whoever remembers what.
func TestAPersonIsReadWithEveryRequest(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	s := o.function("")
	if p := o.expect(s, identity("1", "dan@example.com", true), "dan"); !p.Active || p.Role != team.Agent {
		t.Fatalf("%+v", p)
	}
	if _, err := o.function("").UpdatePerson(t.Context(), "dan", dynamo.Now(), func(p *team.Person) error {
		p.Active, p.Role = false, team.Admin
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if p := o.expect(s, identity("1", "", false), "dan"); p.Active || p.Role != team.Admin {
		t.Errorf("%+v", p)
	}
}

func TestTheFirstAdminIsMadeOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	s := o.function("Boss@Example.com")
	o.expect(s, identity("1", "boss@example.com", false), "")
	o.expect(s, identity("1", "other@example.com", true), "")
	o.expect(o.function(""), identity("1", "boss@example.com", true), "")
	boss, err := s.SignedIn(t.Context(), identity("1", "boss@example.com", true))
	if err != nil || boss.Role != team.Admin || !boss.Active || boss.Limit != team.NoLimit {
		t.Fatalf("%+v, %v", boss, err)
	}
	o.expect(s, identity("1", "", false), boss.ID)
	o.expect(s, identity("2", "boss@example.com", true), "")
	if _, err := s.UpdatePerson(t.Context(), boss.ID, dynamo.Now(), func(p *team.Person) error { p.Email = "new@example.com"; return nil }); err != nil {
		t.Fatal(err)
	}
	o.expect(s, identity("2", "boss@example.com", true), "") // once in the life of the table
	o.expect(o.function("second@example.com"), identity("3", "second@example.com", true), "")
	o.expect(o.function("mei@example.com"), identity("4", "mei@example.com", true), "mei") // who is here already is found, not made
}

// Many requests of one browser, and of one person's two accounts, all at once and the first ever.
func TestManyFirstSignInsAtOnce(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	const each = 8
	var mu sync.Mutex
	found := map[string][]string{} // person ids by subject and e-mail; "" for nobody
	var group sync.WaitGroup
	for n := range each * 3 {
		who := []team.Identity{identity("boss", "boss@example.com", true), identity("dan1", "dan@example.com", true), identity("dan2", "dan@example.com", true)}[n%3]
		group.Go(func() {
			p, err := o.function("boss@example.com").SignedIn(t.Context(), who)
			var e *chat.Error
			if err != nil && (!errors.As(err, &e) || e.Code != chat.UnknownPerson) {
				t.Errorf("%s: %v", who.Subject, err)
			}
			mu.Lock()
			defer mu.Unlock()
			found[who.Subject] = append(found[who.Subject], p.ID)
		})
	}
	group.Wait()
	for subject, ids := range found {
		slices.Sort(ids)
		if same := slices.Compact(slices.Clone(ids)); len(same) != 1 {
			t.Errorf("%s was %v", subject, same)
		}
	}
	if one, two := found["dan1"][0], found["dan2"][0]; one+two != "dan" {
		t.Errorf("two accounts with one e-mail are %q and %q; one of them is nobody", one, two)
	}
	people, err := o.function("").People(t.Context())
	if err != nil || len(people) != len(seed.People())+1 {
		t.Errorf("%d people, %v", len(people), err)
	}
}
