package stack

import (
	"context"
	"errors"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

const (
	watchPause = time.Second      // between two looks for the tables
	lookTime   = 10 * time.Second // of one look
)

// Forgotten is closed when a DynamoDB that the stack did not start has lost the tables: DynamoDB Local keeps them in
// memory unless it is told otherwise. The stack is of no use then. One that is started on the same folder says so in its
// log, makes the tables again and reads their new streams.
func (s *Stack) Forgotten() <-chan struct{} { return s.lost }

// awaitForgotten looks for the tables until one is gone or ctx ends.
func (s *Stack) awaitForgotten(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchPause):
		}
		if missing, err := s.tableIsMissing(ctx); missing && err == nil {
			close(s.lost)
			return
		}
	}
}

// tableIsMissing says whether a table of the template is not there. An error means that the server did not say.
func (s *Stack) tableIsMissing(ctx context.Context) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	for _, table := range s.Template.Tables {
		name, err := table.PhysicalName(s.options.Name)
		if err != nil {
			return false, err
		}
		_, err = s.dynamoClient.DescribeTable(ctx, &dynamodb.DescribeTableInput{TableName: &name})
		var gone *types.ResourceNotFoundException
		if errors.As(err, &gone) {
			return true, nil
		}
		if err != nil {
			return false, err
		}
	}
	return false, nil
}
