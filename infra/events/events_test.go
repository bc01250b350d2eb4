// Package events_test holds the events for `sam local invoke` valid: each is an event of its function as AWS sends it,
// with a content that the function takes for genuine.
package events_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/infra/local/template"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/team"
	"chatkeeper/shared/whatsapp"
)

// The local stack's values; see template.yaml's parameters and the secret IdentityKey.
const (
	appSecret   = "local-app-secret"
	verifyToken = "local-verify-token"
	identityKey = "local-IdentityKey"
)

func TestEveryFunctionHasAnEvent(t *testing.T) {
	t.Parallel()
	functions, err := filepath.Glob("../../functions/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, function := range functions {
		found, err := filepath.Glob(filepath.Base(function) + "-*.json")
		if err != nil {
			t.Fatal(err)
		}
		if len(found) == 0 {
			t.Errorf("functions/%s has no event here", filepath.Base(function))
		}
	}
	all, err := filepath.Glob("*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range all {
		function, _, _ := strings.Cut(name, "-")
		if !slices.Contains(functions, filepath.Join("..", "..", "functions", function)) {
			t.Errorf("%s: there is no function %s", name, function)
		}
	}
}

// Events of the HTTP API need a token from `make token` before they are good for more than a 401; all else of them is.
func TestAPIEvents(t *testing.T) {
	t.Parallel()
	deployed, err := template.Load("../../template.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"me-show", "people-list", "chats-list", "reply-text", "status-close", "reassign-person"} {
		event := read[events.APIGatewayV2HTTPRequest](t, name+".json")
		function, _, _ := strings.Cut(name, "-")
		routed := slices.ContainsFunc(deployed.Functions, func(f *template.Function) bool {
			return strings.EqualFold(f.ID, function+"Function") && slices.ContainsFunc(f.Routes, func(r template.Route) bool {
				return event.RouteKey == r.Method+" "+r.Path
			})
		})
		if !routed {
			t.Errorf("%s: %s is no route of the function", name, event.RouteKey)
		}
		path := event.RequestContext.RouteKey[len(event.RequestContext.HTTP.Method)+1:]
		for parameter, value := range event.PathParameters {
			path = strings.ReplaceAll(path, "{"+parameter+"}", value)
		}
		if path != event.RawPath || !strings.HasPrefix(event.Headers["authorization"], "Bearer ") {
			t.Errorf("%s: %s is asked for %s", name, event.RawPath, path)
		}
		if event.Body != "" && !json.Valid([]byte(event.Body)) {
			t.Errorf("%s: the body is not JSON", name)
		}
	}
}

func TestWebhookVerify(t *testing.T) {
	t.Parallel()
	event := read[events.APIGatewayV2HTTPRequest](t, "webhook-verify.json")
	if got := event.RequestContext.HTTP.Method; got != "GET" {
		t.Errorf("method is %s", got)
	}
	query := event.QueryStringParameters
	if query["hub.mode"] != "subscribe" || query["hub.verify_token"] != verifyToken || query["hub.challenge"] == "" {
		t.Errorf("this is no handshake: %v", query)
	}
}

func TestWebhookMessage(t *testing.T) {
	t.Parallel()
	event := read[events.APIGatewayV2HTTPRequest](t, "webhook-message.json")
	if got := event.RequestContext.HTTP.Method; got != "POST" {
		t.Errorf("method is %s", got)
	}
	if !whatsapp.Verify([]string{appSecret}, event.Headers["x-hub-signature-256"], []byte(event.Body)) {
		t.Error("the signature is not that of the body")
	}
	if !strings.Contains(event.Body, `\u00e1`) {
		t.Error("WhatsApp escapes what is not ASCII; the body holds nothing escaped")
	}
	if u := update(t, event); u.Message().Effect() != whatsapp.Opens {
		t.Errorf("the message does not open a Chat: %v", u.Message().Effect())
	}
}

// The assigner's event is what the webhook makes of its own.
func TestAssignerInbound(t *testing.T) {
	t.Parallel()
	want := update(t, read[events.APIGatewayV2HTTPRequest](t, "webhook-message.json"))
	record := onlyMessage(t, "assigner-inbound.json", ":chatkeeper-inbound.fifo")
	if record.Body != want.Encode() {
		t.Errorf("body is\n%s\nthe webhook makes\n%s", record.Body, want.Encode())
	}
	if got, want := record.Attributes["MessageGroupId"], want.Group([]byte(identityKey)); got != want {
		t.Errorf("group is %s, the webhook makes %s", got, want)
	}
	if got, want := record.Attributes["MessageDeduplicationId"], want.DedupID([]byte(identityKey)); got != want {
		t.Errorf("deduplication id is %s, the webhook makes %s", got, want)
	}
}

func TestAssignerPools(t *testing.T) {
	t.Parallel()
	record := onlyMessage(t, "assigner-pools.json", ":chatkeeper-pools.fifo")
	signal := decode[queue.Signal](t, "the body", []byte(record.Body))
	if signal.Version != queue.SignalVersion {
		t.Errorf("version is %d, the newest is %d", signal.Version, queue.SignalVersion)
	}
	if _, err := assign.ParsePool(signal.Pool); err != nil {
		t.Error(err)
	}
}

func TestDispatcherWaiting(t *testing.T) {
	t.Parallel()
	entry := onlyRecord(t, "dispatcher-waiting.json").Entry
	if entry == nil || entry.Old != nil || entry.New == nil {
		t.Fatalf("this is no new waiting entry: %+v", entry)
	}
	want := chat.Entry{Chat: "event-fixture-chat", Pool: "team:sales", Priority: assign.Normal,
		Since: time.Date(2026, 11, 22, 9, 30, 1, 70_000_000, time.UTC), Strategy: assign.RoundRobin,
		RuleID: "sales-department", RuleName: "Sales", RulesVersion: 1, Routed: 1, Epoch: 1}
	if !entry.New.Since.Equal(want.Since) {
		t.Errorf("waits since %v, want %v", entry.New.Since, want.Since)
	}
	entry.New.Since = want.Since // Equal, and maybe in another zone
	if *entry.New != want {
		t.Errorf("entry is %+v, want %+v", *entry.New, want)
	}
}

func TestDispatcherPerson(t *testing.T) {
	t.Parallel()
	person := onlyRecord(t, "dispatcher-person.json").Person
	if person == nil || person.Old == nil || person.New == nil {
		t.Fatalf("this is no change of a person: %+v", person)
	}
	now := time.Date(2026, 11, 22, 9, 30, 1, 0, time.UTC)
	if person.Old.CanTake(now) || !person.New.CanTake(now) || person.New.ID != "bruno" || !slices.Contains(person.New.Teams, "sales") {
		t.Errorf("want bruno of sales as he comes online; the event goes from\n%+v to\n%+v", person.Old, person.New)
	}
	if person.New.Role != team.Agent || person.New.Changed != person.Old.Changed+1 {
		t.Errorf("every write of a person raises changed: from %d to %d", person.Old.Changed, person.New.Changed)
	}
}

func TestDispatcherRules(t *testing.T) {
	t.Parallel()
	rules := onlyRecord(t, "dispatcher-rules.json").Rules
	if rules == nil || rules.Old == nil || rules.New == nil || *rules.New <= *rules.Old {
		t.Errorf("this is no newer version of the rules: %+v", rules)
	}
}

// The sweeper asks its event for nothing; it is one of a schedule all the same.
func TestSweeperMinute(t *testing.T) {
	t.Parallel()
	event := read[events.CloudWatchEvent](t, "sweeper-minute.json")
	if event.Source != "aws.events" || event.DetailType != "Scheduled Event" {
		t.Errorf("this is no event of a schedule: %+v", event)
	}
}

// The filters in template.yaml let each of the dispatcher's events through.
func TestDispatcherFilters(t *testing.T) {
	t.Parallel()
	tmpl, err := template.Load("../../template.yaml", nil)
	if err != nil {
		t.Fatal(err)
	}
	names, err := filepath.Glob("dispatcher-*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		event := read[struct{ Records []json.RawMessage }](t, name)
		source := read[events.DynamoDBEvent](t, name).Records[0].EventSourceArn
		if !passes(t, tmpl, source, event.Records[0]) {
			t.Errorf("%s: no event source of the dispatcher lets it through", name)
		}
	}
}

// passes says whether an event source of the dispatcher on the table that the ARN names lets the record through.
func passes(t *testing.T, tmpl *template.Template, arn string, record []byte) bool {
	t.Helper()
	for _, function := range tmpl.Functions {
		if function.ID != "DispatcherFunction" {
			continue
		}
		for _, source := range function.Streams {
			if !strings.Contains(arn, ":table/chatkeeper-"+source.Table+"/") {
				continue
			}
			for _, pattern := range source.Filters {
				matches, err := pattern.Matches(record)
				if err != nil {
					t.Fatal(err)
				}
				if matches {
					return true
				}
			}
		}
	}
	return false
}

// update is the one Update in the delivery, as if it had been received when the gateway says.
func update(t *testing.T, event events.APIGatewayV2HTTPRequest) whatsapp.Update {
	t.Helper()
	updates, err := whatsapp.Split([]byte(event.Body), time.UnixMilli(event.RequestContext.TimeEpoch))
	if err != nil || len(updates) != 1 {
		t.Fatalf("the body holds %d updates, want one; %v", len(updates), err)
	}
	return updates[0]
}

func onlyMessage(t *testing.T, name, queueEnd string) events.SQSMessage {
	t.Helper()
	event := read[events.SQSEvent](t, name)
	if len(event.Records) != 1 || !strings.HasSuffix(event.Records[0].EventSourceARN, queueEnd) {
		t.Fatalf("%s: want one message from %s", name, queueEnd)
	}
	return event.Records[0]
}

func onlyRecord(t *testing.T, name string) dynamo.Record {
	t.Helper()
	event := read[events.DynamoDBEvent](t, name)
	if len(event.Records) != 1 {
		t.Fatalf("%s: want one record, got %d", name, len(event.Records))
	}
	record, err := dynamo.ReadRecord(event.Records[0])
	if err != nil {
		t.Fatal(err)
	}
	return record
}

func read[E any](t *testing.T, name string) E {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return decode[E](t, name, text)
}

// decode refuses fields that the type does not have, so that a misspelt one does not stay unnoticed.
func decode[E any](t *testing.T, name string, text []byte) E {
	t.Helper()
	var event E
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&event); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return event
}
