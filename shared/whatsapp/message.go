package whatsapp

import (
	"encoding/json"
	"strings"
)

// Direction is which way a message went.
type Direction string

const (
	In  Direction = "in"  // from the customer
	Out Direction = "out" // from the business
)

// TypeUnsupported is the type of a message that WhatsApp could not pass on, or that this code does not know.
const TypeUnsupported = "unsupported"

// Message is a message as WhatsApp tells it, read and sorted. Parts that were missing or had an unknown shape are empty.
type Message struct {
	Kind      Kind
	Number    string // the business number's id
	Display   string // the business number as people write it
	ID        string // wamid; with the number it tells redeliveries. One that came without gets one from its content
	At        int64  // when it happened, Unix seconds: Told if that can be true, else as [MaxAhead] says
	Told      int64  // WhatsApp's time stamp of it, as it stands; 0 if there is none that can be read
	Direction Direction
	Type      string   // one of WhatsApp's types, or TypeUnsupported
	Original  string   // when Type is TypeUnsupported: what WhatsApp called it, if it did
	Customer  Identity // the other side, whichever way the message went
	Name      string   // as the customer calls themselves
	Username  string   // without the @; it may change and identifies nobody

	Text      string // what was written or chosen: body, caption, button, list title, name of a place
	ReplyID   string // id of the button or the list choice. Anybody can forge it
	AdSource  string // id of the ad or post that led here
	Quoted    string // wamid of the message this one answers
	Target    string // wamid of the message that a reaction, edit or revoke is about
	Emoji     string // of a reaction; empty takes an earlier one back
	Media     *Media
	Group     string // id of the WhatsApp group it was written in
	Forwarded bool
	Requested bool // contacts that answer our request for contact details

	ErrorCodes []int // why the content is not there
	System     System
	Content    json.RawMessage // the type's own object, unless Text, ReplyID and Target say all of it; at most 64 KB
	Trimmed    bool            // it was too large; only ids, identities, type and time are left
	ReceivedAt int64           // by the webhook, Unix milliseconds
	Position   int             // in the delivery that it came with
}

// Media is a file in a message. Its content is fetched by the id, for seven days.
type Media struct {
	ID          string
	MIMEType    string
	Filename    string
	SHA256      string // base64
	Caption     string
	Voice       bool // recorded in WhatsApp
	Animated    bool // sticker
	Unavailable bool // WhatsApp could not take the file; Message.ErrorCodes says why
}

// System is a change of who the customer is. The customer of the message is who they were.
type System struct {
	Type           string // user_changed_number, user_changed_user_id …
	NewPhone       string
	UserID         string // BSUID from now on
	PreviousUserID string
}

// maxContent is the most bytes of a type's own object that are kept.
const maxContent = 64 << 10

// maxText is the most bytes of text that are kept; WhatsApp lets people write 65,536 characters.
const maxText = 128 << 10

// Message reads an Update of any kind that holds a message. Of the others nothing but an Ignored message comes.
func (u Update) Message() Message {
	body := node(u.Body)
	m := Message{
		Kind: u.Kind, Number: u.Number, Display: u.Display, Trimmed: u.Trimmed, ReceivedAt: u.ReceivedAt, Position: u.Position,
		ID:         updateID(u.Body),
		Told:       seconds(body.get("timestamp")),
		Direction:  u.direction(),
		Customer:   u.customer(),
		Name:       u.Contact.Name,
		Username:   u.Contact.Username,
		AdSource:   label(body.find("referral", "source_id")),
		Quoted:     boundedID(body.find("context", "id").text(), maxMessageID),
		Group:      label(body.get("group_id")),
		Forwarded:  body.find("context", "forwarded").isTrue() || body.find("context", "frequently_forwarded").isTrue(),
		ErrorCodes: codes(body.get("errors")),
	}
	m.At = u.moment(m.Told)
	if len(m.ErrorCodes) == 0 {
		m.ErrorCodes = u.Codes
	}
	if wrapped := body.get("message"); u.Kind == KindStandbyEcho && wrapped.isObject() {
		body = wrapped
	}
	m.readContent(body)
	return m
}

func (u Update) direction() Direction {
	if u.Kind == KindEcho || u.Kind == KindStandbyEcho || u.Kind == KindHistory && u.sentByBusiness() {
		return Out
	}
	return In
}

// readContent reads the object that is named after the message's type. A type that is not known, or whose object is not there or
// has another shape, becomes TypeUnsupported, so that people see that something came.
func (m *Message) readContent(body node) {
	name := typeOf(body)
	content := body.get(name)
	m.Type = name
	understood := content.isObject()
	all := false // whether Text, ReplyID and Target hold everything that the object says
	switch name {
	case "text":
		m.Text = content.get("body").text()
		understood = m.Text != ""
		all = true
	case "image", "video", "audio", "voice", "document", "sticker":
		if name == "voice" { // an old spelling
			m.Type = "audio"
		}
		m.Media = readMedia(content, name)
		m.Media.Unavailable = len(m.ErrorCodes) > 0 || m.Trimmed
		m.Text = m.Media.Caption
	case "location":
		m.Text = first(content.get("name"), content.get("address"))
	case "contacts":
		understood = content.isArray()
		m.readContacts(body, content)
	case "reaction":
		m.Target, m.Emoji = content.get("message_id").text(), cut(content.get("emoji").text(), maxLabel)
	case "button":
		m.Text, m.ReplyID = content.get("text").text(), content.get("payload").text()
		all = true
	case "interactive":
		choice := content.get(content.get("type").text())
		m.Text = first(choice.get("title"), choice.get("body"))
		m.ReplyID = choice.get("id").text()
	case "order":
		m.Text = content.get("text").text()
	case "system":
		m.readSystem(content)
	case "edit":
		if edited := content.get("message"); typeOf(edited) != "edit" { // one edit of an edit would be followed by another
			var now Message
			now.readContent(edited)
			m.Text = now.Text
		}
		m.Target = content.get("original_message_id").text()
	case "revoke":
		m.Target = content.get("original_message_id").text()
		all = true
	case "template": // of an echo
	case "request_welcome":
		understood = true // it has no object
	default:
		understood = false
	}
	if !understood || m.Trimmed {
		m.Type, m.Original, all = TypeUnsupported, name, false
		if name == TypeUnsupported || name == "unknown" {
			m.Original = label(content.get("type"))
		}
	}
	if !all && len(content) <= maxContent {
		m.Content = json.RawMessage(content)
	}
	m.Text = cut(m.Text, maxText)
	m.ReplyID = cut(m.ReplyID, maxMessageID)
	m.Target = boundedID(m.Target, maxMessageID)
}

// typeOf is the type as told. A message that does not tell has the type whose content it holds.
func typeOf(body node) string {
	if name := label(body.get("type")); name != "" {
		return name
	}
	for _, name := range []string{"text", "image", "video", "audio", "document", "sticker", "location", "contacts", "reaction", "button", "interactive", "order", "system", "edit", "revoke"} {
		if body.get(name) != nil {
			return name
		}
	}
	return ""
}

func readMedia(content node, name string) *Media {
	return &Media{
		ID:       label(content.get("id")),
		MIMEType: label(content.get("mime_type")),
		Filename: cut(content.get("filename").text(), 4*maxLabel),
		SHA256:   label(content.get("sha256")),
		Caption:  cut(content.get("caption").text(), maxText),
		Voice:    content.get("voice").isTrue() || name == "voice",
		Animated: content.get("animated").isTrue(),
	}
}

func (m *Message) readContacts(body, list node) {
	var names []string
	m.Requested = body.get("origin").text() == "contact_request"
	list.each(func(contact node) {
		if name := first(contact.find("name", "formatted_name"), contact.find("name", "first_name"), contact.get("name")); name != "" {
			names = append(names, name)
		}
		if contact.get("origin").text() == "contact_request" {
			m.Requested = true
		}
	})
	m.Text = strings.Join(names, ", ")
}

func (m *Message) readSystem(content node) {
	m.Text = content.get("body").text()
	phone := identify("", first(content.get("wa_id"), content.get("new_wa_id"))).Phone
	m.System = System{
		Type:           label(content.get("type")),
		NewPhone:       phone,
		UserID:         boundedID(content.get("user_id").text(), maxIdentity),
		PreviousUserID: boundedID(content.get("previous_user_id").text(), maxIdentity),
	}
}
