package main

import (
	"context"
	"net/http"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"

	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/stack/stacktest"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
)

// A message that fails again and again goes to the dead-letter queue, other customers go on, and once the cause is mended
// it comes back by a redrive: stored at its own time, once.
func TestDeadLettersComeBack(t *testing.T) {
	t.Parallel()
	s := stacktest.Start(t, stack.Options{Edit: func(tmpl *template.Template) {
		for i := range tmpl.Queues {
			tmpl.Queues[i].MaxReceive = min(tmpl.Queues[i].MaxReceive, 2)
		}
	}})
	store := dynamo.New(s.DynamoDB(), s.Table("ChatsTable"), s.Table("TeamTable"))
	secret := chat.Secret(s.Environment("AssignerFunction")["IDENTITY_KEY"])
	if _, err := seed.Load(t.Context(), store, dynamo.Now()); err != nil {
		t.Fatal(err)
	}
	line := customer.Line{URL: s.URL + "/webhooks/whatsapp", AppSecret: "local-app-secret", Client: http.DefaultClient}
	at := time.Date(2026, 11, 23, 8, 0, 0, 0, time.UTC)
	send := func(user, wamid string, at time.Time) {
		t.Helper()
		d := customer.Customer{UserID: user}.Sends(seed.SupportNumber, "", wamid, at, customer.Message{Text: "Good morning"})
		if status, err := line.Post(t.Context(), d.Body); status != http.StatusOK || err != nil {
			t.Fatalf("answered %d (%v)", status, err)
		}
	}
	eventually := func(what string, holds func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !holds(); {
			if time.Now().After(deadline) {
				t.Fatalf("waited in vain until %s", what)
			}
			select {
			case <-t.Context().Done():
				t.Fatal(t.Context().Err())
			case <-time.After(50 * time.Millisecond):
			}
		}
	}
	owner := func(user string) string {
		c, err := store.Chat(t.Context(), secret.UserAddress(seed.SupportNumber, user))
		if err != nil || c == nil {
			return ""
		}
		return c.Owner
	}
	broken := map[string]types.AttributeValue{
		"pk": &types.AttributeValueMemberS{Value: "C#" + secret.UserAddress(seed.SupportNumber, "GB.1")},
		"sk": &types.AttributeValueMemberS{Value: "0"},
		"ep": &types.AttributeValueMemberS{Value: "not a number"},
	}
	table := s.Table("ChatsTable")
	if _, err := s.DynamoDB().PutItem(t.Context(), &dynamodb.PutItemInput{TableName: &table, Item: broken}); err != nil {
		t.Fatal(err)
	}
	send("GB.1", "wamid.poison", at)
	eventually("the message is a dead letter", func() bool { return depth(t.Context(), s, "InboundDeadLetters") == 1 })
	send("GB.2", "wamid.other", at)
	eventually("another customer has an owner", func() bool { return owner("GB.2") != "" })

	delete(broken, "ep")
	if _, err := s.DynamoDB().DeleteItem(t.Context(), &dynamodb.DeleteItemInput{TableName: &table, Key: broken}); err != nil {
		t.Fatal(err)
	}
	send("GB.1", "wamid.later", at.Add(time.Hour))
	eventually("their next message has an owner", func() bool { return owner("GB.1") != "" })
	if n, err := bringBack(t.Context(), s.SQS(), s.QueueURL("InboundDeadLetters"), s.QueueURL("InboundQueue")); n != 1 || err != nil {
		t.Fatalf("brought back %d (%v)", n, err)
	}
	var all invariant.Snapshot
	eventually("it is stored", func() bool {
		var err error
		all, err = store.Snapshot(t.Context())
		return err == nil && len(all.Messages) == 3
	})
	for _, b := range invariant.Check(all) {
		t.Error(b)
	}
	key := secret.Key(at.Unix(), "wamid.poison")
	m, err := store.Message(t.Context(), secret.UserAddress(seed.SupportNumber, "GB.1"), key)
	if err != nil || m == nil || !m.Key.Time().Equal(at) {
		t.Errorf("it is stored as %+v (%v)", m, err)
	}
	eventually("no dead letter is left", func() bool { return depth(t.Context(), s, "InboundDeadLetters") == 0 })
}

func depth(ctx context.Context, s *stack.Stack, id string) int {
	url := s.QueueURL(id)
	out, err := s.SQS().GetQueueAttributes(ctx, &sqs.GetQueueAttributesInput{QueueUrl: &url,
		AttributeNames: []sqstypes.QueueAttributeName{sqstypes.QueueAttributeNameApproximateNumberOfMessages}})
	if err != nil {
		return -1
	}
	n, err := strconv.Atoi(out.Attributes["ApproximateNumberOfMessages"])
	if err != nil {
		return -1
	}
	return n
}
