package search

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// looks are what an invocation saw at the head of pools: for each, the Chats that stood first, "" where nobody waited.
type looks map[string]map[string]bool

// I6, by what was read and committed, and by no clock: whoever gives a Chat of a pool to somebody saw it at the pool's head,
// and whoever gives one that opens saw that nobody waits there.
func (r *run) inOrder(c *call, a answer) {
	if a.status != http.StatusOK || c.invocation == nil {
		return
	}
	switch c.action {
	case "Query":
		c.notesHead(a)
	case "TransactWriteItems":
		if err := c.keepsOrder(); err != nil {
			r.broken(fmt.Errorf("%w: %w", errNotKept, err))
		}
	}
}

// notesHead keeps what a query of a pool from its beginning found first.
func (c *call) notesHead(a answer) {
	var body struct {
		IndexName                 string
		ExclusiveStartKey         item
		ExpressionAttributeValues map[string]json.RawMessage
	}
	var found struct{ Items []item }
	if json.Unmarshal(c.body, &body) != nil || json.Unmarshal(a.body, &found) != nil || body.ExclusiveStartKey != nil {
		return
	}
	pool, isPool := strings.CutPrefix(text(body.ExpressionAttributeValues[":pk"]), "W#")
	if !isPool {
		return
	}
	first := ""
	if len(found.Items) > 0 {
		first = text(found.Items[0]["ch"])
	}
	i := c.invocation
	if i.looks == nil {
		i.looks = looks{}
	}
	if i.looks[pool] == nil {
		i.looks[pool] = map[string]bool{}
	}
	i.looks[pool][first] = true
}

func (c *call) keepsOrder() error {
	var body struct{ TransactItems []struct{ Put *operation } }
	if err := json.Unmarshal(c.body, &body); err != nil {
		return err
	}
	for _, t := range body.TransactItems {
		if t.Put == nil || !strings.HasPrefix(text(t.Put.Item["sk"]), "H#") || text(t.Put.Item["bk"]) != "rule" || text(t.Put.Item["ow"]) == "" {
			continue
		}
		var decision struct{ P string }
		if err := json.Unmarshal([]byte(text(t.Put.Item["de"])), &decision); err != nil {
			return err
		}
		saw := c.invocation.looks[decision.P]
		switch id := strings.TrimPrefix(text(t.Put.Item["pk"]), "C#"); text(t.Put.Item["ty"]) {
		case "assigned":
			if !saw[id] {
				return fmt.Errorf("I6: the Chat %s was given away in %s, and was not seen at its head", id, decision.P)
			}
		default:
			if !saw[""] {
				return fmt.Errorf("I6: the Chat %s was opened for somebody of %s, where others were seen to wait", id, decision.P)
			}
		}
	}
	return nil
}
