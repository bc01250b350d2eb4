package dynamo_test

import (
	"errors"
	"slices"
	"testing"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// S12, S14, S16: what each of them makes of a Chat, with loads and history, step by step.
func TestWhatPeopleMakeOfAChat(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	for _, step := range []struct {
		what string
		do   func() error
		want chat.Code

		owner  string
		status chat.Status
		epoch  int64
	}{
		{"another closes it", func() error { return s.sets(s.store, id, "bruno", chat.Closed, chat.Key{}) }, chat.NotAssignee, "amira", chat.Open, 2},
		{"an Admin closes it", func() error { return s.sets(s.store, id, "alex", chat.Closed, chat.Key{}) }, chat.AdminNotOwner, "amira", chat.Open, 2},
		{"the Assignee reassigns it", func() error { return s.gives(s.store, id, "amira", "bruno", "Portuguese") }, "", "bruno", chat.Open, 3},
		{"the former Assignee reassigns it", func() error { return s.gives(s.store, id, "amira", "amira", "") }, chat.NotAssignee, "bruno", chat.Open, 3},
		{"to the present Assignee", func() error { return s.gives(s.store, id, "alex", "bruno", "") }, "", "bruno", chat.Open, 3},
		{"to nobody known", func() error { return s.gives(s.store, id, "alex", "zoe", "") }, chat.CannotOwn, "bruno", chat.Open, 3},
		{"the Assignee closes it", func() error { return s.sets(s.store, id, "bruno", chat.Closed, s.key(0)) }, "", "bruno", chat.Closed, 4},
		{"and again", func() error { return s.sets(s.store, id, "bruno", chat.Closed, chat.Key{}) }, "", "bruno", chat.Closed, 4},
		{"an Admin gives the closed Chat away", func() error { return s.gives(s.store, id, "alex", "chloe", "") }, "", "chloe", chat.Closed, 5},
		{"a closed Chat can't wait", func() error { return s.passes(s.store, id, "chloe", "") }, chat.ChatClosed, "chloe", chat.Closed, 5},
		{"its Assignee opens it", func() error { return s.sets(s.store, id, "chloe", chat.Open, chat.Key{}) }, "", "chloe", chat.Open, 6},
		{"an Admin takes over", func() error { return s.gives(s.store, id, "alex", "alex", "") }, "", "alex", chat.Open, 7},
		{"and passes it to a team", func() error { return s.passes(s.store, id, "alex", "who can?") }, "", "", chat.Open, 8},
		{"and again", func() error { return s.passes(s.store, id, "alex", "who can?") }, "", "", chat.Open, 8},
		{"an Agent takes a waiting Chat", func() error { return s.gives(s.store, id, "amira", "amira", "") }, chat.NotAssignee, "", chat.Open, 8},
		{"an Admin gives a waiting Chat away", func() error { return s.gives(s.store, id, "ada", "amira", "") }, "", "amira", chat.Open, 9},
		{"the customer writes", func() error { return s.message(s.store, "US.1", 1) }, "", "amira", chat.Open, 9},
		{"closed over what was not seen", func() error { return s.sets(s.store, id, "amira", chat.Closed, s.key(0)) }, chat.NewMessage, "amira", chat.Open, 9},
		{"closed over what was seen", func() error { return s.sets(s.store, id, "amira", chat.Closed, s.key(1)) }, "", "amira", chat.Closed, 10},
		{"no such Chat", func() error { return s.gives(s.store, "nowhere", "alex", "amira", "") }, chat.NoSuchChat, "amira", chat.Closed, 10},
	} {
		if got := code(step.do()); got != step.want {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
		if c := s.chat(id); c.Owner != step.owner || c.Status != step.status || c.Epoch != step.epoch {
			t.Errorf("%s: %s of %q at %d, want %s of %q at %d", step.what, c.Status, c.Owner, c.Epoch, step.status, step.owner, step.epoch)
		}
		s.checked()
	}
	all := s.checked()
	i := slices.IndexFunc(all.Events, func(e invariant.Event) bool { return e.Epoch == 3 })
	if e := all.Events[i]; e.From != "amira" || e.Owner != "bruno" || e.By.ID != "amira" || e.Note != "Portuguese" {
		t.Errorf("the history says %+v", e)
	}
}

// A Chat that was passed to a team by hand stays there when rules are saved, keeps its place in time, and is given to
// somebody of the team; the next time the customer opens it, the rules count again.
func TestPassedToATeam(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "")
	waited := s.chat(id).WaitingSince
	s.must(s.passes(s.store, id, "alex", ""))
	c := s.chat(id)
	if !c.WaitingSince.Equal(waited) || !slices.Equal(c.Pools, []string{"team:support"}) {
		t.Fatalf("it waits since %s in %v", c.WaitingSince, c.Pools)
	}
	s.must(s.store.SaveRules(t.Context(), `{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "least_loaded"}], "priority": "high"}}`, "alex", 0, dynamo.Now()))
	f, err := s.store.InForce(t.Context())
	s.must(err)
	page, err := s.store.Waiting(t.Context(), "team:support", "", 10)
	s.must(err)
	if len(page.Entries) != 1 {
		t.Fatalf("%d Chats wait", len(page.Entries))
	}
	if routed, err := s.store.Reroute(t.Context(), page.Entries[0], f, dynamo.Now()); routed || err != nil {
		t.Errorf("the rules took it away (%v)", err)
	}
	amira, err := s.store.Person(t.Context(), "amira")
	s.must(err)
	pool := assign.Pool{Team: "support"}
	choice := assign.Choose(assign.Want{Pool: pool, Strategy: page.Entries[0].Strategy}, []team.Person{*amira}, dynamo.Now())
	e := page.Entries[0]
	decision := assign.Decision{RulesVersion: e.RulesVersion, Pool: e.Pool, Strategy: e.Strategy, Priority: e.Priority}.With(choice)
	s.must(s.store.Commit(t.Context(), c.Assigned(dynamo.Now(), chat.Auto{Person: *amira, Pool: pool, Now: dynamo.Now(), At: dynamo.Now()}, decision)))
	history, err := s.store.History(t.Context(), id)
	s.must(err)
	if last := history[len(history)-1]; last.Owner != "amira" || last.Decision.RulesVersion != 0 {
		t.Errorf("the history ends with %+v", last)
	}
	s.checked()
}

// What is asked of a reply, and what a known key answers.
func TestReplies(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	once := &dynamo.Once{Person: "amira", Key: "k1", Digest: []byte("a")}
	first, err := s.replies(s.store, id, "amira", "hello", once)
	s.must(err)
	if first.Delivery != chat.Queued || first.OwnerEpoch != 2 || first.By != "amira" || first.Direction != chat.Out {
		t.Errorf("accepted as %+v", first)
	}
	if c := s.chat(id); c.Preview.Text != "hello" || c.Preview.Direction != chat.Out || c.Epoch != 2 || len(c.Unread) != 1 {
		t.Errorf("the Chat is left with %+v", c)
	}
	_, err = s.replies(s.store, id, "bruno", "hello", nil)
	if code(err) != chat.NotAssignee {
		t.Errorf("another's reply: %v", err)
	}
	s.must(s.gives(s.store, id, "alex", "bruno", ""))
	again, err := s.replies(s.store, id, "amira", "hello", once)
	if err != nil || again.Key != first.Key {
		t.Errorf("the key answers %v (%v), want %v", again.Key, err, first.Key)
	}
	if _, err = s.replies(s.store, id, "amira", "hello", &dynamo.Once{Person: "amira", Key: "k1", Digest: []byte("b")}); code(err) != chat.KeyReused {
		t.Errorf("the key with another body: %v", err)
	}
	if _, err = s.replies(s.store, id, "amira", "hello", nil); code(err) != chat.NotAssignee {
		t.Errorf("the former Assignee: %v", err)
	}
	s.must(s.deactivates(s.store, "bruno"))
	if _, err = s.replies(s.store, id, "bruno", "hello", nil); code(err) != chat.Inactive {
		t.Errorf("somebody deactivated: %v", err)
	}
	if all := s.checked(); len(all.Messages) != 2 {
		t.Errorf("%d messages are stored, want the customer's and one reply", len(all.Messages))
	}
}

// Reading is exact: what is named is read, and nothing else; beyond the marks a Chat has room for, the greatest decides.
func TestReading(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	for n := 1; n < 45; n++ {
		s.must(s.message(s.store, "US.1", n))
	}
	if c := s.chat(id); len(c.Unread) != chat.MaxUnread || c.More != s.key(44) {
		t.Fatalf("%d unread and more than that: %v", len(c.Unread), !c.More.IsZero())
	}
	for _, step := range []struct {
		by   string
		keys []chat.Key
		want chat.Code
		left int
		more bool
	}{
		{"bruno", []chat.Key{s.key(0)}, chat.NotAssignee, 40, true},
		{"alex", []chat.Key{s.key(0)}, chat.AdminNotOwner, 40, true},
		{"amira", []chat.Key{s.key(0), s.key(2), s.key(2)}, "", 38, true},
		{"amira", []chat.Key{s.key(0)}, "", 38, true},
		{"amira", []chat.Key{s.key(43)}, "", 38, true},
		{"amira", []chat.Key{s.key(44), s.key(1)}, "", 37, false},
		{"amira", []chat.Key{s.key(99)}, "", 37, false},
	} {
		if got := code(s.reads(s.store, id, step.by, step.keys...)); got != step.want {
			t.Errorf("%s reads: %q, want %q", step.by, got, step.want)
		}
		if c := s.chat(id); len(c.Unread) != step.left || c.More.IsZero() == step.more {
			t.Errorf("%s reads %v: %d are left and more %v, want %d and %v", step.by, step.keys, len(c.Unread), !c.More.IsZero(), step.left, step.more)
		}
	}
	s.checked()
}

// What people say about a customer routes a waiting Chat again, at once and in its place; an owned one stays as it is.
func TestEditCustomer(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.must(s.store.SaveRules(t.Context(), `{"rules": [{"id": "arabic", "name": "Arabic", "enabled": true,
		"when": {"field": "language", "in": ["fr"]}, "to": [{"team": "support", "strategy": "round_robin"}]}],
		"otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`, "alex", 0, dynamo.Now()))
	edit := func(id, by, language string) error {
		_, err := s.store.EditCustomer(t.Context(), id, by, dynamo.Now(), func(c chat.Chat, p team.Person) (chat.Edit, []chat.Need, error) {
			return chat.Edit{Name: new("Zoë"), Language: new(language), Tags: new([]string{"vip"})}, []chat.Need{{Person: by, Admin: c.Owner != by}}, nil
		})
		return err
	}
	waiting, owned := s.owned("US.1", ""), s.owned("US.2", "amira")
	before := s.chat(waiting)
	s.must(edit(waiting, "alex", "fr"))
	c := s.chat(waiting)
	if c.Customer.Name != "Zoë" || c.Customer.Language != "fr" || !slices.Equal(c.Customer.Tags, []string{"vip"}) ||
		!slices.Equal(c.Pools, []string{"team:support"}) || !c.WaitingSince.Equal(before.WaitingSince) || c.Epoch != before.Epoch {
		t.Errorf("the waiting Chat became %+v", c)
	}
	s.must(edit(owned, "amira", "fr"))
	if c := s.chat(owned); c.Owner != "amira" || c.Epoch != 2 || c.Customer.Language != "fr" || c.Routed != 1 {
		t.Errorf("the owned Chat became %+v", c)
	}
	s.must(edit(owned, "amira", "fr")) // nothing new
	if err := edit(waiting, "bruno", "pt"); code(err) != chat.TryAgain {
		t.Errorf("somebody who must be an Admin and is not: %v", err)
	}
	s.checked()
}

// An e-mail is one person's, whatever its letters' case, and follows the person.
func TestMailLeadsToAPerson(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	whose := func(email string) string {
		id, err := s.store.PersonByMail(t.Context(), email)
		s.must(err)
		return id
	}
	if got := whose("Amira@Example.com"); got != "amira" {
		t.Errorf("it is %q's", got)
	}
	err := s.store.AddPerson(t.Context(), team.Person{ID: "amira2", Email: "AMIRA@example.com"}, dynamo.Now())
	if !dynamo.Again(err) {
		t.Errorf("two people got one e-mail (%v)", err)
	}
	_, err = s.store.UpdatePerson(t.Context(), "amira", dynamo.Now(), func(p *team.Person) error { p.Email = "new@example.com"; return nil })
	s.must(err)
	if a, b := whose("amira@example.com"), whose("new@example.com"); a != "" || b != "amira" {
		t.Errorf("the old e-mail is %q's and the new one %q's", a, b)
	}
	_, err = s.store.UpdatePerson(t.Context(), "bruno", dynamo.Now(), func(p *team.Person) error { p.Email = "New@example.com"; return nil })
	if b := whose("new@example.com"); !errors.Is(err, dynamo.ErrMailTaken) || b != "amira" {
		t.Errorf("bruno asked for the e-mail of amira: %v, and it is %q's", err, b)
	}
}
