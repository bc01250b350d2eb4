package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/servers/serverstest"
)

// TestMain is also the command that TestNothingIsLeftOnANamedServer runs: one that is broken off with a table made.
func TestMain(m *testing.M) {
	if os.Getenv("MAKES_A_TABLE") != "" {
		_, err := servers.DynamoDB(os.Getenv(servers.DynamoDBVariable)).CreateTable(context.Background(), &dynamodb.CreateTableInput{
			TableName: aws.String(servers.RandomName() + "-left"), BillingMode: types.BillingModePayPerRequest,
			AttributeDefinitions: []types.AttributeDefinition{{AttributeName: aws.String("pk"), AttributeType: types.ScalarAttributeTypeS}},
			KeySchema:            []types.KeySchemaElement{{AttributeName: aws.String("pk"), KeyType: types.KeyTypeHash}},
		})
		if err != nil {
			os.Stderr.WriteString(err.Error())
			os.Exit(9)
		}
		os.Exit(7)
	}
	os.Exit(m.Run())
}

func TestNothingIsLeftOnANamedServer(t *testing.T) {
	t.Parallel()
	kept := serverstest.Tables(t)["ChatsTable"] // of another run
	command := build(t)
	cmd := exec.CommandContext(t.Context(), command, "--", os.Args[0])
	cmd.Env = append(os.Environ(), "MAKES_A_TABLE=1", servers.DynamoDBVariable+"="+serverstest.DynamoDBEndpoint(t),
		servers.TestElasticMQVariable+"=http://127.0.0.1:1")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 7 {
		t.Fatalf("it ended with %v and said %s", err, out)
	}
	there := false
	for pages := dynamodb.NewListTablesPaginator(serverstest.DynamoDB(t), &dynamodb.ListTablesInput{}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range page.TableNames {
			there = there || name == kept
			if strings.HasSuffix(name, "-left") {
				t.Errorf("%s is left", name)
			}
		}
	}
	if !there {
		t.Error("the table of another run is gone")
	}
}

// A server that does not answer is one line, and nothing is started.
func TestANamedServerThatDoesNotAnswer(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), build(t), "--", "false")
	cmd.Env = append(os.Environ(), servers.DynamoDBVariable+"=http://127.0.0.1:1")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "no DynamoDB answers at http://127.0.0.1:1") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("it ended with %v and said %q, want one line", err, out)
	}
}

func build(t *testing.T) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "withservers")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return binary
}
