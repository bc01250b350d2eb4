// Package system tests the whole: signed deliveries over HTTP into the stack that template.yaml describes, with the
// functions' real binaries, a real DynamoDB and ElasticMQ, and Chats that belong to the right people out of it.
package system

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"
	"github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/stack/stacktest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// patience is how long a condition may take to come true on a busy machine.
const patience = 3 * time.Minute

type world struct {
	*testing.T
	*stack.Stack
	store  *dynamo.Store
	secret chat.Secret

	patience time.Duration // of the checks

	settled *invariant.Snapshot // the tables when inOrder was called last; nil before
}

// start starts a stack with the seed's settings and rules, and with these people.
func start(t *testing.T, o stack.Options, people ...team.Person) *world {
	t.Helper()
	s := stacktest.Start(t, o)
	w := &world{T: t, Stack: s, patience: patience, secret: chat.Secret(s.Environment("AssignerFunction")["IDENTITY_KEY"]),
		store: dynamo.New(s.DynamoDB(), s.Table("ChatsTable"), s.Table("TeamTable"))}
	w.must(w.store.SaveSettings(t.Context(), seed.Settings))
	for _, p := range people {
		w.must(w.store.AddPerson(t.Context(), p, dynamo.Now()))
	}
	w.must(w.store.SaveRules(t.Context(), seed.Rules, "alex", 0, dynamo.Now()))
	return w
}

func (w *world) must(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

// big is a number for `make test`, and another for `make soak`.
func big(usual, soak int) int {
	if os.Getenv("CHATKEEPER_SOAK") != "" {
		return soak
	}
	return usual
}

// post delivers a body as WhatsApp does, and returns the answer's status; 0 if there was no answer.
func (w *world) post(body []byte) int {
	ctx, cancel := context.WithTimeout(w.Context(), patience)
	defer cancel()
	line := customer.Line{URL: w.URL + "/webhooks/whatsapp", AppSecret: "local-app-secret", Client: http.DefaultClient}
	status, err := line.Post(ctx, body)
	if err != nil {
		return 0
	}
	return status
}

// insist delivers a body again and again until it is taken, as WhatsApp does for seven days.
func (w *world) insist(body []byte) {
	w.Helper()
	w.eventually("a delivery is taken", func() bool { return w.post(body) == http.StatusOK })
}

// sideBySide calls do with every number below n, some at once.
func sideBySide(n, atOnce int, do func(int)) {
	var all sync.WaitGroup
	slots := make(chan bool, atOnce)
	for i := range n {
		slots <- true
		all.Go(func() {
			defer func() { <-slots }()
			do(i)
		})
	}
	all.Wait()
}

// eventually waits for a condition.
func (w *world) eventually(what string, holds func() bool) {
	w.Helper()
	for deadline := time.Now().Add(patience); !holds(); {
		if time.Now().After(deadline) {
			w.Fatalf("waited in vain until %s", what)
		}
		select {
		case <-w.Context().Done():
			w.Fatal(w.Context().Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// snapshot reads both tables; a server that is being killed is asked again.
func (w *world) snapshot() invariant.Snapshot {
	w.Helper()
	var all invariant.Snapshot
	w.eventually("the tables can be read", func() bool {
		var err error
		all, err = w.store.Snapshot(w.Context())
		return err == nil
	})
	return all
}

// checked waits until the tables fulfil a condition and every invariant, and returns their content. What is written
// meanwhile may look like a breach, so it must be gone in the end.
func (w *world) checked(what string, holds func(invariant.Snapshot) bool) invariant.Snapshot {
	w.Helper()
	var all invariant.Snapshot
	var breaches []invariant.Breach
	fulfilled := false
	for deadline := time.Now().Add(w.patience); time.Now().Before(deadline); {
		all = w.snapshot()
		all.PhoneAddress = w.secret.PhoneAddress
		breaches = invariant.Check(all)
		if fulfilled = holds(all); fulfilled && len(breaches) == 0 {
			return all
		}
		select {
		case <-w.Context().Done():
			w.Fatal(w.Context().Err())
		case <-time.After(50 * time.Millisecond):
		}
	}
	w.Fatalf("waited in vain until %s (%v); %d Chats, %d Messages; breaches: %v", what, fulfilled, len(all.Chats), len(all.Messages), breaches)
	return all
}

// inOrder waits until no invocation of the assigner is in progress, and fails if a Chat was overtaken since it was called
// before (I6).
func (w *world) inOrder() {
	w.Helper()
	var all invariant.Snapshot
	w.eventually("the assigner has nothing to do", func() bool {
		before := w.snapshot()
		for _, id := range []string{"InboundQueue", "PoolsQueue"} {
			if n, err := w.depth(id); err != nil || n > 0 {
				return false
			}
		}
		all = w.snapshot() // what began since then has found what waited before
		return slices.Equal(waiting(before), waiting(all))
	})
	if w.settled != nil {
		for _, b := range invariant.Order(*w.settled, all) {
			w.Error(b)
		}
	}
	w.settled = &all
}

// waiting names every entry, sorted.
func waiting(all invariant.Snapshot) (entries []string) {
	for _, e := range all.Entries {
		entries = append(entries, fmt.Sprint(e.Pool, e.Chat, e.Epoch, e.Routed))
	}
	slices.Sort(entries)
	return entries
}

// text is a delivery of one text.
func text(number, userID, phone, wamid, body string, at time.Time) []byte {
	return customer.Customer{UserID: userID, Phone: phone}.Sends(number, "", wamid, at, customer.Message{Text: body}).Body
}

// agents are n people in support and sales, online, with a capacity; 0 is none.
func agents(n, capacity int) []team.Person {
	var people []team.Person
	for i := range n {
		p := team.Person{ID: fmt.Sprintf("agent%d", i), Name: fmt.Sprintf("Agent %d", i), Role: team.Agent, Active: true,
			Availability: team.Online, Capacity: capacity, Limit: capacity, Teams: []string{"support", "sales", "arabic"}, Languages: []string{"en", "zh"}}
		if capacity == 0 {
			p.Limit = team.NoLimit
		}
		people = append(people, p)
	}
	return people
}

func owned(all invariant.Snapshot) []chat.Chat {
	return slices.DeleteFunc(slices.Clone(all.Chats), func(c chat.Chat) bool { return c.Load() == "" })
}

// depth is how many messages are in a queue, those that are being handled included.
func (w *world) depth(id string) (int, error) {
	url := w.QueueURL(id)
	out, err := w.SQS().GetQueueAttributes(w.Context(), &sqs.GetQueueAttributesInput{QueueUrl: &url,
		AttributeNames: []types.QueueAttributeName{types.QueueAttributeNameAll}})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, name := range []string{"ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible", "ApproximateNumberOfMessagesDelayed"} {
		k, _ := strconv.Atoi(out.Attributes[name])
		n += k
	}
	return n, nil
}
