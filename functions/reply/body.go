package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"chatkeeper/shared/chat"
)

// body is what a client asks to send: a type, the object that goes with it, and the Message that it answers. The limits
// are WhatsApp's own (Cloud API, "Messages"): what it would refuse is refused here, with the place.
type body struct {
	Type        string       `json:"type"`
	Text        *string      `json:"text"`
	PreviewURL  *bool        `json:"previewUrl"` // of a text: show a preview of its first link
	Media       *media       `json:"media"`      // of image, video, audio, document, sticker
	Location    *location    `json:"location"`
	Contacts    []contact    `json:"contacts"`
	Reaction    *reaction    `json:"reaction"`
	Interactive *interactive `json:"interactive"`
	Template    *template    `json:"template"`
	Quoted      string       `json:"quoted"` // id of the Message that it answers
}

type media struct {
	ID       string `json:"id"`   // of an upload
	Link     string `json:"link"` // or where WhatsApp fetches it
	Caption  string `json:"caption"`
	Filename string `json:"filename"`
	Voice    *bool  `json:"voice"`
}

type location struct {
	Latitude  *float64 `json:"latitude"`
	Longitude *float64 `json:"longitude"`
	Name      string   `json:"name"`
	Address   string   `json:"address"`
}

type contact struct {
	Name   contactName    `json:"name"`
	Phones []contactPhone `json:"phones"`
	Emails []contactEmail `json:"emails"`
}

type contactName struct {
	Formatted string `json:"formatted"`
	First     string `json:"first"`
	Last      string `json:"last"`
}

type contactPhone struct {
	Phone string `json:"phone"`
	Type  string `json:"type"`
}

type contactEmail struct {
	Email string `json:"email"`
	Type  string `json:"type"`
}

type reaction struct {
	MessageID string  `json:"messageId"`
	Emoji     *string `json:"emoji"` // empty takes the reaction back
}

type interactive struct {
	Type     string    `json:"type"` // button, list or cta_url
	Header   string    `json:"header"`
	Body     string    `json:"body"`
	Footer   string    `json:"footer"`
	Buttons  []button  `json:"buttons"`  // of button
	Open     string    `json:"open"`     // of list: the words on the button that opens it
	Sections []section `json:"sections"` // of list
	Link     *linkTo   `json:"link"`     // of cta_url
}

type button struct {
	ID    string `json:"id"`
	Title string `json:"title"`
}

type section struct {
	Title string `json:"title"`
	Rows  []row  `json:"rows"`
}

type row struct {
	ID          string `json:"id"`
	Title       string `json:"title"`
	Description string `json:"description"`
}

type linkTo struct {
	Title string `json:"title"`
	URL   string `json:"url"`
}

type template struct {
	Name       string      `json:"name"`
	Language   string      `json:"language"`
	Components []component `json:"components"`
}

type component struct {
	Type       string      `json:"type"` // header, body or button
	SubType    string      `json:"subType"`
	Index      *int        `json:"index"`
	Parameters []parameter `json:"parameters"`
}

type parameter struct {
	Type    string `json:"type"` // text, payload, image, video or document
	Name    string `json:"name"` // of a named parameter
	Text    string `json:"text"`
	Payload string `json:"payload"`
	Media   *media `json:"media"`
}

const quotedPointer = "/quoted"

// checking collects what is wrong and where.
type checking struct{ wrong []chat.Field }

func (k *checking) fail(pointer, format string, arguments ...any) {
	k.wrong = append(k.wrong, chat.Field{Pointer: pointer, Detail: fmt.Sprintf(format, arguments...)})
}

// text checks a text of 1 to most characters, or of 0 if it may be missing.
func (k *checking) text(pointer, value string, least, most int) {
	n := utf8.RuneCountInString(value)
	switch {
	case n < least, least > 0 && strings.TrimSpace(value) == "":
		k.fail(pointer, "must not be empty")
	case n > most:
		k.fail(pointer, "must have %d characters at most", most)
	}
}

func (k *checking) address(pointer, value string) {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || len(value) > 2000 {
		k.fail(pointer, "must be an absolute address with http or https, of 2000 characters at most")
	}
}

// object is WhatsApp's own, made of what is there.
type object map[string]any

func (o object) with(name, value string) object {
	if value != "" {
		o[name] = value
	}
	return o
}

// content checks the body and makes the Message of it: Content is the object that WhatsApp gets under the type's name,
// less what the Message says itself (a text, whom it quotes or reacts to). The references are yet to be resolved.
func (b body) content() (chat.Message, []reference, error) {
	var k checking
	m := chat.Message{Type: b.Type}
	b.onlyItsOwn(&k)
	var content object
	var refers []reference
	switch b.Type {
	case "text":
		content = b.text(&k, &m)
	case "image", "video", "audio", "document", "sticker":
		if b.Media == nil {
			k.fail("/media", "is needed with this type")
			break
		}
		content = b.Media.content(&k, "/media", b.Type)
		m.Text = b.Media.Caption
	case "location":
		content = b.location(&k)
	case "contacts":
		content = b.contacts(&k)
	case chat.Reaction:
		if b.Reaction == nil || b.Reaction.Emoji == nil {
			k.fail("/reaction", "with messageId and emoji is needed with this type")
			break
		}
		if e := *b.Reaction.Emoji; !emoji(e) {
			k.fail("/reaction/emoji", "must be one emoji, or empty to take a reaction back")
		}
		m.Text = *b.Reaction.Emoji
		refers = append(refers, reference{pointer: "/reaction/messageId", id: b.Reaction.MessageID})
	case "interactive":
		content = b.interactive(&k)
		if b.Interactive != nil {
			m.Text = b.Interactive.Body
		}
	case chat.Template:
		content = b.template(&k)
	default:
		k.fail("/type", "must be one of %s", strings.Join(slices.Sorted(maps.Keys(fields)), ", "))
	}
	if b.Quoted != "" {
		if b.Type == chat.Reaction {
			k.fail(quotedPointer, "can't stand beside a reaction")
		}
		refers = append(refers, reference{pointer: quotedPointer, id: b.Quoted})
	}
	if err := invalid(k.wrong); err != nil {
		return m, nil, err
	}
	if len(content) > 0 {
		encoded, err := json.Marshal(content)
		if err != nil {
			return m, nil, fmt.Errorf("encode a reply of type %s: %w", b.Type, err)
		}
		m.Content = encoded
	}
	return m, refers, nil
}

// fields says which field goes with which type.
var fields = map[string]string{"text": "text", "image": "media", "video": "media", "audio": "media", "document": "media",
	"sticker": "media", "location": "location", "contacts": "contacts", chat.Reaction: "reaction",
	"interactive": "interactive", chat.Template: "template"}

// onlyItsOwn refuses objects of other types: whoever sends them means something that would not be sent.
func (b body) onlyItsOwn(k *checking) {
	there := map[string]bool{"text": b.Text != nil, "media": b.Media != nil, "location": b.Location != nil,
		"contacts": b.Contacts != nil, "reaction": b.Reaction != nil, "interactive": b.Interactive != nil, "template": b.Template != nil}
	for field, is := range there {
		if is && fields[b.Type] != field {
			k.fail("/"+field, "does not go with this type")
		}
	}
	if b.PreviewURL != nil && b.Type != "text" {
		k.fail("/previewUrl", "goes with a text only")
	}
}

func (b body) text(k *checking, m *chat.Message) object {
	if b.Text == nil {
		k.fail("/text", "is needed with this type")
		return nil
	}
	k.text("/text", *b.Text, 1, 4096)
	m.Text = *b.Text
	if b.PreviewURL != nil && *b.PreviewURL {
		return object{"preview_url": true}
	}
	return nil
}

func (m media) content(k *checking, at, kind string) object {
	if (m.ID == "") == (m.Link == "") {
		k.fail(at, "needs an id or a link, not both")
	}
	if m.Link != "" {
		k.address(at+"/link", m.Link)
	}
	k.text(at+"/id", m.ID, 0, 256)
	k.text(at+"/caption", m.Caption, 0, 1024)
	k.text(at+"/filename", m.Filename, 0, 240)
	if m.Caption != "" && (kind == "audio" || kind == "sticker") {
		k.fail(at+"/caption", "does not go with %s", kind)
	}
	if m.Filename != "" && kind != "document" {
		k.fail(at+"/filename", "goes with a document only")
	}
	o := object{}.with("id", m.ID).with("link", m.Link).with("caption", m.Caption).with("filename", m.Filename)
	if m.Voice != nil {
		if kind != "audio" {
			k.fail(at+"/voice", "goes with audio only")
		}
		o["voice"] = *m.Voice
	}
	return o
}

func (b body) location(k *checking) object {
	l := b.Location
	if l == nil || l.Latitude == nil || l.Longitude == nil {
		k.fail("/location", "with latitude and longitude is needed with this type")
		return nil
	}
	if *l.Latitude < -90 || *l.Latitude > 90 {
		k.fail("/location/latitude", "must lie between -90 and 90")
	}
	if *l.Longitude < -180 || *l.Longitude > 180 {
		k.fail("/location/longitude", "must lie between -180 and 180")
	}
	k.text("/location/name", l.Name, 0, 1000)
	k.text("/location/address", l.Address, 0, 1000)
	return object{"latitude": *l.Latitude, "longitude": *l.Longitude}.with("name", l.Name).with("address", l.Address)
}

func (b body) contacts(k *checking) object {
	if len(b.Contacts) == 0 || len(b.Contacts) > 20 {
		k.fail("/contacts", "needs 1 to 20 contacts")
		return nil
	}
	var list []object
	for i, c := range b.Contacts {
		at := "/contacts/" + strconv.Itoa(i)
		k.text(at+"/name/formatted", c.Name.Formatted, 1, 200)
		k.text(at+"/name/first", c.Name.First, 0, 100)
		k.text(at+"/name/last", c.Name.Last, 0, 100)
		if c.Name.First == "" && c.Name.Last == "" {
			k.fail(at+"/name", "needs a first or a last name")
		}
		name := object{"formatted_name": c.Name.Formatted}.with("first_name", c.Name.First).with("last_name", c.Name.Last)
		entry := object{"name": name}
		var phones, emails []object
		for j, p := range c.Phones {
			k.text(at+"/phones/"+strconv.Itoa(j)+"/phone", p.Phone, 1, 32)
			phones = append(phones, object{"phone": p.Phone}.with("type", p.Type))
		}
		for j, e := range c.Emails {
			k.text(at+"/emails/"+strconv.Itoa(j)+"/email", e.Email, 1, 254)
			emails = append(emails, object{"email": e.Email}.with("type", e.Type))
		}
		if phones != nil {
			entry["phones"] = phones
		}
		if emails != nil {
			entry["emails"] = emails
		}
		list = append(list, entry)
	}
	return object{"contacts": list}
}

// emoji reports whether the text may be one emoji: none of it is a letter, a space or, but for the keycaps, ASCII.
// Which sequences WhatsApp draws as one is its own affair, and changes.
func emoji(text string) bool {
	if utf8.RuneCountInString(text) > 16 {
		return false
	}
	symbols := 0
	for _, c := range text {
		if unicode.IsLetter(c) || unicode.IsSpace(c) || unicode.IsControl(c) {
			return false
		}
		if c > unicode.MaxASCII {
			symbols++
		}
	}
	return text == "" || symbols > 0
}

func (b body) interactive(k *checking) object {
	i := b.Interactive
	if i == nil {
		k.fail("/interactive", "is needed with this type")
		return nil
	}
	const at = "/interactive"
	most := 1024
	var action object
	switch i.Type {
	case "button":
		action = i.replyButtons(k, at+"/buttons")
	case "list":
		most = 4096
		action = i.list(k, at)
	case "cta_url":
		if i.Link == nil {
			k.fail(at+"/link", "is needed with this type")
			break
		}
		k.text(at+"/link/title", i.Link.Title, 1, 20)
		k.address(at+"/link/url", i.Link.URL)
		action = object{"name": "cta_url", "parameters": object{"display_text": i.Link.Title, "url": i.Link.URL}}
	default:
		k.fail(at+"/type", "must be one of button, cta_url, list")
	}
	for field, wrong := range map[string]bool{"buttons": i.Buttons != nil && i.Type != "button", "open": i.Open != "" && i.Type != "list",
		"sections": i.Sections != nil && i.Type != "list", "link": i.Link != nil && i.Type != "cta_url"} {
		if wrong {
			k.fail(at+"/"+field, "does not go with this type")
		}
	}
	k.text(at+"/body", i.Body, 1, most)
	k.text(at+"/header", i.Header, 0, 60)
	k.text(at+"/footer", i.Footer, 0, 60)
	o := object{"type": i.Type, "body": object{"text": i.Body}, "action": action}
	if i.Header != "" {
		o["header"] = object{"type": "text", "text": i.Header}
	}
	if i.Footer != "" {
		o["footer"] = object{"text": i.Footer}
	}
	return o
}

func (i interactive) replyButtons(k *checking, at string) object {
	if len(i.Buttons) == 0 || len(i.Buttons) > 3 {
		k.fail(at, "needs 1 to 3 buttons")
	}
	var list []object
	ids, titles := map[string]bool{}, map[string]bool{}
	for n, b := range i.Buttons {
		place := at + "/" + strconv.Itoa(n)
		k.text(place+"/id", b.ID, 1, 256)
		k.text(place+"/title", b.Title, 1, 20)
		if ids[b.ID] || titles[b.Title] {
			k.fail(place, "has the id or the title of another button")
		}
		ids[b.ID], titles[b.Title] = true, true
		list = append(list, object{"type": "reply", "reply": object{"id": b.ID, "title": b.Title}})
	}
	return object{"buttons": list}
}

func (i interactive) list(k *checking, at string) object {
	k.text(at+"/open", i.Open, 1, 20)
	if len(i.Sections) == 0 || len(i.Sections) > 10 {
		k.fail(at+"/sections", "needs 1 to 10 sections")
	}
	var sections []object
	ids, rows := map[string]bool{}, 0
	for n, s := range i.Sections {
		place := at + "/sections/" + strconv.Itoa(n)
		least := 0
		if len(i.Sections) > 1 {
			least = 1
		}
		k.text(place+"/title", s.Title, least, 24)
		if len(s.Rows) == 0 {
			k.fail(place+"/rows", "must not be empty")
		}
		var list []object
		for j, r := range s.Rows {
			at := place + "/rows/" + strconv.Itoa(j)
			k.text(at+"/id", r.ID, 1, 200)
			k.text(at+"/title", r.Title, 1, 24)
			k.text(at+"/description", r.Description, 0, 72)
			if ids[r.ID] {
				k.fail(at+"/id", "is the id of another row")
			}
			ids[r.ID] = true
			rows++
			list = append(list, object{"id": r.ID, "title": r.Title}.with("description", r.Description))
		}
		sections = append(sections, object{"rows": list}.with("title", s.Title))
	}
	if rows > 10 {
		k.fail(at+"/sections", "may have 10 rows in all")
	}
	return object{"button": i.Open, "sections": sections}
}

var (
	templateName     = regexp.MustCompile(`^[a-z0-9_]{1,512}$`)
	templateLanguage = regexp.MustCompile(`^[a-z]{2,3}(_[A-Za-z]{2,4})?$`)
)

func (b body) template(k *checking) object {
	t := b.Template
	if t == nil {
		k.fail("/template", "is needed with this type")
		return nil
	}
	if !templateName.MatchString(t.Name) {
		k.fail("/template/name", "must be small letters, digits and _")
	}
	if !templateLanguage.MatchString(t.Language) {
		k.fail("/template/language", "must be a code like en or pt_BR")
	}
	var components []object
	for i, c := range t.Components {
		components = append(components, c.content(k, "/template/components/"+strconv.Itoa(i)))
	}
	o := object{"name": t.Name, "language": object{"code": t.Language}}
	if components != nil {
		o["components"] = components
	}
	return o
}

func (c component) content(k *checking, at string) object {
	o := object{"type": c.Type}
	switch c.Type {
	case "header", "body":
		if c.SubType != "" || c.Index != nil {
			k.fail(at, "of type %s has no subType and no index", c.Type)
		}
	case "button":
		if !slices.Contains([]string{"quick_reply", "url", "copy_code"}, c.SubType) {
			k.fail(at+"/subType", "must be one of copy_code, quick_reply, url")
		}
		if c.Index == nil || *c.Index < 0 || *c.Index > 9 {
			k.fail(at+"/index", "must lie between 0 and 9")
			break
		}
		o["sub_type"], o["index"] = c.SubType, strconv.Itoa(*c.Index)
	default:
		k.fail(at+"/type", "must be one of body, button, header")
	}
	var list []object
	for i, p := range c.Parameters {
		list = append(list, p.content(k, at+"/parameters/"+strconv.Itoa(i)))
	}
	o["parameters"] = list
	if len(list) == 0 {
		k.fail(at+"/parameters", "must not be empty")
	}
	return o
}

func (p parameter) content(k *checking, at string) object {
	o := object{"type": p.Type}.with("parameter_name", p.Name)
	k.text(at+"/name", p.Name, 0, 64)
	switch p.Type {
	case "text":
		k.text(at+"/text", p.Text, 1, 1024)
		o["text"] = p.Text
	case "payload":
		k.text(at+"/payload", p.Payload, 1, 256)
		o["payload"] = p.Payload
	case "image", "video", "document":
		if p.Media == nil {
			k.fail(at+"/media", "is needed with this type")
			break
		}
		o[p.Type] = p.Media.content(k, at+"/media", p.Type)
	default:
		k.fail(at+"/type", "must be one of document, image, payload, text, video")
	}
	for field, wrong := range map[string]bool{"text": p.Text != "" && p.Type != "text", "payload": p.Payload != "" && p.Type != "payload",
		"media": p.Media != nil && (p.Type == "text" || p.Type == "payload")} {
		if wrong {
			k.fail(at+"/"+field, "does not go with this type")
		}
	}
	return o
}
