package template

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"chatkeeper/infra/local/servers"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	dynamodbtypes "github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
	"github.com/aws/aws-sdk-go-v2/service/sqs"
	sqstypes "github.com/aws/aws-sdk-go-v2/service/sqs/types"
)

// physicalName is the name a resource has within a stack: the one it asks for, else made as CloudFormation makes it.
func physicalName(asked Text, stack, id string) (string, error) {
	if asked.IsZero() {
		return stack + "-" + id, nil
	}
	return asked.Resolve(func(r Reference) (string, error) {
		if r.Resource == stackName {
			return stack, nil
		}
		return "", errors.New("a name can't depend on another resource")
	})
}

// PhysicalName is the table's name within a stack.
func (t *Table) PhysicalName(stack string) (string, error) { return physicalName(t.Name, stack, t.ID) }

// PhysicalName is the queue's name within a stack.
func (q *Queue) PhysicalName(stack string) (string, error) {
	name, err := physicalName(q.Name, stack, q.ID)
	if err == nil && q.Name.IsZero() && q.FIFO {
		name += ".fifo"
	}
	if err == nil && strings.HasSuffix(name, ".fifo") != q.FIFO {
		return "", fmt.Errorf("%s: the name %s must end in .fifo if, and only if, it is a FIFO queue", q.ID, name)
	}
	return name, err
}

// PhysicalName is the function's name within a stack.
func (f *Function) PhysicalName(stack string) (string, error) {
	return physicalName(f.Name, stack, f.ID)
}

// CreateTables makes every table of the template and returns their names by logical id. The stack's name begins the
// names, so that many stacks can share a server. A table that is there already is kept: new global indexes are added to
// it, and any other difference to the template is an error.
func (t *Template) CreateTables(ctx context.Context, client *dynamodb.Client, stack string) (map[string]string, error) {
	names := map[string]string{}
	for _, table := range t.Tables {
		name, err := table.PhysicalName(stack)
		if err != nil {
			return nil, err
		}
		if err := table.create(ctx, client, name); err != nil {
			return nil, fmt.Errorf("table %s: %w", table.ID, err)
		}
		names[table.ID] = name
	}
	return names, nil
}

func (t *Table) create(ctx context.Context, client *dynamodb.Client, name string) error {
	input := &dynamodb.CreateTableInput{
		TableName:            &name,
		BillingMode:          dynamodbtypes.BillingModePayPerRequest,
		AttributeDefinitions: t.definitions(),
		KeySchema:            t.Key.schema(),
	}
	for _, i := range t.Global {
		input.GlobalSecondaryIndexes = append(input.GlobalSecondaryIndexes, dynamodbtypes.GlobalSecondaryIndex{
			IndexName: &i.Name, KeySchema: i.Key.schema(), Projection: i.projection(),
		})
	}
	for _, i := range t.Local {
		input.LocalSecondaryIndexes = append(input.LocalSecondaryIndexes, dynamodbtypes.LocalSecondaryIndex{
			IndexName: &i.Name, KeySchema: i.Key.schema(), Projection: i.projection(),
		})
	}
	if t.Stream != "" {
		input.StreamSpecification = &dynamodbtypes.StreamSpecification{
			StreamEnabled: aws.Bool(true), StreamViewType: dynamodbtypes.StreamViewType(t.Stream),
		}
	}
	_, err := client.CreateTable(ctx, input)
	var exists *dynamodbtypes.ResourceInUseException
	if errors.As(err, &exists) {
		if err := t.adopt(ctx, client, name); err != nil {
			return err
		}
	} else if err != nil {
		return err
	}
	return t.expire(ctx, client, name)
}

func (t *Table) definitions() []dynamodbtypes.AttributeDefinition {
	var out []dynamodbtypes.AttributeDefinition
	for _, a := range t.Attributes {
		out = append(out, dynamodbtypes.AttributeDefinition{
			AttributeName: aws.String(a.Name), AttributeType: dynamodbtypes.ScalarAttributeType(a.Type),
		})
	}
	return out
}

func (k Key) schema() []dynamodbtypes.KeySchemaElement {
	schema := []dynamodbtypes.KeySchemaElement{{AttributeName: aws.String(k.Hash), KeyType: dynamodbtypes.KeyTypeHash}}
	if k.Range != "" {
		schema = append(schema, dynamodbtypes.KeySchemaElement{AttributeName: aws.String(k.Range), KeyType: dynamodbtypes.KeyTypeRange})
	}
	return schema
}

func keyOf(schema []dynamodbtypes.KeySchemaElement) Key {
	var k Key
	for _, e := range schema {
		if e.KeyType == dynamodbtypes.KeyTypeHash {
			k.Hash = *e.AttributeName
		} else {
			k.Range = *e.AttributeName
		}
	}
	return k
}

func (i Index) projection() *dynamodbtypes.Projection {
	return &dynamodbtypes.Projection{ProjectionType: dynamodbtypes.ProjectionType(i.Projection), NonKeyAttributes: i.Extra}
}

func indexOf(name *string, schema []dynamodbtypes.KeySchemaElement, p *dynamodbtypes.Projection) Index {
	return Index{Name: *name, Key: keyOf(schema), Projection: string(p.ProjectionType), Extra: p.NonKeyAttributes}
}

// adopt brings a table of an earlier start to what the template says, as far as DynamoDB can change a table.
func (t *Table) adopt(ctx context.Context, client *dynamodb.Client, name string) error {
	described, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
	if err != nil {
		return err
	}
	there := described.Table
	differs := func(what string) error {
		return fmt.Errorf("the %s of the table on disk differs from the template, and a table can't change it: make reset starts anew", what)
	}
	if keyOf(there.KeySchema) != t.Key {
		return differs("key")
	}
	local := map[string]Index{}
	for _, i := range there.LocalSecondaryIndexes {
		local[*i.IndexName] = indexOf(i.IndexName, i.KeySchema, i.Projection)
	}
	if !reflect.DeepEqual(local, byName(t.Local)) {
		return differs("local indexes")
	}
	var stream string
	if there.StreamSpecification != nil && aws.ToBool(there.StreamSpecification.StreamEnabled) {
		stream = string(there.StreamSpecification.StreamViewType)
	}
	if stream != t.Stream {
		return differs("stream")
	}
	wanted := byName(t.Global)
	for _, i := range there.GlobalSecondaryIndexes {
		if !reflect.DeepEqual(indexOf(i.IndexName, i.KeySchema, i.Projection), wanted[*i.IndexName]) {
			return differs("index " + *i.IndexName)
		}
		delete(wanted, *i.IndexName)
	}
	for _, index := range slices.Sorted(maps.Keys(wanted)) {
		if err := t.addIndex(ctx, client, name, wanted[index]); err != nil {
			return fmt.Errorf("add index %s: %w", index, err)
		}
	}
	return nil
}

func byName(indexes []Index) map[string]Index {
	out := map[string]Index{}
	for _, i := range indexes {
		out[i.Name] = i
	}
	return out
}

// addIndex adds a global index and waits until it is filled: only one may be added at a time.
func (t *Table) addIndex(ctx context.Context, client *dynamodb.Client, name string, i Index) error {
	_, err := client.UpdateTable(ctx, &dynamodb.UpdateTableInput{
		TableName: &name, AttributeDefinitions: t.definitions(),
		GlobalSecondaryIndexUpdates: []dynamodbtypes.GlobalSecondaryIndexUpdate{{Create: &dynamodbtypes.CreateGlobalSecondaryIndexAction{
			IndexName: &i.Name, KeySchema: i.Key.schema(), Projection: i.projection(),
		}}},
	})
	if err != nil {
		return err
	}
	for {
		described, err := client.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		if err != nil {
			return err
		}
		active := slices.ContainsFunc(described.Table.GlobalSecondaryIndexes, func(g dynamodbtypes.GlobalSecondaryIndexDescription) bool {
			return *g.IndexName == i.Name && g.IndexStatus == dynamodbtypes.IndexStatusActive
		})
		if active {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// expire switches the time to live on; switching it on twice is an error, so it is asked for first.
func (t *Table) expire(ctx context.Context, client *dynamodb.Client, name string) error {
	if t.Expiry == "" {
		return nil
	}
	described, err := client.DescribeTimeToLive(ctx, &dynamodb.DescribeTimeToLiveInput{TableName: &name})
	if err != nil {
		return err
	}
	if ttl := described.TimeToLiveDescription; ttl != nil && aws.ToString(ttl.AttributeName) == t.Expiry {
		return nil
	}
	_, err = client.UpdateTimeToLive(ctx, &dynamodb.UpdateTimeToLiveInput{
		TableName:               &name,
		TimeToLiveSpecification: &dynamodbtypes.TimeToLiveSpecification{AttributeName: &t.Expiry, Enabled: aws.Bool(true)},
	})
	return err
}

// QueueARN is the ARN of a queue on the local server.
func QueueARN(name string) string {
	return "arn:aws:sqs:" + servers.Region + ":" + servers.Account + ":" + name
}

// CreateQueues makes every queue of the template and returns their URLs by logical id. The stack's name begins the names.
// A queue that is there already keeps its messages and takes the template's attributes. No queue gets a redrive policy:
// package queues moves dead letters.
func (t *Template) CreateQueues(ctx context.Context, client *sqs.Client, stack string) (map[string]string, error) {
	urls := map[string]string{}
	for _, q := range t.Queues {
		name, err := q.PhysicalName(stack)
		if err != nil {
			return nil, err
		}
		if urls[q.ID], err = q.create(ctx, client, name); err != nil {
			return nil, fmt.Errorf("queue %s: %w", q.ID, err)
		}
	}
	return urls, nil
}

func (q *Queue) create(ctx context.Context, client *sqs.Client, name string) (url string, err error) {
	created, err := client.CreateQueue(ctx, &sqs.CreateQueueInput{QueueName: &name, Attributes: q.Attributes})
	if err == nil {
		return *created.QueueUrl, nil
	}
	var other *sqstypes.QueueNameExists
	if !errors.As(err, &other) {
		return "", err
	}
	found, err := client.GetQueueUrl(ctx, &sqs.GetQueueUrlInput{QueueName: &name})
	if err != nil {
		return "", err
	}
	// ElasticMQ knows only some attributes of a queue that exists, and refuses the others.
	changeable := map[string]string{}
	for _, attribute := range []string{"VisibilityTimeout", "DelaySeconds", "ReceiveMessageWaitTimeSeconds"} {
		if v, ok := q.Attributes[attribute]; ok {
			changeable[attribute] = v
		}
	}
	_, err = client.SetQueueAttributes(ctx, &sqs.SetQueueAttributesInput{QueueUrl: found.QueueUrl, Attributes: changeable})
	return *found.QueueUrl, err
}
