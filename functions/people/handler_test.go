package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// office is the function over the seed.
type office struct {
	*testing.T
	people
	store  *dynamo.Store
	tables map[string]string
}

func newOffice(t *testing.T) office {
	t.Helper()
	tables := serverstest.Tables(t)
	store := dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])
	if _, err := seed.Load(t.Context(), store, now); err != nil {
		t.Fatal(err)
	}
	return office{t, people{store: store, cursors: httpapi.NewCursors("secret")}, store, tables}
}

func (o office) send(route, query string, path map[string]string) (*httpapi.Response, error) {
	o.Helper()
	q, err := url.ParseQuery(query)
	if err != nil {
		o.Fatal(err)
	}
	return o.routes()[route](o.Context(), &httpapi.Request{Query: q, Path: path, Now: now})
}

// get reads a whole list, page by page, and says how many pages it had.
func get[T any](o office, route string, limit int) (items []T, pages int) {
	o.Helper()
	query := fmt.Sprintf("limit=%d", limit)
	for {
		response, err := o.send(route, query, nil)
		if err != nil {
			o.Fatal(err)
		}
		text, err := json.Marshal(response.Body)
		if err != nil {
			o.Fatal(err)
		}
		var list httpapi.List[T]
		if err := json.Unmarshal(text, &list); err != nil {
			o.Fatal(err)
		}
		if list.Items == nil || len(list.Items) > limit {
			o.Fatalf("%s", text)
		}
		items, pages = append(items, list.Items...), pages+1
		if list.NextCursor == "" {
			return items, pages
		}
		query = fmt.Sprintf("limit=%d&cursor=%s", limit, list.NextCursor)
	}
}

func TestPeopleByPages(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for limit, wantPages := range map[int]int{1: 6, 4: 2, 6: 1, 500: 1} {
		items, pages := get[httpapi.ShownPerson](o, "GET /v1/people", limit)
		ids := ""
		for _, p := range items {
			ids += p.ID + " "
		}
		if ids != "alex amira bruno chloe dan mei " || pages != wantPages {
			t.Errorf("limit %d: %s in %d pages", limit, ids, pages)
		}
	}
	if items, _ := get[httpapi.ShownPerson](o, "GET /v1/people", 500); items[0].Role != team.Admin || items[1].Languages[0] != "ar" {
		t.Errorf("%+v", items[:2])
	}
}

func TestOnePerson(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	response, err := o.send("GET /v1/people/{personId}", "", map[string]string{"personId": "mei"})
	if err != nil || response.Body.(httpapi.ShownPerson).Name != "Mei" {
		t.Errorf("%+v, %v", response, err)
	}
	for _, id := range []string{"nobody", "Mei", "mei ", "P", "#", "\x00", "ä"} {
		_, err := o.send("GET /v1/people/{personId}", "", map[string]string{"personId": id})
		var e *chat.Error
		if !errors.As(err, &e) || e.Code != chat.NoSuchPerson {
			t.Errorf("%q: %v", id, err)
		}
	}
}

func TestTeams(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	for id, edit := range map[string]func(*team.Person){
		"bruno": func(p *team.Person) { p.Active = false },
		"chloe": func(p *team.Person) { p.Availability = team.Away },
	} {
		if _, err := o.store.UpdatePerson(t.Context(), id, now, func(p *team.Person) error { edit(p); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := get[shownTeam](o, "GET /v1/teams", 3)
	want := []shownTeam{
		{ID: "arabic", Name: "Arabic desk", Members: 1, Online: 1},
		{ID: "everyone", Name: "Everyone", BuiltIn: true, Members: 4, Online: 3}, // the Admin is no Agent
		{ID: "sales", Name: "Sales", Members: 1, Online: 1},
		{ID: "support", Name: "Support", Members: 4, Online: 3},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	rules, err := assign.Parse([]byte(`{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "round_robin"}], "requires": {"languages": ["ar"]}}}`))
	if err != nil {
		t.Fatal(err)
	}
	pool := ""
	for n := range 3 {
		c := chat.Chat{ID: fmt.Sprintf("chat%d", n), Number: seed.SupportNumber}
		since := now.Add(-time.Duration(10-n) * time.Minute)
		m := chat.Message{Key: chat.Secret("s").Key(since.Unix(), c.ID), Direction: chat.In, Type: "text", Arrived: since}
		change := c.Opens(since, c.Place(m, rules, 1, seed.Settings, since), chat.Arrival{Message: m, Preview: "hello"})
		if err := o.store.Commit(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		entry := change.Enters()[0]
		pool = entry.Pool
		if n > 0 {
			continue
		}
		if err := o.store.Unserved(t.Context(), entry, chat.Event{Epoch: 1, At: since, Type: chat.Nobody, Status: chat.Open, By: chat.System,
			Decision: &assign.Decision{Nobody: assign.NobodyOnline}}); err != nil {
			t.Fatal(err)
		}
	}
	for _, listed := range []string{pool, "team:sales"} { // nobody waits in the second any more
		if err := o.store.List(t.Context(), listed); err != nil {
			t.Fatal(err)
		}
	}
	got, _ := get[shownPool](o, "GET /v1/waiting", 10)
	want := []shownPool{{Pool: "team:support;languages=ar", Team: "support", Languages: []string{"ar"}, Waiting: 3,
		Since: now.Add(-10 * time.Minute), Reasons: map[assign.Reason]int{assign.NobodyOnline: 1}}}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

// One row that can't be read hides nobody but itself.
func TestOneUnreadableRow(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	rules, err := assign.Parse([]byte(seed.Rules))
	if err != nil {
		t.Fatal(err)
	}
	var entries []chat.Entry
	for n := range 2 {
		c := chat.Chat{ID: fmt.Sprintf("chat%d", n), Number: seed.SupportNumber}
		m := chat.Message{Key: chat.Secret("s").Key(now.Unix(), c.ID), Direction: chat.In, Type: "text", Arrived: now}
		change := c.Opens(now, c.Place(m, rules, 1, seed.Settings, now), chat.Arrival{Message: m})
		if err := o.store.Commit(t.Context(), change); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, change.Enters()...)
	}
	for _, listed := range []string{entries[0].Pool, "team:sales"} {
		if err := o.store.List(t.Context(), listed); err != nil {
			t.Fatal(err)
		}
	}
	for _, row := range []struct{ table, pk, sk, attribute string }{
		{"TeamTable", "P", "chloe", "limit"},
		{"TeamTable", "S", "T#sales", "name"},
		{"ChatsTable", "WP", "team:sales", "tk"},
		{"ChatsTable", "W#" + entries[0].Pool, fmt.Sprintf("1#%013d#chat0", now.UnixMilli()), "rt"},
	} {
		table := o.tables[row.table]
		_, err := serverstest.DynamoDB(t).UpdateItem(t.Context(), &dynamodb.UpdateItemInput{TableName: &table,
			Key:              dynamo.Item{"pk": &types.AttributeValueMemberS{Value: row.pk}, "sk": &types.AttributeValueMemberS{Value: row.sk}},
			UpdateExpression: aws.String("SET #a = :v"), ConditionExpression: aws.String("attribute_exists(pk)"),
			ExpressionAttributeNames: map[string]string{"#a": row.attribute}, ExpressionAttributeValues: dynamo.Item{":v": &types.AttributeValueMemberBOOL{Value: true}}})
		if err != nil {
			t.Fatalf("%v: %v", row, err)
		}
	}
	everybody, _ := get[httpapi.ShownPerson](o, "GET /v1/people", 2)
	if len(everybody) != 5 {
		t.Errorf("%d people are shown", len(everybody))
	}
	teams, _ := get[shownTeam](o, "GET /v1/teams", 1)
	if len(teams) != 3 {
		t.Errorf("%d teams are shown", len(teams))
	}
	pools, _ := get[shownPool](o, "GET /v1/waiting", 1)
	if len(pools) != 1 || pools[0].Waiting != 1 {
		t.Errorf("waiting are shown as %+v", pools)
	}
}

func TestQueriesThatAreRefused(t *testing.T) {
	t.Parallel()
	o := newOffice(t)
	elsewhere := url.Values{"cursor": {o.cursors.Seal("GET /v1/teams", "alex")}}.Encode()
	for _, query := range []string{"limit=0", "limit=501", "limit=ten", "page=2", "cursor=", "cursor=amira", elsewhere} {
		_, err := o.send("GET /v1/people", query, nil)
		var e *chat.Error
		if !errors.As(err, &e) || e.Code != chat.BadRequest {
			t.Errorf("%s: %v", query, err)
		}
	}
}
