package dynamo_test

import (
	"cmp"
	"errors"
	"maps"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

const builtIn = `{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`

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

// Whatever is set aside stands in one place, once: what two found at once, what names no routing, and two of one Chat in
// the same millisecond.
func TestSetAsideOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	ctx, now := t.Context(), dynamo.Now()
	puts := func(pk, sk string, more dynamo.Item) {
		it := dynamo.Item{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}, "ch": &types.AttributeValueMemberS{Value: "c"}}
		maps.Copy(it, more)
		table := s.tables["ChatsTable"]
		_, err := serverstest.DynamoDB(t).PutItem(ctx, &dynamodb.PutItemInput{TableName: &table, Item: it})
		s.must(err)
	}
	unreadable := func(routed string) dynamo.Item {
		it := dynamo.Item{"ws": &types.AttributeValueMemberS{Value: "when?"}}
		if routed != "" {
			it["rt"] = &types.AttributeValueMemberN{Value: routed}
		}
		return it
	}
	stray := func(routed string) dynamo.Item {
		return dynamo.Item{"ws": &types.AttributeValueMemberN{Value: "1"}, "pr": &types.AttributeValueMemberS{Value: "normal"},
			"rt": &types.AttributeValueMemberN{Value: cmp.Or(routed, "7")}}
	}
	entries := func(pool string) dynamo.Page {
		page, err := s.store.Waiting(ctx, pool, "", 10)
		s.must(err)
		return page
	}
	for minutes, kind := range []struct {
		what string
		puts func(n, routed string)
		find func() func(at time.Time) error // gives what sets it aside
	}{
		{"an entry", func(n, routed string) { puts("W#team:x", "1#0000000000001#"+n, unreadable(routed)) }, func() func(time.Time) error {
			u := entries("team:x").Unreadable[0]
			return func(at time.Time) error { return s.store.SetAside(ctx, u, at) }
		}},
		{"a timer", func(n, routed string) { puts("T#0", "0000000000001#1#c#"+n, unreadable(routed)) }, func() func(time.Time) error {
			due, err := s.store.Due(ctx, 0, now, "", 10)
			s.must(err)
			return func(at time.Time) error { return s.store.SetAside(ctx, due.Unreadable[0], at) }
		}},
		{"a stray", func(n, routed string) { puts("W#team:"+n, "1#0000000000001#c", stray(routed)) }, func() func(time.Time) error {
			e := append(entries("team:a").Entries, entries("team:b").Entries...)[0]
			return func(at time.Time) error { return s.store.SetAsideStray(ctx, e, at) }
		}},
	} {
		at := now.Add(time.Duration(minutes) * time.Minute)
		kind.puts("a", "")
		first := kind.find()
		s.must(first(at))
		if err := first(at.Add(time.Second)); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s: set aside twice (%v)", kind.what, err)
		}
		kind.puts("b", "")
		second := kind.find()
		kind.puts("b", "8")
		if err := second(at.Add(time.Millisecond)); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s: another is set aside in its stead (%v)", kind.what, err)
		}
		kind.puts("b", "")
		if err := second(at); !errors.Is(err, dynamo.ErrRefused) {
			t.Errorf("%s: covers another that was set aside in that millisecond (%v)", kind.what, err)
		}
		s.must(second(at.Add(time.Millisecond)))
	}
	if n := s.aside(); n != 6 {
		t.Errorf("%d are set aside, want 6", n)
	}
}
