package queues

import (
	"fmt"
	"sync"
	"time"

	"chatkeeper/infra/local/statefile"
)

// Receipts remembers the messages that this poller received, across restarts and kills: how often it gave each to the
// function, and until when the queue hides it. When a stack starts, no function works on those any more, so they need not
// stay hidden to the end of their visibility.
//
// The queue's own count is not used: it counts what was given back untried too.
type Receipts struct {
	file string

	mu       sync.Mutex
	messages map[string]receipt // by message id
}

type receipt struct {
	Handle string    `json:"handle,omitempty"` // of the last receive, while the message is hidden by it
	Until  time.Time `json:"until"`
	Tries  int       `json:"tries,omitempty"` // times it was given to the function
}

// longestRetention is how long a queue may keep a message: 14 days. Nothing is remembered longer.
const longestRetention = 14 * 24 * time.Hour

// OpenReceipts reads what the last process left in file. With an empty name nothing outlives the process.
func OpenReceipts(file string) (*Receipts, error) {
	r := &Receipts{file: file, messages: map[string]receipt{}}
	if file == "" {
		return r, nil
	}
	if err := statefile.Load(file, &r.messages); err != nil {
		return nil, fmt.Errorf("read the messages on the way: %w", err)
	}
	return r, nil
}

// left returns the handles of the messages that were hidden when the last process ended, and forgets that they were.
func (r *Receipts) left(now time.Time) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var handles []string
	for id, m := range r.messages {
		if m.Handle != "" && now.Before(m.Until) {
			handles = append(handles, m.Handle)
		}
		m.Handle = ""
		r.messages[id] = m
	}
	return handles
}

// received notes that messages are hidden.
func (r *Receipts) received(messages []message) error {
	return r.change(messages, func(m message, was receipt) receipt {
		was.Handle, was.Until = *m.ReceiptHandle, m.hiddenUntil
		return was
	})
}

// tried counts the messages as given to the function.
func (r *Receipts) tried(messages []message) error {
	return r.change(messages, func(_ message, was receipt) receipt { was.Tries++; return was })
}

// notTried takes back what tried counted: they did not reach the function.
func (r *Receipts) notTried(messages []message) error {
	return r.change(messages, func(_ message, was receipt) receipt { was.Tries--; return was })
}

// tries is how often a message was given to the function.
func (r *Receipts) tries(m message) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.messages[m.id()].Tries
}

// forget drops messages that are no longer in the queue.
func (r *Receipts) forget(messages []message) error {
	return r.change(messages, func(message, receipt) receipt { return receipt{} })
}

// change changes what is known of each message and saves it. An empty receipt is dropped, and one of a message that has
// left the queue by its age.
func (r *Receipts) change(messages []message, how func(message, receipt) receipt) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, m := range messages {
		r.messages[m.id()] = how(m, r.messages[m.id()])
	}
	now := time.Now()
	for id, m := range r.messages {
		if now.After(m.Until) && m.Tries == 0 || now.After(m.Until.Add(longestRetention)) {
			delete(r.messages, id)
		}
	}
	if r.file == "" {
		return nil
	}
	return statefile.Save(r.file, r.messages)
}
