// Package queue holds what travels through SQS and the one way to put it there.
package queue

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// Signal asks for a pool to be served. It is the body of a message on pools.fifo, whose group is the pool.
type Signal struct {
	Version int      `json:"v"`               // of this shape; old and new code overlap during a deployment
	Pool    string   `json:"pool"`            // canonical text of an assign.Pool
	Chats   []string `json:"chats,omitempty"` // waiting Chats that caused the signal; they may stand far behind the head
}

// SignalVersion is the newest shape of Signal.
const SignalVersion = 1

// MaxSignalChats bounds how many Chats a signal names. The others are found when the pool is read.
const MaxSignalChats = 100

// Entry is the signal as a message. Its cause is what must not be signalled twice within five minutes, such as a stream
// record's id: never the pool alone or a stretch of time, or a second, real wake-up would be taken for the first.
func (s Signal) Entry(cause string) Entry {
	s.Version = SignalVersion
	s.Chats = s.Chats[:min(len(s.Chats), MaxSignalChats)]
	body, err := json.Marshal(s)
	if err != nil {
		panic(err) // strings always marshal
	}
	return Entry{Body: string(body), Group: digest(s.Pool), Dedup: digest(cause + "\x00" + s.Pool)}
}

// ParseSignal reads the body of a message on pools.fifo.
func ParseSignal(body string) (Signal, error) {
	var s Signal
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		return Signal{}, fmt.Errorf("signal: %w", err)
	}
	if s.Version > SignalVersion {
		return Signal{}, fmt.Errorf("signal of version %d: newer than this code", s.Version)
	}
	return s, nil
}

// digest makes a group or deduplication id of anything: those have at most 128 characters and a small alphabet.
func digest(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
