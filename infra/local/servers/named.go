package servers

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// DynamoDBVariable names a running DynamoDB, as http://host:port, to be used instead of one that is started here.
const DynamoDBVariable = "CHATKEEPER_DYNAMODB"

// NamedDynamoDB returns the address that the environment names, and "" if it names none.
func NamedDynamoDB() (string, error) {
	text := strings.TrimSuffix(os.Getenv(DynamoDBVariable), "/")
	if text == "" {
		return "", nil
	}
	address, err := url.Parse(text)
	if err != nil || address.Scheme != "http" && address.Scheme != "https" || address.Port() == "" || address.Path != "" || address.RawQuery != "" {
		return "", fmt.Errorf("%s is %q, which is no address; one looks like http://127.0.0.1:8000", DynamoDBVariable, text)
	}
	return text, nil
}

// namedPatience is how long a named server may take to answer: it may have been started a moment ago.
const namedPatience = 5 * time.Second

// AwaitNamed returns when the named server lists its tables, or with one line that says what to do.
func AwaitNamed(ctx context.Context, endpoint string) error {
	client := DynamoDB(endpoint)
	for deadline := time.Now().Add(namedPatience); ; {
		attempt, cancel := context.WithTimeout(ctx, namedPatience)
		_, err := client.ListTables(attempt, &dynamodb.ListTablesInput{Limit: aws.Int32(1)}, func(o *dynamodb.Options) { o.RetryMaxAttempts = 1 })
		cancel()
		if err == nil || ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("no DynamoDB answers at %s, which %s names: start it there, or unset %s: %s",
				endpoint, DynamoDBVariable, DynamoDBVariable, strings.ReplaceAll(err.Error(), "\n", " "))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// DropTables deletes the tables whose names begin with prefix, and returns how many there were. One that is gone already
// is no error.
func DropTables(ctx context.Context, client *dynamodb.Client, prefix string) (int, error) {
	var names []string
	for pages := dynamodb.NewListTablesPaginator(client, &dynamodb.ListTablesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, fmt.Errorf("list tables: %w", err)
		}
		for _, name := range page.TableNames {
			if strings.HasPrefix(name, prefix) {
				names = append(names, name)
			}
		}
	}
	for _, name := range names {
		_, err := client.DeleteTable(ctx, &dynamodb.DeleteTableInput{TableName: &name})
		var gone *types.ResourceNotFoundException
		if err != nil && !errors.As(err, &gone) {
			return 0, fmt.Errorf("delete table %s: %w", name, err)
		}
	}
	return len(names), nil
}

// RunVariable holds a word that the names of everything made by one run of tests begin with (RandomName), so that the run
// can be cleared away from a named server by its name.
const RunVariable = "CHATKEEPER_TEST_RUN"

// RunPrefix begins the names of a run of tests.
func RunPrefix(run string) string { return "t-" + run + "-" }

// RandomName begins the names of the tables and queues of one test, or of a stack that keeps nothing.
func RandomName() string {
	name := strings.ToLower(rand.Text()[:10])
	if run := os.Getenv(RunVariable); run != "" {
		return RunPrefix(run) + name
	}
	return "t-" + name
}
