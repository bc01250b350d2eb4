package chat

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"strings"
	"time"
)

// Key identifies a Message within its Chat and orders the Chat to the second (see [Message.Compare]): WhatsApp's time stamp
// in seconds, then a keyed hash of WhatsApp's message id. The id itself would give the phone number away (a wamid contains
// it), so it is never a key.
// The same delivery has the same Key however often it comes, which is what makes storing it idempotent.
type Key [keySize]byte

const (
	timeSize = 4
	hashSize = 6
	keySize  = timeSize + hashSize
	markSize = 5
)

// Mark is the part of a Key that stands in a Chat's set of unread messages, the first bytes of its hash: short, because
// forty of them must leave the Chat's item below 1 KB. Two of forty-one messages have the same Mark once in a thousand
// million times; then they count as one.
type Mark [markSize]byte

// keyText keeps the order of the bytes (base32hex does) and needs no escaping in an address.
var keyText = base32.HexEncoding.WithPadding(base32.NoPadding)

// String is the Key as it stands in sort keys and as a Message's public id.
func (k Key) String() string { return keyText.EncodeToString(k[:]) }

// NewKey is the Key of a message of ours, which WhatsApp has not named yet: its time, and a random mark.
func NewKey(at time.Time) Key {
	k := FirstKey(at.Unix())
	_, _ = rand.Read(k[timeSize:]) // never fails
	return k
}

// FirstKey is before all Keys of a second (Unix; what lies outside 1970…2106 is clamped).
func FirstKey(second int64) Key {
	var k Key
	binary.BigEndian.PutUint32(k[:], uint32(min(max(second, 0), math.MaxUint32)))
	return k
}

// LastKey is behind all Keys.
var LastKey = Key{0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF}

// ParseKey reads what String wrote.
func ParseKey(text string) (Key, error) {
	b, err := keyText.DecodeString(text)
	if err != nil || len(b) != keySize {
		return Key{}, fmt.Errorf("message id %q is not one of ours", text)
	}
	return Key(b), nil
}

// Time is WhatsApp's time stamp of the message, to the second.
func (k Key) Time() time.Time { return time.Unix(k.second(), 0).UTC() }

func (k Key) second() int64 { return int64(binary.BigEndian.Uint32(k[:])) }

// Mark is what stands for the message among the unread ones.
func (k Key) Mark() Mark { return Mark(k[timeSize:][:markSize]) }

// Before reports whether k comes before other in the Chat.
func (k Key) Before(other Key) bool { return bytes.Compare(k[:], other[:]) < 0 }

// IsZero reports whether there is no Key.
func (k Key) IsZero() bool { return k == Key{} }

// Secret keys every hash that stands for a customer, so that ids in logs and addresses can't be turned back into phone
// numbers by trying them all. It is made at deployment; with another one no Chat is found again.
type Secret []byte

// Key of the message with this WhatsApp id and time stamp (Unix seconds; what lies outside 1970…2106 is clamped).
func (s Secret) Key(seconds int64, wamid string) Key {
	k := FirstKey(seconds)
	copy(k[timeSize:], s.hash("message", wamid))
	return k
}

// MessageAddress is where a message's Key is found whose time stamp can't give it.
func (s Secret) MessageAddress(number, wamid string) string {
	return s.address("message", number, wamid)
}

// UserAddress is where a customer known by a WhatsApp user id (BSUID) is found: the Chat's own id when the Chat began
// with it, else an alias.
func (s Secret) UserAddress(number, userID string) string { return s.address("user", number, userID) }

// PhoneAddress is where the alias of a phone number is found. A phone is never a Chat's own id: numbers are recycled.
func (s Secret) PhoneAddress(number, phone string) string { return s.address("phone", number, phone) }

// UsernameAddress is where a search for a username begins. Usernames are compared without regard to case, and without @.
// It is no identity: people change their username, and others may take it.
func (s Secret) UsernameAddress(number, username string) string {
	return s.address("username", number, strings.ToLower(strings.TrimPrefix(username, "@")))
}

func (s Secret) address(kind, number, id string) string {
	return base64.RawURLEncoding.EncodeToString(s.hash(kind, number, id)[:16])
}

// hash is HMAC-SHA256 over the parts, each preceded by its length so that no two lists of parts look alike.
func (s Secret) hash(parts ...string) []byte {
	mac := hmac.New(sha256.New, s)
	for _, p := range parts {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(p)))
		mac.Write(n[:])
		mac.Write([]byte(p))
	}
	return mac.Sum(nil)
}

// RandomID is the id of a Chat that begins with a phone number alone. It looks like an address and is none.
func RandomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
