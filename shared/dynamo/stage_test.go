package dynamo_test

import (
	"errors"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/access"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// stage is two tables with an Admin and some Agents, and what people and customers do there.
type stage struct {
	testing.TB
	store   *dynamo.Store // healthy
	tables  map[string]string
	rules   *assign.Rules
	started time.Time
}

const stageNumber = "100000000000001"

func newStage(t testing.TB) *stage {
	t.Helper()
	tables := serverstest.Tables(t)
	s := &stage{TB: t, tables: tables, started: dynamo.Now(),
		store: dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])}
	var err error
	s.rules, err = assign.Parse([]byte(`{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`))
	s.must(err)
	s.must(s.store.SaveSettings(t.Context(), team.Settings{Teams: []team.Team{{ID: "support", Name: "Support"}}}))
	for _, id := range []string{"alex", "ada", "amira", "bruno", "chloe"} {
		p := team.Person{ID: id, Name: id, Email: id + "@example.com", Role: team.Agent, Active: true, Availability: team.Online,
			Limit: team.NoLimit, Weight: 1, Teams: []string{"support"}}
		if id[:1] == "a" && id != "amira" {
			p.Role = team.Admin
		}
		s.must(s.store.AddPerson(t.Context(), p, dynamo.Now()))
	}
	return s
}

func (s *stage) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// client is a store whose calls go through what options add.
func (s *stage) client(options ...func(*dynamodb.Options)) *dynamo.Store {
	return dynamo.New(dynamodb.New(serverstest.DynamoDB(s).Options(), options...), s.tables["ChatsTable"], s.tables["TeamTable"])
}

// key is the Key of the customer's nth message; all lie within the last minutes, so that the window is open.
func (s *stage) key(n int) chat.Key {
	return shelfSecret.Key(s.started.Unix()-600+int64(n), fmt.Sprintf("wamid.%d", n))
}

// message takes the customer's nth message to their Chat as the assigner does.
func (s *stage) message(store *dynamo.Store, user string, n int) error {
	ctx := s.Context()
	id := shelfSecret.UserAddress(stageNumber, user)
	arrival := chat.Arrival{Preview: "hello", Message: chat.Message{Key: s.key(n), WAMID: fmt.Sprintf("wamid.%s.%d", user, n), Direction: chat.In,
		Type: "text", Text: "hello", Arrived: dynamo.Now()}}
	var err error
	for n := range 20 {
		if err = s.arrive(store, id, user, arrival); err == nil || !dynamo.Again(err) {
			return err
		}
		if pause := dynamo.Pause(ctx, n, err); pause != nil {
			return errors.Join(err, pause)
		}
	}
	return err
}

func (s *stage) arrive(store *dynamo.Store, id, user string, arrival chat.Arrival) error {
	ctx := s.Context()
	c, err := store.Deliver(ctx, id, arrival)
	if err == nil {
		return store.PutMessage(ctx, id, arrival.Message)
	}
	if !errors.Is(err, dynamo.ErrRefused) {
		return err
	}
	if c == nil {
		c = &chat.Chat{ID: id, Number: stageNumber, Customer: chat.Customer{UserID: user, Language: "ar", Country: "AE"}}
	} else if stored, err := store.Has(ctx, *c, arrival.Message.Key); stored || err != nil {
		return err
	}
	if c.Status == chat.Open {
		return store.Late(ctx, *c, arrival)
	}
	now := dynamo.Now()
	return store.Commit(ctx, c.Opens(now, c.Place(arrival.Message, s.rules, 0, team.Settings{}, now), arrival))
}

// owned makes a Chat with its first message, and gives it to somebody; to nobody, it waits.
func (s *stage) owned(user, owner string) string {
	s.Helper()
	s.must(s.message(s.store, user, 0))
	id := shelfSecret.UserAddress(stageNumber, user)
	if owner != "" {
		s.must(s.gives(s.store, id, "alex", owner, ""))
	}
	return id
}

func person(id string) chat.Actor { return chat.Actor{Kind: chat.ByPerson, ID: id, Name: id} }

// gives reassigns a Chat to a person.
func (s *stage) gives(store *dynamo.Store, id, by, to, note string) error {
	now := dynamo.Now()
	_, err := store.Act(s.Context(), id, []string{by, to}, func(c chat.Chat, who dynamo.Cast) (*chat.Change, error) {
		if err := access.Check(who[by], access.Reassign, c); err != nil {
			return nil, err
		}
		if c.Owner == to {
			return nil, nil
		}
		if !who[to].MayAct() {
			return nil, &chat.Error{Code: chat.CannotOwn}
		}
		change := c.Reassigned(now, person(by), to, note)
		return &change, nil
	})
	return err
}

// passes gives a Chat to the team support.
func (s *stage) passes(store *dynamo.Store, id, by, note string) error {
	now := dynamo.Now()
	_, err := store.Act(s.Context(), id, []string{by}, func(c chat.Chat, who dynamo.Cast) (*chat.Change, error) {
		if err := access.Check(who[by], access.Reassign, c); err != nil {
			return nil, err
		}
		if c.Status != chat.Open {
			return nil, &chat.Error{Code: chat.ChatClosed}
		}
		if c.WaitsByHand("support") {
			return nil, nil
		}
		change := c.PassedTo(now, person(by), "support", note)
		return &change, nil
	})
	return err
}

// sets closes or opens a Chat; seen, if there is one, is the last message that the person saw.
func (s *stage) sets(store *dynamo.Store, id, by string, to chat.Status, seen chat.Key) error {
	now := dynamo.Now()
	_, err := store.Act(s.Context(), id, []string{by}, func(c chat.Chat, who dynamo.Cast) (*chat.Change, error) {
		if err := access.Check(who[by], access.ChangeStatus, c); err != nil {
			return nil, err
		}
		if c.Status == to {
			return nil, nil
		}
		if to == chat.Open {
			change := c.OpensAgain(now, person(by))
			return &change, nil
		}
		change := c.Closes(now, person(by))
		if !seen.IsZero() {
			unseen, err := store.Unseen(s.Context(), c, seen.Time(), seen)
			if err != nil {
				return nil, err
			}
			if unseen {
				return nil, &chat.Error{Code: chat.NewMessage}
			}
			change.Holds = chat.InboxPart
		}
		return &change, nil
	})
	return err
}

// replies sends a text.
func (s *stage) replies(store *dynamo.Store, id, by, text string, once *dynamo.Once) (chat.Message, error) {
	now := dynamo.Now()
	key := chat.NewKey(now)
	return store.Reply(s.Context(), id, by, once, now, text, func(c chat.Chat, p team.Person) (chat.Message, error) {
		if err := access.Check(p, access.Reply, c); err != nil {
			return chat.Message{}, err
		}
		return c.Replies(now, by, key, chat.Message{Type: "text", Text: text})
	})
}

// reads names messages as read.
func (s *stage) reads(store *dynamo.Store, id, by string, keys ...chat.Key) error {
	p, err := store.Person(s.Context(), by)
	if err != nil {
		return err
	}
	_, err = store.Read(s.Context(), id, by, keys, func(c chat.Chat) error { return access.Check(*p, access.Read, c) })
	return err
}

// deactivates makes somebody inactive.
func (s *stage) deactivates(store *dynamo.Store, id string) error {
	_, err := store.UpdatePerson(s.Context(), id, dynamo.Now(), func(p *team.Person) error { p.Active = false; return nil })
	return err
}

func (s *stage) chat(id string) chat.Chat {
	s.Helper()
	c, err := s.store.Chat(s.Context(), id)
	s.must(err)
	if c != nil {
		return *c
	}
	s.Fatalf("there is no chat %s", id)
	return chat.Chat{}
}

// checked fails the test for every breach of an invariant.
func (s *stage) checked() invariant.Snapshot {
	s.Helper()
	all, err := s.store.Snapshot(s.Context())
	s.must(err)
	for _, b := range invariant.Check(all) {
		s.Error(b)
	}
	return all
}

// code is what an error says to a program; empty for success.
func code(err error) chat.Code {
	var e *chat.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Code
	}
	return chat.Code(err.Error())
}

// big is a number for `make test`, and another for `make soak`.
func big(usual, soak int) int {
	if os.Getenv("CHATKEEPER_SOAK") != "" {
		return soak
	}
	return usual
}
