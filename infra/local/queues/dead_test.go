package queues

import (
	"errors"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/infra/local/lambda"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/template"
)

// ward is a queue with a dead-letter queue, both FIFO, and what a source of it keeps on disk.
type ward struct {
	*testing.T
	url, dead string
	file      string
}

func newWard(t *testing.T) *ward {
	fifo := map[string]string{"FifoQueue": "true"}
	urls := serverstest.QueuesOf(t, &template.Template{Queues: []*template.Queue{
		{ID: "Jobs", FIFO: true, DeadTarget: "Dead", MaxReceive: 1, Attributes: fifo}, {ID: "Dead", FIFO: true, Attributes: fifo},
	}})
	return &ward{t, urls["Jobs"], urls["Dead"], filepath.Join(t.TempDir(), "receipts")}
}

// source is a source of a process that has just started. Its function must not be asked for anything.
func (w *ward) source(client *sqs.Client) *Source {
	w.Helper()
	receipts, err := OpenReceipts(w.file)
	if err != nil {
		w.Fatal(err)
	}
	never := lambda.New(lambda.Config{Name: "never", Binary: filepath.Join(w.TempDir(), "no-such-binary"), Log: slog.New(slog.DiscardHandler)})
	return &Source{Client: client, URL: w.url, ARN: "arn:jobs", FIFO: true, Visibility: time.Minute, MaxReceive: 1, DeadURL: w.dead,
		BatchSize: 10, Function: never, Receipts: receipts, Log: slog.New(slog.DiscardHandler)}
}

// spent sends a message to a group and counts as many tries as it may have.
func (w *ward) spent(group, body string) {
	w.Helper()
	w.send(group, body)
	s := w.source(serverstest.SQS(w))
	if err := s.Receipts.tried(w.received(s)); err != nil {
		w.Fatal(err)
	}
	w.comesAgain(s)
}

func (w *ward) send(group, body string) {
	w.Helper()
	_, err := serverstest.SQS(w).SendMessage(w.Context(), &sqs.SendMessageInput{QueueUrl: &w.url, MessageBody: &body,
		MessageGroupId: &group, MessageDeduplicationId: &body, MessageAttributes: map[string]types.MessageAttributeValue{
			"kind": {DataType: aws.String("String"), StringValue: aws.String("text")}}})
	if err != nil {
		w.Fatal(err)
	}
}

func (w *ward) received(s *Source) []message {
	w.Helper()
	messages, err := s.receive(w.Context())
	if err != nil || len(messages) == 0 {
		w.Fatalf("received %d, %v", len(messages), err)
	}
	return messages
}

// comesAgain makes visible what the process has received, as the start of the next one does.
func (w *ward) comesAgain(s *Source) {
	w.Helper()
	for _, handle := range s.Receipts.left(time.Now()) {
		if err := s.hide(w.Context(), handle, 0); err != nil {
			w.Fatal(err)
		}
	}
}

// in is what a queue shows, as bodies.
func (w *ward) in(url string) string {
	w.Helper()
	out, err := serverstest.SQS(w).ReceiveMessage(w.Context(), &sqs.ReceiveMessageInput{QueueUrl: &url, MaxNumberOfMessages: 10, VisibilityTimeout: 60,
		MessageSystemAttributeNames: []types.MessageSystemAttributeName{types.MessageSystemAttributeNameAll}, MessageAttributeNames: []string{"All"}})
	if err != nil {
		w.Fatal(err)
	}
	var bodies []string
	for _, m := range out.Messages {
		bodies = append(bodies, m.Attributes["MessageGroupId"]+":"+*m.Body+":"+aws.ToString(m.MessageAttributes["kind"].StringValue))
	}
	return strings.Join(bodies, " ")
}

// without returns a client whose requests of one kind fail, before they are sent.
func without(t *testing.T, operation string) *sqs.Client {
	options := serverstest.SQS(t).Options()
	next := options.HTTPClient
	options.RetryMaxAttempts = 1
	options.HTTPClient = roundTrip(func(r *http.Request) (*http.Response, error) {
		if strings.HasSuffix(r.Header.Get("X-Amz-Target"), "."+operation) {
			return nil, errors.New("the process was killed")
		}
		return next.Do(r)
	})
	return sqs.New(options)
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) Do(r *http.Request) (*http.Response, error) { return f(r) }

// A message that was tried often enough is moved, whole, by a process that only knows of the tries from disk.
func TestADeadLetterIsMovedAfterARestart(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.spent("a", "poison")
	w.source(serverstest.SQS(t)).poll(t.Context())
	if dead, left := w.in(w.dead), w.in(w.url); dead != "a:poison:text" || left != "" {
		t.Errorf("the dead-letter queue has %q and the queue %q", dead, left)
	}
}

// Killed between the send and the delete: the message comes again, and the dead-letter queue has it once.
func TestAKillBetweenSendAndDeleteLosesAndDoublesNothing(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.spent("a", "poison")
	killed := w.source(without(t, "DeleteMessageBatch"))
	killed.poll(t.Context())
	w.comesAgain(killed)
	w.source(serverstest.SQS(t)).poll(t.Context())
	if dead, left := w.in(w.dead), w.in(w.url); dead != "a:poison:text" || left != "" {
		t.Errorf("the dead-letter queue has %q and the queue %q", dead, left)
	}
}

// What can't be sent to the dead-letter queue stays, and keeps the later messages of its group back; other groups go on.
func TestADeadLetterThatCannotBeSentStays(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.spent("a", "poison")
	w.send("a", "later")
	w.send("b", "other")
	s := w.source(without(t, "SendMessage"))
	messages := w.received(s)
	left, failed := s.bury(t.Context(), messages)
	if names := bodies(left); names != "other" || len(failed) != 2 {
		t.Errorf("to the function go %q, and %d of %d failed", names, len(failed), len(messages))
	}
	if dead := w.in(w.dead); dead != "" {
		t.Errorf("the dead-letter queue has %q", dead)
	}
	w.comesAgain(s)
	if left := w.in(w.url); left != "a:poison:text a:later:text b:other:text" {
		t.Errorf("the queue has %q", left)
	}
}

func bodies(messages []message) string {
	var all []string
	for _, m := range messages {
		all = append(all, *m.Body)
	}
	return strings.Join(all, " ")
}

// A function that was closed before it began has not had the message.
func TestAClosedFunctionHadNothing(t *testing.T) {
	t.Parallel()
	w := newWard(t)
	w.send("a", "waits")
	s := w.source(serverstest.SQS(t))
	s.Function.Close(t.Context())
	messages := w.received(s)
	s.invoke(t.Context(), messages)
	if tries := s.Receipts.tries(messages[0]); tries != 0 {
		t.Errorf("%d tries are counted", tries)
	}
}

// Workers change the receipts at once; nothing is lost, on disk either.
func TestReceiptsAtOnce(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "receipts")
	r, err := OpenReceipts(file)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error)
	all := ms("a1 a2 a3 a4 a5 a6 a7 a8")
	for i := range all {
		all[i].hiddenUntil = time.Now().Add(time.Minute)
		all[i].ReceiptHandle = aws.String("handle")
		go func() {
			err := errors.Join(r.received(all[i:i+1]), r.tried(all[i:i+1]), r.tried(all[i:i+1]))
			if i%2 == 0 {
				err = errors.Join(err, r.forget(all[i:i+1]))
			}
			done <- err
		}()
	}
	for range all {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	again, err := OpenReceipts(file)
	if err != nil {
		t.Fatal(err)
	}
	for i, m := range all {
		want := 2
		if i%2 == 0 {
			want = 0
		}
		if got := again.tries(m); got != want {
			t.Errorf("%s was tried %d times, want %d", m.id(), got, want)
		}
	}
	if left := again.left(time.Now()); len(left) != len(all)/2 {
		t.Errorf("%d messages are on the way, want %d", len(left), len(all)/2)
	}
}
