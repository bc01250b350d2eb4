package whatsapp

import "strings"

// Status is what became of a message that was sent.
type Status struct {
	ID          string   // wamid of the message
	Number      string   // the business number's id
	Status      string   // in lower case: sent, delivered, read, played, failed, or one that is not known here
	Type        string   // call for the status of a call, else empty
	At          int64    // when it happened, Unix seconds, as of a Message
	Customer    Identity // to whom it was sent; empty for a group, and for a failed one there may be nothing
	Group       string   // id of the group it was sent to
	Participant Identity // who in the group
	Callback    string   // what was given as biz_opaque_callback_data with the send
	ErrorCodes  []int
}

// Status reads an Update of KindStatus or KindStandbyStatus.
func (u Update) Status() Status {
	body := node(u.Body)
	s := Status{
		ID:         updateID(u.Body),
		Number:     u.Number,
		Status:     strings.ToLower(label(body.get("status"))),
		Type:       label(body.get("type")),
		At:         u.moment(seconds(body.get("timestamp"))),
		Customer:   u.customer(),
		Callback:   cut(body.get("biz_opaque_callback_data").text(), 512),
		ErrorCodes: codes(body.get("errors")),
	}
	if body.get("recipient_type").text() == "group" {
		s.Customer = Identity{}
		s.Group = label(body.get("recipient_id"))
		s.Participant = identify(body.get("recipient_participant_user_id").text(), body.get("recipient_participant_id").text())
	}
	if len(s.ErrorCodes) == 0 && s.Status == "failed" {
		s.ErrorCodes = u.Codes
	}
	return s
}

// Rank orders what may become of a message: of two statuses the higher one holds, in whatever order they come.
// A failure beats only what says no more than "sent"; delivered proves it wrong. 0 is a status to ignore (calls, the legacy
// deleted, and any that is new).
func (s Status) Rank() int {
	if s.Type == "call" {
		return 0
	}
	return Rank(s.Status)
}

// Rank is the rank of a delivery state: WhatsApp's, and our own before WhatsApp has answered.
func Rank(state string) int {
	switch state {
	case "queued":
		return 1
	case "sending":
		return 2
	case "unknown":
		return 3
	case "sent":
		return 4
	case "failed":
		return 5
	case "delivered":
		return 6
	case "read":
		return 7
	case "played":
		return 8
	}
	return 0
}
