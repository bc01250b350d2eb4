package dynamo

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// meter counts the write units of transactions by AWS's published rule, from the items as they are before and after:
// every operation, a check too, costs two units for each started KB of the larger of the two; an index costs one for an
// entry that comes or goes, and so two for one that moves. DynamoDB Local's own count of transactions is too low.
type meter struct {
	db    *dynamodb.Client
	units int
	calls int
}

func (m *meter) add(stack *middleware.Stack) error {
	return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("meter", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
		write, ok := in.Parameters.(*dynamodb.TransactWriteItemsInput)
		if !ok {
			return next.HandleInitialize(ctx, in)
		}
		before := m.images(ctx, write)
		out, meta, err := next.HandleInitialize(ctx, in)
		if err != nil {
			return out, meta, err
		}
		m.calls++
		for i, after := range m.images(ctx, write) {
			m.units += 2 * max(1, (max(size(before[i]), size(after))+1023)/1024)
			for _, index := range [][2]string{{"ownerKey", "ownerAt"}, {"statusKey", "statusAt"}, {"pk", "changedAt"}} {
				m.units += indexUnits(before[i], after, index)
			}
		}
		return out, meta, err
	}), middleware.Before)
}

// indexUnits is what an index on the two attributes costs. All indexes hold keys only.
func indexUnits(before, after Item, index [2]string) int {
	entry := func(item Item) string {
		hash, ok1 := item[index[0]].(*types.AttributeValueMemberS)
		sort, ok2 := item[index[1]].(*types.AttributeValueMemberS)
		if !ok1 || !ok2 {
			return ""
		}
		return hash.Value + " " + sort.Value
	}
	was, is, units := entry(before), entry(after), 0
	if was != is {
		for _, e := range []string{was, is} {
			if e != "" {
				units++
			}
		}
	}
	return units
}

// images reads the items that a transaction names.
func (m *meter) images(ctx context.Context, in *dynamodb.TransactWriteItemsInput) []Item {
	var images []Item
	strong := true
	for _, i := range in.TransactItems {
		var table *string
		var at Item
		switch {
		case i.Put != nil:
			table, at = i.Put.TableName, Item{"pk": i.Put.Item["pk"], "sk": i.Put.Item["sk"]}
		case i.Update != nil:
			table, at = i.Update.TableName, i.Update.Key
		case i.Delete != nil:
			table, at = i.Delete.TableName, i.Delete.Key
		case i.ConditionCheck != nil:
			table, at = i.ConditionCheck.TableName, i.ConditionCheck.Key
		}
		out, err := m.db.GetItem(ctx, &dynamodb.GetItemInput{TableName: table, Key: at, ConsistentRead: &strong})
		if err != nil {
			panic(err)
		}
		images = append(images, out.Item)
	}
	return images
}

// The budgets of what people do, with everything as large as it may be (a note is not counted).
func TestWriteUnits(t *testing.T) {
	t.Parallel()
	tables := serverstest.Tables(t)
	m := &meter{db: serverstest.DynamoDB(t)}
	s := New(dynamodb.New(m.db.Options(), dynamodb.WithAPIOptions(m.add)), tables["ChatsTable"], tables["TeamTable"])
	ctx, now := t.Context(), Now()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{"alex", "amira", "bruno"} {
		p := team.Person{ID: id, Name: strings.Repeat("n", 60), Email: id + strings.Repeat("e", 60) + "@example.com", Role: team.Agent, Active: true,
			Availability: team.Online, Limit: team.NoLimit, Weight: 1, Teams: []string{"customer-support", "arabic"}, Languages: []string{"ar", "en"}}
		if id == "alex" {
			p.Role = team.Admin
		}
		must(s.AddPerson(ctx, p, now.Add(-time.Hour)))
	}
	secret := chat.Secret("s")
	key := secret.Key(now.Unix()-60, "wamid")
	c := chat.Chat{ID: secret.UserAddress("100000000000001", "US.13491208655302741918"), Number: "100000000000001",
		Customer: chat.Customer{UserID: "US.13491208655302741918", Phone: "971501234567890", Username: strings.Repeat("u", 35),
			Profile: strings.Repeat("ع", 20), Name: strings.Repeat("n", 40), Language: "ar", Country: "AE", Tags: []string{"vip-customer", "wholesale"}}}
	message := chat.Message{Key: key, WAMID: "wamid", Direction: chat.In, Type: "text", Text: "hello", Arrived: now}
	must(s.Commit(ctx, c.Opens(now, c.Place(message, builtIn, 0, team.Settings{}, now), chat.Arrival{Message: message, Preview: strings.Repeat("p", 80)})))
	for i := range chat.MaxUnread + 4 {
		k := secret.Key(now.Unix()-50+int64(i), "m"+string(rune('A'+i)))
		_, err := s.Deliver(ctx, c.ID, chat.Arrival{Message: chat.Message{Key: k}, Preview: strings.Repeat("p", 80)})
		must(err)
	}
	by := func(id string) chat.Actor {
		return chat.Actor{Kind: chat.ByPerson, ID: id, Name: strings.Repeat("n", 60)}
	}
	act := func(person, other string, become func(chat.Chat) chat.Change) func() error {
		return func() error {
			_, err := s.Act(ctx, c.ID, []string{person, other}, func(c chat.Chat, _ Cast) (*chat.Change, error) {
				change := become(c)
				return &change, nil
			})
			return err
		}
	}
	gives := func(person, to string) func() error {
		return act(person, to, func(c chat.Chat) chat.Change { return c.Reassigned(now, by(person), to, "") })
	}
	replies := func(once *Once) func() error {
		return func() error {
			_, err := s.Reply(ctx, c.ID, "amira", once, now, func(c chat.Chat, _ team.Person) (chat.Message, error) {
				return c.Replies(now, "amira", chat.NewKey(now), chat.Message{Type: "text", Text: strings.Repeat("t", 600)})
			})
			return err
		}
	}
	for _, step := range []struct {
		what string
		do   func() error
		most int
	}{
		{"an Admin gives a waiting Chat away", gives("alex", "amira"), 16},
		{"a reply with a key", replies(&Once{Person: "amira", Key: strings.Repeat("k", 255), Digest: make([]byte, 32)}), 8},
		{"a reply without a key", replies(nil), 6},
		{"an Admin gives it to another", gives("alex", "bruno"), 16},
		{"its Assignee gives it to another", gives("bruno", "amira"), 16},
		{"its Assignee closes it", act("amira", "", func(c chat.Chat) chat.Change { return c.Closes(now, by("amira")) }), 12},
		{"an Admin gives the closed Chat away", gives("alex", "bruno"), 16},
		{"its Assignee opens it again", act("bruno", "", func(c chat.Chat) chat.Change { return c.OpensAgain(now, by("bruno")) }), 12},
		{"an Admin passes it to a team", act("alex", "", func(c chat.Chat) chat.Change { return c.PassedTo(now, by("alex"), "customer-support", "") }), 16},
		{"and gives it away", gives("alex", "bruno"), 16},
		{"an Admin takes over", gives("alex", "alex"), 16},
	} {
		m.units, m.calls = 0, 0
		now = now.Add(time.Second)
		must(step.do())
		t.Logf("%s: %d units", step.what, m.units)
		if m.units > step.most || m.units == 0 || m.calls != 1 {
			t.Errorf("%s: %d units in %d transactions, want at most %d in one", step.what, m.units, m.calls, step.most)
		}
	}
}
