// Package whatsapp knows WhatsApp's wire format and nothing of ours: whether a delivery is genuine, what is in it, and what
// each part of it means for a Chat.
//
// A delivery (one POST, up to 3 MB) is split into Updates; an Update travels through the queue and is read as a Message or a
// Status. Reading is lenient: WhatsApp adds fields, types and spellings without notice and delivers for seven days what was not
// answered with 200, so a shape that nobody foresaw is kept (as an unsupported message, or as an update of another kind) and
// never refused.
//
// Wamids hold the customer's phone number or BSUID in base64: they are personal data, like both of these and the texts.
package whatsapp

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"
)

// Kind is what an Update is about.
type Kind string

const (
	KindMessage        Kind = "message"         // from a customer
	KindEcho           Kind = "echo"            // sent by the business from its phone app
	KindHistory        Kind = "history"         // an old message, either way, delivered when a phone app is connected
	KindStatus         Kind = "status"          // what became of a message that was sent
	KindStandbyMessage Kind = "standby_message" // from a customer, while WhatsApp's own agent holds the conversation
	KindStandbyEcho    Kind = "standby_echo"    // sent by that agent
	KindStandbyStatus  Kind = "standby_status"  // what became of it
	KindOther          Kind = "other"           // anything else: counted, and otherwise ignored
)

// UpdateVersion is the newest shape of Update.
const UpdateVersion = 1

// MaxUpdateSize is the most bytes that an encoded Update has. One that would be larger is reduced to its ids,
// identities, type and timestamp, and says so.
const MaxUpdateSize = 200 << 10

// Update is one thing that WhatsApp told, and the body of a queue message.
type Update struct {
	Version    int             `json:"v"` // of this shape; old and new code overlap during a deployment
	Kind       Kind            `json:"kind"`
	Field      string          `json:"field"`             // WhatsApp's name of the subscription, such as messages
	Account    string          `json:"account,omitempty"` // id of the entry: the messaging account
	Number     string          `json:"number,omitempty"`  // the business number's id (phone_number_id)
	Display    string          `json:"display,omitempty"` // the business number as people write it
	Contact    Contact         `json:"contact,omitzero"`  // the contact that belongs to the update
	Thread     string          `json:"thread,omitempty"`  // history: whom the thread is with, a phone number or a BSUID
	Time       int64           `json:"time,omitempty"`    // of the entry, Unix seconds; 0 if it had none
	Codes      []int           `json:"codes,omitempty"`   // errors that stood beside the update, not in it
	Trimmed    bool            `json:"trimmed,omitempty"` // the body was too large and is reduced
	Body       json.RawMessage `json:"body"`              // the element as WhatsApp sent it; of a KindOther the whole value
	ReceivedAt int64           `json:"receivedAt"`        // by the webhook, Unix milliseconds
	Position   int             `json:"pos,omitempty"`     // in the delivery: how many updates stand before this one
}

// Contact is what WhatsApp tells about the customer beside an update. Any part may be missing.
type Contact struct {
	Name     string `json:"name,omitempty"`
	Username string `json:"username,omitempty"` // without the @
	WaID     string `json:"waId,omitempty"`     // as sent: a phone number, or a BSUID from some
	UserID   string `json:"userId,omitempty"`   // BSUID
}

// Encode returns the Update as the body of a queue message, never longer than MaxUpdateSize. SQS refuses a few characters
// that JSON allows; they become U+FFFD.
func (u Update) Encode() string {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false) // would make a body up to six times as long
	if err := enc.Encode(u); err != nil {
		// Only a body that is no JSON gets here, and Split makes none.
		panic(fmt.Sprintf("whatsapp: encode update: %v", err))
	}
	return string(storable(bytes.TrimSuffix(out.Bytes(), []byte("\n"))))
}

// ParseUpdate reads what Encode wrote. An error means that this code can't read it, now or later: a message of a newer
// version should be left to newer code, so let the queue deliver it again.
func ParseUpdate(body string) (Update, error) {
	var u Update
	if err := json.Unmarshal([]byte(body), &u); err != nil {
		return Update{}, errors.New("whatsapp: update is not readable") // the cause would quote the message
	}
	if u.Version < 1 || u.Version > UpdateVersion {
		return Update{}, fmt.Errorf("whatsapp: update has version %d, this code reads up to %d", u.Version, UpdateVersion)
	}
	return u, nil
}

// Group is the FIFO group: updates of one customer and business number share it and are handled one after the other.
// It is a keyed hash of 64 characters, because groups appear in logs and SQS allows 128.
//
// The BSUID decides if it is known, else the phone number. An update that names a changed identity goes with the new one, as
// the messages that follow it do. What belongs to no customer is grouped by account and field.
func (u Update) Group(key []byte) string {
	customer := u.customer()
	if u.Kind == KindMessage || u.Kind == KindStandbyMessage {
		if renamed := node(u.Body).find("system", "user_id").text(); renamed != "" {
			customer.UserID = boundedID(renamed, maxIdentity)
		}
	}
	switch {
	case u.Kind == KindOther || customer == (Identity{}):
		return keyedHash(key, "field", u.Account, u.Number, u.Field)
	case customer.UserID != "":
		return keyedHash(key, "customer", u.Number, customer.UserID)
	default:
		return keyedHash(key, "customer", u.Number, customer.Phone)
	}
}

// DedupID tells a redelivery from something new: it depends on WhatsApp's own ids only, not on when or beside what else the
// update came. It is a keyed hash of 64 characters.
func (u Update) DedupID(key []byte) string {
	body := node(u.Body)
	switch u.Kind {
	case KindOther:
		return keyedHash(key, string(u.Kind), u.Account, u.Number, u.Field, fmt.Sprint(u.Time), digest(u.Body))
	case KindStatus, KindStandbyStatus:
		// In a group each participant has a status of their own, and nothing else tells them apart.
		return keyedHash(key, string(u.Kind), u.Number, updateID(u.Body), body.get("status").text(), body.get("timestamp").text(),
			body.get("recipient_id").text(), first(body.get("recipient_participant_user_id"), body.get("recipient_participant_id")))
	default:
		// The type is part of it because a placeholder and the media that follows it share an id.
		return keyedHash(key, string(u.Kind), u.Number, updateID(u.Body), body.get("type").text())
	}
}

// updateID is WhatsApp's id of a message or status. One without an id gets one from its content, so that it is the same
// at every redelivery.
func updateID(body []byte) string {
	if id := node(body).get("id").text(); id != "" {
		return boundedID(id, maxMessageID)
	}
	return "none." + digest(body)[:32]
}

// Ids end up in keys, which have limits. WhatsApp's are far below these.
const (
	maxMessageID = 512
	maxIdentity  = 200
	maxLabel     = 200 // of names, fields and the like
)

// boundedID returns the id, or one that stands for it if it is too long to be a part of a key.
func boundedID(id string, limit int) string {
	if len(id) <= limit {
		return id
	}
	return "long." + digest([]byte(id))[:32]
}

// cut shortens a text to at most limit bytes, between characters.
func cut(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return s[:limit]
}

// digest is a hash of JSON, or of any text, that does not depend on its white space.
func digest(raw []byte) string {
	var dense bytes.Buffer
	if json.Compact(&dense, raw) == nil {
		raw = dense.Bytes()
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// keyedHash keeps ids from giving away the phone numbers behind them: without the key nobody can try all numbers.
func keyedHash(key []byte, parts ...string) string {
	mac := hmac.New(sha256.New, key)
	var length [4]byte
	for _, part := range parts {
		// The length goes first, so that no two lists of parts are hashed alike.
		n := len(part)
		length[0], length[1], length[2], length[3] = byte(n>>24), byte(n>>16), byte(n>>8), byte(n)
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return hex.EncodeToString(mac.Sum(nil))
}

// storable replaces what SQS does not take in a message: bytes that are not UTF-8, and the two code points U+FFFE and U+FFFF.
func storable(body []byte) []byte {
	if !utf8.Valid(body) {
		body = bytes.ToValidUTF8(body, []byte("\uFFFD"))
	}
	if bytes.Contains(body, []byte("\xef\xbf\xbe")) || bytes.Contains(body, []byte("\xef\xbf\xbf")) {
		body = bytes.ReplaceAll(body, []byte("\xef\xbf\xbe"), []byte("\uFFFD"))
		body = bytes.ReplaceAll(body, []byte("\xef\xbf\xbf"), []byte("\uFFFD"))
	}
	return body
}
