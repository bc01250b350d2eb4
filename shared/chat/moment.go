package chat

import (
	"bytes"
	"encoding/binary"
	"time"
)

// Moment orders what a Chat shows: WhatsApp's second first, then when the message arrived, to the microsecond. Of two
// messages of one second the one that arrived later is the newer one. Its bytes sort like the moments.
type Moment [timeSize + arrivedSize]byte

const (
	arrivedSize = 6
	// ahead is added to the microseconds between the second and the arrival, so that they are positive for a message
	// whose time stamp is up to twelve days ahead of the time of its arrival.
	ahead = 1 << 40
	// longest is the greatest number that arrivedSize bytes hold: nearly nine years.
	longest = 1<<(8*arrivedSize) - 1
)

// MomentOf is the Moment of a message with this Key that arrived at this time.
func MomentOf(k Key, arrived time.Time) Moment {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], uint64(min(max(arrived.Sub(k.Time()).Microseconds()+ahead, 0), longest)))
	var m Moment
	copy(m[:timeSize], k[:timeSize])
	copy(m[timeSize:], b[len(b)-arrivedSize:])
	return m
}

// Moment is the message's place in what the Chat shows.
func (m Message) Moment() Moment { return MomentOf(m.Key, m.Arrived) }

// Time is WhatsApp's time stamp of the message, to the second.
func (m Moment) Time() time.Time { return time.Unix(int64(binary.BigEndian.Uint32(m[:])), 0).UTC() }

// Before reports whether m comes before other.
func (m Moment) Before(other Moment) bool { return bytes.Compare(m[:], other[:]) < 0 }

// IsZero reports whether there is no Moment.
func (m Moment) IsZero() bool { return m == Moment{} }
