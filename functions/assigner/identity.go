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
	phoneToLink string // of a Chat to be created: the phone number, if it leads nowhere yet

	userID string      // of the customer: the message's, or what it was renamed to
	alias  *chat.Alias // of the phone number, as read strongly; nil if it was not read or leads nowhere yet
	weak   bool        // only the user id was looked at, weakly
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
// merged, a phone number that turns up with another user id was somebody else's from then on.
//
// The first search looks at the user id alone, weakly: the Chat that it leads to refuses a message that shows another phone
// number than the Chat does, and then the search begins again, strongly.
func (a *assigner) find(ctx context.Context, m whatsapp.Message, k chat.Key, strong bool) (place, error) {
	if m.System.PreviousUserID != "" || m.System.UserID != "" || m.System.NewPhone != "" {
		return a.renew(ctx, m, k)
	}
	if !strong && m.Customer.UserID != "" {
		p, leads, err := a.leads(ctx, m.Number, &whatsapp.Identity{UserID: m.Customer.UserID}, false)
		if err == nil && leads.User != nil {
			p.chat, p.weak = leads.User.Chat, true
			return p, nil
		}
	}
	p, leads, err := a.leads(ctx, m.Number, &m.Customer, true)
	who := m.Customer
	if err != nil {
		return p, err
	}
	switch user, phone := leads.User, leads.Phone; {
	case user == nil && phone == nil:
		p.phoneToLink = who.Phone
		return p, nil
	case user == nil && who.UserID == "":
		p.chat = p.alias.At(k)
		return p, nil
	case user == nil:
		return a.userOfPhone(ctx, m, k, p)
	case who.Phone == "":
		p.chat = user.Chat
		return p, nil
	case phone == nil:
		c, err := a.goingOn(ctx, user.Chat)
		if err != nil {
			return p, err
		}
		return p, again(a.store.Link(ctx, c, chat.Link{Address: p.phone, Since: k.Beside()}, chat.Identities{Phone: who.Phone}))
	default:
		return a.userAndPhone(ctx, m, k, p, *user)
	}
}

// mostRenames is more than WhatsApp tells of one customer who has written nothing yet.
const mostRenames = 8

// leads reads where identities lead. A user id that was renamed before its customer had a Chat is the new one from here on.
func (a *assigner) leads(ctx context.Context, number string, who *whatsapp.Identity, strong bool) (place, dynamo.Leads, error) {
	for range mostRenames {
		p := place{userID: who.UserID}
		p.user, p.phone = a.addresses(number, *who)
		leads, err := a.store.Find(ctx, p.user, p.phone, strong)
		if leads.Phone != nil {
			p.alias = &leads.Phone.Alias
		}
		if err != nil || leads.User == nil || leads.User.Renamed == "" {
			return p, leads, err
		}
		who.UserID, strong = leads.User.Renamed, true
	}
	return place{}, dynamo.Leads{}, errors.New("a user id is renamed in a circle")
}

// userOfPhone: the user id is new, the phone number has an alias. It is the same person unless the Chat of who had the
// number then has another user id: somebody else gets a Chat of their own, and the number with it.
func (a *assigner) userOfPhone(ctx context.Context, m whatsapp.Message, k chat.Key, p place) (place, error) {
	if p.alias.Free(k.Beside()) {
		return p, nil
	}
	holder, _ := p.alias.Holder(k.Beside())
	c, err := a.goingOn(ctx, holder.Chat)
	if err != nil || c.Customer.UserID != "" && c.Customer.UserID != m.Customer.UserID {
		return p, err
	}
	return p, again(a.store.Link(ctx, c, chat.Link{Address: p.user, Since: k.Beside()}, chat.Identities{UserID: m.Customer.UserID}))
}

// userAndPhone: the user id leads to a Chat, the phone number has an alias. If another Chat had the number then, and that
// has a user id, the alias did not know the whole story, and does then. If it has none, the two are one person, and their
// Chats become one.
func (a *assigner) userAndPhone(ctx context.Context, m whatsapp.Message, k chat.Key, p place, user dynamo.Lead) (place, error) {
	c, err := a.goingOn(ctx, user.Chat)
	if err != nil {
		return p, err
	}
	p.chat = c.ID
	if !p.alias.Free(k.Beside()) {
		holder, _ := p.alias.Holder(k.Beside())
		other, err := a.goingOn(ctx, holder.Chat)
		if err != nil {
			return p, err
		}
		if other.ID != c.ID && other.Customer.UserID == "" {
			return a.merge(ctx, p, c, other, "")
		}
		if other.ID == c.ID && holder == p.alias.Last() && holder.Chat != c.ID {
			return p, again(a.store.Follow(ctx, p.phone, holder.Chat, c.ID))
		}
	}
	shows, err := a.showing(ctx, *p.alias, m.Customer.Phone, k.Beside(), c.ID)
	if err != nil || shows == nil {
		return p, err
	}
	return p, again(a.store.Show(ctx, c, *shows))
}

// showing is what it means for an alias that the customer of a Chat, which goes on or begins, had the phone number at that
// moment; nil if the alias says so.
func (a *assigner) showing(ctx context.Context, alias chat.Alias, phone string, at chat.Shown, id string) (*chat.Showing, error) {
	chats := map[string]chat.Chat{}
	for _, h := range alias.Holders {
		if h.Chat == "" {
			continue
		}
		c, err := a.goingOn(ctx, h.Chat)
		if err != nil {
			return nil, err
		}
		chats[h.Chat], chats[c.ID] = c, c
	}
	now := alias.Resolved(func(id string) string { return chats[id].ID })
	var resumes chat.Shown
	if holder, until := now.Holder(at); holder.Chat != "" && holder.Chat != id && holder.Since <= at {
		var err error
		if resumes, err = a.resumes(ctx, chats[holder.Chat], alias.Address, phone, at, until); err != nil {
			return nil, err
		}
	}
	s := chat.Showing{Phone: phone, At: at, Before: alias, After: now.Shows(at, id, resumes)}
	if s.After.Same(now) {
		return nil, nil
	}
	last := chats[now.Last().Chat]
	if s.Leads = s.After.Last().Chat == id; s.Leads && last.ID != id {
		s.From = &last
	}
	return &s, nil
}

// resumes is when the customer of a Chat who had a phone number at a moment is known to have had it again after that; 0 if
// they did not until the next one had it.
func (a *assigner) resumes(ctx context.Context, c chat.Chat, address, phone string, at, until chat.Shown) (chat.Shown, error) {
	first, err := a.store.FirstShowing(ctx, c, address, at, until)
	if since := c.Customer.PhoneSince; first == 0 && c.Customer.Phone == phone && since.Proves() && since.Second() > at.Second() {
		return since, err // by a message that is counted, and not stored yet
	}
	return first, err
}

// belongs decides how a message is stored in the Chat where it belongs, which was read strongly. In most cases the Chat tells
// all. If not, the number's alias does: the message may be stored already in a Chat that had the number before, whose id is
// returned then; else the arrival is to be stored while the alias is as read. [dynamo.ErrRefused]: begin again, strongly;
// the Chat has another number now, perhaps.
func (a *assigner) belongs(ctx context.Context, p place, c chat.Chat, arrival *chat.Arrival) (stored *chat.Chat, err error) {
	k := arrival.Message.Key
	switch {
	case c.Straight(arrival.Phone, k):
		return nil, nil
	case p.weak:
		return nil, dynamo.ErrRefused
	}
	if p.alias == nil && arrival.Phone == "" && c.Customer.Phone != "" {
		leads, err := a.store.Find(ctx, "", a.secret.PhoneAddress(c.Number, c.Customer.Phone), true)
		if err != nil || leads.Phone == nil {
			return nil, err
		}
		p.alias = &leads.Phone.Alias
	}
	arrival.Alias = &chat.Alias{}
	if p.alias == nil {
		return nil, nil
	}
	arrival.Alias = p.alias
	if c.Renumbers(arrival.Phone, arrival.Message.Shown()) && !p.alias.Free(arrival.Message.Shown()) {
		last, err := a.goingOn(ctx, p.alias.Last().Chat)
		if err != nil {
			return nil, err
		}
		if last.ID == c.ID {
			return nil, again(a.store.Show(ctx, c, chat.Showing{Phone: arrival.Phone, At: arrival.Message.Shown(), Before: *p.alias, After: *p.alias, Leads: true}))
		}
	}
	return a.elsewhere(ctx, *p.alias, c.ID, arrival.Message)
}

// elsewhere is the Chat, other than this one, that has the message, of those that had the phone number; nil if none has. One
// that counts it, but whose delivery has not stored it yet, gets it stored.
func (a *assigner) elsewhere(ctx context.Context, alias chat.Alias, id string, m chat.Message) (*chat.Chat, error) {
	seen := map[string]bool{id: true}
	for _, h := range alias.Holders {
		if h.Chat == "" {
			continue
		}
		c, err := a.goingOn(ctx, h.Chat)
		if err != nil {
			return nil, err
		}
		if seen[c.ID] {
			continue
		}
		seen[c.ID] = true
		stored, err := a.store.Has(ctx, c, m.Key)
		if err == nil && !stored && c.Counts(m.Key) {
			m.Shows = "" // it stands with another customer
			stored, err = true, a.store.PutMessage(ctx, c.ID, m)
		}
		if err != nil || stored {
			return &c, err
		}
	}
	return nil, nil
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
// messages may be on their way in another group. The number that they had is free after that.
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
	var lead string
	switch {
	case leads.User != nil:
		lead = leads.User.Chat
	case leads.Phone != nil:
		lead = p.alias.At(k)
	}
	if lead == "" {
		return p, nil
	}
	c, err := a.goingOn(ctx, lead)
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
	number := m.System.NewPhone
	if number == "" || number == before.Phone {
		return p, nil
	}
	_, phone := a.addresses(m.Number, whatsapp.Identity{Phone: number})
	if p, err := a.renewPhone(ctx, k, p, c, phone, number); err != nil {
		return p, err
	}
	if err := a.leave(ctx, k, p, c, before.Phone); err != nil {
		return p, err
	}
	p.alias, p.phone = nil, "" // the message belongs to the Chat, not to a number
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
	return true, a.store.Rename(ctx, address, is.user, who.UserID, k.Told())
}

// renewUser: the customer of the Chat has another user id. Whoever wrote under it is the same person: ids are nobody's twice.
func (a *assigner) renewUser(ctx context.Context, k chat.Key, p place, c chat.Chat, id string) (place, error) {
	who := whatsapp.Identity{UserID: id} // or what WhatsApp told since that it is now
	is, leads, err := a.leads(ctx, c.Number, &who, true)
	if err != nil {
		return p, err
	}
	if leads.User == nil {
		return p, again(a.store.Renew(ctx, c, chat.Link{Address: is.user, Since: k.Told()}, who.UserID))
	}
	other, err := a.goingOn(ctx, leads.User.Chat)
	if err != nil || other.ID == c.ID {
		return p, err
	}
	return a.merge(ctx, p, c, other, who.UserID)
}

// renewPhone: the customer of the Chat has another phone number. Who wrote from it since then is the same person, unless
// they have another user id. Who wrote from it before had it before, and loses it.
func (a *assigner) renewPhone(ctx context.Context, k chat.Key, p place, c chat.Chat, address, number string) (place, error) {
	leads, err := a.store.Find(ctx, "", address, true)
	if err != nil {
		return p, err
	}
	if leads.Phone == nil {
		return p, again(a.store.Link(ctx, c, chat.Link{Address: address, Since: k.Told()}, chat.Identities{Phone: number}))
	}
	alias := leads.Phone.Alias
	if next := alias.Next(k.Told()); next != nil {
		other, err := a.goingOn(ctx, next.Chat)
		if err != nil {
			return p, err
		}
		if other.ID != c.ID && (other.Customer.UserID == "" || c.Customer.UserID == "") {
			return a.merge(ctx, p, c, other, "")
		}
	}
	shows, err := a.showing(ctx, alias, number, k.Told(), c.ID)
	if err != nil || shows != nil {
		if err == nil {
			err = a.store.Show(ctx, c, *shows)
		}
		return p, again(err)
	}
	last, err := a.goingOn(ctx, alias.Last().Chat)
	if err == nil && last.ID == c.ID && c.Renumbers(number, k.Told()) {
		err = again(a.store.Show(ctx, c, chat.Showing{Phone: number, At: k.Told(), Before: alias, After: alias, Leads: true}))
	}
	return p, err
}

// leave: the customer of the Chat had the phone number until now, as far as nothing says that they, or somebody else, have
// shown it since.
func (a *assigner) leave(ctx context.Context, k chat.Key, p place, c chat.Chat, number string) error {
	at := k.Told()
	if number == "" || p.alias == nil || p.alias.Leaves(at).Same(*p.alias) || p.alias.Last().Since > at || c.Customer.Phone == number && c.Customer.PhoneSince >= at {
		return nil
	}
	last, err := a.goingOn(ctx, p.alias.Last().Chat)
	if err != nil || last.ID != c.ID {
		return err
	}
	if since, err := a.store.FirstShowing(ctx, c, p.alias.Address, at, 0); since != 0 || err != nil {
		return err
	}
	return again(a.store.Leave(ctx, c, number, *p.alias, at))
}

// again: what was linked changes where the identities lead, so the search begins anew.
func again(err error) error {
	if err == nil {
		return dynamo.ErrRefused
	}
	return err
}
