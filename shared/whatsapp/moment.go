package whatsapp

import "time"

// MaxAhead is how far a time stamp may be ahead of the receipt and still be believed: clocks differ. One that is further
// ahead, that is missing, or that is older than WhatsApp can't be true; what it belongs to happened at the time of its
// delivery's entry, if that can be true, else when it was received. Not MaxAhead after that: all that comes next would
// be late for as long.
const MaxAhead = 3 * time.Minute

// firstSecond is the beginning of 2009, the year in which WhatsApp began.
const firstSecond = 1_230_768_000

// moment is when an update with this time stamp happened, in Unix seconds. Only a time stamp that is believed gives
// the same moment at every delivery.
func (u Update) moment(stamp int64) int64 {
	received := time.UnixMilli(u.ReceivedAt)
	for _, t := range []int64{stamp, u.Time} {
		if t >= firstSecond && t <= received.Add(MaxAhead).Unix() {
			return t
		}
	}
	return received.Unix()
}

// Ahead reports whether the message's time stamp lies in the future of its receipt, too far to be believed.
func (m Message) Ahead() bool { return m.Told > m.At && m.Told > time.UnixMilli(m.ReceivedAt).Unix() }

// Believed reports whether the message happened when its time stamp says, at whichever delivery of it that is asked.
func (m Message) Believed() bool { return m.At == m.Told }
