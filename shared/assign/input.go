package assign

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Unknown is the value of a language or country that could not be told. Rules may name it like any other.
const Unknown = "unknown"

// The values of Input.Customer and Input.OpenedBy.
const (
	NewCustomer       = "new"       // has never written to this business number before
	ReturningCustomer = "returning" // has a Chat already
	Created           = "created"   // the Chat was opened for the first time
	Reopened          = "reopened"  // the Chat had been closed
)

// Input is everything the rules may ask about a routing event, as it was evaluated then. It is stored in the decision,
// so that the same rules give the same answer again later; only Text is left out there (it stands in the Message) and
// has to be filled in again before Route or Explain can repeat a decision that text conditions took part in.
// The zero value of a field means that there is nothing: a message without a button has no ReplyID.
type Input struct {
	Language       string          `json:"l,omitempty"` // ISO 639-1; empty means Unknown
	Country        string          `json:"c,omitempty"` // ISO 3166 alpha-2; empty means Unknown
	PhonePrefix    string          `json:"p,omitempty"` // what PhonePrefix makes of the phone, which itself is not kept
	BusinessNumber string          `json:"n,omitempty"` // WhatsApp's phone_number_id
	Department     string          `json:"d,omitempty"` // id, as Department finds it
	Text           string          `json:"-"`           // what the customer wrote, captions included
	MessageType    string          `json:"m,omitempty"` // WhatsApp's type, such as "text" or "image"
	ReplyID        string          `json:"r,omitempty"` // id of the button or list choice
	AdSource       string          `json:"a,omitempty"` // source id of the referral
	Tags           []string        `json:"g,omitempty"` // of the Customer; the first MaxTags count
	Customer       string          `json:"k,omitempty"` // NewCustomer or ReturningCustomer
	OpenedBy       string          `json:"o,omitempty"` // Created or Reopened
	Hours          map[string]bool `json:"h,omitempty"` // calendar id to whether the moment lay inside; see Rules.Hours
}

// MaxTags is how many tags of a Customer take part in routing.
const MaxTags = 8

// prefixDigits is the longest phone prefix that rules may name: enough for a calling code with an area code
// (+1 212, +44 20 7, +971 50), too short to find a person by.
const prefixDigits = 6

// PhonePrefix is the part of a phone number that rules may ask about and decisions may keep: its first digits, at most
// six, and never its last four. A number that is not all digits (after an optional "+") gives "".
func PhonePrefix(phone string) string {
	digits := strings.TrimPrefix(phone, "+")
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return ""
		}
	}
	return digits[:max(0, min(prefixDigits, len(digits)-4))]
}

// Kept is the input as a decision stores it: without the text, with at most MaxTags tags, in lower case, and with long ids
// replaced by a short digest that rules compare equal to the id itself. Route gives the same for it, text conditions aside.
func (in Input) Kept() Input {
	in.Text = ""
	in.ReplyID = shortened(in.ReplyID)
	in.AdSource = shortened(in.AdSource)
	if len(in.Tags) > 0 {
		tags := make([]string, 0, min(len(in.Tags), MaxTags))
		for _, tag := range in.Tags[:min(len(in.Tags), MaxTags)] {
			tags = append(tags, compared(fieldCustomerTag, tag))
		}
		in.Tags = tags
	}
	return in
}

// longestKept is the longest id that decisions keep in clear. WhatsApp allows reply ids of 256 characters, and a
// history item has room for 1 KB in all.
const longestKept = 24

// shortened is s itself, or a digest of it when it is long. Applied again it changes nothing.
func shortened(s string) string {
	if len(s) <= longestKept {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "#" + hex.EncodeToString(sum[:10])
}
