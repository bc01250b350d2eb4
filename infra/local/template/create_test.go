package template_test

import (
	"strings"
	"testing"

	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/template"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

func TestATableOfAnEarlierStartIsAdopted(t *testing.T) {
	t.Parallel()
	client, name := serverstest.DynamoDB(t), serverstest.Name()
	table := func() *template.Table {
		return &template.Table{
			ID:         "Things",
			Attributes: []template.Attribute{{Name: "a", Type: "S"}, {Name: "b", Type: "S"}},
			Key:        template.Key{Hash: "a", Range: "b"}, Stream: "NEW_IMAGE", Expiry: "gone",
			Local: []template.Index{{Name: "byB", Key: template.Key{Hash: "a", Range: "b"}, Projection: "ALL"}},
		}
	}
	create := func(change func(*template.Table)) error {
		next := table()
		if change != nil {
			change(next)
		}
		tmpl := &template.Template{Tables: []*template.Table{next}}
		_, err := tmpl.CreateTables(t.Context(), client, name)
		return err
	}
	if err := create(nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		physical := name + "-Things"
		client.DeleteTable(t.Context(), &dynamodb.DeleteTableInput{TableName: &physical})
	})
	withIndex := func(t *template.Table) {
		t.Global = []template.Index{{Name: "byBFirst", Key: template.Key{Hash: "b", Range: "a"}, Projection: "KEYS_ONLY"}}
	}
	for _, c := range []struct {
		name   string
		change func(*template.Table)
		want   string // of the error; empty: none
	}{
		{"the same", nil, ""},
		{"a new index", withIndex, ""},
		{"the index is there", withIndex, ""},
		{"the index has gone", nil, "index byBFirst"},
		{"another key", func(t *template.Table) {
			withIndex(t)
			t.Key = template.Key{Hash: "b", Range: "a"}
			t.Local[0].Key = t.Key
		}, "key"},
		{"no local index", func(t *template.Table) { withIndex(t); t.Local = nil }, "local indexes"},
		{"another stream", func(t *template.Table) { withIndex(t); t.Stream = "KEYS_ONLY" }, "stream"},
	} {
		err := create(c.change)
		if c.want == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != "" && (err == nil || !strings.Contains(err.Error(), "the "+c.want+" of the table on disk differs") || !strings.Contains(err.Error(), "make reset")) {
			t.Errorf("%s: got %v", c.name, err)
		}
	}
}

func TestAQueueOfAnEarlierStartTakesTheNewAttributes(t *testing.T) {
	t.Parallel()
	client, name := serverstest.SQS(t), serverstest.Name()
	create := func(visibility string) string {
		tmpl := &template.Template{Queues: []*template.Queue{
			{ID: "Jobs", DeadTarget: "Dead", MaxReceive: 3, Attributes: map[string]string{"VisibilityTimeout": visibility}},
			{ID: "Dead", Attributes: map[string]string{}},
		}}
		urls, err := tmpl.CreateQueues(t.Context(), client, name)
		if err != nil {
			t.Fatal(err)
		}
		return urls["Jobs"]
	}
	create("30")
	url := create("60")
	got, err := client.GetQueueAttributes(t.Context(), &sqs.GetQueueAttributesInput{
		QueueUrl: &url, AttributeNames: []sqstypes.QueueAttributeName{"All"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if got.Attributes["VisibilityTimeout"] != "60" {
		t.Errorf("the queue has %v", got.Attributes)
	}
}
