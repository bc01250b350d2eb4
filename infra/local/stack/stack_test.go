package stack_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/local/folder"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/stack/stacktest"
	"chatkeeper/infra/local/streams"
	"chatkeeper/infra/local/template"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// bench is a stack of testdata/template.yaml whose worker writes a diary.
type bench struct {
	*stack.Stack
	t     *testing.T
	diary string
}

func start(t *testing.T, o stack.Options) *bench {
	t.Helper()
	b := &bench{t: t, diary: filepath.Join(t.TempDir(), "diary")}
	b.Stack = stacktest.Start(t, b.options(o))
	return b
}

func (b *bench) options(o stack.Options) stack.Options {
	edit := o.Edit
	o.Template = "testdata/template.yaml"
	o.Edit = func(t *template.Template) {
		t.Functions[0].Environment["DIARY"] = template.Literal(b.diary)
		if edit != nil {
			edit(t)
		}
	}
	return o
}

// lines are the diary's lines that begin with one of the words.
func (b *bench) lines(words ...string) []string {
	content, _ := os.ReadFile(b.diary)
	var out []string
	for line := range strings.Lines(string(content)) {
		word, _, _ := strings.Cut(line, " ")
		if slices.Contains(words, word) {
			out = append(out, strings.TrimSpace(line))
		}
	}
	return out
}

func (b *bench) eventually(what string, holds func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); {
		if time.Now().After(deadline) {
			content, _ := os.ReadFile(b.diary)
			b.t.Fatalf("waited in vain for %s; the diary says:\n%s", what, content)
		}
		time.Sleep(5 * time.Millisecond)
	}
}

func (b *bench) send(group string, bodies ...string) {
	b.t.Helper()
	for _, body := range bodies {
		_, err := b.SQS().SendMessage(b.t.Context(), &sqs.SendMessageInput{
			QueueUrl: aws.String(b.QueueURL("JobsQueue")), MessageBody: &body,
			MessageGroupId: &group, MessageDeduplicationId: aws.String(group + body),
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

func (b *bench) put(keys ...string) {
	b.t.Helper()
	for _, key := range keys {
		_, err := b.DynamoDB().PutItem(b.t.Context(), &dynamodb.PutItemInput{
			TableName: aws.String(b.Table("ThingsTable")),
			Item:      map[string]dynamodbtypes.AttributeValue{"pk": &dynamodbtypes.AttributeValueMemberS{Value: key}},
		})
		if err != nil {
			b.t.Fatal(err)
		}
	}
}

// recorded are the keys of the records that were done, in order.
func (b *bench) recorded() []string {
	var keys []string
	for _, line := range b.lines("records") {
		keys = append(keys, strings.Fields(line)[1:]...)
	}
	return keys
}

// received takes what is in a queue.
func (b *bench) received(queue string) []string {
	got, err := b.SQS().ReceiveMessage(b.t.Context(), &sqs.ReceiveMessageInput{
		QueueUrl: aws.String(b.QueueURL(queue)), MaxNumberOfMessages: 10,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	var bodies []string
	for _, m := range got.Messages {
		bodies = append(bodies, *m.Body)
	}
	return bodies
}

func (b *bench) isEmpty(queue string) bool {
	got, err := b.SQS().GetQueueAttributes(b.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(b.QueueURL(queue)), AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	if err != nil {
		return false
	}
	return got.Attributes["ApproximateNumberOfMessages"] == "0" && got.Attributes["ApproximateNumberOfMessagesNotVisible"] == "0"
}

func touch(t *testing.T, file string) {
	t.Helper()
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestGroupsRunSideBySideAndEachInOrder(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{Edit: longVisibility})
	gate := filepath.Join(t.TempDir(), "open")
	b.send("slow", "wait:"+gate, "slow1", "slow2")
	b.eventually("the slow group to begin", func() bool { return len(b.lines("begin")) > 0 })
	var want []string
	for n := range 25 {
		b.send("quick", fmt.Sprint("quick", n))
		want = append(want, fmt.Sprint("done quick quick", n))
	}
	b.eventually("the quick group to end", func() bool { return len(b.lines("done")) >= 25 })
	if got := b.lines("done"); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	touch(t, gate)
	b.eventually("the slow group to end", func() bool { return len(b.lines("done")) == 28 })
	if got, want := b.lines("done")[25:], []string{"done slow wait:" + gate, "done slow slow1", "done slow slow2"}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	b.eventually("an empty queue", func() bool { return b.isEmpty("JobsQueue") })
}

func TestAFailedMessageKeepsItsGroupBackAndNobodyElse(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	gate := filepath.Join(t.TempDir(), "there")
	b.send("a", "a1", "needs:"+gate, "a3")
	b.send("b", "b1", "b2")
	b.eventually("a failure, and the other group", func() bool {
		return len(b.lines("fail")) > 0 && slices.Contains(b.lines("done"), "done b b2")
	})
	touch(t, gate)
	b.eventually("the rest of the group", func() bool { return slices.Contains(b.lines("done"), "done a a3") })
	var a []string
	for _, line := range b.lines("done") {
		if strings.HasPrefix(line, "done a ") {
			a = append(a, line)
		}
	}
	if want := []string{"done a a1", "done a needs:" + gate, "done a a3"}; !slices.Equal(a, want) {
		t.Errorf("got %q\nwant %q", a, want)
	}
}

func TestAPoisonMessageEndsInTheDeadLetterQueueAndItsGroupGoesOn(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	b.send("a", "poison")
	b.eventually("the first failure", func() bool { return len(b.lines("fail")) > 0 })
	b.send("a", "after")
	b.eventually("the message behind it", func() bool { return slices.Contains(b.lines("done"), "done a after") })
	var poison []string
	for _, line := range b.lines("begin") {
		if strings.HasPrefix(line, "begin a poison") {
			poison = append(poison, line)
		}
	}
	if want := []string{"begin a poison 1", "begin a poison 2", "begin a poison 3"}; !slices.Equal(poison, want) {
		t.Errorf("got %q\nwant %q", poison, want)
	}
	if got := b.received("DeadJobs"); !slices.Equal(got, []string{"poison"}) {
		t.Errorf("the dead-letter queue holds %q, want the poison message", got)
	}
}

func TestACrashOrTimeOutFailsTheBatchAndItComesAgain(t *testing.T) {
	t.Parallel()
	for _, word := range []string{"crash", "hang"} {
		t.Run(word, func(t *testing.T) {
			t.Parallel()
			b := start(t, stack.Options{Edit: func(t *template.Template) { t.Functions[0].Timeout = time.Second }})
			body := word + ":" + filepath.Join(t.TempDir(), "mark")
			b.send("a", body)
			b.eventually("the second try", func() bool { return len(b.lines("done")) == 1 })
			if got, want := b.lines("begin"), []string{"begin a " + body + " 1", "begin a " + body + " 2"}; !slices.Equal(got, want) {
				t.Errorf("got %q\nwant %q", got, want)
			}
		})
	}
}

func TestAKilledInstanceFailsItsBatchOnly(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	gate := filepath.Join(t.TempDir(), "open")
	b.send("a", "wait:"+gate)
	b.eventually("work", func() bool { return len(b.lines("begin")) == 1 })
	if !b.Kill("WorkerFunction") {
		t.Fatal("there was nothing to kill")
	}
	touch(t, gate)
	b.eventually("the second try", func() bool { return len(b.lines("done")) == 1 })
}

func TestTheVisibilityThatAFunctionSetsIsLeftAlone(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{Edit: longVisibility})
	b.send("a", "soon")
	b.eventually("the second try, long before the queue's own time-out", func() bool { return len(b.lines("done")) == 1 })
}

func TestRecordsComeInOrderAndFiltered(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	var want []string
	for n := range 30 {
		b.put(fmt.Sprint("k", n), fmt.Sprint("dull", n))
		want = append(want, fmt.Sprint("k", n))
	}
	b.put("k0") // a change, not an insertion
	b.put("last")
	want = append(want, "last")
	b.eventually("all records", func() bool { return slices.Contains(b.recorded(), "last") })
	if got := b.recorded(); !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestBisectingIsolatesThePoisonRecordAndGoesOn(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{Edit: withoutSources})
	b.put("k1", "k2", "k3", "poison", "k4", "k5")
	// The records are there before anybody reads them, so they come as one batch.
	again := b.again(stack.Options{})
	again.eventually("the records around the poison", func() bool { return slices.Contains(again.recorded(), "k5") })
	if got, want := again.recorded(), []string{"k1", "k2", "k3", "k4", "k5"}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
	refused := again.lines("refused")
	if first := "refused k1 k2 k3 poison k4 k5"; refused[0] != first {
		t.Errorf("the first batch was %q, want %q", refused[0], first)
	}
	alone := 0
	for _, line := range refused {
		if line == "refused poison" {
			alone++
		}
	}
	if alone != 3 {
		t.Errorf("the poison record was tried %d times alone, want 3: once and two retries; all: %q", alone, refused)
	}
	var lost []string
	again.eventually("word at the failure destination", func() bool { lost = again.received("LostRecords"); return len(lost) > 0 })
	var given streams.GivenUp
	if err := json.Unmarshal([]byte(lost[0]), &given); err != nil {
		t.Fatal(err)
	}
	if given.RequestContext.Condition != "RetryAttemptsExhausted" || given.Batch.BatchSize != 1 ||
		given.Batch.StartSequenceNumber == "" || given.Batch.StartSequenceNumber != given.Batch.EndSequenceNumber ||
		!strings.Contains(given.Batch.StreamARN, again.Table("ThingsTable")) {
		t.Errorf("the failure destination heard %s", lost[0])
	}
}

func TestAReportedRecordIsWhereTheStreamGoesOn(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{Edit: withoutSources})
	b.put("k1", "k2", "poison", "k3")
	again := b.again(stack.Options{Edit: func(t *template.Template) {
		t.Functions[0].Environment["REPORTS_RECORDS"] = template.Literal("1")
		t.Functions[0].Streams[0].PartialBatch = true
	}})
	again.eventually("the record behind the poison", func() bool { return slices.Contains(again.recorded(), "k3") })
	if got, want := again.recorded(), []string{"k1", "k2", "k3"}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q: none twice", got, want)
	}
	again.eventually("word at the failure destination", func() bool { return len(again.received("LostRecords")) == 1 })
}

func withoutSources(t *template.Template) {
	t.Functions[0].Streams, t.Functions[0].Queues = nil, nil
}

// again starts a second stack on the tables and queues of the first.
func (b *bench) again(o stack.Options) *bench {
	b.t.Helper()
	table := b.Table("ThingsTable")
	o.Name = strings.TrimSuffix(table, "-ThingsTable")
	next := &bench{t: b.t, diary: b.diary}
	next.Stack = stacktest.Start(b.t, next.options(o))
	return next
}

func TestARequestBecomesAnEvent(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{})
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.URL+"/echo/a%20b?x=1&x=2&y=", strings.NewReader("ping"))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "text/plain")
	request.Header.Add("X-Many", "one")
	request.Header.Add("X-Many", "two")
	request.Header.Set("Cookie", "a=1; b=2")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	if response.StatusCode != 200 || response.Header.Get("Apigw-Requestid") == "" {
		t.Fatalf("status %d, headers %v, body %s", response.StatusCode, response.Header, body)
	}
	var event struct {
		Version, RouteKey, RawPath, RawQueryString, Body string
		Cookies                                          []string
		Headers, QueryStringParameters, PathParameters   map[string]string
		IsBase64Encoded                                  bool
		RequestContext                                   struct {
			RequestID string
			HTTP      struct{ Method, Path, SourceIP string }
		}
	}
	if err := json.Unmarshal(body, &event); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ what, got, want string }{
		{"version", event.Version, "2.0"},
		{"routeKey", event.RouteKey, "ANY /echo/{name}"},
		{"rawPath", event.RawPath, "/echo/a b"},
		{"rawQueryString", event.RawQueryString, "x=1&x=2&y="},
		{"query x", event.QueryStringParameters["x"], "1,2"},
		{"path parameter", event.PathParameters["name"], "a b"},
		{"header", event.Headers["x-many"], "one,two"},
		{"cookies", fmt.Sprint(event.Cookies), "[a=1 b=2]"},
		{"body", event.Body, "ping"},
		{"encoded", fmt.Sprint(event.IsBase64Encoded), "false"},
		{"method", event.RequestContext.HTTP.Method, "POST"},
		{"source", event.RequestContext.HTTP.SourceIP, "127.0.0.1"},
		{"request id", event.RequestContext.RequestID, response.Header.Get("Apigw-Requestid")},
	} {
		if c.got != c.want {
			t.Errorf("%s is %q, want %q", c.what, c.got, c.want)
		}
	}
}

func TestABusyPortIsOneClearLine(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	port := listener.Addr().(*net.TCPAddr).Port
	for _, c := range []struct {
		variable string
		ports    stack.Ports
	}{
		{"CHATKEEPER_API_PORT", stack.Ports{API: port}},
		{"CHATKEEPER_DYNAMODB_PORT", stack.Ports{DynamoDB: port}},
		{"CHATKEEPER_ELASTICMQ_PORT", stack.Ports{ElasticMQ: port}},
	} {
		_, err := stack.Start(t.Context(), stack.Options{Template: "testdata/template.yaml", Ports: c.ports, Output: io.Discard,
			DynamoDB: endpointUnless(c.ports.DynamoDB, serverstest.DynamoDBEndpoint(t)), ElasticMQ: endpointUnless(c.ports.ElasticMQ, serverstest.SQSEndpoint(t))})
		if err == nil {
			t.Fatalf("%s: it started on a busy port", c.variable)
		}
		for _, want := range []string{fmt.Sprintf("port %d is busy", port), c.variable} {
			if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%q is not one line that says %q", err, want)
			}
		}
	}
}

func endpointUnless(port int, endpoint string) string {
	if port != 0 {
		return ""
	}
	return endpoint
}

func TestNothingIsMissedWhenTheServersAreKilled(t *testing.T) {
	t.Parallel()
	b := start(t, stack.Options{Folder: t.TempDir()})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()

	b.put("before")
	gate := filepath.Join(t.TempDir(), "open")
	b.send("a", "wait:"+gate, "a2", "a3") // one is being worked on, two wait behind it
	b.eventually("work", func() bool { return len(b.lines("begin")) > 0 && len(b.recorded()) == 1 })

	if err := b.KillElasticMQ(ctx); err != nil {
		t.Fatal(err)
	}
	b.put("between")
	if err := b.KillDynamoDB(ctx); err != nil {
		t.Fatal(err)
	}
	b.put("after")
	b.eventually("the records of both sides", func() bool { return slices.Contains(b.recorded(), "after") })
	if got, want := b.recorded(), []string{"before", "between", "after"}; !slices.Equal(got, want) {
		t.Errorf("got the records %q, want %q", got, want)
	}
	b.send("b", "b1")
	b.eventually("another group", func() bool { return slices.Contains(b.lines("done"), "done b b1") })
	for _, line := range b.lines("begin") {
		if line == "begin a a2 1" {
			t.Error("a2 began while the message before it was being worked on")
		}
	}
	touch(t, gate)
	b.eventually("the rest of the group", func() bool { return slices.Contains(b.lines("done"), "done a a3") })
	b.eventually("an empty queue", func() bool { return b.isEmpty("JobsQueue") })
}

func TestAStackGoesOnWhereTheLastOneEnded(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	b := start(t, stack.Options{Folder: folder, Edit: longVisibility})
	b.put("k1", "k2")
	b.send("a", "a1", "poison", "a3")
	b.eventually("work", func() bool { return len(b.recorded()) == 2 && len(b.lines("fail")) > 0 })
	b.Close()

	next := &bench{t: t, diary: b.diary}
	next.Stack = stacktest.Start(t, next.options(stack.Options{Folder: folder, Edit: longVisibility}))
	next.put("k3")
	next.eventually("the new record", func() bool { return slices.Contains(next.recorded(), "k3") })
	if got, want := next.recorded(), []string{"k1", "k2", "k3"}; !slices.Equal(got, want) {
		t.Errorf("got the records %q, want %q: none again", got, want)
	}
	// The failed message would stay hidden for ten minutes; nobody works on it any more, so it comes at once.
	next.eventually("the failed message again", func() bool { return slices.Contains(next.lines("begin"), "begin a poison 2") })
	if slices.Contains(next.lines("done"), "done a a3") {
		t.Error("a3 overtook the failed message before it")
	}
}

// after starts a stack on the folder of one that has ended, or ends now.
func (b *bench) after(o stack.Options) *bench {
	b.t.Helper()
	b.Close()
	next := &bench{t: b.t, diary: b.diary}
	next.Stack = stacktest.Start(b.t, next.options(o))
	return next
}

// What is sent after a message became a dead letter is there after a restart, and after the next one.
func TestADeadLetterAndRestartsLoseNothing(t *testing.T) {
	t.Parallel()
	o := stack.Options{Folder: t.TempDir()}
	b := start(t, o)
	b.send("a", "poison")
	b.eventually("a dead letter", func() bool { return b.depth("DeadJobs") == 1 && b.isEmpty("JobsQueue") })

	b = b.after(o)
	gate := filepath.Join(t.TempDir(), "open")
	b.send("b", "needs:"+gate)
	b.eventually("work", func() bool { return slices.Contains(b.lines("fail"), "fail b needs:"+gate) })

	b = b.after(o)
	touch(t, gate)
	b.eventually("the message of before", func() bool { return slices.Contains(b.lines("done"), "done b needs:"+gate) })
	b.eventually("an empty queue", func() bool { return b.isEmpty("JobsQueue") })
	if got := b.received("DeadJobs"); !slices.Equal(got, []string{"poison"}) {
		t.Errorf("the dead-letter queue holds %q, want the poison message once", got)
	}
}

func (b *bench) depth(queue string) int {
	got, err := b.SQS().GetQueueAttributes(b.t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: aws.String(b.QueueURL(queue)), AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(got.Attributes["ApproximateNumberOfMessages"])
	if err != nil {
		return -1
	}
	return n
}

// How often a function had a message is known after a restart and after a kill of the queue.
func TestTriesAreCountedAcrossRestarts(t *testing.T) {
	t.Parallel()
	o := stack.Options{Folder: t.TempDir()}
	b := start(t, o)
	tries := func(n int) func() bool {
		return func() bool { return slices.Contains(b.lines("begin"), fmt.Sprint("begin a poison ", n)) }
	}
	b.send("a", "poison")
	b.eventually("the first try", tries(1))
	b = b.after(o)
	b.eventually("the second try", tries(2))
	if err := b.KillElasticMQ(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.eventually("a dead letter", func() bool { return b.depth("DeadJobs") == 1 })
	if got, want := b.lines("begin"), []string{"begin a poison 1", "begin a poison 2", "begin a poison 3"}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// A message that is received and given back, because a failed one comes before it, is not counted: its function has not
// seen it.
func TestWhatIsGivenBackIsNotCounted(t *testing.T) {
	t.Parallel()
	o := stack.Options{Folder: t.TempDir(), Edit: longVisibility}
	b := start(t, o)
	first := "needs:" + filepath.Join(t.TempDir(), "there")
	b.send("a", first)
	b.eventually("a failure", func() bool { return len(b.lines("fail")) == 1 })
	b.send("a", "a2")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := b.KillElasticMQ(ctx); err != nil { // it forgets the hold of the group, and gives a2 out
		t.Fatal(err)
	}
	b.eventually("a2 to be received", func() bool { return b.depth("JobsQueue") == 0 })
	touch(t, strings.TrimPrefix(first, "needs:"))
	b = b.after(o) // both come at once
	b.eventually("the rest", func() bool { return slices.Contains(b.lines("done"), "done a a2") })
	if got, want := b.lines("begin"), []string{"begin a " + first + " 1", "begin a " + first + " 2", "begin a a2 1"}; !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

// A DynamoDB that the stack did not start comes back empty: the stack notices, and one that is started then says so, makes
// the tables again and reads their streams from the beginning. The queue has kept its messages.
func TestAServerThatForgets(t *testing.T) {
	t.Parallel()
	endpoint, forget := stacktest.Forgetful(t)
	said := &bytes.Buffer{}
	o := stack.Options{Folder: t.TempDir(), DynamoDB: endpoint}
	b := start(t, o)
	gate := filepath.Join(t.TempDir(), "open")
	b.put("k1", "k2")
	b.send("a", "needs:"+gate)
	b.eventually("work", func() bool { return len(b.recorded()) == 2 && len(b.lines("fail")) > 0 })

	forget(b.Name())
	select {
	case <-b.Forgotten():
	case <-time.After(time.Minute):
		t.Fatal("it is not noticed that the tables are gone")
	}

	o.Log = slog.New(slog.NewTextHandler(said, nil))
	b = b.after(o)
	if !strings.Contains(said.String(), "has forgotten the tables") {
		t.Errorf("it said %q", said)
	}
	b.put("k3")
	touch(t, gate)
	b.eventually("the new record and the old message", func() bool {
		return slices.Contains(b.recorded(), "k3") && slices.Contains(b.lines("done"), "done a needs:"+gate)
	})
	// Dynoxide keeps the records of a table that was deleted for the next one of that name, so they may come again.
	if got := b.recorded(); !slices.Equal(got[:2], []string{"k1", "k2"}) || got[len(got)-1] != "k3" {
		t.Errorf("got the records %q, want k1 and k2, and in the end k3", got)
	}
}

// A folder is no use with another DynamoDB than the one that has its tables: one line says so, and nothing is started.
func TestAnotherDynamoDBThanTheFoldersIsRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name     string
		began    func(folder string)
		dynamoDB string
	}{
		{"DynamoDB Local's files", func(path string) { touch(t, filepath.Join(path, "dynamodb")) }, ""},
		{"Dynoxide's folder, and a named server", func(path string) { open(t, path, "") }, "http://127.0.0.1:1"},
		{"a named server's folder, and Dynoxide", func(path string) { open(t, path, "http://127.0.0.1:1") }, ""},
	} {
		path := t.TempDir()
		c.began(path)
		_, err := stack.Start(t.Context(), stack.Options{Template: "testdata/template.yaml", Folder: path, DynamoDB: c.dynamoDB, Output: io.Discard})
		if err == nil || !strings.Contains(err.Error(), "make reset") || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want one line that names `make reset`", c.name, err)
		}
	}
}

func open(t *testing.T, path, dynamoDB string) {
	t.Helper()
	f, err := folder.Open(path, dynamoDB)
	if err == nil {
		err = f.SetMade()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func longVisibility(t *template.Template) {
	for _, q := range t.Queues {
		if q.ID == "JobsQueue" {
			q.Attributes["VisibilityTimeout"], q.Visibility = "600", 10*time.Minute
		}
	}
	t.Functions[0].Timeout = 5 * time.Minute
}
