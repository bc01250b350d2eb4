package customer

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// Message is what a customer sends. The zero Type is a text.
type Message struct {
	Type    string `json:"type"`    // text, button, image, location, reaction or unsupported
	Text    string `json:"text"`    // of a text, title of a button choice, or caption
	ReplyID string `json:"replyId"` // of a button choice
	Target  string `json:"target"`  // of a reaction: the wamid it is about
}

// The types of Message.
const (
	Text        = "text"
	Button      = "button" // a choice among reply buttons
	Image       = "image"
	Location    = "location"
	Reaction    = "reaction"
	Unsupported = "unsupported" // WhatsApp says that something came, not what: 131060
)

// Delivery is a POST of WhatsApp's: its bytes, and which message they bring. The same bytes again are a redelivery.
type Delivery struct {
	Body  []byte
	WAMID string
	At    int64 // Unix seconds
}

// WAMID makes a message id that is new, as WhatsApp's are. (Those contain the phone number; these do not.)
func WAMID() string { return "wamid." + rand.Text() }

type (
	payload struct {
		Object string  `json:"object"`
		Entry  []entry `json:"entry"`
	}
	entry struct {
		ID      string   `json:"id"`
		Changes []change `json:"changes"`
	}
	change struct {
		Value value  `json:"value"`
		Field string `json:"field"`
	}
	value struct {
		Product  string    `json:"messaging_product"`
		Metadata metadata  `json:"metadata"`
		Contacts []contact `json:"contacts"`
		Messages []message `json:"messages"`
	}
	metadata struct {
		Display string `json:"display_phone_number"`
		Number  string `json:"phone_number_id"`
	}
	contact struct {
		Profile profile `json:"profile"`
		WaID    string  `json:"wa_id,omitempty"`
		UserID  string  `json:"user_id,omitempty"`
	}
	profile struct {
		Name     string `json:"name"`
		Username string `json:"username,omitempty"`
	}
	message struct {
		From        string         `json:"from,omitempty"`
		FromUserID  string         `json:"from_user_id,omitempty"`
		ID          string         `json:"id"`
		Timestamp   string         `json:"timestamp"`
		Type        string         `json:"type"`
		Text        map[string]any `json:"text,omitempty"`
		Interactive map[string]any `json:"interactive,omitempty"`
		Image       map[string]any `json:"image,omitempty"`
		Location    map[string]any `json:"location,omitempty"`
		Reaction    map[string]any `json:"reaction,omitempty"`
		Errors      []failure      `json:"errors,omitempty"`
	}
	failure struct {
		Code    int    `json:"code"`
		Title   string `json:"title"`
		Message string `json:"message"`
	}
)

// account is the messaging account of the deliveries. It is invented, like everything in them.
const account = "200000000000001"

// Sends is the delivery of a message to the business number (WhatsApp's phone_number_id; display is how people write it).
// An unknown type is a mistake of the caller's and panics.
func (c Customer) Sends(number, display, wamid string, at time.Time, what Message) Delivery {
	m := message{From: c.Phone, FromUserID: c.UserID, ID: wamid, Timestamp: strconv.FormatInt(at.Unix(), 10), Type: what.Type}
	switch what.Type {
	case Text, "":
		m.Type = Text
		m.Text = map[string]any{"body": what.Text}
	case Button:
		m.Type = "interactive"
		m.Interactive = map[string]any{"type": "button_reply", "button_reply": map[string]any{"id": what.ReplyID, "title": what.Text}}
	case Image:
		m.Image = map[string]any{"id": "6000000001", "mime_type": "image/jpeg", "sha256": "c2hhMjU2IG9mIGEgZmlsZQ=="}
		if what.Text != "" {
			m.Image["caption"] = what.Text
		}
	case Location:
		m.Location = map[string]any{"latitude": 52.5, "longitude": 13.4, "name": "The old mill"}
	case Reaction:
		m.Reaction = map[string]any{"message_id": what.Target, "emoji": "👍"}
	case Unsupported:
		const says = "This message is currently unavailable"
		m.Errors = []failure{{131060, says, says}}
	default:
		panic(fmt.Sprintf("customer: no message of type %q", what.Type))
	}
	p := payload{Object: "whatsapp_business_account", Entry: []entry{{ID: account, Changes: []change{{Field: "messages", Value: value{
		Product: "whatsapp", Metadata: metadata{display, number}, Messages: []message{m},
		Contacts: []contact{{Profile: profile{c.Name, c.Username}, WaID: c.Phone, UserID: c.UserID}},
	}}}}}}
	return Delivery{Body: encode(p), WAMID: wamid, At: at.Unix()}
}

// encode writes JSON in WhatsApp's spelling: everything beyond ASCII escaped.
func encode(p payload) []byte {
	var plain bytes.Buffer
	enc := json.NewEncoder(&plain)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(p); err != nil {
		panic(fmt.Sprintf("customer: encode: %v", err)) // only strings and numbers are in it
	}
	var out bytes.Buffer
	for text := bytes.TrimSuffix(plain.Bytes(), []byte("\n")); len(text) > 0; {
		r, size := utf8.DecodeRune(text)
		if r < utf8.RuneSelf {
			out.WriteByte(text[0])
		} else {
			for _, unit := range utf16.Encode([]rune{r}) {
				fmt.Fprintf(&out, `\u%04x`, unit)
			}
		}
		text = text[size:]
	}
	return out.Bytes()
}
