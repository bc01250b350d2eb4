// Package queue holds what travels through SQS and the one way to put it there.
package queue

// Signal asks for a pool to be served. It is the body of a message on pools.fifo, whose group is the pool.
type Signal struct {
	Version int      `json:"v"`               // of this shape; old and new code overlap during a deployment
	Pool    string   `json:"pool"`            // canonical text of an assign.Pool
	Chats   []string `json:"chats,omitempty"` // waiting Chats that caused the signal; they may stand far behind the head
}

// SignalVersion is the newest shape of Signal.
const SignalVersion = 1
