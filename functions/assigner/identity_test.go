package main

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

func second(n int) time.Time { return morning.Add(time.Duration(n) * time.Second) }

// chatOf is the Chat of the customer with the user id.
func (w *world) chatOf(userID string) chat.Chat {
	w.Helper()
	leads, err := w.store.Find(w.Context(), testSecret.UserAddress(seed.SupportNumber, userID), "", true)
	w.must(err)
	if leads.User == nil {
		w.Fatalf("%s has no Chat", userID)
	}
	c, err := w.goingOn(w.Context(), leads.User.Chat)
	w.must(err)
	return c
}

// written gives the texts of a customer's Chat, system notices left out.
func (w *world) written(userID string) []string {
	w.Helper()
	return slices.DeleteFunc(w.texts(w.chatOf(userID)), func(text string) bool { return text == "" })
}

// wrote fails the test where a customer's Chat does not read so.
func (w *world) wrote(userID string, want ...string) {
	w.Helper()
	if got := w.written(userID); !slices.Equal(got, want) {
		w.Errorf("the Chat of %s reads %q, want %q", userID, got, want)
	}
}

// inTurn delivers messages one by one: of one POST, what changes identities would come first.
func (w *world) inTurn(messages ...map[string]any) {
	w.Helper()
	for _, m := range messages {
		w.receives(m)
	}
}

// hours lets so many hours pass.
func (w *world) hours(n int) {
	now := w.now
	w.now = func() time.Time { return now().Add(time.Duration(n) * time.Hour) }
}

// beside is an assigner that does something before its call with this number.
func (w *world) beside(b *beside) assigner {
	sick := *w.assigner
	sick.store = dynamo.New(dynamodb.New(serverstest.DynamoDB(w).Options(), dynamodb.WithAPIOptions(b.add)), w.tables["ChatsTable"], w.tables["TeamTable"])
	return sick
}

// I8: A writes by phone number only, then shows a user id with it, and changes the number, which is recycled to B. B's user
// id changes, of which WhatsApp tells late, so that the number has three holders, two of whom are one. A's first message,
// delivered again, is A's.
func TestAnOldMessageIsNotTheHeirs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := text("", phoneA, "a1", minute(1))
	w.inTurn(first, text("US.A", phoneA, "a2", minute(2)), text("", phoneB, "a4", minute(4)),
		system("US.A", phoneA, 3, map[string]any{"type": "user_changed_number", "wa_id": phoneB}),
		text("US.B", phoneA, "b5", minute(5)), text("US.B", "", "b6", minute(6)), text("", phoneA, "b7", minute(7)),
		text("US.B2", phoneA, "b9", minute(9)),
		system("US.B2", "", 8, map[string]any{"type": "user_changed_user_id", "user_id": "US.B2", "previous_user_id": "US.B"}))
	w.hours(3)
	w.receives(first)
	w.wrote("US.A", "a1", "a2", "a4")
	w.wrote("US.B2", "b5", "b6", "b7", "b9")
	w.checked()
}

// I4: WhatsApp tells late that the number had another holder when a message came. The message stays where it was stored
// first; what comes after that is the new holder's.
func TestAMessageStaysWhereItWasStoredFirst(t *testing.T) {
	t.Parallel()
	for _, again := range [][]string{{"", phoneA}, {"US.B", phoneA}, {"US.B", ""}} {
		w := newWorld(t)
		m := text("", phoneA, "m", second(150))
		w.inTurn(text("US.A", phoneA, "a", second(100)), m, text("US.B", phoneA, "b", second(120)))
		w.hours(1)
		for range 2 {
			delete(m, "from")
			if m["from"] = again[1]; again[1] == "" {
				delete(m, "from")
			}
			if m["from_user_id"] = again[0]; again[0] == "" {
				delete(m, "from_user_id")
			}
			w.receives(m)
		}
		w.wrote("US.A", "a", "m")
		w.wrote("US.B", "b")
		w.inTurn(text("", phoneA, "c", second(160)), text("", phoneA, "d", second(110)))
		w.wrote("US.A", "a", "d", "m")
		w.wrote("US.B", "b", "c")
		w.checked()
	}
}

// I8: a number is A's, then B's, then A's again, and what proves it comes in any order. A message by the number alone is
// whose the number was at its time, the first time it is delivered and when it is delivered again.
func TestANumberIsWhoseItWasThen(t *testing.T) {
	t.Parallel()
	proofs := []struct {
		user string
		at   int
	}{{"US.A", 100}, {"US.B", 110}, {"US.A", 115}, {"US.A", 120}}
	for _, order := range [][]int{{0, 1, 2, 3}, {0, 1, 3, 2}, {0, 2, 3, 1}, {0, 3, 1, 2}, {3, 0, 1, 2}, {3, 1, 0, 2}, {3, 2, 1, 0}, {1, 0, 3, 2}, {1, 3, 2, 0}, {2, 3, 0, 1}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			var all []map[string]any
			for _, i := range order {
				all = append(all, text(proofs[i].user, phoneA, fmt.Sprint(proofs[i].at), second(proofs[i].at)))
			}
			for _, at := range []int{102, 112, 117, 122, 98} {
				all = append(all, text("", phoneA, fmt.Sprint(at), second(at)))
			}
			for range 2 {
				w.inTurn(all...)
				w.wrote("US.A", "98", "100", "102", "115", "117", "120", "122")
				w.wrote("US.B", "110", "112")
				w.checked()
				w.hours(2)
			}
			if c := w.chatOf("US.A"); c.Customer.Phone != phoneA {
				t.Errorf("A's number is %q", c.Customer.Phone)
			}
			if c := w.chatOf("US.B"); c.Customer.Phone != "" {
				t.Errorf("B's number is %q", c.Customer.Phone)
			}
		})
	}
}

// I8: the number moves to another customer at any moment of a message that shows it with the first one, also after that
// read to whom it leads. The message is newer, so the number comes back with it.
func TestANumberMovesBesideAMessage(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for at, more := 0, true; more && !t.Failed(); at++ {
		phone := fmt.Sprintf("1555%07d", at)
		one, two := fmt.Sprint("US.", at, ".1"), fmt.Sprint("US.", at, ".2")
		w.inTurn(text(one, phone, "m0", second(100)), text(two, "", "n0", second(100)))
		b := &beside{at: at, what: func() { w.receives(text(two, phone, "m1", second(110))) }}
		sick := w.beside(b)
		w.must(sick.update(t.Context(), w.updates("messages", text(one, phone, "m2", second(120)))[0]))
		if more = b.calls > at; !more {
			b.what()
		}
		w.inTurn(text("", phone, "m3", second(130)), text("", phone, "n3", second(115)))
		w.wrote(one, "m0", "m2", "m3")
		w.wrote(two, "n0", "m1", "n3")
		if c := w.chatOf(one); c.Customer.Phone != phone {
			t.Errorf("before call %d: the number is %q", at, c.Customer.Phone)
		}
	}
	w.checked()
}

// orders are all orders that messages can come in.
func orders(messages []map[string]any) (all [][]map[string]any) {
	if len(messages) < 2 {
		return [][]map[string]any{messages}
	}
	for i, m := range messages {
		for _, rest := range orders(slices.Delete(slices.Clone(messages), i, i+1)) {
			all = append(all, append([]map[string]any{m}, rest...))
		}
	}
	return all
}

// A Chat has the number of its newest message or notice, in whatever order they come; a notice comes after the messages of
// its second. Rules see that number, and a stranger who gets one of the others takes nothing from the Chat.
func TestTheNewestNumber(t *testing.T) {
	t.Parallel()
	const phoneA, phoneB = "971500000001", "447900000002" // told apart by rules
	shows := func(phone string, n int) map[string]any { return text("US.1", phone, fmt.Sprint(n), second(n)) }
	changes := func(from, to string, n int) map[string]any {
		m := system("US.1", from, 0, map[string]any{"type": "user_changed_number", "wa_id": to})
		m["timestamp"] = fmt.Sprint(second(n).Unix())
		return m
	}
	for _, test := range []struct {
		name     string
		messages []map[string]any
		want     string
		stranger string // gets this number afterwards
	}{
		{"A, B, A", []map[string]any{shows(phoneA, 1), shows(phoneB, 2), shows(phoneA, 3)}, phoneA, phoneB},
		{"A, A, B between", []map[string]any{shows(phoneA, 1), shows(phoneA, 9), shows(phoneB, 5)}, phoneA, phoneB},
		{"A, B, A by the number alone", []map[string]any{shows(phoneA, 1), shows(phoneB, 2), text("", phoneA, "3", second(3))}, phoneA, phoneB},
		{"told A to B to A", []map[string]any{shows(phoneA, 1), changes(phoneA, phoneB, 2), changes(phoneB, phoneA, 3)}, phoneA, phoneB},
		{"told A to B, and a message of the same second", []map[string]any{shows(phoneA, 1), changes(phoneA, phoneB, 2), shows(phoneA, 2)}, phoneB, phoneA},
		{"told A to B, then a message from A", []map[string]any{shows(phoneA, 1), changes(phoneA, phoneB, 2), shows(phoneA, 3)}, phoneA, phoneB},
		{"an aside", []map[string]any{shows(phoneA, 1), shows(phoneB, 2),
			of(shows(phoneA, 3), "reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"})}, phoneA, phoneB},
	} {
		// Both numbers are known to be the customer's before, so that nothing depends on whether a notice found a Chat.
		for i, order := range orders(test.messages) {
			t.Run(fmt.Sprint(test.name, " ", i), func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, agent("dan", 0, "support", "sales"))
				w.inTurn(shows(phoneA, -9), shows(phoneB, -8))
				for range 2 {
					w.inTurn(order...)
					if c := w.the(); c.Customer.Phone != test.want {
						t.Errorf("the number is %q, want %q", c.Customer.Phone, test.want)
					}
					w.hours(1)
				}
				w.inTurn(text("US.2", test.stranger, "a stranger", second(20)))
				if c := w.chatOf("US.1"); c.Customer.Phone != test.want {
					t.Errorf("after the other number went to a stranger it is %q, want %q", c.Customer.Phone, test.want)
				}
				w.saveRules(`{"rules": [{"id": "a", "name": "A", "enabled": true, "when": {"field": "phonePrefix", "in": ["` + test.want[:5] + `"]},
					"to": [{"team": "sales", "strategy": "round_robin"}]}], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}]}}`)
				w.closes(w.chatOf("US.1").ID)
				w.inTurn(text("US.1", "", "again", second(21)))
				events, err := w.store.History(t.Context(), w.chatOf("US.1").ID)
				w.must(err)
				if d := events[len(events)-1].Decision; d == nil || d.RuleID != "a" {
					t.Errorf("it was routed by %+v", d)
				}
				w.checked()
			})
		}
	}
}

// I4: one message is delivered with the phone number alone and again with the user id, by two groups of the queue: the other
// delivery comes at any moment of the first, or long after it. It is stored once, and counted once, in one Chat.
func TestOneMessageInTwoGroups(t *testing.T) {
	t.Parallel()
	left := func(user, phone string, n int) map[string]any {
		m := system(user, phone, 0, map[string]any{"type": "user_changed_number", "wa_id": phone + "9"})
		m["timestamp"] = fmt.Sprint(second(n).Unix())
		return m
	}
	states := []struct {
		name  string
		knows func(user, phone string) []map[string]any // what was delivered before
	}{
		{"nobody", func(string, string) []map[string]any { return nil }},
		{"the number", func(_, phone string) []map[string]any { return []map[string]any{text("", phone, "x", second(1))} }},
		{"the user id", func(user, _ string) []map[string]any { return []map[string]any{text(user, "", "x", second(1))} }},
		{"both, as two", func(user, phone string) []map[string]any {
			return []map[string]any{text("", phone, "x", second(1)), text(user, "", "y", second(2))}
		}},
		{"both, as one", func(user, phone string) []map[string]any { return []map[string]any{text(user, phone, "x", second(1))} }},
		{"the number, as another's", func(user, phone string) []map[string]any {
			return []map[string]any{text(user+".other", phone, "x", second(1))}
		}},
		{"the number, as another's, and the user id", func(user, phone string) []map[string]any {
			return []map[string]any{text(user+".other", phone, "x", second(1)), text(user, "", "y", second(2))}
		}},
		{"the number, as that of one who left it", func(user, phone string) []map[string]any {
			return []map[string]any{text(user+".other", phone, "x", second(1)), text(user+".other", phone+"9", "y", second(3)), left(user+".other", phone, 2)}
		}},
		{"the number, as another's who wrote since", func(user, phone string) []map[string]any {
			return []map[string]any{text(user+".other", phone, "x", second(1)), text(user, "", "y", second(2)), text(user+".other", phone, "z", second(20))}
		}},
		{"the number, which another had first", func(user, phone string) []map[string]any {
			return []map[string]any{text(user+".other", phone, "x", second(1)), text("", phone, "z", second(20)), text(user, phone, "y", second(2))}
		}},
	}
	for _, test := range []struct {
		kind          string
		closed, alone bool // the Chats are closed; the number alone comes first
	}{{"text", false, false}, {"text", false, true}, {"text", true, false}, {"text", true, true}, {"reaction", false, false}, {"reaction", false, true}} {
		t.Run(fmt.Sprintf("%+v", test), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, agent("dan", 0, "support"))
			where := map[string]string{} // by wamid, what else went on
			for i, state := range states {
				for at, more := 0, true; more; at++ {
					user, phone := fmt.Sprint("US.", i, ".", at), fmt.Sprintf("1555%03d%04d", i, at)
					w.inTurn(state.knows(user, phone)...)
					if test.closed {
						leads, err := w.store.Find(t.Context(), testSecret.UserAddress(seed.SupportNumber, user), testSecret.PhoneAddress(seed.SupportNumber, phone), true)
						w.must(err)
						for _, lead := range []*dynamo.Lead{leads.User, leads.Phone} {
							if lead != nil {
								w.closesIf(lead.Chat)
							}
						}
					}
					m := text(user, phone, "m", second(10))
					if test.kind == "reaction" {
						m = of(m, "reaction", map[string]any{"message_id": "wamid.x", "emoji": "👍"})
					}
					where[m["id"].(string)] = fmt.Sprintf("%s known, before call %d", state.name, at)
					first := w.updates("messages", m)[0]
					delete(m, "from_user_id")
					second := w.updates("messages", m)[0]
					if test.alone {
						first, second = second, first
					}
					b := &beside{at: at, what: func() { w.must(w.update(t.Context(), second)) }}
					sick := w.beside(b)
					w.must(sick.update(t.Context(), first))
					if more = b.calls > at; !more {
						w.hours(1)
						b.what()
					}
					for _, again := range []string{first, second} {
						w.hours(1)
						w.must(w.update(t.Context(), again))
					}
				}
			}
			chats, counted := map[string][]string{}, map[string]bool{}
			for _, m := range w.checked().Messages {
				c, err := w.goingOn(t.Context(), m.Chat)
				w.must(err)
				if !slices.Contains(chats[m.WAMID], c.ID) {
					chats[m.WAMID] = append(chats[m.WAMID], c.ID)
				}
				counted[m.WAMID] = counted[m.WAMID] || c.Counts(m.Key)
			}
			for wamid, what := range where {
				if n := len(chats[wamid]); n > 1 || test.kind == "text" && (n == 0 || !counted[wamid]) {
					t.Errorf("%s: it is stored in %d Chats, and unread: %t", what, n, counted[wamid])
				}
			}
		})
	}
}
