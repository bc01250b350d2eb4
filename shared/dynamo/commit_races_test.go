package dynamo_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// becomes brings a Chat that waits into a state: waiting, closed (it stays amira's), or the person's who owns it.
func (s *stage) becomes(id, state string) {
	s.Helper()
	switch state {
	case "waiting":
	case "closed":
		s.must(s.gives(s.store, id, "alex", "amira", ""))
		s.must(s.sets(s.store, id, "amira", chat.Closed, chat.Key{}))
	default:
		s.must(s.gives(s.store, id, "alex", state, ""))
	}
}

// commits gives what stores a change of a Chat as read.
func commits(change func(chat.Chat) chat.Change) func(context.Context, *dynamo.Store, chat.Chat) error {
	return func(ctx context.Context, store *dynamo.Store, c chat.Chat) error { return store.Commit(ctx, change(c)) }
}

// editsAs is a person's edit, held by their being active with a role, or Admin.
func editsAs(by string, admin bool) func(context.Context, *dynamo.Store, chat.Chat) error {
	return func(ctx context.Context, store *dynamo.Store, c chat.Chat) error {
		_, err := store.EditCustomer(ctx, c.ID, by, dynamo.Now(), func(_ chat.Chat, p team.Person) (chat.Edit, []chat.Need, error) {
			if !p.MayAct() || admin && p.Role != team.Admin {
				return chat.Edit{}, nil, dynamo.ErrRefused
			}
			return chat.Edit{Name: new("VIP")}, []chat.Need{{Person: by, Admin: admin}}, nil
		})
		return err
	}
}

// Whoever acts on a Chat, or gets it, must be who they were when that was decided: active, with a role, Admin where only
// Admins may. It is asked again by the write, whether the write changes the person too or not.
func TestWhoTakesPartIsAskedAgain(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	now := dynamo.Now()
	gives := func(by, to string) func(context.Context, *dynamo.Store, chat.Chat) error {
		return commits(func(c chat.Chat) chat.Change { return c.Reassigned(now, person(by), to, "") })
	}
	closes := func(by string) func(context.Context, *dynamo.Store, chat.Chat) error {
		return commits(func(c chat.Chat) chat.Change { return c.Closes(now, person(by)) })
	}
	number := 0
	for _, test := range []struct {
		what, state string
		write       func(context.Context, *dynamo.Store, chat.Chat) error
		who         string
		admin       bool // only as an Admin
	}{
		{"closes", "amira", closes("amira"), "amira", false},
		{"closes for somebody", "bruno", closes("amira"), "amira", false},
		{"opens", "closed", commits(func(c chat.Chat) chat.Change { return c.OpensAgain(now, person("amira")) }), "amira", false},
		{"gives away", "amira", gives("amira", "bruno"), "amira", false},
		{"gives away what is closed", "closed", gives("amira", "bruno"), "amira", false},
		{"gets", "amira", gives("amira", "bruno"), "bruno", false},
		{"gets what is closed", "closed", gives("amira", "bruno"), "bruno", false},
		{"an Admin gives away", "amira", gives("alex", "bruno"), "alex", true},
		{"an Admin takes over", "amira", gives("alex", "alex"), "alex", true},
		{"passes on", "amira", commits(func(c chat.Chat) chat.Change { return c.PassedTo(now, person("amira"), "support", "") }), "amira", false},
		{"edits", "amira", editsAs("amira", false), "amira", false},
		{"edits a waiting one", "waiting", editsAs("amira", false), "amira", false},
		{"an Admin edits a waiting one", "waiting", editsAs("alex", true), "alex", true},
	} {
		for edited, edit := range map[string]func(*team.Person){
			"inactive":       func(p *team.Person) { p.Active = false },
			"without a role": func(p *team.Person) { p.Role = "" },
			"an Agent":       func(p *team.Person) { p.Role = team.Agent },
		} {
			if edited == "an Agent" && !test.admin {
				continue
			}
			number++
			id := s.comes(fmt.Sprint("US.", number), 0)
			s.becomes(id, test.state)
			c := s.chat(id)
			var was team.Person
			store := s.between(func() {
				_, err := s.store.UpdatePerson(t.Context(), test.who, now, func(p *team.Person) error { was = *p; edit(p); return nil })
				s.must(err)
			})
			if err := test.write(t.Context(), store, c); !errors.Is(err, dynamo.ErrRefused) {
				t.Errorf("%s, %s by then: %v", test.what, edited, err)
			}
			if after := s.chat(id); !reflect.DeepEqual(after, c) {
				t.Errorf("%s, %s by then: it became %+v", test.what, edited, after)
			}
			_, err := s.store.UpdatePerson(t.Context(), test.who, now, func(p *team.Person) error { p.Active, p.Role = was.Active, was.Role; return nil })
			s.must(err)
		}
	}
	s.checked()
}

// A Chat that waits is routed again, or a further pool opens to it; neither raises its epoch. Whatever somebody was
// about to make of it as they read it is refused, and it waits by the entries that it then has (I5).
func TestWaitingHoldsWhileAsRead(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx, now := t.Context(), dynamo.Now().Add(time.Minute)
	timer := func(c chat.Chat, pool string, step int) chat.Timer {
		e := s.entry(c.ID)
		e.Pool, e.Step = pool, step
		return chat.Timer{Due: now, Entry: e}
	}
	reroutes := func(c chat.Chat) chat.Change {
		return c.Rerouted(now, c.Place(s.arrival("", 0).Message, s.rules, c.RulesVersion+1, team.Settings{}, now))
	}
	for i, test := range []struct {
		what   string
		change func(chat.Chat) chat.Change
	}{
		{"it is assigned", func(c chat.Chat) chat.Change { return s.assigned(c, "bruno") }},
		{"it is given to somebody", func(c chat.Chat) chat.Change { return c.Reassigned(now, person("alex"), "bruno", "") }},
		{"it is passed on", func(c chat.Chat) chat.Change { return c.PassedTo(now, person("alex"), "support", "") }},
		{"it is routed again", reroutes},
		{"a step opens", func(c chat.Chat) chat.Change { return c.Widened(now, timer(c, "team:support", 1)) }},
	} {
		for what, between := range map[string]func(c chat.Chat) error{
			"routed first":       func(c chat.Chat) error { return s.store.Commit(ctx, reroutes(c)) },
			"a step opens first": func(c chat.Chat) error { return s.store.Commit(ctx, c.Widened(now, timer(c, "team:sales", 2))) },
		} {
			id := s.comes(fmt.Sprint("US.", i, what), 0)
			c := s.chat(id)
			change := test.change(c)
			s.must(between(c))
			then := s.chat(id)
			if err := s.store.Commit(ctx, change); !errors.Is(err, dynamo.ErrRefused) {
				t.Errorf("%s, %s: done as it was read (%v)", test.what, what, err)
			}
			if c := s.chat(id); !reflect.DeepEqual(c, then) {
				t.Errorf("%s, %s: it became %+v", test.what, what, c.Ownership)
			}
		}
	}
	s.checked()
}

// assigned is a change that gives a Chat that waits for everyone to somebody by the rules.
func (s *stage) assigned(c chat.Chat, to string) chat.Change {
	s.Helper()
	auto, choice := s.chosen(to)
	return c.Assigned(auto.Now, auto, assign.Decision{Pool: c.Pools[0], Priority: c.Priority, WaitingSince: c.WaitingSince.UnixMilli()}.With(choice))
}

// chosen is a person as the rules choose them out of everyone.
func (s *stage) chosen(id string) (chat.Auto, assign.Choice) {
	s.Helper()
	p, err := s.store.Person(s.Context(), id)
	s.must(err)
	now := dynamo.Now()
	pool := assign.Pool{Team: team.Everyone}
	choice := assign.Choose(assign.Want{Pool: pool, Strategy: assign.RoundRobin}, []team.Person{*p}, now)
	if choice.Person == nil {
		s.Fatalf("%s is not chosen", id)
	}
	return chat.Auto{Person: *choice.Person, Pool: pool, Now: now, At: choice.AssignedAt}, choice
}

// A rule's choice holds while the person is as read, at the time of the write: whoever was written since, or is online no
// more by the clock, gets nothing (I3).
func TestAPersonIsTakenAsChosen(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx := t.Context()
	until := dynamo.Now().Add(time.Hour)
	_, err := s.store.UpdatePerson(ctx, "bruno", dynamo.Now(), func(p *team.Person) error { p.OnlineUntil = until; return nil })
	s.must(err)
	opens := func(c chat.Chat, auto chat.Auto, choice assign.Choice) chat.Change {
		a := s.arrival(c.ID, 9)
		placed := c.Place(a.Message, s.rules, 0, team.Settings{}, auto.Now)
		return c.OpensFor(auto.Now, placed, a, auto, choice)
	}
	for state, change := range map[string]func(chat.Chat, chat.Auto, assign.Choice) chat.Change{
		"": opens, "closed": opens,
		"waiting": func(c chat.Chat, auto chat.Auto, choice assign.Choice) chat.Change {
			return c.Assigned(auto.Now, auto, assign.Decision{Pool: c.Pools[0]}.With(choice))
		},
	} {
		for _, what := range []string{"changed", "online no more"} {
			c := chat.Chat{ID: "new " + what, Number: stageNumber}
			if state != "" {
				id := s.comes("US."+state+what, 0)
				s.becomes(id, state)
				c = s.chat(id)
			}
			auto, choice := s.chosen("bruno")
			if what == "online no more" {
				auto.Now = until.Add(time.Second)
			} else {
				_, err := s.store.UpdatePerson(ctx, "bruno", dynamo.Now(), func(p *team.Person) error { p.Name += "o"; return nil })
				s.must(err)
			}
			if err := s.store.Commit(ctx, change(c, auto, choice)); !errors.Is(err, dynamo.ErrRefused) {
				t.Errorf("a Chat that was %q: given to somebody who is %s (%v)", state, what, err)
			}
		}
	}
	for _, c := range s.checked().Chats {
		if c.Owner == "bruno" {
			t.Errorf("bruno has %s", c.ID)
		}
	}
}

// A Chat that a message is about to open, or its Assignee, is changed by somebody: it opens once, by what is known then.
func TestOpeningHoldsWhileAsRead(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx, now := t.Context(), dynamo.Now()
	const m = 2
	opens := func(c chat.Chat) chat.Change {
		a := s.arrival(c.ID, m)
		a.Language = "fr"
		return c.Opens(now, c.Place(a.Message, s.rules, 0, team.Settings{}, now), a)
	}
	opensAgain := func(c chat.Chat) chat.Change { return c.OpensAgain(now, person("amira")) }
	says := func(l line) { // people say what the language is
		_, err := s.store.EditCustomer(ctx, l.id, "amira", now, func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) {
			return chat.Edit{Language: new("es")}, nil, nil
		})
		s.must(err)
	}
	stores := func(l line, id string) {
		stored := s.arrival(l.id, m).Message
		stored.Source = "aside" // no Chat counts it, so no list shows it
		s.must(s.store.PutMessage(ctx, id, stored))
	}
	for i, test := range []struct {
		what    string
		change  func(chat.Chat) chat.Change
		between func(line)
		want    func(chat.Chat) bool
	}{
		{"the language is said first", opens, says, func(c chat.Chat) bool { return c.Customer.Language == "es" && c.Status == chat.Closed }},
		{"the message is stored first", opens, func(l line) { stores(l, l.id) }, func(c chat.Chat) bool { return c.Status == chat.Closed }},
		{"the message is stored half way first", opens, func(l line) { stores(l, l.from) }, func(c chat.Chat) bool { return c.Status == chat.Closed }},
		{"its Assignee opens it first", opens, func(l line) { s.must(s.sets(s.store, l.id, "amira", chat.Open, chat.Key{})) },
			func(c chat.Chat) bool { return c.Owner == "amira" && c.Status == chat.Open }},
		{"it is given to somebody else first", opensAgain, func(l line) { s.must(s.gives(s.store, l.id, "alex", "bruno", "")) },
			func(c chat.Chat) bool { return c.Owner == "bruno" && c.Status == chat.Closed }},
		{"another message opens it first", opensAgain, func(l line) { s.comes(l.user, 5) }, func(c chat.Chat) bool { return c.Waiting() }},
	} {
		user := fmt.Sprint("US.", i)
		l := line{user: user, id: s.comes(user, 1), from: s.comes(user+".from", 0)}
		s.merge(l.id, l.from)
		s.becomes(l.id, "closed")
		c := s.chat(l.id)
		test.between(l)
		if err := s.store.Commit(ctx, test.change(c)); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s: opened as it was read (%v)", test.what, err)
		}
		if c := s.chat(l.id); !test.want(c) {
			t.Errorf("%s: it became %+v of %+v", test.what, c.Ownership, c.Customer)
		}
	}
	s.checked()
}

// An edit finds the Chat that it was made for, and says so if that is gone: nothing is written where nobody looks.
func TestAnEditIsNotLostInAMerge(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for i, needs := range [][]chat.Need{nil, {{Person: "amira"}}} {
		l := line{id: s.comes(fmt.Sprint("US.", i), 1), other: s.comes(fmt.Sprint("US.other", i), 2)}
		s.becomes(l.id, "amira")
		merged := errors.New("merged")
		store := s.between(func() { s.merge(l.id, l.other) })
		_, err := store.EditCustomer(t.Context(), l.id, "amira", dynamo.Now(), func(c chat.Chat, _ team.Person) (chat.Edit, []chat.Need, error) {
			if c.Status == chat.Merged {
				return chat.Edit{}, nil, merged
			}
			return chat.Edit{Name: new("VIP")}, needs, nil
		})
		if !errors.Is(err, merged) || s.chat(l.id).Customer.Name != "" {
			t.Errorf("it was answered by %v", err)
		}
	}
}

// No write makes a person: a Chat whose owner is not there stays as it is.
func TestNobodyIsMadeByTheirLoad(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx, now := t.Context(), dynamo.Now()
	for i, write := range []func(c, other chat.Chat) error{
		func(c, _ chat.Chat) error { return s.store.Commit(ctx, c.Closes(now, chat.System)) },
		func(c, _ chat.Chat) error { return s.store.Commit(ctx, c.Reassigned(now, chat.System, "bruno", "")) },
		func(c, other chat.Chat) error {
			_, err := s.store.Merge(ctx, c, other, "", nil, now)
			return err
		},
	} {
		c, other := s.chat(s.comes(fmt.Sprint("US.", i), 1)), s.chat(s.comes(fmt.Sprint("US.other", i), 2))
		s.becomes(c.ID, "amira")
		c = s.chat(c.ID)
		c.Owner = "nobody"
		if err := write(c, other); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("write %d: %v", i, err)
		}
	}
	if people := s.checked().People; slices.ContainsFunc(people, func(p team.Person) bool { return p.ID == "nobody" }) {
		t.Error("there is a person called nobody")
	}
}

// Nobody's record is about the routing that it was made for, and stands once.
func TestUnservedHoldsWhileAsRead(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.comes("US.1", 0)
	e, now := s.entry(id), dynamo.Now()
	event := chat.Event{Epoch: e.Epoch, At: now, Type: chat.Nobody, Status: chat.Open, Routed: e.Routed, Decision: &assign.Decision{Nobody: "all_full"}}
	s.must(s.store.Unserved(t.Context(), e, event))
	s.reroutes(id)
	event.At = event.At.Add(time.Second)
	s.must(s.store.Unserved(t.Context(), e, event))
	if because := s.entry(id).Because; because != "" {
		t.Errorf("nobody was looked for since it was routed again, and it says %q", because)
	}
	history, err := s.store.History(t.Context(), id)
	s.must(err)
	i := slices.IndexFunc(history, func(e chat.Event) bool { return e.Type == chat.Nobody })
	if !history[i].At.Equal(now) {
		t.Errorf("the record was written again, at %s", history[i].At)
	}
	s.checked()
}

// A reply is accepted in the ownership that the Chat then has, though it is the same person's again.
func TestAReplyInANewOwnership(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for _, once := range []*dynamo.Once{nil, {Person: "amira", Key: "k", Digest: []byte("d")}} {
		id := s.owned(fmt.Sprint("US.", once != nil), "amira")
		store := s.between(func() {
			s.must(s.gives(s.store, id, "alex", "bruno", ""))
			s.must(s.gives(s.store, id, "alex", "amira", ""))
		})
		m, err := s.replies(store, id, "amira", "hello", once)
		s.must(err)
		if c := s.chat(id); m.OwnerEpoch != c.OwnerEpoch {
			t.Errorf("accepted in the ownership since epoch %d, it is amira's since %d", m.OwnerEpoch, c.OwnerEpoch)
		}
	}
	s.checked()
}

// A reply without a key of the client: its writer is asked again by the write.
func TestAReplyOfSomebodyDeactivated(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	for who, edit := range map[string]func(*team.Person){
		"amira": func(p *team.Person) { p.Active = false },
		"bruno": func(p *team.Person) { p.Role = "" },
	} {
		id := s.owned("US."+who, who)
		store := s.between(func() {
			_, err := s.store.UpdatePerson(t.Context(), who, dynamo.Now(), func(p *team.Person) error { edit(p); return nil })
			s.must(err)
		})
		if _, err := s.replies(store, id, who, "hello", nil); code(err) != chat.Inactive {
			t.Errorf("%s is answered by %v", who, err)
		}
		if c := s.chat(id); c.Preview.Direction != chat.In {
			t.Errorf("a reply of %s was accepted", who)
		}
	}
}

// The first attempt of a reply is answered by nothing, and arrives after it was looked for: the second one, under the same
// Key, leaves what became of it alone. Else it would be sent twice.
func TestAReplyThatArrivesLate(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	var arrives func()
	attempts := 0
	store := s.client(dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("late", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (out middleware.InitializeOutput, metadata middleware.Metadata, err error) {
			if middleware.GetOperationName(ctx) == "TransactWriteItems" {
				switch attempts++; attempts {
				case 1:
					request := *in.Parameters.(*dynamodb.TransactWriteItemsInput)
					arrives = func() {
						_, err := serverstest.DynamoDB(t).TransactWriteItems(t.Context(), &request)
						s.must(err)
					}
					return out, metadata, &smithy.GenericAPIError{Code: "InternalServerError"}
				case 2:
					arrives()
					s.sent(id)
				}
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}))
	m, err := s.replies(store, id, "amira", "hello", nil)
	s.must(err)
	if stored, err := s.store.Message(t.Context(), id, m.Key); err != nil || stored.Delivery != chat.Sent {
		t.Errorf("it is %+v (%v)", stored, err)
	}
	if attempts != 2 {
		t.Errorf("%d attempts", attempts)
	}
}

// sent marks the reply that is the last message of a Chat, as the sender will.
func (s *stage) sent(id string) {
	s.Helper()
	page, err := s.store.MessagesBefore(s.Context(), s.chat(id), chat.Key{}, 1)
	s.must(err)
	table, set := s.tables["ChatsTable"], "SET dl = :s"
	_, err = serverstest.DynamoDB(s).UpdateItem(s.Context(), &dynamodb.UpdateItemInput{TableName: &table, UpdateExpression: &set,
		Key: dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "C#" + id},
			"sk": &types.AttributeValueMemberS{Value: "M#" + page.Messages[0].Key.String()}},
		ExpressionAttributeValues: dynamo.Item{":s": &types.AttributeValueMemberS{Value: string(chat.Sent)}}})
	s.must(err)
}
