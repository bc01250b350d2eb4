package dynamo

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// signIns remembers which subject is whose. A binding never changes, so only the person is read with every request.
type signIns struct {
	mu         sync.Mutex
	people     map[string]string // person id by issuer#subject
	firstAdmin string            // e-mail, lower case; empty for nobody
}

// maxRemembered bounds the memory; beyond it everything is forgotten and read again.
const maxRemembered = 10_000

// subjectItem tells whose a token's subject is.
type subjectItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	Person string `dynamodbav:"person"`
}

// firstAdminItem is the marker that the first Admin was made, whoever it was and whatever became of them.
type firstAdminItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	Person string `dynamodbav:"person"`
}

// InviteFirstAdmin lets whoever signs in with this verified e-mail become an Admin if they are nobody here, once in the
// life of the table. Call it before the Store is used; empty invites nobody.
func (s *Store) InviteFirstAdmin(email string) { s.signIns.firstAdmin = mailSK(email) }

// SignedIn finds the person of an identity whose token was verified: by the issuer's subject, else by an e-mail that the
// issuer vouches for, which binds the person to the subject in the same step. From then on only the subject counts: the
// mailbox may be given to somebody else, and another subject of the same issuer with that e-mail is nobody here until an
// Admin changes the e-mail. With another issuer (the team has moved) the e-mail binds once more.
//
// The person comes strongly read, whether active or not. Somebody unknown is a *[chat.Error] with the code UnknownPerson.
// It costs one read; the first time in a process two, the first time at all up to four and one transaction.
func (s *Store) SignedIn(ctx context.Context, who team.Identity) (team.Person, error) {
	var last error
	for n := range attempts {
		id, err := s.personOf(ctx, who)
		if err == nil {
			var p *team.Person
			if p, err = s.Person(ctx, id); err == nil {
				if p == nil {
					return team.Person{}, unknownPerson(who)
				}
				s.keepBound(who, id)
				return *p, nil
			}
		}
		if last = err; !Again(err) {
			return team.Person{}, err
		}
		if err := Pause(ctx, n, last); err != nil {
			return team.Person{}, fmt.Errorf("%w (%w)", last, err)
		}
	}
	return team.Person{}, exhausted("sign-in", last)
}

// personOf is the id of whose identity it is. ErrRefused and ErrUnsure: ask again.
func (s *Store) personOf(ctx context.Context, who team.Identity) (string, error) {
	if id := s.boundTo(who); id != "" {
		return id, nil
	}
	id, err := s.bound(ctx, who)
	if err != nil || id != "" {
		return id, err
	}
	if who.Email == "" || !who.EmailVerified {
		return "", unknownPerson(who)
	}
	item, err := s.get(ctx, s.team, mailPK, mailSK(who.Email), true)
	if err != nil {
		return "", err
	}
	if item == nil {
		return s.makeFirstAdmin(ctx, who)
	}
	it, err := unmarshal[mailItem](item)
	if err != nil {
		return "", err
	}
	switch {
	case it.Issuer != who.Issuer:
		return it.Person, s.bind(ctx, who, it.Person)
	case it.Subject == who.Subject: // bound since the subject was looked for
		return it.Person, nil
	}
	return "", unknownPerson(who)
}

// bound reads whose the subject is; empty if it is nobody's yet.
func (s *Store) bound(ctx context.Context, who team.Identity) (string, error) {
	item, err := s.get(ctx, s.team, subjectPK, subjectSK(who.Issuer, who.Subject), true)
	if err != nil || item == nil {
		return "", err
	}
	it, err := unmarshal[subjectItem](item)
	return it.Person, err
}

// bind makes the subject lead to the person whose e-mail it is. ErrRefused: the subject was bound meanwhile, or the
// e-mail was bound or has become another's.
func (s *Store) bind(ctx context.Context, who team.Identity, person string) error {
	t := transaction{store: s}
	t.put(s.team, subjectItem{PK: subjectPK, SK: subjectSK(who.Issuer, who.Subject), Person: person}, absent())
	u := &update{}
	u.set("issuer", who.Issuer)
	u.set("subject", who.Subject)
	t.update(s.team, mailPK, mailSK(who.Email), u,
		equals("person", person).And(name("issuer").AttributeNotExists().Or(name("issuer").NotEqual(expression.Value(who.Issuer)))))
	return t.commit(ctx)
}

// makeFirstAdmin stores the first Admin, bound to their subject. ErrRefused: somebody was first, and what they did shows
// when everything is read again.
func (s *Store) makeFirstAdmin(ctx context.Context, who team.Identity) (string, error) {
	if s.signIns.firstAdmin == "" || s.signIns.firstAdmin != mailSK(who.Email) {
		return "", unknownPerson(who)
	}
	used, err := s.get(ctx, s.team, firstAdminPK, selfSK, true)
	if err != nil {
		return "", err
	}
	if used != nil { // by this very subject since it was looked for, or by somebody else
		id, err := s.bound(ctx, who)
		if err == nil && id == "" {
			err = unknownPerson(who)
		}
		return id, err
	}
	local, _, _ := strings.Cut(who.Email, "@")
	p := team.Person{ID: strings.ToLower(rand.Text()[:12]), Name: local, Email: who.Email, Role: team.Admin, Active: true,
		Availability: team.Offline, Limit: team.NoLimit, Weight: 1}
	t := transaction{store: s}
	t.put(s.team, firstAdminItem{PK: firstAdminPK, SK: selfSK, Person: p.ID}, absent())
	t.put(s.team, newPersonItem(p, time.Now()), absent())
	t.put(s.team, mailItem{PK: mailPK, SK: mailSK(p.Email), Person: p.ID, Issuer: who.Issuer, Subject: who.Subject}, absent())
	t.put(s.team, subjectItem{PK: subjectPK, SK: subjectSK(who.Issuer, who.Subject), Person: p.ID}, absent())
	return p.ID, t.commit(ctx)
}

func unknownPerson(who team.Identity) error {
	detail := "Nobody here belongs to this account; an Admin adds people by their e-mail."
	if who.Email == "" || !who.EmailVerified {
		detail = "Nobody here belongs to this account yet. The first time, send a token with an e-mail that its issuer has verified."
	}
	return &chat.Error{Code: chat.UnknownPerson, Detail: detail}
}

func (s *Store) boundTo(who team.Identity) string {
	s.signIns.mu.Lock()
	defer s.signIns.mu.Unlock()
	return s.signIns.people[subjectSK(who.Issuer, who.Subject)]
}

func (s *Store) keepBound(who team.Identity, id string) {
	s.signIns.mu.Lock()
	defer s.signIns.mu.Unlock()
	if s.signIns.people == nil || len(s.signIns.people) >= maxRemembered {
		s.signIns.people = map[string]string{}
	}
	s.signIns.people[subjectSK(who.Issuer, who.Subject)] = id
}
