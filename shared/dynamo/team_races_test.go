package dynamo_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// Nobody's id is given to somebody else, with an e-mail or without.
func TestAPersonIsAddedOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, email := range []string{"", "other@example.com"} {
		err := s.store.AddPerson(t.Context(), team.Person{ID: "amira", Name: "another", Email: email}, dynamo.Now())
		p, readErr := s.store.Person(t.Context(), "amira")
		s.must(readErr)
		if !errors.Is(err, dynamo.ErrRefused) || p.Name != "amira" {
			t.Errorf("amira became %+v (%v)", p, err)
		}
	}
}

// An e-mail is given while somebody else changes the person: both changes are in it.
func TestAnEmailIsGivenWhileThePersonChanges(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	weighs := func(p *team.Person) error { p.Weight = 7; return nil }
	store := s.between(func() {
		_, err := s.store.UpdatePerson(t.Context(), "amira", dynamo.Now(), weighs)
		s.must(err)
	})
	// An edit of all that it shows, as the API's is.
	was, err := s.store.Person(t.Context(), "amira")
	s.must(err)
	_, err = store.UpdatePerson(t.Context(), "amira", dynamo.Now(), func(p *team.Person) error {
		if p.Changed == was.Changed {
			p.Weight = 3
		}
		p.Email = "new@example.com"
		return nil
	})
	s.must(err)
	if p, err := s.store.Person(t.Context(), "amira"); err != nil || p.Weight != 7 || p.Email != "new@example.com" {
		t.Errorf("amira is %+v (%v)", p, err)
	}
}

// Rules are saved after the version that was read, whichever that was: no version is left out or lost.
func TestRulesAreSavedAfterTheNewest(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, save := range []struct {
		after int64
		done  bool
		saved int64 // then
	}{{3, false, 0}, {0, true, 1}, {0, false, 1}, {5, false, 1}, {1, true, 2}} {
		err := s.store.SaveRules(t.Context(), builtIn, "alex", save.after, dynamo.Now())
		f, readErr := s.store.InForce(t.Context())
		s.must(readErr)
		if (err == nil) != save.done || f.Saved != save.saved || f.Broken != nil {
			t.Errorf("saved after %d: %v; in force is %d of %d (%v)", save.after, err, f.Version, f.Saved, f.Broken)
		}
	}
	// Not even whoever loses the pointer by hand loses a version with it.
	table := s.tables["TeamTable"]
	_, err := serverstest.DynamoDB(t).DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table,
		Key: dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "R"}, "sk": &types.AttributeValueMemberS{Value: "0"}}})
	s.must(err)
	if err := s.store.SaveRules(t.Context(), "{}", "alex", 0, dynamo.Now()); !errors.Is(err, dynamo.ErrRefused) {
		t.Errorf("a version was written over: %v", err)
	}
}

// A sign-in binds somebody while their account, or their e-mail, becomes another's: it is theirs alone who has it then.
func TestSignInsHoldWhileAsRead(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		what    string
		who     team.Identity
		between func(o office, s *dynamo.Store)
		want    string // empty: nobody
	}{
		{"the account is bound by another e-mail first", identity("1", "dan@example.com", true),
			func(o office, s *dynamo.Store) { o.expect(s, identity("1", "mei@example.com", true), "mei") }, "mei"},
		{"the e-mail is bound by another account first", identity("1", "dan@example.com", true),
			func(o office, s *dynamo.Store) { o.expect(s, identity("2", "dan@example.com", true), "dan") }, ""},
		{"the e-mail becomes another's first", identity("1", "dan@example.com", true),
			func(o office, s *dynamo.Store) {
				o.mails(s, "dan", "daniel@example.com")
				o.mails(s, "mei", "dan@example.com")
			}, "mei"},
		{"the first Admin's account is bound by another e-mail first", identity("1", "boss@example.com", true),
			func(o office, s *dynamo.Store) { o.expect(s, identity("1", "mei@example.com", true), "mei") }, "mei"},
		{"the first Admin's e-mail becomes another's first", identity("1", "boss@example.com", true),
			func(o office, s *dynamo.Store) { o.mails(s, "mei", "boss@example.com") }, "mei"},
		{"the first Admin is made by another account first, and has another e-mail", identity("1", "boss@example.com", true),
			func(o office, s *dynamo.Store) {
				boss, err := s.SignedIn(o.Context(), identity("2", "boss@example.com", true))
				if err != nil {
					o.Fatal(err)
				}
				o.mails(s, boss.ID, "boss2@example.com")
			}, ""},
	} {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()
			o := newOffice(t)
			first := true
			db := dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(before(func(string) {
				if first {
					first = false
					test.between(o, o.function("boss@example.com"))
				}
			})))
			s := dynamo.New(db, o.tables["ChatsTable"], o.tables["TeamTable"])
			s.InviteFirstAdmin("boss@example.com")
			o.expect(s, test.who, test.want)
			o.expect(o.function("boss@example.com"), test.who, test.want)
		})
	}
}

// mails gives a person another e-mail.
func (o office) mails(s *dynamo.Store, id, email string) {
	o.Helper()
	if _, err := s.UpdatePerson(o.Context(), id, dynamo.Now(), func(p *team.Person) error { p.Email = email; return nil }); err != nil {
		o.Fatal(err)
	}
}
