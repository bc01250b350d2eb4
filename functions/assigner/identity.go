package main

import (
	"context"
	"errors"
	"log/slog"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/whatsapp"
)

// place is where a message belongs.
type place struct {
	chat        string // the Chat's id; empty if there is none yet
	user, phone string // addresses of the message's identities; empty where it has none
	phoneToLink string // of a Chat to be created: the phone number, if nobody else has it

	userID string // of the customer: the message's, or what it was renamed to
}

func (a *assigner) addresses(number string, who whatsapp.Identity) (user, phone string) {
	if who.UserID != "" {
		user = a.secret.UserAddress(number, who.UserID)
	}
	if who.Phone != "" {
		phone = a.secret.PhoneAddress(number, who.Phone)
	}
	return user, phone
}

// find takes the identities of a message to a Chat: the user id (BSUID) first, the phone number as an alias. What the
// message proves about them is stored before the message is, by a condition on what was read, and then the search
// begins again ([dynamo.ErrRefused]): an identity that is missing is linked, two Chats that prove to be one customer's are
// merged, a phone number that turns up with another user id is somebody else's now and moves.
func (a *assigner) find(ctx context.Context, m whatsapp.Message, k chat.Key, strong bool) (place, error) {
	if m.System.PreviousUserID != "" || m.System.UserID != "" || m.System.NewPhone != "" {
		return a.renew(ctx, m, k)
	}
	p, leads, err := a.leads(ctx, m.Number, &m.Customer, strong)
	who := m.Customer
	if err != nil {
		return p, err
	}
	switch user, phone := leads.User, leads.Phone; {
	case user == nil && phone == nil:
		p.phoneToLink = who.Phone
		return p, nil
	case user == nil && who.UserID == "":
		p.chat = phone.ChatAt(k)
		return p, nil
	case user == nil:
		return a.userOfPhone(ctx, m, k, p, *phone)
	case who.Phone == "" || phone != nil && phone.Chat == user.Chat:
		p.chat = user.Chat
		return p, nil
	case phone == nil:
		c, err := a.goingOn(ctx, user.Chat)
		if err != nil {
			return p, err
		}
		return p, again(a.store.Link(ctx, c, chat.Link{Address: p.phone, Since: k}, chat.Identities{Phone: who.Phone}))
	default:
		return a.phoneElsewhere(ctx, m, k, p, *user, *phone)
	}
}

// mostRenames is more than WhatsApp tells of one customer who has written nothing yet.
const mostRenames = 8

// leads reads where identities lead. A user id that was renamed before its customer had a Chat is the new one from here on.
func (a *assigner) leads(ctx context.Context, number string, who *whatsapp.Identity, strong bool) (place, dynamo.Leads, error) {
	for range mostRenames {
		p := place{userID: who.UserID}
		p.user, p.phone = a.addresses(number, *who)
		// A stale phone number leads to the person who had it before, and nothing would refuse that, so only a user id may be
		// read weakly.
		leads, err := a.store.Find(ctx, p.user, p.phone, strong || p.user == "")
		if err != nil || leads.User == nil || leads.User.Renamed == "" {
			return p, leads, err
		}
		who.UserID, strong = leads.User.Renamed, true
	}
	return place{}, dynamo.Leads{}, errors.New("a user id is renamed in a circle")
}

// userOfPhone: the user id is new, the phone number leads to a Chat. It is the same person unless that Chat has another
// user id.
func (a *assigner) userOfPhone(ctx context.Context, m whatsapp.Message, k chat.Key, p place, phone dynamo.Lead) (place, error) {
	c, err := a.goingOn(ctx, phone.ChatAt(k))
	if err != nil {
		return p, err
	}
	if c.Customer.UserID != "" && c.Customer.UserID != m.Customer.UserID {
		return p, nil // somebody else: a Chat of their own, and then the phone number moves
	}
	return p, again(a.store.Link(ctx, c, chat.Link{Address: p.user, Since: k}, chat.Identities{UserID: m.Customer.UserID}))
}

// phoneElsewhere: the user id leads to one Chat and the phone number to another. If the other one has a user id of its
// own, the number was recycled and moves, unless this message is older than the one that showed it there. If it has none,
// the two are one person, and their Chats become one.
func (a *assigner) phoneElsewhere(ctx context.Context, m whatsapp.Message, k chat.Key, p place, user, phone dynamo.Lead) (place, error) {
	c, err := a.goingOn(ctx, user.Chat)
	if err != nil {
		return p, err
	}
	other, err := a.goingOn(ctx, phone.ChatAt(k))
	if err != nil {
		return p, err
	}
	p.chat = c.ID
	switch {
	case other.ID != phone.Chat && !phone.MovedSince(k):
		return p, again(a.store.Follow(ctx, p.phone, phone.Chat, other.ID))
	case other.ID == c.ID:
		return p, nil
	case other.Customer.UserID == "":
		return a.merge(ctx, p, c, other, "")
	case !phone.Since.Before(k):
		return p, nil
	}
	return p, again(a.store.MovePhone(ctx, chat.Link{Address: p.phone, Since: k}, other, c, m.Customer.Phone))
}

// merge makes two Chats one that a message proved to be one customer's, and begins again. userID is the customer's from
// now on; empty if the message does not change it.
func (a *assigner) merge(ctx context.Context, p place, one, two chat.Chat, userID string) (place, error) {
	var addresses []string
	for _, c := range []chat.Chat{one, two} {
		user, phone := a.addresses(c.Number, whatsapp.Identity{UserID: c.Customer.UserID, Phone: c.Customer.Phone})
		addresses = append(addresses, user, phone)
	}
	merged, err := a.store.Merge(ctx, one, two, userID, append(addresses, p.user, p.phone), a.now())
	switch {
	case err == nil && !merged:
		slog.ErrorContext(ctx, "too many chats are one customer's", "chat", one.ID, "other", two.ID)
		return p, nil
	case err == nil:
		slog.InfoContext(ctx, "merged", "chat", one.ID, "other", two.ID)
	}
	return p, again(err)
}

// goingOn reads a Chat that an identity leads to, strongly; a merged one leads on to the one that goes on. If it is not
// there, what led to it is stale: [dynamo.ErrRefused], begin again. Merged Chats point forward only, so this ends.
func (a *assigner) goingOn(ctx context.Context, id string) (chat.Chat, error) {
	for {
		c, err := a.store.Chat(ctx, id)
		switch {
		case err != nil:
			return chat.Chat{}, err
		case c == nil:
			return chat.Chat{}, dynamo.ErrRefused
		case c.Status != chat.Merged:
			return *c, nil
		}
		id = c.MergedInto
	}
}

// renew does what a system message says: the customer has another phone number or user id from now on. The Chat is that
// of the identities they had before; if the new ones have a Chat too, the two become one. Identities that lead there
// already are left as they are. A user id that leads nowhere yet is noted to be the new one, before anything else: its
// messages may be on their way in another group.
func (a *assigner) renew(ctx context.Context, m whatsapp.Message, k chat.Key) (place, error) {
	before := whatsapp.Identity{UserID: m.System.PreviousUserID, Phone: m.Customer.Phone}
	if before.UserID == "" {
		before.UserID = m.Customer.UserID
	}
	told := before.UserID
	p, leads, err := a.leads(ctx, m.Number, &before, true)
	if err != nil {
		return p, err
	}
	if leads.User == nil && told != "" && told == before.UserID && m.System.UserID != "" && m.System.UserID != told {
		renamed, err := a.rename(ctx, m, k, p.user)
		if err != nil || renamed {
			return p, again(err)
		}
	}
	lead := leads.User
	if lead == nil {
		lead = leads.Phone
	}
	if lead == nil {
		return p, nil
	}
	c, err := a.goingOn(ctx, lead.ChatAt(k))
	if err != nil {
		return p, err
	}
	if leads.User == nil && before.UserID != "" && c.Customer.UserID != "" && c.Customer.UserID != before.UserID {
		return p, nil // the phone number is somebody else's by now
	}
	p.chat = c.ID
	if id := m.System.UserID; id != "" {
		if p, err := a.renewUser(ctx, k, p, c, id); err != nil {
			return p, err
		}
	}
	if number := m.System.NewPhone; number != "" {
		_, phone := a.addresses(m.Number, whatsapp.Identity{Phone: number})
		return a.renewPhone(ctx, k, p, c, phone, number)
	}
	return p, nil
}

// rename notes the new user id of a customer without a Chat, or what it was renamed to in turn, under the one before. It does
// not if that would lead in a circle.
func (a *assigner) rename(ctx context.Context, m whatsapp.Message, k chat.Key, address string) (bool, error) {
	who := whatsapp.Identity{UserID: m.System.UserID}
	is, _, err := a.leads(ctx, m.Number, &who, true)
	if err != nil || is.user == address {
		return false, err
	}
	return true, a.store.Rename(ctx, address, is.user, who.UserID, k)
}

// renewUser: the customer of the Chat has another user id. Whoever wrote under it is the same person: ids are nobody's twice.
func (a *assigner) renewUser(ctx context.Context, k chat.Key, p place, c chat.Chat, id string) (place, error) {
	who := whatsapp.Identity{UserID: id} // or what WhatsApp told since that it is now
	is, leads, err := a.leads(ctx, c.Number, &who, true)
	if err != nil {
		return p, err
	}
	if leads.User == nil {
		return p, again(a.store.Renew(ctx, c, chat.Link{Address: is.user, Since: k}, who.UserID))
	}
	other, err := a.goingOn(ctx, leads.User.Chat)
	if err != nil || other.ID == c.ID {
		return p, err
	}
	return a.merge(ctx, p, c, other, who.UserID)
}

// renewPhone: the customer of the Chat has another phone number. Who wrote from it since then is the same person. Who
// wrote from it before had it before, and loses it.
func (a *assigner) renewPhone(ctx context.Context, k chat.Key, p place, c chat.Chat, address, number string) (place, error) {
	leads, err := a.store.Find(ctx, "", address, true)
	if err != nil {
		return p, err
	}
	phone, link := leads.Phone, chat.Link{Address: address, Since: k}
	if phone == nil {
		return p, again(a.store.Link(ctx, c, link, chat.Identities{Phone: number}))
	}
	other, err := a.goingOn(ctx, phone.Chat)
	since := !phone.Since.Time().Before(k.Time())
	switch {
	case err != nil || other.ID == c.ID || phone.MovedSince(k):
		return p, err
	case other.ID != phone.Chat:
		return p, again(a.store.Follow(ctx, address, phone.Chat, other.ID))
	case since && (other.Customer.UserID == "" || c.Customer.UserID == ""):
		return a.merge(ctx, p, c, other, "")
	case since:
		return p, nil
	}
	return p, again(a.store.MovePhone(ctx, link, other, c, number))
}

// again: what was linked changes where the identities lead, so the search begins anew.
func again(err error) error {
	if err == nil {
		return dynamo.ErrRefused
	}
	return err
}
