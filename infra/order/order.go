// Package order holds the assigner to I6 by what it reads and writes, and by no clock: an invocation that gives a waiting
// Chat of a pool to somebody has read that Chat first in the pool, and one that opens a Chat for somebody has read that
// none waits there. DynamoDB does the rest: a strongly consistent read shows every entry committed before it.
package order

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
)

// Looks are what one invocation has read at the head of pools. The zero value has read nothing.
type Looks struct {
	mu    sync.Mutex
	heads map[string]map[string]bool // by pool: the Chats that were first, "" where none waited
}

// Answered notes a request to DynamoDB that succeeded, with its answer. The error is a breach of I6: the request has given
// a Chat away that the invocation had not read first in the pool.
func (l *Looks) Answered(action string, request, answer []byte) error {
	return l.answered(action, request, answer, nil)
}

// answered is Answered where some Chats may be passed over.
func (l *Looks) answered(action string, request, answer []byte, passed map[string]bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch action {
	case "Query":
		l.notes(request, answer, passed)
	case "TransactWriteItems":
		return l.gives(request)
	}
	return nil
}

// item holds attributes as they are sent.
type item map[string]json.RawMessage

// text is the attribute {"S": "…"}; empty if it is none.
func (i item) text(name string) string {
	var v struct{ S string }
	_ = json.Unmarshal(i[name], &v)
	return v.S
}

// notes keeps what a strongly consistent query of a pool from its beginning found first.
func (l *Looks) notes(request, answer []byte, passed map[string]bool) {
	var asked struct {
		ConsistentRead            bool
		ExclusiveStartKey         item
		ExpressionAttributeValues item
	}
	var found struct{ Items []item }
	if json.Unmarshal(request, &asked) != nil || json.Unmarshal(answer, &found) != nil || !asked.ConsistentRead || asked.ExclusiveStartKey != nil {
		return
	}
	pool, isPool := strings.CutPrefix(asked.ExpressionAttributeValues.text(":pk"), "W#")
	if !isPool {
		return
	}
	if l.heads == nil {
		l.heads = map[string]map[string]bool{}
	}
	if l.heads[pool] == nil {
		l.heads[pool] = map[string]bool{}
	}
	if len(found.Items) == 0 {
		l.heads[pool][""] = true
	}
	for _, entry := range found.Items {
		chat := entry.text("ch")
		l.heads[pool][chat] = true
		if !passed[chat] {
			return
		}
	}
}

// gives compares the events by which a transaction gives Chats away with what was read.
func (l *Looks) gives(request []byte) error {
	var asked struct {
		TransactItems []struct{ Put *struct{ Item item } }
	}
	if err := json.Unmarshal(request, &asked); err != nil {
		return err
	}
	for _, t := range asked.TransactItems {
		if t.Put == nil {
			continue
		}
		event := t.Put.Item
		if !strings.HasPrefix(event.text("sk"), "H#") || event.text("bk") != "rule" || event.text("ow") == "" {
			continue
		}
		var decision struct{ P string }
		if err := json.Unmarshal([]byte(event.text("de")), &decision); err != nil {
			return err
		}
		chat := strings.TrimPrefix(event.text("pk"), "C#")
		switch saw := l.heads[decision.P]; {
		case event.text("ty") == "assigned" && !saw[chat]:
			return fmt.Errorf("I6: the Chat %s was given away in %s, and was not read as the first there", chat, decision.P)
		case event.text("ty") != "assigned" && !saw[""]:
			return fmt.Errorf("I6: the Chat %s was opened for somebody of %s, which was not read as empty", chat, decision.P)
		}
	}
	return nil
}
