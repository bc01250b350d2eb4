package morning

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"chatkeeper/infra/fixtures"
	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/stack/stacktest"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
	"chatkeeper/shared/whatsapp"
)

// on are the options for a stack with the seed data.
func on(t *testing.T, s *stack.Stack) Options {
	t.Helper()
	store := dynamo.New(s.DynamoDB(), s.Table("ChatsTable"), s.Table("TeamTable"))
	if _, err := seed.Load(t.Context(), store, dynamo.Now()); err != nil {
		t.Fatal(err)
	}
	environment := s.Environment("WebhookFunction")
	return Options{
		Store: store, Secret: chat.Secret(environment["IDENTITY_KEY"]), SQS: s.SQS(), Seed: 1, Customers: 24, Fixtures: fixtures.All(),
		Line:   customer.Line{URL: s.URL + "/webhooks/whatsapp", AppSecret: environment["APP_SECRET"], Client: &http.Client{Timeout: time.Minute}},
		Queues: []string{s.QueueURL("InboundQueue"), s.QueueURL("PoolsQueue")},
		Dead:   []string{s.QueueURL("InboundDeadLetters"), s.QueueURL("PoolsDeadLetters"), s.QueueURL("DispatcherDeadLetters")},
	}
}

func TestAMorningIsCleanAndEverybodyIsAsBefore(t *testing.T) {
	t.Parallel()
	o := on(t, stacktest.Start(t, stack.Options{}))
	_, err := o.Store.UpdatePerson(t.Context(), "mei", dynamo.Now(), func(p *team.Person) error {
		p.Availability, p.Capacity, p.Limit = team.Away, 7, 7
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it may be played again and again
		report, err := Play(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !report.Clean() {
			t.Errorf("breaches %v, lost %v, stuck %v, %d dead letters", report.Breaches, report.Lost, report.Stuck, report.DeadLetters)
		}
		checkRows(t, report, o.Customers)
		o.Fixtures = nil
	}
	mei, err := o.Store.Person(t.Context(), "mei")
	if err != nil || mei.Availability != team.Away || mei.Capacity != 7 || mei.Limit != 7 {
		t.Errorf("Mei is %+v, %v", mei, err)
	}
}

// checkRows: every customer of the morning has a row that says who has the Chat, or that it waits, and why.
func checkRows(t *testing.T, report Report, customers int) {
	t.Helper()
	var owned, waiting, closed int
	for _, r := range report.Rows {
		switch {
		case r.Status == chat.Closed:
			closed++
		case r.Assignee != "":
			owned++
		default:
			waiting++
			if r.Pool == "" || r.Since.IsZero() {
				t.Errorf("a Chat waits without pool or time: %+v", r)
			}
		}
		if r.Rule == "" || r.Reason == "" || r.Country == "" {
			t.Errorf("a row says too little: %+v", r)
		}
	}
	if len(report.Rows) < customers || owned == 0 || waiting == 0 || closed == 0 {
		t.Errorf("%d rows: %d owned, %d waiting, %d closed", len(report.Rows), owned, waiting, closed)
	}
	if owned > Capacity*len(Agents)+1 { // one was opened again by its Assignee, whom no capacity binds
		t.Errorf("%d are owned by people with room for %d", owned, Capacity*len(Agents))
	}
	if report.Customers < customers || report.Acknowledged < report.Sent {
		t.Errorf("%d messages in %d deliveries, %d acknowledged", report.Customers, report.Sent, report.Acknowledged)
	}
}

// Servers and functions are killed while customers write; the demo goes on as soon as it can.
func TestAMorningOutlivesKills(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stack.Options{Folder: t.TempDir(), Edit: func(all *template.Template) {
		for _, q := range all.Queues { // what a killed server was working on comes back after this time
			q.Visibility, q.Attributes["VisibilityTimeout"] = 10*time.Second, "10"
		}
	}})
	o := on(t, s)
	o.Fixtures = nil
	var step atomic.Int32
	killed := make(chan error, 3)
	o.Progress = func(p Progress) {
		switch {
		case p.Doing == "customers write" && p.Done == 5 && step.CompareAndSwap(0, 1):
			go func() { s.Kill("AssignerFunction"); killed <- s.KillElasticMQ(context.Background()) }()
		case p.Doing == "customers write" && p.Done == 15 && step.CompareAndSwap(1, 2):
			go func() { s.Kill("DispatcherFunction"); killed <- s.KillDynamoDB(context.Background()) }()
		}
	}
	report, err := Play(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for range step.Load() {
		if err := <-killed; err != nil {
			t.Errorf("restart: %v", err)
		}
	}
	if step.Load() != 2 {
		t.Errorf("only %d kills happened", step.Load())
	}
	if !report.Clean() {
		t.Errorf("breaches %v, lost %v, stuck %v, %d dead letters", report.Breaches, report.Lost, report.Stuck, report.DeadLetters)
	}
}

// A webhook that says 200 and stores nothing must not pass.
func TestWhatIsLostIsFound(t *testing.T) {
	t.Parallel()
	tables := serverstest.Tables(t)
	store := dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])
	if _, err := seed.Load(t.Context(), store, dynamo.Now()); err != nil {
		t.Fatal(err)
	}
	webhook := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(webhook.Close)
	report, err := Play(t.Context(), Options{Store: store, Secret: chat.Secret("key"), Customers: 3, Settle: 100 * time.Millisecond,
		Line: customer.Line{URL: webhook.URL, Client: webhook.Client()}})
	if err != nil {
		t.Fatal(err)
	}
	if report.Clean() || report.Customers < 3 || len(report.Lost) != report.Customers || len(report.Stuck) == 0 {
		t.Errorf("%d messages, lost %v, stuck %v", report.Customers, report.Lost, report.Stuck)
	}
}

func TestAWebhookThatRefusesEndsTheMorning(t *testing.T) {
	t.Parallel()
	tables := serverstest.Tables(t)
	store := dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["TeamTable"])
	if _, err := seed.Load(t.Context(), store, dynamo.Now()); err != nil {
		t.Fatal(err)
	}
	webhook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusUnauthorized) }))
	t.Cleanup(webhook.Close)
	o := Options{Store: store, Customers: 3, Line: customer.Line{URL: webhook.URL, Client: webhook.Client()}}
	if _, err := Play(t.Context(), o); err == nil || !strings.Contains(err.Error(), "another app secret") {
		t.Errorf("it says %v", err)
	}
	if amira, err := store.Person(t.Context(), "amira"); err != nil || amira.Limit != team.NoLimit {
		t.Errorf("Amira is not as before: %+v, %v", amira, err)
	}
	o.Store = dynamo.New(serverstest.DynamoDB(t), tables["ChatsTable"], tables["ChatsTable"])
	if _, err := Play(t.Context(), o); err == nil || !strings.Contains(err.Error(), "make reset") {
		t.Errorf("without seed data it says %v", err)
	}
}

// Renaming makes every customer's message and identity of a fixture this run's own, and changes nothing else about how it
// is read.
func TestRenamedFixturesAreReadAsBefore(t *testing.T) {
	t.Parallel()
	for _, f := range fixtures.All() {
		before, errBefore := whatsapp.Split(f.Body, time.Unix(0, 0))
		after, errAfter := whatsapp.Split(renamed(f.Body, "run"), time.Unix(0, 0))
		if len(before) != len(after) || (errBefore == nil) != (errAfter == nil) {
			t.Errorf("%s: %d updates become %d", f.Name, len(before), len(after))
			continue
		}
		for i := range before {
			old, renewed := before[i].Message(), after[i].Message()
			if old.Effect() != renewed.Effect() || old.Type != renewed.Type || old.At != renewed.At || old.Number != renewed.Number {
				t.Errorf("%s: %v %s becomes %v %s", f.Name, old.Effect(), old.Type, renewed.Effect(), renewed.Type)
			}
			if (old.Customer.UserID == "") != (renewed.Customer.UserID == "") || (old.Customer.Phone == "") != (renewed.Customer.Phone == "") {
				t.Errorf("%s: other identities", f.Name)
			}
			if old.Effect() == whatsapp.Opens && old.ID == renewed.ID {
				t.Errorf("%s: keeps its message id", f.Name)
			}
			if old.Effect() == whatsapp.Opens && old.Customer == renewed.Customer {
				t.Errorf("%s: keeps its customer %s", f.Name, old.Customer.UserID)
			}
		}
	}
}
