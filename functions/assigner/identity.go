package main

import (
	"context"
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
// begins again ([dynamo.ErrRefused]): an identity that is missing is linked, a phone number that turns up with another
// user id is somebody else's now and moves.
func (a *assigner) find(ctx context.Context, m whatsapp.Message, k chat.Key, strong bool) (place, error) {
	who := m.Customer
	if m.System.PreviousUserID != "" || m.System.UserID != "" || m.System.NewPhone != "" {
		return a.renew(ctx, m, k)
	}
	p := place{}
	p.user, p.phone = a.addresses(m.Number, who)
	// A stale phone number leads to the person who had it before, and nothing would refuse that, so only a user id may be
	// read weakly.
	leads, err := a.store.Find(ctx, p.user, p.phone, strong || p.user == "")
	if err != nil {
		return p, err
	}
	switch user, phone := leads.User, leads.Phone; {
	case user == nil && phone == nil:
		p.phoneToLink = who.Phone
		return p, nil
	case user == nil && who.UserID == "":
		p.chat = phone.Chat
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

// userOfPhone: the user id is new, the phone number leads to a Chat. It is the same person unless that Chat has another
// user id.
func (a *assigner) userOfPhone(ctx context.Context, m whatsapp.Message, k chat.Key, p place, phone dynamo.Lead) (place, error) {
	c, err := a.goingOn(ctx, phone.Chat)
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
// the two are one person; until Chats can be merged, the message goes to the user id's Chat.
func (a *assigner) phoneElsewhere(ctx context.Context, m whatsapp.Message, k chat.Key, p place, user, phone dynamo.Lead) (place, error) {
	p.chat = user.Chat
	other, err := a.goingOn(ctx, phone.Chat)
	if err != nil {
		return p, err
	}
	if other.Customer.UserID == "" {
		slog.WarnContext(ctx, "two chats are one customer's", "chat", user.Chat, "other", other.ID)
		return p, nil
	}
	if !phone.Since.Before(k) {
		return p, nil
	}
	c, err := a.goingOn(ctx, user.Chat)
	if err != nil {
		return p, err
	}
	return p, again(a.store.MovePhone(ctx, chat.Link{Address: p.phone, Since: k}, other, c, m.Customer.Phone))
}

// goingOn reads a Chat that an identity leads to, strongly. If it is merged or not there, what led to it is stale:
// [dynamo.ErrRefused], begin again.
func (a *assigner) goingOn(ctx context.Context, id string) (chat.Chat, error) {
	c, err := a.store.Chat(ctx, id)
	if err != nil {
		return chat.Chat{}, err
	}
	if c == nil || c.Status == chat.Merged {
		return chat.Chat{}, dynamo.ErrRefused
	}
	return *c, nil
}

// renew does what a system message says: the customer has another phone number or user id from now on. The Chat is that
// of the identities they had before; identities that lead there already are left as they are.
func (a *assigner) renew(ctx context.Context, m whatsapp.Message, k chat.Key) (place, error) {
	p := place{}
	before := whatsapp.Identity{UserID: m.System.PreviousUserID, Phone: m.Customer.Phone}
	if before.UserID == "" {
		before.UserID = m.Customer.UserID
	}
	user, phone := a.addresses(m.Number, before)
	leads, err := a.store.Find(ctx, user, phone, true)
	if err != nil {
		return p, err
	}
	lead := leads.User
	if lead == nil {
		lead = leads.Phone
	}
	if lead == nil {
		return p, nil
	}
	c, err := a.goingOn(ctx, lead.Chat)
	if err != nil {
		return p, err
	}
	if leads.User == nil && before.UserID != "" && c.Customer.UserID != "" && c.Customer.UserID != before.UserID {
		return p, nil // the phone number is somebody else's by now
	}
	old := c.ID
	p.chat = old
	for _, id := range []chat.Identities{{UserID: m.System.UserID}, {Phone: m.System.NewPhone}} {
		user, phone := a.addresses(m.Number, whatsapp.Identity{UserID: id.UserID, Phone: id.Phone})
		if user == "" && phone == "" {
			continue
		}
		leads, err := a.store.Find(ctx, user, phone, true)
		if err != nil {
			return p, err
		}
		switch {
		case leads.User == nil && user != "":
			return p, again(a.store.Renew(ctx, c, chat.Link{Address: user, Since: k}, id.UserID))
		case leads.Phone == nil && phone != "":
			return p, again(a.store.Link(ctx, c, chat.Link{Address: phone, Since: k}, id))
		}
		for _, lead := range []*dynamo.Lead{leads.User, leads.Phone} {
			if lead != nil && lead.Chat != old {
				slog.WarnContext(ctx, "two chats are one customer's", "chat", old, "other", lead.Chat)
			}
		}
	}
	return p, nil
}

// again: what was linked changes where the identities lead, so the search begins anew.
func again(err error) error {
	if err == nil {
		return dynamo.ErrRefused
	}
	return err
}
