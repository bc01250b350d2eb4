package main

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// breaks makes an attribute of a row what it should not be.
func (d *desk) breaks(table, pk, sk, attribute string) {
	d.Helper()
	name := d.tables[table]
	_, err := serverstest.DynamoDB(d).UpdateItem(d.Context(), &dynamodb.UpdateItemInput{TableName: &name,
		Key:              dynamo.Item{"pk": &types.AttributeValueMemberS{Value: pk}, "sk": &types.AttributeValueMemberS{Value: sk}},
		UpdateExpression: aws.String("SET #a = :v"), ExpressionAttributeNames: map[string]string{"#a": attribute},
		ExpressionAttributeValues: dynamo.Item{":v": &types.AttributeValueMemberBOOL{Value: true}}})
	d.ok(err)
}

// One row that can't be read breaks no route for the others: each list, history and page shows the rest, and pages on.
func TestOneUnreadableRow(t *testing.T) {
	t.Parallel()
	for what, test := range map[string]struct {
		breaks         func(d *desk)
		lacks          string // a Chat
		messages, past int    // that are shown
	}{
		"a person":             {func(d *desk) { d.breaks("TeamTable", "P", "mei", "limit") }, "", 3, 2},
		"a number":             {func(d *desk) { d.breaks("TeamTable", "S", "N#"+seed.SupportNumber, "display") }, "", 3, 2},
		"a version of rules":   {func(d *desk) { d.breaks("TeamTable", "R", "V#00000001", "doc") }, "", 3, 2},
		"the rules' pointer":   {func(d *desk) { d.breaks("TeamTable", "R", "0", "version") }, "", 3, 2},
		"a Chat":               {func(d *desk) { d.breaks("ChatsTable", "C#bad", "0", "ep") }, "bad", 3, 2},
		"an event":             {func(d *desk) { d.breaks("ChatsTable", "C#chat", "H#0000000001#0", "ep") }, "", 3, 1},
		"a line of pools":      {func(d *desk) { d.breaks("ChatsTable", "WP", "team:support", "tk") }, "", 3, 2},
		"a message that opens": {func(d *desk) { d.breaks("ChatsTable", "C#chat", "M#"+d.chat("chat").LastIn.String(), "ar") }, "", 2, 2},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			for i, id := range []string{"chat", "bad", "other"} {
				d.opens(id, []string{"15550101234", "15550101235", "15550101236"}[i], "hello")
				d.given(id, "dan")
			}
			d.opens("waits", "15550101237", "hello")
			d.ok(d.store.List(t.Context(), d.chat("waits").Pools[0]))
			test.breaks(d)
			d.says("chat", 1, chat.Message{WAMID: "two"})
			d.says("chat", 1, chat.Message{WAMID: "three", Quoted: "wamid.chat"})
			for filter, want := range map[string][]string{
				"":              {"waits", "other", "bad", "chat"},
				"assignee=dan":  {"other", "bad", "chat"},
				"assignee=none": {"waits"},
				"team=support":  {"waits"},
			} {
				want = slices.DeleteFunc(want, func(id string) bool { return id == test.lacks })
				if got := d.listed(filter, 1); !slices.Equal(got, want) {
					t.Errorf("%s: %v, want %v", filter, got, want)
				}
			}
			for route, want := range map[string]int{"GET /v1/chats/{chatId}/messages": test.messages, "GET /v1/chats/{chatId}/history": test.past} {
				shown, query := 0, "limit=1"
				for next := ""; ; {
					page := d.must(route, "chat", query+next)
					shown += len(page["items"].([]any))
					cursor, more := page["nextCursor"].(string)
					if !more {
						break
					}
					next = "&cursor=" + cursor
				}
				if shown != want {
					t.Errorf("%s shows %d, want %d", route, shown, want)
				}
			}
			shown := d.must("GET /v1/chats/{chatId}", "chat", "")
			if owner := shown["assignee"].(map[string]any); shown["id"] != "chat" || owner["name"] != "Dan" {
				t.Errorf("it is shown as %v", shown)
			}
			if _, err := d.sends("alex", "PATCH /v1/chats/{chatId}/customer", "waits", `{"name":"Zoë"}`); err != nil {
				t.Errorf("its customer can't be edited: %v", err)
			}
		})
	}
}
