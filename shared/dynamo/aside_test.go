package dynamo_test

import (
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

const builtIn = `{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`

// everyone is the pool of those rules.
var everyone = assign.Pool{Team: "everyone"}.String()

// between is a store that lets somebody do something right before its first write, when all is read.
func (s *stage) between(do func()) *dynamo.Store {
	var once sync.Once
	return s.client(dynamodb.WithAPIOptions(before(func(string) { once.Do(do) })))
}

// entry is the one waiting entry of a Chat.
func (s *stage) entry(id string) chat.Entry {
	s.Helper()
	e, err := s.store.Entry(s.Context(), id, s.chat(id).Pools[0])
	s.must(err)
	if e == nil {
		s.Fatalf("%s has no waiting entry", id)
		return chat.Entry{}
	}
	return *e
}

// reroutes saves rules that send everybody where they were, and routes a Chat by them: its entry takes the old one's place.
func (s *stage) reroutes(id string) {
	s.Helper()
	f, err := s.store.InForce(s.Context())
	s.must(err)
	s.must(s.store.SaveRules(s.Context(), builtIn, "alex", f.Saved, dynamo.Now()))
	f, err = s.store.InForce(s.Context())
	s.must(err)
	routed, err := s.store.Reroute(s.Context(), s.entry(id), f, dynamo.Now())
	s.must(err)
	if !routed {
		s.Fatalf("%s was not routed again", id)
	}
}

// aside is how many items were set aside.
func (s *stage) aside() int {
	s.Helper()
	items, err := s.store.AsideItems(s.Context())
	s.must(err)
	return len(items)
}

// Only the entry that was judged is set aside: one that took its place stays, and the Chat waits by it (I5).
func TestSetAsideOnlyAsRead(t *testing.T) {
	t.Parallel()
	broken := errors.New("not readable")
	for _, test := range []struct {
		what   string
		before func(s *stage, id string) // the entry is read, and before the write
		during func(s *stage, id string) // right before the transaction
		stray  bool
	}{
		{"a stray whose Chat waits by it after all", nil, nil, true},
		{"a stray whose place another routing took", (*stage).reroutes, nil, true},
		{"a stray whose place another routing takes", nil, (*stage).reroutes, true},
		{"an entry whose place another routing took", (*stage).reroutes, nil, false},
		{"an entry whose place another routing takes", nil, (*stage).reroutes, false},
	} {
		t.Run(test.what, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			id := s.owned("US.1", "")
			e := s.entry(id)
			if test.before != nil {
				test.before(s, id)
			}
			store := s.between(func() {
				if test.during != nil {
					test.during(s, id)
				}
			})
			var err error
			if test.stray {
				err = store.SetAsideStray(t.Context(), e, dynamo.Now())
			} else {
				err = store.SetAsideEntry(t.Context(), e, broken, dynamo.Now())
			}
			if !errors.Is(err, dynamo.ErrRefused) || s.aside() != 0 {
				t.Errorf("%d are set aside (%v)", s.aside(), err)
			}
			s.checked()
		})
	}
}

// Whatever is set aside stands in one place, once: what two found at once, what names no routing, what comes in the same
// millisecond.
func TestSetAsideOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx, now := t.Context(), dynamo.Now()
	puts := func(pk, sk string) dynamo.Item {
		it := dynamo.Item{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}, "ch": &types.AttributeValueMemberS{Value: "c"},
			"ws": &types.AttributeValueMemberS{Value: "when?"}}
		table := s.tables["ChatsTable"]
		_, err := serverstest.DynamoDB(t).PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: it})
		s.must(err)
		return it
	}
	puts("W#team:x", "1#0000000000001#a")
	puts("W#team:x", "1#0000000000002#b")
	puts("T#0", "0000000000001#c#1#1")
	page, err := s.store.Waiting(ctx, "team:x", "", 10)
	s.must(err)
	due, err := s.store.Due(ctx, 0, now, "", 10)
	s.must(err)
	found := append(page.Unreadable, due.Unreadable...)
	if len(found) != 3 {
		t.Fatalf("%d can't be read", len(found))
	}
	for i, u := range found {
		at := now.Add(time.Duration(i) * time.Millisecond)
		s.must(s.store.SetAside(ctx, u, at))
		if err := s.store.SetAside(ctx, u, at.Add(time.Second)); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s is set aside twice: %v", u.Key(), err)
		}
	}
	// Two of one Chat in one millisecond: neither covers the other.
	for i, at := range []time.Time{now.Add(time.Minute), now.Add(time.Minute), now.Add(2 * time.Minute)} {
		puts("W#team:y", "1#0000000000003#"+[]string{"a", "b", "b"}[i])
		page, err := s.store.Waiting(ctx, "team:y", "", 10)
		s.must(err)
		if err := s.store.SetAside(ctx, page.Unreadable[0], at); (err != nil) != (i == 1) {
			t.Errorf("number %d: %v", i, err)
		}
	}
	if n := s.aside(); n != 5 {
		t.Errorf("%d are set aside, want 5", n)
	}
}
