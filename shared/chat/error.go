package chat

// Code names what went wrong for a program; it never changes its meaning. The HTTP status of each is in package httpapi.
type Code string

// The codes.
const (
	BadRequest      Code = "bad_request"
	Unauthenticated Code = "unauthenticated"
	UnknownPerson   Code = "unknown_person"     // signed in, but nobody here
	Inactive        Code = "inactive"           // deactivated, or without a role
	NotAssignee     Code = "not_assignee"       // a team member who is not the Assignee
	AdminNotOwner   Code = "admin_not_assignee" // an Admin who is not the Assignee
	NoSuchChat      Code = "no_such_chat"
	NoSuchPerson    Code = "no_such_person"
	NoSuchTeam      Code = "no_such_team"
	NoSuchRoute     Code = "no_such_route"
	ChatClosed      Code = "chat_closed"
	ChatMerged      Code = "chat_merged"
	NewMessage      Code = "new_message" // the customer wrote meanwhile
	Stale           Code = "stale"       // the Chat changed since the caller saw it
	TooLarge        Code = "too_large"
	Invalid         Code = "invalid"    // Fields says where
	CannotOwn       Code = "cannot_own" // the target is unknown or inactive
	WindowClosed    Code = "window_closed"
	KeyReused       Code = "idempotency_key_reused"
	TryAgain        Code = "try_again"
)

// Error is every failure that a caller can do something about. Anything else is our fault, and shown as such.
type Error struct {
	Code     Code
	Detail   string  // for people; never personal data
	Fields   []Field // of Invalid
	Assignee string  // of NotAssignee and AdminNotOwner: who it is; empty while the Chat waits
	Chat     *Chat   // of Stale and NewMessage: as it is now
}

// Field is one place in a request's body that is wrong.
type Field struct {
	Pointer string // JSON pointer
	Detail  string
}

func (e *Error) Error() string {
	if e.Detail == "" {
		return string(e.Code)
	}
	return string(e.Code) + ": " + e.Detail
}

// IfEpoch is a [Stale] error with the Chat when the caller saw it at another epoch; nil is no condition.
func (c Chat) IfEpoch(epoch *int64) error {
	if epoch == nil || *epoch == c.Epoch {
		return nil
	}
	return &Error{Code: Stale, Detail: "The Chat has changed since you saw it.", Chat: &c}
}

// Cut shortens text to at most limit bytes without breaking a character. What people read is shortened by package grapheme.
func Cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	end := limit
	for end > 0 && text[end]&0xC0 == 0x80 {
		end--
	}
	return text[:end]
}
