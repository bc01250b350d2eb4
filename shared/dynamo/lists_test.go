package dynamo_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"
	"pgregory.net/rapid"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// shelf is a store of its own that is filled by hand.
type shelf struct {
	*dynamo.Store
	requests *atomic.Int64
	table    string // of Chats
	must     func(error)
	clock    time.Time
}

var shelfSecret = chat.Secret("a secret of tests")

func newShelf(t *testing.T, people ...string) *shelf {
	t.Helper()
	tables := serverstest.Tables(t)
	s := &shelf{requests: &atomic.Int64{}, clock: time.UnixMilli(1_790_000_000_000).UTC()}
	client := dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("count", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			s.requests.Add(1)
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}))
	s.Store, s.table = dynamo.New(client, tables["ChatsTable"], tables["TeamTable"]), tables["ChatsTable"]
	s.must = func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range append(people, byHand.ID) {
		role := team.Agent
		if id == byHand.ID {
			role = team.Admin
		}
		s.must(s.AddPerson(t.Context(), team.Person{ID: id, Name: id, Email: id + "@example.com", Role: role, Active: true,
			Availability: team.Online, Limit: team.NoLimit, Weight: 1}, s.clock))
	}
	return s
}

func (s *shelf) tick() time.Time {
	s.clock = s.clock.Add(time.Second)
	return s.clock
}

const supportPool = "team:support"

// opens makes a Chat that waits in a pool, opened by a message of this moment.
func (s *shelf) opens(ctx context.Context, id, pool string, priority assign.Priority) {
	now := s.tick()
	m := chat.Message{Key: shelfSecret.Key(now.Unix(), id+now.String()), WAMID: id + now.String(), Direction: chat.In, Type: "text", Text: "hello", Arrived: now}
	c := chat.Chat{ID: id, Number: "1"}
	if read, err := s.Chat(ctx, id); err != nil {
		s.must(err)
	} else if read != nil {
		c = *read
	}
	p, err := assign.ParsePool(pool)
	s.must(err)
	s.must(s.Commit(ctx, c.Opens(now, chat.Placed{Routing: assign.Routing{RuleID: "otherwise", Pool: p, Priority: priority, Strategy: assign.RoundRobin}, RulesVersion: 1},
		chat.Arrival{Message: m, Preview: "hello"})))
}

func (s *shelf) change(ctx context.Context, id string, become func(chat.Chat) chat.Change) {
	_, err := s.Update(ctx, id, func(c chat.Chat) (*chat.Change, error) {
		change := become(c)
		return &change, nil
	})
	s.must(err)
}

var byHand = chat.Actor{Kind: chat.ByPerson, ID: "alex"}

func (s *shelf) gives(ctx context.Context, id, to string) {
	now := s.tick()
	s.change(ctx, id, func(c chat.Chat) chat.Change { return c.Reassigned(now, byHand, to, "") })
}

func (s *shelf) closes(ctx context.Context, id string) {
	now := s.tick()
	s.change(ctx, id, func(c chat.Chat) chat.Change { return c.Closes(now, byHand) })
}

// walk reads a list to its end by pages, with what happens between two pages.
func walk(t testing.TB, limit int, read func(dynamo.Place) (dynamo.ChatPage, error), between func()) []chat.Chat {
	t.Helper()
	var all []chat.Chat
	var after dynamo.Place
	for n := 0; ; n++ {
		page, err := read(after)
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Chats) > limit || n > 1000 {
			t.Fatalf("page %d has %d Chats of at most %d", n, len(page.Chats), limit)
		}
		all = append(all, page.Chats...)
		if after = page.Next; after == (dynamo.Place{}) {
			return all
		}
		between()
	}
}

func ids(chats []chat.Chat) []string {
	var out []string
	for _, c := range chats {
		out = append(out, c.ID)
	}
	return out
}

func TestLists(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newShelf(t, "amira", "dan")
	for i := range 12 {
		id := fmt.Sprintf("chat-%02d", i)
		s.opens(ctx, id, map[bool]string{true: supportPool, false: "team:sales"}[i%2 == 0], []assign.Priority{assign.High, assign.Normal, assign.Low}[i%3])
	}
	for _, i := range []int{1, 3, 5, 7} {
		s.gives(ctx, fmt.Sprintf("chat-%02d", i), "amira")
	}
	for _, i := range []int{7, 3} {
		s.closes(ctx, fmt.Sprintf("chat-%02d", i))
	}
	open, closed := []chat.Status{chat.Open}, []chat.Status{chat.Closed}
	pools := []string{supportPool, "team:sales"}
	for name, test := range map[string]struct {
		read func(after dynamo.Place, limit int) (dynamo.ChatPage, error)
		want []int
		cost int64 // requests a page
	}{
		"open, by opening": {func(p dynamo.Place, n int) (dynamo.ChatPage, error) { return s.ChatsIn(ctx, open, p, n) },
			[]int{11, 10, 9, 8, 6, 5, 4, 2, 1, 0}, 8 + 1},
		"closed, by opening": {func(p dynamo.Place, n int) (dynamo.ChatPage, error) { return s.ChatsIn(ctx, closed, p, n) }, []int{7, 3}, 8 + 1},
		"all": {func(p dynamo.Place, n int) (dynamo.ChatPage, error) {
			return s.ChatsIn(ctx, append(open, closed...), p, n)
		}, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 16 + 1},
		"open of one person": {func(p dynamo.Place, n int) (dynamo.ChatPage, error) { return s.ChatsOf(ctx, "amira", chat.Open, p, n) }, []int{5, 1}, 1 + 1},
		"closed of one person": {func(p dynamo.Place, n int) (dynamo.ChatPage, error) {
			return s.ChatsOf(ctx, "amira", chat.Closed, p, n)
		}, []int{3, 7}, 1 + 1},
		"of nobody":           {func(p dynamo.Place, n int) (dynamo.ChatPage, error) { return s.ChatsOf(ctx, "dan", chat.Open, p, n) }, nil, 1},
		"waiting":             {func(p dynamo.Place, n int) (dynamo.ChatPage, error) { return s.WaitingChats(ctx, pools, p, n) }, []int{11, 10, 9, 8, 6, 4, 2, 0}, 6 + 1},
		"waiting in one pool": {func(p dynamo.Place, n int) (dynamo.ChatPage, error) { return s.WaitingChats(ctx, pools[1:], p, n) }, []int{11, 9}, 3 + 1},
	} {
		var want []string
		for _, i := range test.want {
			want = append(want, fmt.Sprintf("chat-%02d", i))
		}
		for _, limit := range []int{1, 3, 100} {
			before, pages := s.requests.Load(), int64(0)
			got := ids(walk(t, limit, func(p dynamo.Place) (dynamo.ChatPage, error) { pages++; return test.read(p, limit) }, func() {}))
			if !slices.Equal(got, want) {
				t.Errorf("%s, %d a page: %v, want %v", name, limit, got, want)
			}
			if cost := s.requests.Load() - before; cost != pages*test.cost {
				t.Errorf("%s, %d a page: %d requests for %d pages, want %d each", name, limit, cost, pages, test.cost)
			}
		}
	}
}

// A person's open Chats are listed by their last message, as long as they are few.
func TestRecentChats(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newShelf(t, "amira")
	for i := range 100 {
		id := fmt.Sprintf("chat-%03d", i)
		s.opens(ctx, id, supportPool, assign.Normal)
		s.gives(ctx, id, "amira")
	}
	now := s.tick()
	_, err := s.Deliver(ctx, "chat-007", chat.Arrival{Message: chat.Message{Key: shelfSecret.Key(now.Unix(), "late"), Direction: chat.In}, Preview: "again"})
	s.must(err)
	before := s.requests.Load()
	chats, ok, err := s.RecentChatsOf(ctx, "amira", 100)
	s.must(err)
	if !ok || len(chats) != 100 || chats[0].ID != "chat-007" || chats[1].ID != "chat-099" || chats[99].ID != "chat-000" {
		t.Errorf("%d Chats (%v), first %v", len(chats), ok, ids(chats[:min(3, len(chats))]))
	}
	if cost := s.requests.Load() - before; cost != 2 {
		t.Errorf("%d requests, want 2", cost)
	}
	s.opens(ctx, "one more", supportPool, assign.Normal)
	s.gives(ctx, "one more", "amira")
	if _, ok, err = s.RecentChatsOf(ctx, "amira", 100); err != nil || ok {
		t.Errorf("a hundred and one by last message (%v)", err)
	}
}

// However Chats change between two pages, a list shows none twice, comes to an end, is in order, and has every Chat that
// belonged to it all the time.
func TestListsUnderChanges(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newShelf(t, "dan")
	round := 0
	rapid.Check(t, func(r *rapid.T) {
		if round == big(12, 200) {
			return // each round makes hundreds of requests
		}
		round++ // Chats and owner of each round are its own, and in the end all are closed, so that it begins with empty lists
		amira := fmt.Sprint("amira-", round)
		s.must(s.AddPerson(ctx, team.Person{ID: amira, Role: team.Agent, Active: true, Limit: team.NoLimit}, s.clock))
		n := rapid.IntRange(1, 8).Draw(r, "chats")
		name := func(i int) string { return fmt.Sprintf("chat-%04d-%02d", round, i) }
		defer func() {
			for i := range n {
				c, err := s.Chat(ctx, name(i))
				if err != nil || c == nil || c.Status != chat.Open {
					continue
				}
				if c.Owner == "" {
					s.gives(ctx, c.ID, "dan")
				}
				s.closes(ctx, c.ID)
			}
		}()
		for i := range n {
			s.opens(ctx, name(i), supportPool, rapid.SampledFrom([]assign.Priority{assign.High, assign.Normal}).Draw(r, "priority"))
			if rapid.Bool().Draw(r, "owned") {
				s.gives(ctx, name(i), amira)
			}
		}
		limit := rapid.IntRange(1, 4).Draw(r, "limit")
		lists := map[string]struct {
			read func(dynamo.Place) (dynamo.ChatPage, error)
			has  func(chat.Chat) bool
			at   func(chat.Chat) time.Time
		}{
			"open": {func(p dynamo.Place) (dynamo.ChatPage, error) {
				return s.ChatsIn(ctx, []chat.Status{chat.Open}, p, limit)
			},
				func(c chat.Chat) bool { return c.Status == chat.Open }, func(c chat.Chat) time.Time { return c.OpenedAt }},
			"amira's": {func(p dynamo.Place) (dynamo.ChatPage, error) { return s.ChatsOf(ctx, amira, chat.Open, p, limit) },
				func(c chat.Chat) bool { return c.Load() == amira }, func(c chat.Chat) time.Time { return c.OpenedAt }},
			"amira's closed": {func(p dynamo.Place) (dynamo.ChatPage, error) { return s.ChatsOf(ctx, amira, chat.Closed, p, limit) },
				func(c chat.Chat) bool { return c.Owner == amira && c.Status == chat.Closed }, func(c chat.Chat) time.Time { return c.ClosedAt }},
			"waiting": {func(p dynamo.Place) (dynamo.ChatPage, error) {
				return s.WaitingChats(ctx, []string{supportPool}, p, limit)
			},
				func(c chat.Chat) bool { return c.Waiting() }, func(c chat.Chat) time.Time { return c.WaitingSince }},
		}
		list := lists[rapid.SampledFrom([]string{"open", "amira's", "amira's closed", "waiting"}).Draw(r, "list")]
		touched := map[string]bool{}
		change := func() {
			if !rapid.Bool().Draw(r, "changes") {
				return
			}
			id := name(rapid.IntRange(0, n-1).Draw(r, "which"))
			touched[id] = true
			c, err := s.Chat(ctx, id)
			s.must(err)
			switch {
			case c.Status == chat.Closed:
				s.opens(ctx, id, supportPool, assign.Normal)
			case c.Owner == "":
				s.gives(ctx, id, amira)
			case rapid.Bool().Draw(r, "close"):
				s.closes(ctx, id)
			default:
				s.gives(ctx, id, map[string]string{amira: "dan", "dan": amira}[c.Owner])
			}
		}
		for range rapid.IntRange(0, 6).Draw(r, "before") {
			change()
		}
		clear(touched)
		got := walk(t, limit, list.read, change)
		if !slices.IsSortedFunc(got, func(a, b chat.Chat) int {
			return cmp.Or(list.at(b).Compare(list.at(a)), cmp.Compare(b.ID, a.ID))
		}) {
			r.Fatalf("not in order: %v", ids(got))
		}
		seen := map[string]bool{}
		for _, c := range got {
			if seen[c.ID] {
				r.Fatalf("%s comes twice in %v", c.ID, ids(got))
			}
			seen[c.ID] = true
		}
		for i := range n {
			c, err := s.Chat(ctx, name(i))
			s.must(err)
			if !touched[c.ID] && list.has(*c) != seen[c.ID] {
				r.Fatalf("%s is in the list: %v; it belongs there: %v", c.ID, seen[c.ID], list.has(*c))
			}
		}
	})
}

// An index is a moment late: what it still lists, and is not so any more, is left out.
func TestListLeavesOutWhatIsNotSo(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newShelf(t, "amira")
	for _, id := range []string{"now", "before"} {
		s.opens(ctx, id, supportPool, assign.Normal)
		s.gives(ctx, id, "amira")
	}
	_, err := serverstest.DynamoDB(t).UpdateItem(ctx, &dynamodb.UpdateItemInput{TableName: &s.table, // the index keys stay as they were
		Key:              dynamo.Item{"pk": &types.AttributeValueMemberS{Value: "C#before"}, "sk": &types.AttributeValueMemberS{Value: "0"}},
		UpdateExpression: aws.String("SET st = :closed"), ExpressionAttributeValues: dynamo.Item{":closed": &types.AttributeValueMemberS{Value: "closed"}}})
	s.must(err)
	open, err := s.ChatsIn(ctx, []chat.Status{chat.Open}, dynamo.Place{}, 10)
	s.must(err)
	hers, err := s.ChatsOf(ctx, "amira", chat.Open, dynamo.Place{}, 10)
	s.must(err)
	recent, _, err := s.RecentChatsOf(ctx, "amira", 100)
	s.must(err)
	for name, chats := range map[string][]chat.Chat{"open": open.Chats, "amira's": hers.Chats, "amira's, by last message": recent} {
		if got := ids(chats); !slices.Equal(got, []string{"now"}) {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Crowds of one millisecond, which an index gives in any order, are shown whole and once.
func TestListOfOneMillisecond(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newShelf(t)
	moment := s.clock
	for i := range 40 {
		s.clock = moment
		s.opens(ctx, fmt.Sprintf("chat-%02d", i), supportPool, assign.Normal)
	}
	for name, read := range map[string]func(dynamo.Place) (dynamo.ChatPage, error){
		"open":    func(p dynamo.Place) (dynamo.ChatPage, error) { return s.ChatsIn(ctx, []chat.Status{chat.Open}, p, 3) },
		"waiting": func(p dynamo.Place) (dynamo.ChatPage, error) { return s.WaitingChats(ctx, []string{supportPool}, p, 3) },
	} {
		got := ids(walk(t, 3, read, func() {}))
		if len(got) != 40 || !slices.IsSortedFunc(got, func(a, b string) int { return cmp.Compare(b, a) }) {
			t.Errorf("%s: %d Chats: %v", name, len(got), got)
		}
	}
}

// Messages read by pages, in either direction and from any message on, are those of the Chat in WhatsApp's order, those of
// one second in order of arrival; and those of a merged Chat are among them. One that stands in two Chats comes once.
func TestMessagesByPages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newShelf(t)
	s.opens(ctx, "chat", supportPool, assign.Normal)
	start, err := s.MessagesAfter(ctx, chat.Chat{ID: "chat"}, chat.Key{}, 100)
	s.must(err)
	all := start.Messages
	for i := range 30 {
		m := chat.Message{Key: shelfSecret.Key(s.clock.Unix()+int64(i/7), fmt.Sprint(i)), WAMID: fmt.Sprint(i), Direction: chat.In, Type: "text",
			Text: fmt.Sprint(i), Arrived: s.clock.Add(time.Duration(i+1) * time.Minute)}
		s.must(s.PutMessage(ctx, []string{"chat", "before"}[i%2], m))
		all = append(all, m)
		if i%3 > 0 { // a second delivery put it in another Chat, before or after
			m.Arrived = s.clock.Add(time.Duration(30-i) * time.Minute)
			s.must(s.PutMessage(ctx, []string{"before", "later"}[i%2], m))
		}
	}
	c := chat.Chat{ID: "chat", From: []string{"later", "before"}}
	texts := func(messages []chat.Message) string {
		var out []string
		for _, m := range messages {
			out = append(out, m.WAMID)
		}
		return fmt.Sprint(out)
	}
	for _, limit := range []int{1, 2, 7, 100} {
		for from := range len(all) {
			page, err := s.MessagesBefore(ctx, c, all[from].Key, limit)
			s.must(err)
			if want := all[max(0, from-limit):from]; texts(page.Messages) != texts(want) || page.More != (from > limit) {
				t.Fatalf("%d before %d: %s, want %s", limit, from, texts(page.Messages), texts(want))
			}
			page, err = s.MessagesAfter(ctx, c, all[from].Key, limit)
			s.must(err)
			if want := all[from+1 : min(len(all), from+1+limit)]; texts(page.Messages) != texts(want) || page.More != (from+1+limit < len(all)) {
				t.Fatalf("%d after %d: %s, want %s", limit, from, texts(page.Messages), texts(want))
			}
		}
	}
	page, err := s.MessagesBefore(ctx, c, chat.Key{}, 5)
	s.must(err)
	if want := all[len(all)-5:]; texts(page.Messages) != texts(want) || !page.More {
		t.Errorf("the end: %s, want %s", texts(page.Messages), texts(want))
	}
	for _, odd := range []chat.Key{shelfSecret.Key(0, "x"), shelfSecret.Key(1<<40, "x")} {
		if _, err := s.MessagesBefore(ctx, c, odd, 5); err != nil {
			t.Error(err)
		}
		if _, err := s.MessagesAfter(ctx, c, odd, 5); err != nil {
			t.Error(err)
		}
	}
}

func TestHistoryByPages(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	s := newShelf(t, "amira", "dan")
	s.opens(ctx, "chat", supportPool, assign.Normal)
	for i := range 6 {
		s.gives(ctx, "chat", []string{"amira", "dan"}[i%2])
	}
	var epochs []int64
	for after := new(dynamo.EventPlace); after != nil; {
		page, err := s.Events(ctx, chat.Chat{ID: "chat"}, *after, 2)
		s.must(err)
		for _, e := range page.Events {
			epochs = append(epochs, e.Epoch)
		}
		after = page.Next
	}
	if want := []int64{7, 6, 5, 4, 3, 2, 1}; !slices.Equal(epochs, want) {
		t.Errorf("epochs %v, want %v", epochs, want)
	}
}
