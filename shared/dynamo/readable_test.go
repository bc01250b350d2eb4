package dynamo_test

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// reported are the keys of all rows that the tests of this package had reported as not readable.
var reported = &reports{keys: map[string]bool{}}

func init() { slog.SetDefault(slog.New(reported)) }

type reports struct {
	mu   sync.Mutex
	keys map[string]bool
}

func (r *reports) has(pk, sk string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.keys[pk+" "+sk]
}

func (r *reports) Enabled(context.Context, slog.Level) bool { return true }
func (r *reports) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *reports) WithGroup(string) slog.Handler            { return r }
func (r *reports) Handle(_ context.Context, line slog.Record) error {
	if line.Message != "row not readable" || line.Level != slog.LevelError {
		return nil
	}
	line.Attrs(func(a slog.Attr) bool {
		if a.Key == "key" {
			r.mu.Lock()
			r.keys[a.Value.String()] = true
			r.mu.Unlock()
		}
		return true
	})
	return nil
}

// breaks makes attributes of a row what they should not be.
func (s *stage) breaks(table, pk, sk, attribute string, value types.AttributeValue) {
	s.Helper()
	name := s.tables[table]
	_, err := serverstest.DynamoDB(s).UpdateItem(s.Context(), &dynamodb.UpdateItemInput{TableName: &name,
		Key:              dynamo.Item{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}},
		UpdateExpression: aws.String("SET #a = :v"), ExpressionAttributeNames: map[string]string{"#a": attribute},
		ExpressionAttributeValues: dynamo.Item{":v": value}})
	s.must(err)
}

var (
	noNumber = &types.AttributeValueMemberS{Value: "x"}
	noText   = &types.AttributeValueMemberL{} // a number would do for a text
)

// One row that can't be read keeps nobody from the others: every reading of several rows leaves it out and reports it, and
// pages go on behind it.
func TestUnreadableRowsAreLeftOut(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		breaks func(s *stage, bad string) (pk, sk string) // of the Chat, or of what belongs to it
		reads  func(s *stage, good, bad string) []string  // all that is read; "good" is among it, "bad" is not
	}{
		"a person": {func(s *stage, _ string) (string, string) {
			s.breaks("TeamTable", "P", "bruno", "limit", noNumber)
			return "P", "bruno"
		}, func(s *stage, _, _ string) []string {
			people, err := s.store.People(s.Context())
			s.must(err)
			var found []string
			for _, p := range people {
				found = append(found, map[string]string{"amira": "good", "bruno": "bad"}[p.ID])
			}
			return found
		}},
		"a setting": {func(s *stage, _ string) (string, string) {
			s.must(s.store.SaveSettings(s.Context(), team.Settings{Departments: []team.Department{{ID: "bad"}, {ID: "good"}}}))
			s.breaks("TeamTable", "S", "D#bad", "position", noNumber)
			return "S", "D#bad"
		}, func(s *stage, _, _ string) []string {
			settings, err := s.store.Settings(s.Context())
			s.must(err)
			var found []string
			for _, d := range settings.Departments {
				found = append(found, d.ID)
			}
			return found
		}},
		"a setting without a kind": {func(s *stage, _ string) (string, string) {
			s.must(s.store.SaveSettings(s.Context(), team.Settings{Departments: []team.Department{{ID: "good"}}}))
			s.breaks("TeamTable", "S", "D", "name", noNumber)
			return "S", "D"
		}, func(s *stage, _, _ string) []string {
			settings, err := s.store.Settings(s.Context())
			s.must(err)
			return []string{settings.Departments[0].ID}
		}},
		"a Chat": {func(s *stage, bad string) (string, string) {
			s.breaks("ChatsTable", "C#"+bad, "0", "ep", noNumber)
			return "C#" + bad, "0"
		}, (*stage).chatsByAnyList},
		"an entry of a list": {func(s *stage, bad string) (string, string) {
			s.breaks("ChatsTable", "C#"+bad, "0", "sa", noNumber)
			return "C#" + bad, "0"
		}, func(s *stage, good, bad string) []string {
			return s.named(good, bad, walk(s, 1, func(p dynamo.Place) (dynamo.ChatPage, error) {
				return s.store.ChatsIn(s.Context(), []chat.Status{chat.Open}, p, 1)
			}, func() {}))
		}},
		"a message": {func(s *stage, bad string) (string, string) {
			m := s.key(2)
			s.must(s.message(s.store, "US.bad", 2))
			s.must(s.message(s.store, "US.bad", 3))
			s.breaks("ChatsTable", "C#"+bad, "M#"+m.String(), "ar", noNumber)
			return "C#" + bad, "M#" + m.String()
		}, (*stage).messagesByPages},
		"a message whose id is none": {func(s *stage, bad string) (string, string) {
			s.must(s.message(s.store, "US.bad", 2))
			s.must(s.message(s.store, "US.bad", 3))
			s.breaks("ChatsTable", "C#"+bad, "M#"+s.key(2).String()+"x", "d", noNumber)
			return "C#" + bad, "M#" + s.key(2).String() + "x"
		}, (*stage).messagesByPages},
		"an event": {func(s *stage, bad string) (string, string) {
			s.must(s.gives(s.store, bad, "alex", "bruno", ""))
			s.must(s.gives(s.store, bad, "alex", "amira", ""))
			s.breaks("ChatsTable", "C#"+bad, "H#0000000003#0", "ep", noNumber)
			return "C#" + bad, "H#0000000003#0"
		}, (*stage).eventsByPages},
		"an event whose decision is none": {func(s *stage, bad string) (string, string) {
			s.must(s.gives(s.store, bad, "alex", "bruno", ""))
			s.must(s.gives(s.store, bad, "alex", "amira", ""))
			s.breaks("ChatsTable", "C#"+bad, "H#0000000003#0", "de", &types.AttributeValueMemberS{Value: "{"})
			return "C#" + bad, "H#0000000003#0"
		}, (*stage).eventsByPages},
		"WhatsApp's word on a message": {func(s *stage, bad string) (string, string) {
			for n, id := range []chat.Mark{{1}, {2}} {
				s.must(s.store.Delivered(s.Context(), bad, id, "read", 3, int64(n), nil))
			}
			s.breaks("ChatsTable", "C#"+bad, "D#0100000000", "rk", noNumber)
			return "C#" + bad, "D#0100000000"
		}, func(s *stage, _, bad string) []string {
			outcomes, err := s.store.Outcomes(s.Context(), chat.Chat{ID: bad}, []chat.Mark{{1}, {2}})
			s.must(err)
			var found []string
			for m := range outcomes {
				found = append(found, map[chat.Mark]string{{1}: "bad", {2}: "good"}[m])
			}
			return found
		}},
		"where a username was": {func(s *stage, bad string) (string, string) {
			s.breaks("ChatsTable", "U#bad", "0", "to", noText)
			s.breaks("ChatsTable", "U#good", "0", "to", &types.AttributeValueMemberS{Value: bad})
			s.breaks("ChatsTable", "C#"+bad, "0", "un", &types.AttributeValueMemberS{Value: "zoë"})
			return "U#bad", "0"
		}, func(s *stage, _, bad string) []string {
			chats, err := s.store.ChatsNamed(s.Context(), "Zoë", []string{"bad", "good"})
			s.must(err)
			return s.named(bad, "", chats)
		}},
		"what was set aside": {func(s *stage, _ string) (string, string) {
			s.breaks("ChatsTable", "Q#", "1#bad", "why", noText)
			s.breaks("ChatsTable", "Q#", "2#good", "from", &types.AttributeValueMemberS{Value: "W# good"})
			return "Q#", "1#bad"
		}, func(s *stage, _, _ string) []string {
			var found []string
			all, err := s.store.AsideItems(s.Context())
			s.must(err)
			for _, a := range all {
				found = append(found, a.At[2:])
			}
			return found
		}},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := newStage(t)
			bad := s.owned("US.bad", "amira")
			good := s.owned("US.good", "amira")
			pk, sk := test.breaks(s, bad)
			found := test.reads(s, good, bad)
			if slices.Contains(found, "bad") || !slices.Contains(found, "good") {
				t.Errorf("%v are read", found)
			}
			if !reported.has(pk, sk) {
				t.Errorf("%s %s is not reported", pk, sk)
			}
		})
	}
}

// named says of Chats whether they are good or bad.
func (s *stage) named(good, bad string, chats []chat.Chat) []string {
	var found []string
	for _, c := range chats {
		found = append(found, map[string]string{good: "good", bad: "bad"}[c.ID])
	}
	return found
}

// chatsByAnyList fails the test if one list lacks the good Chat.
func (s *stage) chatsByAnyList(good, bad string) []string {
	ctx := s.Context()
	waits := s.owned("US.waits", "")
	unreadable := s.owned("US.waits.bad", "")
	s.breaks("ChatsTable", "C#"+unreadable, "0", "ep", noNumber)
	pages := func(read func(dynamo.Place) (dynamo.ChatPage, error)) []chat.Chat { return walk(s, 1, read, func() {}) }
	recent, _, err := s.store.RecentChatsOf(ctx, "amira", 100)
	s.must(err)
	at, err := s.store.ChatsAt(ctx, []string{bad, good})
	s.must(err)
	var all []string
	for what, chats := range map[string][]chat.Chat{
		"open": pages(func(p dynamo.Place) (dynamo.ChatPage, error) {
			return s.store.ChatsIn(ctx, []chat.Status{chat.Open}, p, 1)
		}),
		"amira's":               pages(func(p dynamo.Place) (dynamo.ChatPage, error) { return s.store.ChatsOf(ctx, "amira", chat.Open, p, 1) }),
		"amira's, last message": recent,
		"a search":              at,
	} {
		found := s.named(good, bad, chats)
		if !slices.Contains(found, "good") {
			s.Errorf("%s: %v", what, found)
		}
		all = append(all, found...)
	}
	waiting := pages(func(p dynamo.Place) (dynamo.ChatPage, error) {
		return s.store.WaitingChats(ctx, []string{"team:everyone"}, p, 1)
	})
	if found := s.named(waits, unreadable, waiting); !slices.Equal(found, []string{"good"}) {
		s.Errorf("waiting: %v", found)
	}
	return all
}

// messagesByPages reads a Chat to its end in both directions, one message a page, and from the bad one on.
func (s *stage) messagesByPages(_, bad string) []string {
	c, want := chat.Chat{ID: bad}, []chat.Key{s.key(0), s.key(2), s.key(3)}
	if m, _ := s.store.Message(s.Context(), bad, want[1]); m == nil {
		want = slices.Delete(want, 1, 2)
	}
	for _, read := range []func(context.Context, chat.Chat, chat.Key, int) (dynamo.MessagePage, error){s.store.MessagesAfter, s.store.MessagesBefore} {
		var keys []chat.Key
		for from := (chat.Key{}); ; from = keys[len(keys)-1] {
			page, err := read(s.Context(), c, from, 1)
			s.must(err)
			for _, m := range page.Messages {
				keys = append(keys, m.Key)
			}
			if !page.More {
				break
			}
		}
		if !slices.Equal(keys, want) {
			s.Errorf("messages %v, want %v", keys, want)
		}
		slices.Reverse(want)
	}
	for _, read := range []func(context.Context, chat.Chat, chat.Key, int) (dynamo.MessagePage, error){s.store.MessagesAfter, s.store.MessagesBefore} {
		if page, err := read(s.Context(), c, s.key(2), 1); err != nil || len(page.Messages) != 1 {
			s.Errorf("from the bad one on there are %d (%v)", len(page.Messages), err)
		}
	}
	return []string{"good"}
}

// eventsByPages reads a history to its end, one event a page.
func (s *stage) eventsByPages(_, bad string) []string {
	var epochs []int64
	for after := new(dynamo.EventPlace); after != nil; {
		page, err := s.store.Events(s.Context(), chat.Chat{ID: bad}, *after, 1)
		s.must(err)
		for _, e := range page.Events {
			epochs = append(epochs, e.Epoch)
		}
		after = page.Next
	}
	if !slices.Equal(epochs, []int64{4, 2, 1}) {
		s.Errorf("epochs %v", epochs)
	}
	history, err := s.store.History(s.Context(), bad)
	s.must(err)
	if len(history) != 3 {
		s.Errorf("%d events in the whole history", len(history))
	}
	return []string{"good"}
}

// Rules that can't be read stop nobody: the last good version before them is in force. While the pointer can't be read, the
// newest version is.
func TestUnreadableRulesStopNobody(t *testing.T) {
	t.Parallel()
	document := func(team string) string {
		return fmt.Sprintf(`{"rules": [], "otherwise": {"to": [{"team": %q, "strategy": "round_robin"}]}}`, team)
	}
	for _, test := range []struct {
		what          string
		sk, attribute string
		value         types.AttributeValue
		inForce       int64
		broken        bool
	}{
		{"a document of another type", "V#00000002", "doc", noText, 1, true},
		{"a time of another type", "V#00000002", "at", noNumber, 1, true},
		{"the pointer", "0", "version", noNumber, 2, false},
	} {
		s := newStage(t)
		s.must(s.store.SaveRules(t.Context(), document("everyone"), "alex", 0, dynamo.Now()))
		s.must(s.store.SaveRules(t.Context(), document("support"), "alex", 1, dynamo.Now()))
		s.breaks("TeamTable", "R", test.sk, test.attribute, test.value)
		f, err := s.store.InForce(t.Context())
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		if f.Version != test.inForce || f.Saved != 2 || (f.Broken != nil) != test.broken || len(f.Settings.Teams) != 1 {
			t.Errorf("%s: version %d of %d is in force, broken: %v", test.what, f.Version, f.Saved, f.Broken)
		}
	}
}

// A line of the directory that can't be read hides no pool, neither itself nor another.
func TestUnreadableDirectory(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.must(s.store.List(t.Context(), "team:sales"))
	s.must(s.store.List(t.Context(), "team:support"))
	s.breaks("ChatsTable", "WP", "team:sales", "tk", &types.AttributeValueMemberL{})
	pools, err := s.store.Directory(t.Context())
	s.must(err)
	if !slices.Equal(pools, []string{"team:sales", "team:support"}) {
		t.Errorf("listed are %v", pools)
	}
	if token, err := s.store.Listed(t.Context(), "team:sales"); err != nil || token != "" {
		t.Errorf("it is listed as %q (%v)", token, err)
	}
	if !reported.has("WP", "team:sales") {
		t.Error("it is not reported")
	}
	s.must(s.store.List(t.Context(), "team:sales"))
	if token, err := s.store.Listed(t.Context(), "team:sales"); err != nil || token == "" {
		t.Errorf("listed anew it is %q (%v)", token, err)
	}
}

// To give a Chat to somebody who can't be read is refused as to somebody unknown; everybody else can be given it.
func TestUnreadableTarget(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	id := s.owned("US.1", "amira")
	s.breaks("TeamTable", "P", "bruno", "limit", noNumber)
	if got := code(s.gives(s.store, id, "alex", "bruno", "")); got != chat.CannotOwn {
		t.Errorf("given to somebody who can't be read: %q", got)
	}
	s.must(s.gives(s.store, id, "alex", "chloe", ""))
}

// The checker names every row that can't be read, and checks the others.
func TestUnreadableRowsInASnapshot(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	bad := s.owned("US.bad", "amira")
	s.breaks("ChatsTable", "C#"+bad, "M#"+s.key(0).String(), "ar", noNumber)
	s.breaks("TeamTable", "P", "chloe", "limit", noNumber)
	all, err := s.store.Snapshot(t.Context())
	s.must(err)
	if want := []string{"C#" + bad + " M#" + s.key(0).String(), "P chloe"}; !slices.Equal(all.Unreadable, want) {
		t.Errorf("not readable are %v, want %v", all.Unreadable, want)
	}
}

// mayStop are the functions that read several rows and look at each one's error themselves, and why.
var mayStop = map[string]string{
	"Find":        "where a message belongs is not known without the row",
	"scene":       "the Chat or the key that the request is about",
	"Waiting":     "returns them, to be set aside",
	"Due":         "returns them, to be set aside",
	"add":         "the roster keeps them as people who may do nothing, and the sweeper reports them",
	"OpenWaiting": "hands them to the sweeper, which reports them",
	"withEntries": "a pool that the entry is missing in is served, and there it is set aside",
	"images":      "two images of one row",
}

// Rows are read in a loop by readable, which leaves out and reports what can't be read.
func TestRowsAreReadByReadable(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Body == nil || !decodesInALoop(f.Body) {
				continue
			}
			if seen[f.Name.Name] = true; mayStop[f.Name.Name] == "" {
				t.Errorf("%s: %s reads rows in a loop, and one that can't be read would end it", path, f.Name.Name)
			}
		}
	}
	for name := range mayStop {
		if !seen[name] {
			t.Errorf("%s does not read rows in a loop any more", name)
		}
	}
}

// decodesInALoop reports whether something is decoded for each of several items: in a range, or in a function that is handed on.
func decodesInALoop(body ast.Node) bool {
	found := false
	ast.Inspect(body, func(n ast.Node) bool {
		var inner ast.Node
		switch n := n.(type) {
		case *ast.RangeStmt:
			inner = n.Body
		case *ast.FuncLit:
			inner = n.Body
		default:
			return true
		}
		ast.Inspect(inner, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			switch f := call.Fun.(type) {
			case *ast.IndexExpr:
				name, ok := f.X.(*ast.Ident)
				found = found || ok && name.Name == "unmarshal"
			case *ast.Ident:
				found = found || slices.Contains([]string{"readMessage", "readEvent", "readPerson", "readSetting"}, f.Name)
			}
			return true
		})
		return true
	})
	return found
}
