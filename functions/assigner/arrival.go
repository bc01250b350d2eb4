package main

import (
	"context"
	"time"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/grapheme"
	"chatkeeper/shared/whatsapp"
)

// Limits of what a Chat shows, in letters and bytes: they keep its item below 1 KB. WhatsApp's usernames have 35 characters
// at most, of one byte each.
const (
	nameLetters   = 24
	nameBytes     = 72
	usernameBytes = 35
)

// settled is the message as its Chat takes it, with the Key that it has at every delivery.
func (a *assigner) settled(ctx context.Context, m whatsapp.Message) (chat.Arrival, error) {
	arrival := a.arrival(m)
	if m.Believed() {
		return arrival, nil
	}
	if until := time.Unix(m.Told+1, 0).UTC(); m.Ahead() && until.Sub(arrival.Message.Arrived) < chat.MostAhead {
		arrival.Ahead = until
	}
	err := a.settle(ctx, m, &arrival)
	return arrival, err
}

// settle gives the message the Key that it has, whatever its time stamp says at this delivery.
func (a *assigner) settle(ctx context.Context, m whatsapp.Message, arrival *chat.Arrival) error {
	k, err := a.store.Settle(ctx, a.secret.MessageAddress(m.Number, m.ID), arrival.Message.Key, a.now())
	if err == nil {
		arrival.Message.Key, arrival.Settled = k, true
	}
	return err
}

// arrival is the message as it was read.
func (a *assigner) arrival(m whatsapp.Message) chat.Arrival {
	arrival := chat.Arrival{
		Phone:    m.Customer.Phone,
		Username: grapheme.Cut(m.Username, usernameBytes, usernameBytes),
		Profile:  grapheme.Cut(m.Name, nameLetters, nameBytes),
		Message: chat.Message{
			Key: a.secret.Key(m.At, m.ID), WAMID: m.ID, Direction: chat.Direction(m.Direction), Type: m.Type, Original: m.Original, Text: m.Text,
			ReplyID: m.ReplyID, AdSource: m.AdSource, Quoted: m.Quoted, Target: m.Target, Content: m.Content,
			Source: source(m), Group: m.Group, Forwarded: m.Forwarded, Trimmed: m.Trimmed, Errors: m.ErrorCodes,
			Arrived: time.UnixMilli(m.ReceivedAt).Add(time.Duration(m.Position) * time.Microsecond).UTC(),
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
		arrival.Preview = grapheme.Preview(chat.PreviewText(m.Text, kind))
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
