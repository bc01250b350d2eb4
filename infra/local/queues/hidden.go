package queues

import (
	"fmt"
	"sync"
	"time"

	"chatkeeper/infra/local/statefile"
)

// Hidden remembers, across a kill, the messages that the queue shows to nobody because this poller received them. When a
// stack starts, nobody works on them any more, so they need not stay hidden to the end of their visibility.
type Hidden struct {
	file string

	mu       sync.Mutex
	messages map[string]receipt // by message id
}

type receipt struct {
	Handle string    `json:"handle"`
	Until  time.Time `json:"until"`
}

// OpenHidden reads what the last process left in file. An empty name remembers nothing.
func OpenHidden(file string) (*Hidden, error) {
	h := &Hidden{file: file, messages: map[string]receipt{}}
	if file == "" {
		return h, nil
	}
	if err := statefile.Load(file, &h.messages); err != nil {
		return nil, fmt.Errorf("read the messages on the way: %w", err)
	}
	return h, nil
}

// left returns the handles of the messages that were hidden when the last process ended, and forgets them.
func (h *Hidden) left(now time.Time) []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var handles []string
	for _, r := range h.messages {
		if now.Before(r.Until) {
			handles = append(handles, r.Handle)
		}
	}
	h.messages = map[string]receipt{}
	return handles
}

func (h *Hidden) add(messages []message) error {
	return h.change(func() {
		for _, m := range messages {
			h.messages[m.id()] = receipt{*m.ReceiptHandle, m.hiddenUntil}
		}
	})
}

func (h *Hidden) remove(messages []message) error {
	return h.change(func() {
		for _, m := range messages {
			delete(h.messages, m.id())
		}
	})
}

func (h *Hidden) change(how func()) error {
	if h.file == "" {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	how()
	now := time.Now()
	for id, r := range h.messages {
		if now.After(r.Until) { // visible again, or in the dead-letter queue
			delete(h.messages, id)
		}
	}
	return statefile.Save(h.file, h.messages)
}
