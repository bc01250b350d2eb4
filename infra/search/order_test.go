package search

import (
	"fmt"
	"net/http"
)

// inOrder holds what DynamoDB has done for an invocation against I6.
func (r *run) inOrder(c *call, a answer) {
	if a.status != http.StatusOK || c.invocation == nil {
		return
	}
	if err := c.invocation.looks.Answered(c.action, c.body, a.body); err != nil {
		r.broken(fmt.Errorf("%w: %w", errNotKept, err))
	}
}
