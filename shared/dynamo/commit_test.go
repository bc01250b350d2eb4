package dynamo_test

import (
	"context"
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

var secret = chat.Secret("s")

type world struct {
	testing.TB
	*dynamo.Store
	db    *dynamodb.Client
	chats string
}

func newWorld(t testing.TB) *world {
	t.Helper()
	tables := serverstest.Tables(t)
	w := &world{TB: t, db: serverstest.DynamoDB(t), chats: tables["ChatsTable"]}
	w.Store = dynamo.New(w.db, tables["ChatsTable"], tables["TeamTable"])
	for _, p := range seed.People() {
		w.must(w.AddPerson(t.Context(), p, dynamo.Now()))
	}
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func message(id string, second int64) chat.Message {
	return chat.Message{Key: secret.Key(second, id), WAMID: id, Direction: chat.In, Type: "text", Text: "hello"}
}

// opens is a message that opens a Chat; it waits for everyone.
func (w *world) opens(c chat.Chat, m chat.Message) chat.Change {
	w.Helper()
	f, err := w.InForce(w.Context())
	w.must(err)
	return c.Opens(dynamo.Now(), c.Place(m, f.Rules, f.Version, f.Settings, dynamo.Now()), chat.Arrival{Message: m, Preview: "hello"})
}

func (w *world) read(id string) chat.Chat {
	w.Helper()
	c, err := w.Chat(w.Context(), id)
	w.must(err)
	if c == nil {
		w.Fatalf("there is no Chat %s", id)
		return chat.Chat{}
	}
	return *c
}

// given is a change that gives the Chat to dan by the rules.
func (w *world) given(c chat.Chat) chat.Change {
	w.Helper()
	people, err := w.People(w.Context())
	w.must(err)
	pool := assign.Pool{Person: "dan"}
	choice := assign.Choose(assign.Want{Pool: pool, Strategy: assign.Agent}, people, dynamo.Now())
	return c.Assigned(dynamo.Now(), chat.Auto{Person: *choice.Person, Pool: pool, Now: dynamo.Now(), At: choice.AssignedAt},
		assign.Decision{Pool: c.Pools[0], Priority: c.Priority, WaitingSince: c.WaitingSince.UnixMilli()}.With(choice))
}

var alex = chat.Actor{Kind: chat.ByPerson, ID: "alex"}

// A change is stored only if the Chat is as it was read. Each case is one thing that somebody else did in between, and
// that one part of the condition is there for.
func TestChangeOfAChatThatChanged(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		owned   bool // when it is read
		between func(w *world, c chat.Chat) error
		change  func(w *world, c chat.Chat) chat.Change
	}{
		{"it was reassigned: the epoch", true,
			func(w *world, c chat.Chat) error {
				return w.Commit(w.Context(), c.Reassigned(dynamo.Now(), alex, "mei", ""))
			},
			func(w *world, c chat.Chat) chat.Change { return c.Closes(dynamo.Now(), alex) }},
		{"newer rules routed it again, to the same pool: the routing", false,
			func(w *world, c chat.Chat) error {
				m := message("a", 1)
				f, err := w.InForce(w.Context())
				w.must(err)
				return w.Commit(w.Context(), c.Rerouted(dynamo.Now(), c.Place(m, f.Rules, f.Version, team.Settings{}, dynamo.Now())))
			},
			func(w *world, c chat.Chat) chat.Change { return w.given(c) }},
		{"a step opened a further pool: the pools", false,
			func(w *world, c chat.Chat) error {
				update := "SET po = :p"
				_, err := w.db.UpdateItem(w.Context(), &dynamodb.UpdateItemInput{TableName: &w.chats, UpdateExpression: &update,
					Key:                       map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "C#" + c.ID}, "sk": &types.AttributeValueMemberS{Value: "0"}},
					ExpressionAttributeValues: map[string]types.AttributeValue{":p": &types.AttributeValueMemberSS{Value: append(c.Pools, "team:sales")}}})
				return err
			},
			func(w *world, c chat.Chat) chat.Change { return w.given(c) }},
		{"somebody deactivated the one it is given to", true,
			func(w *world, c chat.Chat) error {
				_, err := w.UpdatePerson(w.Context(), "mei", dynamo.Now(), func(p *team.Person) error { p.Active = false; return nil })
				return err
			},
			func(w *world, c chat.Chat) chat.Change { return c.Reassigned(dynamo.Now(), alex, "mei", "") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.must(w.Commit(t.Context(), w.opens(chat.Chat{ID: "c", Number: seed.SupportNumber}, message("a", 1))))
			if test.owned {
				w.must(w.Commit(t.Context(), w.given(w.read("c"))))
			}
			read := w.read("c")
			change := test.change(w, read)
			w.must(test.between(w, read))
			before := w.read("c")
			if err := w.Commit(t.Context(), change); !errors.Is(err, dynamo.ErrRefused) {
				t.Errorf("it was answered by %v", err)
			}
			if after := w.read("c"); after.Epoch != before.Epoch || after.Owner != before.Owner || after.Status != before.Status {
				t.Errorf("it became %+v", after.Ownership)
			}
		})
	}
}

// Whatever stands already is never put again: neither a Chat nor a Message nor an identity.
func TestNothingIsPutTwice(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	refused := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s: answered by %v", what, err)
		}
	}
	first := chat.Chat{ID: "c", Number: seed.SupportNumber}
	change := w.opens(first, message("a", 1))
	change.Links = []chat.Link{{Address: "phone", Since: secret.Key(1, "a").Beside()}}
	w.must(w.Commit(ctx, change))
	refused("the same Chat by another message", w.Commit(ctx, w.opens(first, message("b", 2))))
	other := w.opens(chat.Chat{ID: "d", Number: seed.SupportNumber}, message("b", 2))
	other.Links = change.Links
	refused("another Chat with the same identity", w.Commit(ctx, other))
	refused("the identity for another Chat", w.Link(ctx, w.read("c"), chat.Link{Address: "phone", Since: secret.Key(3, "x").Beside()}, chat.Identities{Phone: "1"}))

	deliver := func(m chat.Message) error {
		_, err := w.Deliver(ctx, "c", chat.Arrival{Message: m, Preview: "hello"})
		return err
	}
	w.must(deliver(message("b", 2)))
	w.must(w.PutMessage(ctx, "c", message("b", 2)))
	refused("a message that was applied", deliver(message("b", 2)))
	refused("a message older than the last", deliver(message("z", 1)))

	c := w.read("c")
	late := chat.Arrival{Message: message("late", 0), Preview: "hello"}
	w.must(w.Late(ctx, c, late))
	w.must(w.forget(ctx, "c"))
	refused("a late message once more", w.Late(ctx, c, late))
	if got := len(w.read("c").Unread); got != 0 {
		t.Errorf("%d messages are unread again", got)
	}
	w.must(w.Commit(ctx, w.given(w.read("c"))))
	w.must(w.Commit(ctx, w.read("c").Closes(dynamo.Now(), alex)))
	refused("a message that is stored opens the Chat", w.Commit(ctx, w.opens(w.read("c"), late.Message)))
	refused("a late message on a closed Chat", w.Late(ctx, w.read("c"), chat.Arrival{Message: message("later", 0), Preview: "hello"}))
}

// forget reads everything, as the Assignee would.
func (w *world) forget(ctx context.Context, id string) error {
	update := "REMOVE ur"
	_, err := w.db.UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &w.chats, UpdateExpression: &update,
		Key: map[string]types.AttributeValue{"pk": &types.AttributeValueMemberS{Value: "C#" + id}, "sk": &types.AttributeValueMemberS{Value: "0"}}})
	return err
}

// A pool that was listed again after it was seen empty stays listed.
func TestUnlistingNeedsTheToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.List(ctx, "team:x"))
	seen, err := w.Listed(ctx, "team:x")
	w.must(err)
	w.must(w.List(ctx, "team:x"))
	w.must(w.Unlist(ctx, "team:x", seen))
	if now, err := w.Listed(ctx, "team:x"); err != nil || now == "" || now == seen {
		t.Errorf("it is listed under %q (%v)", now, err)
	}
}

// People change one at a time, and what edit left alone stays.
func TestPeopleChangeOneAtATime(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	done := make(chan error)
	for range 8 {
		go func() {
			_, err := w.UpdatePerson(ctx, "dan", dynamo.Now(), func(p *team.Person) error { p.Weight++; return nil })
			done <- err
		}()
	}
	for range 8 {
		w.must(<-done)
	}
	p, err := w.Person(ctx, "dan")
	w.must(err)
	if p.Weight != 9 || p.Changed != 8 || len(p.Teams) != 2 || p.Name != "Dan" {
		t.Errorf("dan is %+v", p)
	}
	if _, err := w.UpdatePerson(ctx, "nobody", dynamo.Now(), func(*team.Person) error { return nil }); !errors.Is(err, dynamo.ErrNoPerson) {
		t.Errorf("nobody: %v", err)
	}
}

// After all of it the tables hold what they promise.
func TestUpdateRepeats(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ctx := t.Context()
	w.must(w.Commit(ctx, w.opens(chat.Chat{ID: "c", Number: seed.SupportNumber}, message("a", 1))))
	w.must(w.Commit(ctx, w.given(w.read("c"))))
	done := make(chan error)
	for _, to := range []string{"mei", "amira", "chloe", "bruno", "dan", "mei"} {
		go func() {
			_, err := w.Update(ctx, "c", func(c chat.Chat) (*chat.Change, error) {
				change := c.Reassigned(dynamo.Now(), alex, to, "")
				return &change, nil
			})
			done <- err
		}()
	}
	for range 6 {
		w.must(<-done)
	}
	all, err := w.Snapshot(ctx)
	w.must(err)
	for _, b := range invariant.Check(all) {
		t.Error(b)
	}
	if c := w.read("c"); c.Epoch != 8 {
		t.Errorf("six changes brought it to epoch %d", c.Epoch)
	}
}
