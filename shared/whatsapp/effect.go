package whatsapp

// Effect is what a message does to a Chat. The effects are ordered: each does less than the one before.
type Effect int

const (
	// Opens: a customer has written. It creates the Chat, or re-opens it, counts as unread and moves the newest message.
	Opens Effect = iota
	// Keeps: it is kept on a Chat that exists, unread while that is open, but gives nobody a new Chat.
	Keeps
	// KeepsQuietly: it is kept on a Chat that exists and never unread.
	KeepsQuietly
	// Ignored: it is counted and dropped.
	Ignored
)

func (e Effect) String() string {
	return [...]string{"opens", "keeps", "keeps quietly", "ignored"}[e]
}

// Effect decides what the message does, and why:
//   - What nobody can be found for, and request_welcome, which WhatsApp has retired, is ignored.
//   - A history is the past, and an echo or a system notice was not written by the customer to anybody who has to answer:
//     they are kept quietly. So is a message to a group: nobody is assigned to a group.
//   - While WhatsApp's own agent holds a conversation the customer is being answered: kept, and people can see it.
//   - Reactions, edits and revokes, also the ones WhatsApp could not pass on and those of pins, kept messages and polls, change
//     an earlier message and are no new turn.
//   - Everything else is a customer who waits for an answer. That includes what WhatsApp or this code could not read:
//     131060 stands for a text that never arrives.
func (m Message) Effect() Effect {
	kind := m.Type
	if m.Type == TypeUnsupported {
		kind = m.Original
	}
	switch {
	case m.Customer == (Identity{}) || kind == "request_welcome":
		return Ignored
	case m.Kind == KindEcho || m.Kind == KindStandbyEcho || m.Kind == KindHistory:
		return KeepsQuietly
	case m.Kind != KindMessage && m.Kind != KindStandbyMessage:
		return Ignored
	case kind == "system" || m.Group != "":
		return KeepsQuietly
	case m.Kind == KindStandbyMessage:
		return Keeps
	}
	switch kind {
	case "reaction", "edit", "revoke", "pin", "keep_in_chat", "poll_update":
		return Keeps
	}
	return Opens
}
