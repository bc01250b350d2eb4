package dynamo_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/faults"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// Every fault on every call of every write that people make, one at a time. Success means done, once; a failure may be
// repeated as it is, and then means done, once. The checker is clean after each.
func TestFaultsOfWhatPeopleDo(t *testing.T) {
	t.Parallel()
	for _, write := range []struct {
		what  string
		owner string // before; nobody's Chat waits
		do    func(s *stage, store *dynamo.Store, id string) error
		done  func(c chat.Chat) bool
		epoch int64 // after
		sent  int   // replies stored
	}{
		{"reply", "amira", func(s *stage, store *dynamo.Store, id string) error {
			_, err := s.replies(store, id, "amira", "hello", &dynamo.Once{Person: "amira", Key: id, Digest: []byte(id)})
			return err
		}, func(c chat.Chat) bool { return c.Preview.Direction == chat.Out }, 2, 1},
		{"reply without a key", "amira", func(s *stage, store *dynamo.Store, id string) error {
			_, err := s.replies(store, id, "amira", "hello", nil)
			return err
		}, func(c chat.Chat) bool { return c.Preview.Direction == chat.Out }, 2, 1},
		{"close", "amira", func(s *stage, store *dynamo.Store, id string) error {
			return s.sets(store, id, "amira", chat.Closed, s.key(0))
		}, func(c chat.Chat) bool { return c.Status == chat.Closed && c.Owner == "amira" }, 3, 0},
		{"reassign", "amira", func(s *stage, store *dynamo.Store, id string) error {
			return s.gives(store, id, "alex", "bruno", "")
		}, func(c chat.Chat) bool { return c.Owner == "bruno" }, 3, 0},
		{"the Assignee reassigns", "amira", func(s *stage, store *dynamo.Store, id string) error {
			return s.gives(store, id, "amira", "bruno", "")
		}, func(c chat.Chat) bool { return c.Owner == "bruno" }, 3, 0},
		{"reassign a waiting Chat", "", func(s *stage, store *dynamo.Store, id string) error {
			return s.gives(store, id, "alex", "bruno", "")
		}, func(c chat.Chat) bool { return c.Owner == "bruno" }, 2, 0},
		{"pass to a team", "amira", func(s *stage, store *dynamo.Store, id string) error {
			return s.passes(store, id, "alex", "")
		}, func(c chat.Chat) bool { return c.WaitsByHand("support") }, 3, 0},
		{"read", "amira", func(s *stage, store *dynamo.Store, id string) error {
			return s.reads(store, id, "amira", s.key(0))
		}, func(c chat.Chat) bool { return len(c.Unread) == 0 }, 2, 0},
		{"edit the customer of a waiting Chat", "", func(s *stage, store *dynamo.Store, id string) error {
			_, err := store.EditCustomer(s.Context(), id, "alex", dynamo.Now(), func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) {
				return chat.Edit{Name: new("Zoë"), Language: new("fr")}, []chat.Need{{Person: "alex", Admin: true}}, nil
			})
			return err
		}, func(c chat.Chat) bool { return c.Customer.Name == "Zoë" && c.Routed == 2 }, 1, 0},
		{"set the availability", "amira", func(s *stage, store *dynamo.Store, _ string) error {
			_, err := store.UpdatePerson(s.Context(), "amira", dynamo.Now(), func(p *team.Person) error { p.Availability = team.Away; return nil })
			return err
		}, func(chat.Chat) bool { return true }, 2, 0},
	} {
		t.Run(write.what, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			chats := 0
			run := func(at int64, fault faults.Fault) (calls int64) {
				chats++
				user := fmt.Sprintf("US.%s.%d", write.what, chats)
				id := s.owned(user, write.owner)
				injector := &faults.Injector{At: at, Fault: fault}
				store := s.client(dynamodb.WithAPIOptions(injector.Add))
				err := write.do(s, store, id)
				if err != nil && code(err) != chat.TryAgain {
					t.Errorf("%s at call %d is shown as %q: %v", fault, at, code(err), err)
				}
				for tries := 0; err != nil; tries++ {
					if tries == 3 {
						t.Fatalf("%s at call %d: %v", fault, at, err)
					}
					err = write.do(s, store, id)
				}
				c := s.chat(id)
				if !write.done(c) || c.Epoch != write.epoch {
					t.Errorf("%s at call %d: success, and it is %s of %q at epoch %d", fault, at, c.Status, c.Owner, c.Epoch)
				}
				sent := 0
				page, err := s.store.MessagesBefore(t.Context(), c, chat.Key{}, 10)
				s.must(err)
				for _, m := range page.Messages {
					if m.Direction == chat.Out {
						sent++
					}
				}
				if sent != write.sent {
					t.Errorf("%s at call %d: %d replies are stored, want %d", fault, at, sent, write.sent)
				}
				return injector.Calls()
			}
			calls := run(-1, "")
			for _, fault := range faults.All {
				for at := range calls {
					run(at, fault)
				}
			}
			s.checked()
		})
	}
}

// The answer to a write is lost, and so busy is the table that what follows can't be read at once: success is answered all
// the same as soon as it can, and the write is done once.
func TestLostAnswersAreLookedUpUntilTheyAreFound(t *testing.T) {
	t.Parallel()
	for what, write := range map[string]func(s *stage, store *dynamo.Store, id string) error{
		"a reply": func(s *stage, store *dynamo.Store, id string) error {
			_, err := s.replies(store, id, "amira", "hello", nil)
			return err
		},
		"a reply with a key": func(s *stage, store *dynamo.Store, id string) error {
			_, err := s.replies(store, id, "amira", "hello", &dynamo.Once{Person: "amira", Key: "k", Digest: []byte("k")})
			return err
		},
		"a closing": func(s *stage, store *dynamo.Store, id string) error {
			return s.sets(store, id, "amira", chat.Closed, chat.Key{})
		},
		"a reassignment": func(s *stage, store *dynamo.Store, id string) error {
			return s.gives(store, id, "alex", "bruno", "")
		},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			id := s.owned("US.1", "amira")
			fault := &faults.AfterWrite{Fault: faults.Throttled, Lost: true, Most: 3}
			fault.Arm()
			if err := write(s, s.client(dynamodb.WithAPIOptions(fault.Add)), id); err != nil {
				t.Errorf("it is stored, and the answer is %v", err)
			}
			if fault.Failed() != 3 {
				t.Errorf("%d reads failed after it, want 3", fault.Failed())
			}
			all, outgoing := s.checked(), 0
			for _, m := range all.Messages {
				if m.Direction == chat.Out {
					outgoing++
				}
			}
			if c := s.chat(id); outgoing+int(c.Epoch) != 3 { // epoch 2 with one reply, or 3 with none
				t.Errorf("%d replies, epoch %d", outgoing, c.Epoch)
			}
		})
	}
}
