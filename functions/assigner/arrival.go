package main

import (
	"time"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/whatsapp"
)

// nameSize keeps a Chat's item below 1 KB.
const nameSize = 40

// arrival is the message as the Chat takes it.
func (a *assigner) arrival(m whatsapp.Message) chat.Arrival {
	arrival := chat.Arrival{
		Phone:    m.Customer.Phone,
		Username: chat.Cut(m.Username, nameSize),
		Profile:  chat.Cut(m.Name, nameSize),
		Message: chat.Message{
			Key: a.secret.Key(m.At, m.ID), WAMID: m.ID, Direction: chat.Direction(m.Direction), Type: m.Type, Original: m.Original, Text: m.Text,
			ReplyID: m.ReplyID, AdSource: m.AdSource, Quoted: m.Quoted, Target: m.Target, Content: m.Content,
			Source: source(m), Group: m.Group, Forwarded: m.Forwarded, Trimmed: m.Trimmed, Errors: m.ErrorCodes, Arrived: time.UnixMilli(m.ReceivedAt).UTC(),
		},
	}
	if shown := shown(m); shown != "" {
		arrival.Message.Shows = a.secret.PhoneAddress(m.Number, shown)
	}
	if m.Direction == whatsapp.Out {
		arrival.Username, arrival.Profile = "", ""
	}
	if arrival.Username != "" {
		arrival.NamedAt = a.secret.UsernameAddress(m.Number, arrival.Username)
	}
	if m.Effect() == whatsapp.Opens || m.Kind == whatsapp.KindEcho || m.Kind == whatsapp.KindHistory {
		kind := m.Type
		if m.Original != "" {
			kind = m.Original
		}
		arrival.Preview = chat.PreviewText(m.Text, kind)
	}
	return arrival
}

// source says where a message came from, if not from the customer's phone to the business.
func source(m whatsapp.Message) string {
	switch {
	case m.Kind != whatsapp.KindMessage:
		return string(m.Kind)
	case m.Group != "":
		return "group"
	case m.Effect() != whatsapp.Opens:
		return "aside"
	}
	return ""
}

// shown is the phone number that a message proves to be its customer's, whose user id it tells too; empty if it proves none.
func shown(m whatsapp.Message) string {
	switch {
	case m.System.NewPhone != "":
		return m.System.NewPhone
	case m.Customer.UserID != "" && m.System.UserID == "" && m.System.PreviousUserID == "":
		return m.Customer.Phone
	}
	return ""
}
