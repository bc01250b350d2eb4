package dynamo_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// call is one thing that somebody does in a race, and the answer.
type call struct {
	do   string // gives, passes, closes, opens, replies, reads, writes (the customer), deactivates, looks
	by   string
	to   string
	n    int // of the message: the one written, or the last one seen
	seen bool
}

// ownership is all that a Chat is to a race: what every answer must be explained by, at one instant between its call and
// its return (S11, S12, S14 to S18, I1, I7).
type ownership struct {
	closed   bool
	owner    string
	last     int    // the customer's last message
	unread   uint64 // a bit for each message
	inactive string // who was deactivated; one person is
}

// admins of the stage.
var admins = map[string]bool{"alex": true, "ada": true}

// step is the permission table and the steps of the protocol, said once more without a database.
func (now ownership) step(c call, answer chat.Code) (bool, ownership) {
	active, owns := now.inactive != c.by, now.owner == c.by
	next := now
	want := chat.Code("")
	refuse := func(because chat.Code) { next, want = now, because }
	switch c.do {
	case "writes":
		next.unread |= 1 << c.n
		next.last = max(next.last, c.n)
		if now.closed {
			next.closed, next.owner = false, ""
		}
	case "deactivates":
		next.inactive = c.to
	case "gives", "passes":
		next.owner = c.to
		switch {
		case !active || !owns && !admins[c.by]:
			refuse("denied")
		case c.do == "passes" && now.closed:
			refuse(chat.ChatClosed)
		case c.do == "gives" && !owns && now.owner == c.to: // already
			next = now
		case c.do == "gives" && c.to == now.inactive && now.owner != c.to:
			refuse(chat.CannotOwn)
		}
	case "closes":
		next.closed = true
		switch {
		case !active || !owns:
			refuse("denied")
		case c.seen && !now.closed && now.last > c.n:
			refuse(chat.NewMessage)
		}
	case "opens":
		next.closed = false
		if !active || !owns {
			refuse("denied")
		}
	case "replies":
		switch {
		case !active || !owns:
			refuse("denied")
		case now.closed:
			refuse(chat.ChatClosed)
		}
	case "reads": // activity counts with the request only
		next.unread &^= 1 << c.n
		if answer == "denied" && !active {
			refuse("denied")
		} else if !owns {
			refuse("denied")
		}
	}
	return answer == want, next
}

// glimpse is the answer of somebody who looks.
type glimpse struct {
	closed bool
	owner  string
	last   int
	unread uint64
}

var model = porcupine.Model{
	Init: func() any { return ownership{owner: "amira", unread: 1} },
	Step: func(state, input, output any) (bool, any) {
		now := state.(ownership)
		if seen, ok := output.(glimpse); ok {
			return seen == glimpse{now.closed, now.owner, now.last, now.unread}, now
		}
		ok, next := now.step(input.(call), output.(chat.Code))
		return ok, next
	},
	DescribeOperation: func(input, output any) string { return fmt.Sprintf("%+v -> %v", input, output) },
	DescribeState:     func(state any) string { return fmt.Sprintf("%+v", state) },
}

// Races, many at once. Whatever the answers are, there must be one order of all calls in which each answer is right: so
// there is one owner at every instant, and no reply is accepted of somebody who is not it. Then the tables are checked.
func TestRaces(t *testing.T) {
	t.Parallel()
	anyone := []string{"alex", "ada", "amira", "bruno", "chloe"}
	pick := func(from ...string) string { return from[rand.IntN(len(from))] }
	gives := func() call { return call{do: "gives", by: pick(anyone...), to: pick("alex", "amira", "bruno")} }
	by := func(do string) func() call {
		return func() call { return call{do: do, by: pick("alex", "amira", "bruno")} }
	}
	takes := func(admin string) func() call { return func() call { return call{do: "gives", by: admin, to: admin} } }
	for _, race := range []struct {
		name  string
		calls []func() call // drawn from at random
		first []func() call // made once by each of the first clients
	}{
		{"reply vs reassign", []func() call{by("replies"), by("replies"), gives}, nil},
		{"reassign vs reassign", []func() call{gives, gives, by("passes")}, nil},
		{"close vs customer message", []func() call{by("closes"), by("closesSeen"), by("opens"), by("writes"), takes("alex")}, nil},
		{"close vs reassign", []func() call{by("closes"), by("opens"), gives, by("replies")}, nil},
		{"two Admins taking over", []func() call{takes("alex"), takes("ada"), by("replies"), by("passes")}, nil},
		{"read vs new message", []func() call{by("reads"), by("reads"), by("writes"), gives}, nil},
		{"deactivate vs everything", []func() call{gives, by("replies"), by("reads"), by("closes"), by("opens"), by("passes"), by("writes"), by("closesSeen")},
			[]func() call{func() call { return call{do: "deactivates", to: "bruno"} }}},
	} {
		t.Run(race.name, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			chats, clients, each := big(2, 8), 6, big(5, 16)
			var all sync.WaitGroup
			histories := make([]history, chats)
			rounds := chats
			if race.first != nil {
				rounds = 1 // people are in every Chat's history
			}
			for i := range rounds {
				user := fmt.Sprintf("US.%d", i)
				h := &histories[i]
				h.stage, h.user, h.chat = s, user, s.owned(user, "amira")
				h.slow = s.client(dynamodb.WithAPIOptions(before(func(string) { s.chat(h.chat) })))
				for client := range clients {
					all.Go(func() {
						for n := range each {
							next := race.calls[rand.IntN(len(race.calls))]()
							if n == each/2 && client < len(race.first) {
								next = race.first[client]()
							}
							h.make(client, next)
							h.make(client, call{do: "looks"})
						}
					})
				}
			}
			all.Wait()
			for i := range rounds {
				result, info := porcupine.CheckOperationsVerbose(model, histories[i].operations, time.Minute)
				if result != porcupine.Ok {
					t.Errorf("no order of the calls explains the answers (%s)", result)
					for _, longest := range info.PartialLinearizationsOperations()[0] {
						t.Logf("explained %d of %d; the next ones are not:", len(longest), len(histories[i].operations))
						for _, o := range longest[max(0, len(longest)-6):] {
							t.Logf("  %+v -> %v", o.Input, o.Output)
						}
						break
					}
				}
			}
			snapshot := s.checked()
			accepted := map[string]int{}
			for _, m := range snapshot.Messages {
				if m.Direction == chat.Out {
					accepted[m.Chat]++
				}
			}
			for i := range rounds {
				if want := histories[i].answered("replies"); accepted[histories[i].chat] != want {
					t.Errorf("%d replies are stored, and %d were accepted", accepted[histories[i].chat], want)
				}
			}
		})
	}
}

// history collects what clients did to one Chat.
type history struct {
	*stage
	user, chat string
	slow       *dynamo.Store // looks around before each write, so that others come in between

	mu         sync.Mutex
	operations []porcupine.Operation
	written    int
}

// make does the call and notes when it began and ended.
func (h *history) make(client int, c call) {
	if c.do == "writes" || c.do == "reads" || c.do == "closesSeen" {
		h.mu.Lock()
		if c.do == "writes" {
			h.written++
		}
		c.n = h.written
		h.mu.Unlock()
		if c.do == "reads" {
			c.n = rand.IntN(c.n + 1)
		}
		if c.do == "closesSeen" {
			c.do, c.seen = "closes", true
		}
	}
	began := time.Now().UnixNano()
	output := h.answer(c)
	ended := time.Now().UnixNano()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, porcupine.Operation{ClientId: client, Input: c, Output: output, Call: began, Return: ended})
}

func (h *history) answer(c call) any {
	var err error
	switch c.do {
	case "gives":
		err = h.gives(h.slow, h.chat, c.by, c.to, "")
	case "passes":
		err = h.passes(h.slow, h.chat, c.by, "")
	case "closes":
		seen := chat.Key{}
		if c.seen {
			seen = h.key(c.n)
		}
		err = h.sets(h.slow, h.chat, c.by, chat.Closed, seen)
	case "opens":
		err = h.sets(h.slow, h.chat, c.by, chat.Open, chat.Key{})
	case "replies":
		_, err = h.replies(h.slow, h.chat, c.by, "hello", nil)
	case "reads":
		err = h.reads(h.slow, h.chat, c.by, h.key(c.n))
	case "writes":
		err = h.message(h.slow, h.user, c.n)
	case "deactivates":
		err = h.deactivates(h.slow, c.to)
	case "looks":
		return h.look()
	}
	switch answer := code(err); answer {
	case chat.NotAssignee, chat.AdminNotOwner, chat.Inactive:
		return chat.Code("denied")
	default:
		return answer
	}
}

func (h *history) look() any {
	c, err := h.store.Chat(h.Context(), h.chat)
	if err != nil {
		return chat.Code(err.Error())
	}
	g := glimpse{closed: c.Status == chat.Closed, owner: c.Owner}
	for n := range 64 {
		k := h.key(n)
		for _, m := range c.Unread {
			if m == k.Mark() {
				g.unread |= 1 << n
			}
		}
		if c.LastIn == k {
			g.last = n
		}
	}
	return g
}

// answered counts the calls of one kind that succeeded.
func (h *history) answered(do string) int {
	n := 0
	for _, o := range h.operations {
		if o.Input.(call).do == do && o.Output == chat.Code("") {
			n++
		}
	}
	return n
}

// before calls do before every write.
func before(do func(operation string)) func(*middleware.Stack) error {
	return func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("before", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			switch operation := middleware.GetOperationName(ctx); operation {
			case "TransactWriteItems", "UpdateItem", "PutItem":
				do(operation)
			}
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
}

// S18, S19: somebody is first, exactly between the read and the write. The answer is the one that is right after that.
func TestSomebodyIsFirst(t *testing.T) {
	t.Parallel()
	type act func(s *stage, store *dynamo.Store, id string) error
	gives := func(by, to string) act {
		return func(s *stage, store *dynamo.Store, id string) error { return s.gives(store, id, by, to, "") }
	}
	passes := func(by string) act {
		return func(s *stage, store *dynamo.Store, id string) error { return s.passes(store, id, by, "") }
	}
	sets := func(by string, to chat.Status, seen bool) act {
		return func(s *stage, store *dynamo.Store, id string) error {
			k := chat.Key{}
			if seen {
				k = s.key(0)
			}
			return s.sets(store, id, by, to, k)
		}
	}
	replies := func(by string) act {
		return func(s *stage, store *dynamo.Store, id string) error {
			_, err := s.replies(store, id, by, "hello", &dynamo.Once{Person: by, Key: "k", Digest: []byte("d")})
			return err
		}
	}
	reads := func(by string) act {
		return func(s *stage, store *dynamo.Store, id string) error { return s.reads(store, id, by, s.key(0)) }
	}
	deactivates := func(who string) act {
		return func(s *stage, store *dynamo.Store, _ string) error { return s.deactivates(store, who) }
	}
	demotes := func(who string) act {
		return func(s *stage, store *dynamo.Store, _ string) error {
			_, err := store.UpdatePerson(s.Context(), who, dynamo.Now(), func(p *team.Person) error { p.Role = ""; return nil })
			return err
		}
	}
	writes := func(s *stage, store *dynamo.Store, _ string) error { return s.message(store, "US.1", 1) }
	const closes = chat.Closed
	for _, test := range []struct {
		what        string
		does, first act
		want        chat.Code
		owner       string
		status      chat.Status
	}{
		{"reply, reassigned first", replies("amira"), gives("alex", "bruno"), chat.NotAssignee, "bruno", chat.Open},
		{"reply, passed to a team first", replies("amira"), passes("alex"), chat.NotAssignee, "", chat.Open},
		{"reply, closed first", replies("amira"), sets("amira", closes, false), chat.ChatClosed, "amira", closes},
		{"reply, deactivated first", replies("amira"), deactivates("amira"), chat.Inactive, "amira", chat.Open},
		{"reply, without a role first", replies("amira"), demotes("amira"), chat.Inactive, "amira", chat.Open},
		{"reply, the customer first", replies("amira"), writes, "", "amira", chat.Open},
		{"reply, the same key first", replies("amira"), replies("amira"), "", "amira", chat.Open},
		{"close, reassigned first", sets("amira", closes, false), gives("alex", "bruno"), chat.NotAssignee, "bruno", chat.Open},
		{"close, deactivated first", sets("amira", closes, false), deactivates("amira"), chat.Inactive, "amira", chat.Open},
		{"close, the customer first", sets("amira", closes, true), writes, chat.NewMessage, "amira", chat.Open},
		{"close all the same, the customer first", sets("amira", closes, false), writes, "", "amira", closes},
		{"close, closed first", sets("amira", closes, false), sets("amira", closes, false), "", "amira", closes},
		{"reassign, an Admin first", gives("amira", "chloe"), gives("alex", "bruno"), chat.NotAssignee, "bruno", chat.Open},
		{"reassign, the target deactivated first", gives("alex", "bruno"), deactivates("bruno"), chat.CannotOwn, "amira", chat.Open},
		{"reassign, the target without a role first", gives("alex", "bruno"), demotes("bruno"), chat.CannotOwn, "amira", chat.Open},
		{"reassign, the Admin deactivated first", gives("alex", "bruno"), deactivates("alex"), chat.Inactive, "amira", chat.Open},
		{"reassign, the Admin without a role first", gives("alex", "bruno"), demotes("alex"), chat.Inactive, "amira", chat.Open},
		{"take over, another Admin first", gives("alex", "alex"), gives("ada", "ada"), "", "alex", chat.Open},
		{"reassign, closed first", gives("alex", "bruno"), sets("amira", closes, false), "", "bruno", closes},
		{"pass on, closed first", passes("amira"), sets("amira", closes, false), chat.ChatClosed, "amira", closes},
		{"pass on, the Admin without a role first", passes("alex"), demotes("alex"), chat.Inactive, "amira", chat.Open},
		{"read, reassigned first", reads("amira"), gives("alex", "bruno"), chat.NotAssignee, "bruno", chat.Open},
		{"read, the customer first", reads("amira"), writes, "", "amira", chat.Open},
	} {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			id := s.owned("US.1", "amira")
			var once sync.Once
			store := s.client(dynamodb.WithAPIOptions(before(func(string) {
				once.Do(func() { s.must(test.first(s, s.store, id)) })
			})))
			if got := code(test.does(s, store, id)); got != test.want {
				t.Errorf("the answer is %q, want %q", got, test.want)
			}
			if c := s.chat(id); c.Owner != test.owner || c.Status != test.status {
				t.Errorf("it is %s of %q, want %s of %q", c.Status, c.Owner, test.status, test.owner)
			}
			replied := 0
			for _, m := range s.checked().Messages {
				if m.Direction == chat.Out {
					replied++
				}
			}
			if most := 1; replied > most || test.want != "" && replied > 0 {
				t.Errorf("%d replies were accepted", replied)
			}
		})
	}
}
