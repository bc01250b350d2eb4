package whatsapp

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// ErrNotJSON is a delivery that is not a JSON object. It says nothing about the body, which may be personal data.
var ErrNotJSON = errors.New("whatsapp: delivery is not a JSON object")

// maxDepth is how deep the body of an Update may be nested; a deeper one is reduced. WhatsApp's own stay below ten.
const maxDepth = 64

// Split takes a verified delivery apart: one Update for each message, status, echo and message of a history, each with the
// contact that belongs to it, and one for each change that holds none of these. There is no limit to their number: a history
// may bring thousands in one delivery. What is listed twice is returned twice, with equal DedupIDs.
//
// The order is that of the delivery, except that changes of a customer's identity come before everything else, because a
// message under the new identity may stand before the change that explains it. Position tells the order of the delivery itself.
//
// The only error is ErrNotJSON: the body is no JSON object, or nested deeper than encoding/json reads (10,000 levels).
func Split(raw []byte, receivedAt time.Time) ([]Update, error) {
	raw = storable(raw[skipSpace(raw, 0):])
	if !json.Valid(raw) || !node(raw).isObject() {
		return nil, ErrNotJSON
	}
	s := splitter{receivedAt: receivedAt.UnixMilli()}
	entries := node(raw).get("entry")
	if !entries.isArray() && !entries.isObject() {
		s.add(Update{Kind: KindOther}, raw)
	}
	entries.each(s.entry)
	return append(s.identityChanges, s.updates...), nil
}

type splitter struct {
	receivedAt      int64
	identityChanges []Update
	updates         []Update
}

func (s *splitter) entry(entry node) {
	from := Update{
		Account: label(entry.get("id")),
		Time:    seconds(entry.get("time")),
	}
	changes := entry.get("changes")
	if !changes.isArray() && !changes.isObject() {
		from.Kind = KindOther
		s.add(from, entry)
		return
	}
	changes.each(func(change node) { s.change(from, change) })
}

func (s *splitter) change(from Update, change node) {
	from.Field = label(change.get("field"))
	value := change.get("value")
	before := s.count()
	s.value(from, value, from.Field == "standby", false)
	if s.count() == before {
		from.Kind = KindOther
		from.Number, from.Display = business(value)
		if value == nil {
			value = change
		}
		s.add(from, value)
	}
}

func business(value node) (id, display string) {
	metadata := value.get("metadata")
	return label(metadata.get("phone_number_id")), label(metadata.get("display_phone_number"))
}

// value splits the content of a change, which is walked over once: a history may have megabytes.
func (s *splitter) value(from Update, value node, standby, nested bool) {
	var contacts []Contact
	var messages, statuses, echoes, history, inner node
	value.members(func(key []byte, member node) {
		switch string(key) {
		case "metadata":
			from.Number, from.Display = label(member.get("phone_number_id")), label(member.get("display_phone_number"))
		case "contacts":
			member.each(func(contact node) { contacts = append(contacts, readContact(contact)) })
		case "errors":
			from.Codes = codes(member)
		case "messages":
			messages = member
		case "statuses":
			statuses = member
		case "message_echoes":
			echoes = member
		case "history":
			history = member
		case "standby":
			inner = member
		}
	})
	kinds := struct{ message, echo, status Kind }{KindMessage, KindEcho, KindStatus}
	switch {
	case standby:
		kinds = struct{ message, echo, status Kind }{KindStandbyMessage, KindStandbyEcho, KindStandbyStatus}
	case from.Field == "history":
		kinds.message = KindHistory // the media of a history follow in a list of their own
	}
	each := func(list node, kind Kind) {
		list.each(func(element node) {
			u := from
			u.Kind = kind
			s.addWithContact(u, element, contacts)
		})
	}
	each(messages, kinds.message)
	each(echoes, kinds.echo)
	each(statuses, kinds.status)
	history.each(func(chunk node) {
		chunk.get("threads").each(func(thread node) {
			u := from
			u.Kind = KindHistory
			u.Thread = label(thread.get("id"))
			with := contacts
			if who := readContact(thread.get("context")); who != (Contact{}) {
				with = []Contact{who}
			}
			thread.get("messages").each(func(message node) { s.addWithContact(u, message, with) })
		})
	})
	if inner != nil && !nested { // once: what is nested deeper is no shape of WhatsApp's, and costs a walk for each level
		s.value(from, inner, true, true)
	}
}

// addWithContact adds an Update with the contact that belongs to it: the one with its identity, else the only one, if nothing
// speaks against that. A wrong contact would mix up two customers, so none is better.
func (s *splitter) addWithContact(u Update, element node, contacts []Contact) {
	u.Body = json.RawMessage(element)
	who := u.named()
	for _, contact := range contacts {
		if contact.identity().is(who) {
			u.Contact = contact
			s.add(u, element)
			return
		}
	}
	if len(contacts) == 1 && contacts[0].identity().mayBe(who) && node(u.Body).get("group_id") == nil {
		u.Contact = contacts[0]
	}
	s.add(u, element)
}

func (s *splitter) add(u Update, body node) {
	u.Version = UpdateVersion
	u.ReceivedAt = s.receivedAt
	u.Position = s.count()
	u.Body = json.RawMessage(body)
	u = u.fit()
	if isIdentityChange(u) {
		s.identityChanges = append(s.identityChanges, u)
		return
	}
	s.updates = append(s.updates, u)
}

func (s *splitter) count() int { return len(s.identityChanges) + len(s.updates) }

func isIdentityChange(u Update) bool {
	return (u.Kind == KindMessage || u.Kind == KindStandbyMessage) && node(u.Body).get("type").text() == "system"
}

// fit makes an Update that is too large or too deep smaller: by spelling its characters as themselves, where WhatsApp writes six
// bytes for each that is not ASCII, and if that is not enough by dropping all but ids, identities, type and timestamp.
func (u Update) fit() Update {
	const aroundBody = 16 << 10 // labels are limited, so that this is always enough
	fits := func(body node) bool { return len(body) <= MaxUpdateSize-aroundBody && body.depth() <= maxDepth }
	if fits(node(u.Body)) {
		return u
	}
	// Only a message is worth it: reading a large body takes many times its size in memory.
	if u.Kind != KindOther {
		if dense := unescaped(u.Body); dense != nil && fits(dense) {
			u.Body = json.RawMessage(dense)
			return u
		}
	}
	kept := map[string]string{"id": updateID(u.Body)}
	node(u.Body).members(func(key []byte, value node) {
		if text := value.text(); keptWhenTrimmed[string(key)] && text != "" {
			kept[string(key)] = boundedID(text, maxMessageID)
		}
	})
	u.Body, _ = json.Marshal(kept) // texts always marshal
	u.Trimmed = true
	return u
}

// unescaped spells JSON without escapes for characters that need none, and without white space.
func unescaped(body []byte) node {
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber() // numbers stay as they are spelled
	var value any
	if decoder.Decode(&value) != nil {
		return nil
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if encoder.Encode(value) != nil {
		return nil
	}
	return storable(bytes.TrimSuffix(out.Bytes(), []byte("\n")))
}

// keptWhenTrimmed names ids, identities, type and timestamp of messages and statuses.
var keptWhenTrimmed = map[string]bool{
	"id": true, "type": true, "timestamp": true, "status": true, "group_id": true,
	"from": true, "from_user_id": true, "to": true, "to_user_id": true,
	"recipient_id": true, "recipient_user_id": true, "recipient_type": true,
	"recipient_participant_id": true, "recipient_participant_user_id": true,
	"biz_opaque_callback_data": true,
}

func readContact(contact node) Contact {
	username := first(contact.find("profile", "username"), contact.get("username"))
	return Contact{
		Name:     cut(first(contact.find("profile", "name"), contact.get("name")), maxLabel),
		Username: cut(strings.TrimPrefix(username, "@"), maxLabel),
		WaID:     boundedID(contact.get("wa_id").text(), maxIdentity),
		UserID:   boundedID(contact.get("user_id").text(), maxIdentity),
	}
}

// codes lists the numbers of errors, at most ten of them.
func codes(list node) []int {
	var found []int
	list.each(func(e node) {
		if code := e.get("code").number(); code != 0 && len(found) < 10 {
			found = append(found, int(code))
		}
	})
	return found
}

// label reads an id or a name that is kept beside the body.
func label(n node) string { return boundedID(n.text(), maxLabel) }

// lastSecond is the greatest time that has ten digits, in the year 2286.
const lastSecond = 9_999_999_999

// seconds reads a Unix time, in seconds or in a finer unit, as some come: larger numbers are brought down. 0 is no time.
func seconds(n node) int64 {
	t := max(0, n.number())
	for t > lastSecond {
		t /= 1000
	}
	return t
}
