package dynamo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// People reads everybody who can be read, strongly consistent. The assigner, which asks for every Chat, asks Roster.
func (s *Store) People(ctx context.Context) ([]team.Person, error) {
	var people []team.Person
	err := s.each(ctx, s.partition(s.team, peoplePK), func(item Item) error {
		if p, ok := readable(ctx, item, readPerson); ok {
			people = append(people, p)
		}
		return nil
	})
	return people, err
}

// Person reads one person, strongly consistent; nil if there is none.
func (s *Store) Person(ctx context.Context, id string) (*team.Person, error) {
	item, err := s.get(ctx, s.team, peoplePK, id, true)
	if err != nil || item == nil {
		return nil, err
	}
	p, err := readPerson(item)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

// AddPerson stores somebody new, and the e-mail that they sign in with. ErrRefused: the id or the e-mail is taken.
func (s *Store) AddPerson(ctx context.Context, p team.Person, now time.Time) error {
	t := transaction{store: s}
	t.put(s.team, newPersonItem(p, now), absent())
	if p.Email != "" {
		t.put(s.team, mailItem{PK: mailPK, SK: mailSK(p.Email), Person: p.ID}, absent())
	}
	if err := t.commit(ctx); err != nil {
		return fmt.Errorf("add person %s: %w", p.ID, err)
	}
	return nil
}

// mailItem tells whose an e-mail is. An e-mail is one person's at most.
type mailItem struct {
	PK     string `dynamodbav:"pk"`
	SK     string `dynamodbav:"sk"`
	Person string `dynamodbav:"person"`
	// The person is bound to this subject of this issuer; absent before the first sign-in.
	Issuer  string `dynamodbav:"issuer,omitempty"`
	Subject string `dynamodbav:"subject,omitempty"`
}

// PersonByMail reads whose an e-mail is, strongly consistent; empty if it is nobody's.
func (s *Store) PersonByMail(ctx context.Context, email string) (string, error) {
	item, err := s.get(ctx, s.team, mailPK, mailSK(email), true)
	if err != nil || item == nil {
		return "", err
	}
	it, err := unmarshal[mailItem](item)
	return it.Person, err
}

// UpdatePerson changes a person: it reads them (strongly), lets edit change what it likes but the id and the load, and
// writes what differs, if nobody else wrote the person meanwhile; else it does so again. The load (OpenChats) belongs to
// Commit alone. It returns the person as stored, [ErrNoPerson], [ErrMailTaken], or edit's error as it is.
func (s *Store) UpdatePerson(ctx context.Context, id string, now time.Time, edit func(*team.Person) error) (team.Person, error) {
	var last error
	for n := range attempts {
		read, err := s.Person(ctx, id)
		if err != nil {
			return team.Person{}, err
		}
		if read == nil {
			return team.Person{}, ErrNoPerson
		}
		edited := *read
		if err := edit(&edited); err != nil {
			return *read, err
		}
		if last = s.savePerson(ctx, *read, edited, now); last == nil {
			edited.Changed++
			return edited, nil
		}
		if !Again(last) {
			return *read, last
		}
		if err := Pause(ctx, n, last); err != nil {
			return *read, fmt.Errorf("%w (%w)", last, err)
		}
	}
	return team.Person{}, exhausted("person "+id, last)
}

func (s *Store) savePerson(ctx context.Context, read, edited team.Person, now time.Time) error {
	u := &update{}
	become(u, "name", read.Name, edited.Name)
	become(u, "email", read.Email, edited.Email)
	become(u, "role", read.Role, edited.Role)
	become(u, "capacity", read.Capacity, edited.Capacity)
	become(u, "weight", read.Weight, edited.Weight)
	// These take part in conditions and comparisons, so they are never absent.
	u.set("active", edited.Active)
	u.set("availability", string(edited.Availability))
	u.set("onlineUntil", millis(edited.OnlineUntil))
	u.set("limit", edited.Limit)
	becomeSet(u, "languages", read.Languages, edited.Languages)
	becomeSet(u, "skills", read.Skills, edited.Skills)
	becomeSet(u, "teams", read.Teams, edited.Teams)
	u.add("changed", 1)
	u.set("changedAt", stamp(now))
	held := equals("changed", read.Changed)
	if mailSK(read.Email) != mailSK(edited.Email) {
		return s.saveMail(ctx, read, edited, u, held)
	}
	e, err := expression.NewBuilder().WithUpdate(u.b).WithCondition(held).Build()
	if err != nil {
		return err
	}
	_, err = s.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.team, Key: key(peoplePK, read.ID),
		UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values()})
	return outcome("change person "+read.ID, err)
}

// saveMail changes a person together with what leads to them. ErrMailTaken: the person is as read, and the e-mail another's.
func (s *Store) saveMail(ctx context.Context, read, edited team.Person, u *update, held expression.ConditionBuilder) error {
	t := transaction{store: s}
	t.update(s.team, peoplePK, read.ID, u, held)
	if read.Email != "" {
		t.deleteFrom(s.team, mailPK, mailSK(read.Email))
	}
	if edited.Email != "" {
		t.put(s.team, mailItem{PK: mailPK, SK: mailSK(edited.Email), Person: edited.ID}, absent())
	}
	err := t.commit(ctx)
	if held := refusedAt(err); edited.Email != "" && slices.Equal(held, []int{len(t.items) - 1}) {
		return ErrMailTaken
	}
	return err
}

func becomeSet(u *update, attribute string, before, after []string) {
	switch {
	case slices.Equal(before, after):
	case len(after) == 0:
		u.remove(attribute)
	default:
		u.set(attribute, set(after))
	}
}

// ErrNoPerson: nobody has this id.
var ErrNoPerson error = &chat.Error{Code: chat.NoSuchPerson}

// ErrMailTaken: the e-mail leads to another person.
var ErrMailTaken error = &chat.Error{Code: chat.Invalid, Detail: "The e-mail is another person's.",
	Fields: []chat.Field{{Pointer: "/email", Detail: "is another person's"}}}

// ErrNoChat: no Chat has this id.
var ErrNoChat error = &chat.Error{Code: chat.NoSuchChat}
