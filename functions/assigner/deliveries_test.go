package main

import (
	"cmp"
	"context"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/smithy-go/middleware"

	"chatkeeper/infra/fixtures"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/whatsapp"
)

// I4 without the queue's help: redeliveries that come when SQS has forgotten them. The second run may link what the first
// could not; the third changes nothing at all.
func TestRedeliveriesChangeNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, seed.People()...)
	var bodies []string
	for _, f := range fixtures.All() {
		updates, err := whatsapp.Split(f.Body, time.Now())
		w.must(err)
		for _, u := range updates {
			bodies = append(bodies, u.Encode())
		}
	}
	run := func() invariant.Snapshot {
		var all sync.WaitGroup
		slots := make(chan bool, 8)
		for _, body := range bodies {
			slots <- true
			all.Go(func() {
				defer func() { <-slots }()
				if err := w.update(t.Context(), body); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		s := w.checked()
		slices.SortFunc(s.Chats, func(a, b chat.Chat) int { return cmp.Compare(a.ID, b.ID) })
		for i := range s.Chats {
			slices.SortFunc(s.Chats[i].Unread, func(a, b chat.Mark) int { return slices.Compare(a[:], b[:]) })
		}
		slices.SortFunc(s.Messages, func(a, b invariant.Message) int {
			return cmp.Or(cmp.Compare(a.Chat, b.Chat), cmp.Compare(a.Key.String(), b.Key.String()))
		})
		return s
	}
	first, second, third := run(), run(), run()
	if len(first.Chats) < 10 || len(first.Messages) < 60 {
		t.Fatalf("%d Chats with %d Messages prove little", len(first.Chats), len(first.Messages))
	}
	if len(first.Chats) != len(second.Chats) {
		t.Errorf("the second run made %d Chats of %d", len(second.Chats), len(first.Chats))
	}
	for i := range second.Chats {
		if !reflect.DeepEqual(second.Chats[i], third.Chats[i]) {
			t.Errorf("the third run made %+v of %+v", third.Chats[i], second.Chats[i])
		}
	}
	if !reflect.DeepEqual(second.Messages, third.Messages) || len(second.Events) != len(third.Events) {
		t.Errorf("the third run made %d Messages and %d events of %d and %d", len(third.Messages), len(third.Events), len(second.Messages), len(second.Events))
	}
}

// The cheap path is what nearly all traffic takes: one read, two writes, no transaction, no index.
func TestRequestsOfAMessageOnAnOpenChat(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var calls []string
	count := func(stack *middleware.Stack) error {
		return stack.Initialize.Add(middleware.InitializeMiddlewareFunc("count", func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			calls = append(calls, middleware.GetOperationName(ctx))
			return next.HandleInitialize(ctx, in)
		}), middleware.Before)
	}
	w.store = dynamo.New(dynamodb.New(serverstest.DynamoDB(t).Options(), dynamodb.WithAPIOptions(count)), w.tables["ChatsTable"], w.tables["TeamTable"])
	for _, test := range []struct {
		what        string
		user, phone string
		want        []string
	}{
		{"by user id", "US.1", "", []string{"GetItem", "UpdateItem", "PutItem"}},
		{"by phone number", "", "15550102222", []string{"GetItem", "UpdateItem", "PutItem"}},
		{"by both", "US.3", "15550103333", []string{"GetItem", "UpdateItem", "PutItem"}},
	} {
		w.receives(text(test.user, test.phone, "first", morning))
		calls = nil
		w.receives(text(test.user, test.phone, "second", morning.Add(time.Minute)))
		if !slices.Equal(calls, test.want) {
			t.Errorf("a customer known %s: %v, want %v", test.what, calls, test.want)
		}
	}
}
