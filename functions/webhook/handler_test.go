package main

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"chatkeeper/infra/fixtures"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/whatsapp"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
)

const (
	newSecret = "the secret in force"
	oldSecret = "the secret before"
	token     = "the verify token"
)

// door is a webhook before a queue of its own on the real ElasticMQ.
type door struct {
	*webhook
	calls *atomic.Int32 // to SQS
	log   *lockedBuffer
}

// open returns a door. What is added to options stands between it and SQS.
func open(t *testing.T, change ...func(*sqs.Options)) door {
	t.Helper()
	d := door{calls: new(atomic.Int32), log: new(lockedBuffer)}
	options := serverstest.SQS(t).Options()
	options.APIOptions = append(slices.Clone(options.APIOptions), func(stack *middleware.Stack) error {
		return stack.Finalize.Add(middleware.FinalizeMiddlewareFunc("count", func(ctx context.Context, in middleware.FinalizeInput, next middleware.FinalizeHandler) (middleware.FinalizeOutput, middleware.Metadata, error) {
			d.calls.Add(1)
			return next.HandleFinalize(ctx, in)
		}), middleware.After)
	})
	d.webhook = &webhook{
		appSecrets:  []string{newSecret, oldSecret},
		verifyToken: token,
		identityKey: []byte("the identity key"),
		queues:      queue.NewSender(sqs.New(options, change...)),
		inbound:     serverstest.Queues(t)["InboundQueue"],
		log:         slog.New(slog.NewJSONHandler(d.log, nil)),
	}
	return d
}

type lockedBuffer struct {
	sync.Mutex
	bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.Lock()
	defer b.Unlock()
	return b.Buffer.Write(p)
}

func post(body []byte, signature string) events.APIGatewayV2HTTPRequest {
	req := events.APIGatewayV2HTTPRequest{Body: string(body), Headers: map[string]string{"x-hub-signature-256": signature}}
	req.RequestContext.HTTP.Method = http.MethodPost
	req.RequestContext.RequestID = "gateway-request-1"
	return req
}

func signed(body []byte) events.APIGatewayV2HTTPRequest { return post(body, sign(newSecret, body)) }

func sign(secret string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

func (d door) answer(t *testing.T, req events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	t.Helper()
	res, err := d.handle(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// stored empties the queue: the updates in the order in which they came, n of them and no more.
func (d door) stored(t *testing.T, n int) []whatsapp.Update {
	t.Helper()
	client := serverstest.SQS(t)
	ctx, cancel := context.WithTimeout(t.Context(), 90*time.Second)
	defer cancel()
	receive := func(wait int32) []types.Message {
		out, err := client.ReceiveMessage(ctx, &sqs.ReceiveMessageInput{QueueUrl: &d.inbound, MaxNumberOfMessages: 10, WaitTimeSeconds: wait,
			VisibilityTimeout: 20}) // an answer lost on a busy machine comes again
		if err != nil {
			t.Fatal(err)
		}
		return out.Messages
	}
	var got []whatsapp.Update
	for len(got) < n {
		var done []types.DeleteMessageBatchRequestEntry
		for i, m := range receive(1) {
			u, err := whatsapp.ParseUpdate(*m.Body)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, u)
			done = append(done, types.DeleteMessageBatchRequestEntry{Id: aws.String(fmt.Sprint(i)), ReceiptHandle: m.ReceiptHandle})
		}
		if len(done) > 0 {
			out, err := client.DeleteMessageBatch(ctx, &sqs.DeleteMessageBatchInput{QueueUrl: &d.inbound, Entries: done})
			if err != nil || len(out.Failed) > 0 {
				t.Fatalf("delete: %v, %d refused", err, len(out.Failed))
			}
		}
	}
	if more := receive(0); len(more) > 0 {
		t.Fatalf("%d updates more than the %d expected", len(more), n)
	}
	return got
}

func TestHandshake(t *testing.T) {
	t.Parallel()
	w := &webhook{verifyToken: token, log: slog.New(slog.DiscardHandler)}
	cases := []struct {
		label  string
		query  map[string]string
		status int
		body   string
	}{
		{"the token fits", map[string]string{"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "1158201444"}, 200, "1158201444"},
		{"the challenge is no number", map[string]string{"hub.mode": "subscribe", "hub.verify_token": token, "hub.challenge": "<b>a b</b>"}, 200, "<b>a b</b>"},
		{"another token", map[string]string{"hub.mode": "subscribe", "hub.verify_token": token + "x", "hub.challenge": "1"}, 403, ""},
		{"no token", map[string]string{"hub.mode": "subscribe", "hub.challenge": "1"}, 403, ""},
		{"another mode", map[string]string{"hub.mode": "unsubscribe", "hub.verify_token": token, "hub.challenge": "1"}, 403, ""},
		{"nothing", nil, 403, ""},
	}
	for _, c := range cases {
		req := events.APIGatewayV2HTTPRequest{QueryStringParameters: c.query}
		req.RequestContext.HTTP.Method = http.MethodGet
		res, err := w.handle(t.Context(), req)
		if err != nil || res.StatusCode != c.status || res.Body != c.body {
			t.Errorf("%s: %d %q %v", c.label, res.StatusCode, res.Body, err)
		}
		if c.status == 200 && (!strings.HasPrefix(res.Headers["Content-Type"], "text/plain") || res.Headers["X-Content-Type-Options"] != "nosniff") {
			t.Errorf("%s: a browser might take the challenge for a page: %v", c.label, res.Headers)
		}
	}
	var unset webhook
	unset.log = slog.New(slog.DiscardHandler)
	req := events.APIGatewayV2HTTPRequest{QueryStringParameters: map[string]string{"hub.mode": "subscribe", "hub.verify_token": "", "hub.challenge": "1"}}
	req.RequestContext.HTTP.Method = http.MethodGet
	if res, _ := unset.handle(t.Context(), req); res.StatusCode != 403 {
		t.Errorf("without a token of its own it verified an empty one")
	}
}

// TestDelivery: which deliveries are taken. All that are refused are refused without a word, and leave nothing behind.
func TestDelivery(t *testing.T) {
	t.Parallel()
	d := open(t)
	text := fixtures.Named("text-phone-and-bsuid")
	escapes := fixtures.Named("text-escapes")
	largest := []byte(`{"entry":[],"pad":"` + strings.Repeat("x", maxDelivery-21) + `"}`)
	inBase64 := func(req events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPRequest {
		req.Body, req.IsBase64Encoded = base64.StdEncoding.EncodeToString([]byte(req.Body)), true
		return req
	}
	spelled := func(name string, req events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPRequest {
		req.Headers = map[string]string{name: req.Headers["x-hub-signature-256"], "other": "header"}
		return req
	}
	respell := func(body []byte) []byte {
		var v any
		if err := json.Unmarshal(body, &v); err != nil {
			t.Fatal(err)
		}
		out, _ := json.Marshal(v)
		return out
	}
	broken := inBase64(signed(text))
	broken.Body = broken.Body[:9] + "*" + broken.Body[10:]
	put := signed(text)
	put.RequestContext.HTTP.Method = http.MethodPut

	cases := []struct {
		label  string
		req    events.APIGatewayV2HTTPRequest
		status int
		stored int
	}{
		{"signed", signed(text), 200, 1},
		{"signed with the secret before", post(fixtures.Named("text-phone-only"), sign(oldSecret, fixtures.Named("text-phone-only"))), 200, 1},
		{"in base64", inBase64(signed(fixtures.Named("image"))), 200, 1},
		{"header as it came", spelled("X-Hub-Signature-256", signed(fixtures.Named("video"))), 200, 1},
		{"escapes that are not ASCII", signed(escapes), 200, 1},
		{"the same delivery again", signed(escapes), 200, 0},
		{"in base64 with escapes", inBase64(signed(fixtures.Named("text-bsuid-only"))), 200, 1},
		{"nothing in it", signed(fixtures.Named("shape-entry-empty")), 200, 0},
		{"a field from the future", signed(fixtures.Named("future-field")), 200, 1},
		{"as large as can be", signed(largest), 200, 0},

		{"too large", signed(append(largest, ' ')), 413, 0},
		{"too large, in base64", inBase64(signed(append(largest, ' '))), 413, 0},
		{"too large, not signed", post(append(largest, ' '), ""), 413, 0},
		{"not signed", post(text, ""), 401, 0},
		{"signed by somebody else", post(text, sign("guess", text)), 401, 0},
		{"signed in another spelling", post(escapes, sign(newSecret, respell(escapes))), 401, 0},
		{"signature of base64", inBase64(post(text, sign(newSecret, []byte(base64.StdEncoding.EncodeToString(text))))), 401, 0},
		{"no base64", broken, 401, 0},
		{"signed, no JSON", signed([]byte("hello=world")), 400, 0},
		{"signed, half JSON", signed(text[:len(text)-5]), 400, 0},
		{"signed, no object", signed([]byte(`["entry"]`)), 400, 0},
		{"empty and signed", signed(nil), 400, 0},
		{"another method", put, 405, 0},
	}
	want := 0
	for _, c := range cases {
		calls := d.calls.Load()
		res := d.answer(t, c.req)
		if res.StatusCode != c.status || res.Body != "" {
			t.Errorf("%s: %d %q", c.label, res.StatusCode, res.Body)
		}
		if made := d.calls.Load() - calls; c.status != 200 && made > 0 {
			t.Errorf("%s: %d calls to the queue", c.label, made)
		}
		want += c.stored
	}
	d.stored(t, want)
}

// TestFixtures: every fixture is taken, and what it is taken apart into is in the queue, once, however often it is delivered.
func TestFixtures(t *testing.T) {
	t.Parallel()
	d := open(t)
	type delivery struct {
		name string
		body []byte
	}
	var deliveries []delivery
	want := map[string]bool{}
	for _, f := range fixtures.All() {
		updates, err := whatsapp.Split(f.Body, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		for _, u := range updates {
			want[u.Group(d.identityKey)+u.DedupID(d.identityKey)] = true
		}
		for range 3 {
			deliveries = append(deliveries, delivery{f.Name, f.Body})
		}
	}
	rand.Shuffle(len(deliveries), func(i, j int) { deliveries[i], deliveries[j] = deliveries[j], deliveries[i] })
	var all sync.WaitGroup
	slots := make(chan struct{}, 8)
	for _, del := range deliveries {
		all.Go(func() {
			slots <- struct{}{}
			defer func() { <-slots }()
			if res, err := d.handle(t.Context(), signed(del.body)); err != nil || res.StatusCode != 200 {
				t.Errorf("%s: %d %v", del.name, res.StatusCode, err)
			}
		})
	}
	all.Wait()
	for _, u := range d.stored(t, len(want)) {
		delete(want, u.Group(d.identityKey)+u.DedupID(d.identityKey))
	}
	if len(want) > 0 {
		t.Errorf("%d updates are not in the queue", len(want))
	}
}

// texts is a delivery of n messages, spread over customers.
func texts(n, customers, size int) []byte {
	var messages []string
	for i := range n {
		messages = append(messages, fmt.Sprintf(`{"from":"1202555%04d","id":"wamid.%d","timestamp":"%d","type":"text","text":{"body":%q}}`,
			i%customers, i, 1_794_000_000+i, strings.Repeat("x", size)))
	}
	return []byte(`{"object":"whatsapp_business_account","entry":[{"id":"1","changes":[{"field":"messages","value":{"metadata":{"phone_number_id":"100000000000001"},"messages":[` +
		strings.Join(messages, ",") + `]}}]}]}`)
}

// TestManyUpdates: a thousand updates in one delivery all arrive, in exactly one call for every ten, and in order for each customer.
func TestManyUpdates(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ n, customers, calls int }{{1, 1, 1}, {10, 10, 1}, {11, 2, 2}, {1000, 1000, 100}, {1000, 37, 100}} {
		t.Run(fmt.Sprintf("%d of %d customers", c.n, c.customers), func(t *testing.T) {
			t.Parallel()
			d := open(t)
			if res := d.answer(t, signed(texts(c.n, c.customers, 5))); res.StatusCode != 200 {
				t.Fatalf("answer %d", res.StatusCode)
			}
			if int(d.calls.Load()) != c.calls {
				t.Errorf("%d calls for %d updates", d.calls.Load(), c.n)
			}
			last := map[string]int64{}
			for _, u := range d.stored(t, c.n) {
				m := u.Message()
				if m.At <= last[m.Customer.Phone] {
					t.Errorf("a customer's message of %d came after the one of %d", m.At, last[m.Customer.Phone])
				}
				last[m.Customer.Phone] = m.At
			}
		})
	}
}

// TestLargestDelivery: 3 MB of messages all arrive.
func TestLargestDelivery(t *testing.T) {
	t.Parallel()
	d := open(t)
	body := texts(1000, 200, 3000)
	if len(body) > maxDelivery || len(body) < maxDelivery-maxDelivery/50 {
		t.Fatalf("%d bytes", len(body))
	}
	if res := d.answer(t, signed(body)); res.StatusCode != 200 {
		t.Fatalf("answer %d: %s", res.StatusCode, d.log.String())
	}
	d.stored(t, 1000)
}

// TestNotStored: without the queue's word for every update there is no 200, and a redelivery then stores each once.
func TestNotStored(t *testing.T) {
	t.Parallel()
	cases := []struct {
		label  string
		refuse func(in *sqs.SendMessageBatchInput) error
		part   func(body string) bool
	}{
		{"the queue is away", func(*sqs.SendMessageBatchInput) error { return errors.New("connection refused") }, nil},
		{"throttled for too long", func(*sqs.SendMessageBatchInput) error {
			return &smithy.GenericAPIError{Code: "RequestThrottled", Message: "Rate exceeded"}
		}, nil},
		{"one update refused for too long", nil, func(body string) bool { return strings.Contains(body, `"wamid.7"`) }},
	}
	for _, c := range cases {
		t.Run(c.label, func(t *testing.T) {
			t.Parallel()
			var away atomic.Bool
			away.Store(true)
			d := open(t, func(o *sqs.Options) {
				o.RetryMaxAttempts = 1
				o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
					return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("refuse", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
						batch := *in.Parameters.(*sqs.SendMessageBatchInput)
						if !away.Load() {
							return next.HandleInitialize(ctx, in)
						}
						if c.refuse != nil {
							return middleware.InitializeOutput{}, middleware.Metadata{}, c.refuse(&batch)
						}
						var failed []types.BatchResultErrorEntry
						batch.Entries = slices.DeleteFunc(slices.Clone(batch.Entries), func(e types.SendMessageBatchRequestEntry) bool {
							if !c.part(*e.MessageBody) {
								return false
							}
							failed = append(failed, types.BatchResultErrorEntry{Id: e.Id, Code: aws.String("InternalError")})
							return true
						})
						if len(batch.Entries) == 0 {
							return middleware.InitializeOutput{Result: &sqs.SendMessageBatchOutput{Failed: failed}}, middleware.Metadata{}, nil
						}
						in.Parameters = &batch
						out, metadata, err := next.HandleInitialize(ctx, in)
						if err == nil {
							out.Result.(*sqs.SendMessageBatchOutput).Failed = failed
						}
						return out, metadata, err
					}), middleware.Before)
				})
			})
			body := texts(25, 3, 5)
			res := d.answer(t, signed(body))
			if res.StatusCode != 503 || res.Body != "" || res.Headers["Retry-After"] == "" {
				t.Errorf("answer %d %q %v", res.StatusCode, res.Body, res.Headers)
			}
			away.Store(false)
			if res := d.answer(t, signed(body)); res.StatusCode != 200 {
				t.Errorf("answer to the redelivery: %d", res.StatusCode)
			}
			d.stored(t, 25)
		})
	}
}

// TestInTime: it answers 503 before its own time is up.
func TestInTime(t *testing.T) {
	t.Parallel()
	d := open(t, func(o *sqs.Options) {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("hang", func(ctx context.Context, _ middleware.InitializeInput, _ middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
				<-ctx.Done()
				return middleware.InitializeOutput{}, middleware.Metadata{}, ctx.Err()
			}), middleware.Before)
		})
	})
	ctx, cancel := context.WithTimeout(t.Context(), reserve+50*time.Millisecond)
	defer cancel()
	res, err := d.handle(ctx, signed(texts(1, 1, 5)))
	deadline, _ := ctx.Deadline()
	if left := time.Until(deadline); err != nil || res.StatusCode != 503 || left < reserve/2 {
		t.Errorf("answer %d, %v, %v before its time was up", res.StatusCode, err, left)
	}
}

// TestLog: one line for each request, with counts and ids, and nothing of what a customer is or wrote.
func TestLog(t *testing.T) {
	t.Parallel()
	d := open(t)
	body := fixtures.Named("text-phone-and-bsuid")
	d.answer(t, signed(body))
	d.answer(t, post(body, sign("guess", body)))
	d.answer(t, signed([]byte("secret words 12025550143")))
	d.stored(t, 1)
	log := d.log.String()
	lines := strings.Split(strings.TrimSpace(log), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines:\n%s", len(lines), log)
	}
	for i, want := range []string{`"msg":"delivery stored"`, `"because":"signature"`, `"because":"not json"`} {
		if !strings.Contains(lines[i], want) || !strings.Contains(lines[i], "gateway-request-1") {
			t.Errorf("line %d: %s", i+1, lines[i])
		}
	}
	if !strings.Contains(lines[0], `"kinds":{"message":1}`) {
		t.Errorf("no counts: %s", lines[0])
	}
	for _, private := range []string{"12025550143", "US.2000", "Nora", "parcel", "wamid", "secret words", newSecret} {
		if strings.Contains(log, private) {
			t.Errorf("%q is in the log:\n%s", private, log)
		}
	}
}
