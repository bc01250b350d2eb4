package main

import (
	"context"
	"errors"
	"log/slog"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/detect"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/whatsapp"
)

// attempts bounds how often one delivery begins again. Each repetition means that somebody else changed the Chat or its
// identities meanwhile; after that many the queue delivers again.
const attempts = 12

// update takes one of WhatsApp's updates to where it belongs. It is safe to repeat: whatever was stored before is found.
func (a *assigner) update(ctx context.Context, body string) error {
	u, err := whatsapp.ParseUpdate(body)
	if err != nil {
		return err
	}
	switch u.Kind {
	case whatsapp.KindStatus, whatsapp.KindStandbyStatus:
		return a.status(ctx, u.Status())
	case whatsapp.KindOther:
		dropped(ctx, u, "no message")
		return nil
	}
	m := u.Message()
	switch m.Effect() {
	case whatsapp.Ignored:
		dropped(ctx, u, "nobody's")
		return nil
	}
	arrival, err := a.settled(ctx, m)
	if err != nil {
		return err
	}
	if m.Effect() == whatsapp.Opens {
		o := &openings{}
		return a.repeat(ctx, func(first bool) error { return a.receive(ctx, m, &arrival, !first, o) })
	}
	kept := false
	err = a.repeat(ctx, func(bool) (err error) { kept, err = a.keep(ctx, m, &arrival); return err })
	if err == nil && !kept {
		dropped(ctx, u, "no chat")
	}
	return err
}

// dropped counts an update that belongs in no Chat.
func dropped(ctx context.Context, u whatsapp.Update, because string) {
	slog.InfoContext(ctx, "dropped", "kind", u.Kind, "field", u.Field, "because", because)
}

// repeat does what is refused again until it is not, a bounded number of times.
func (a *assigner) repeat(ctx context.Context, do func(first bool) error) error {
	var err error
	for n := range attempts {
		if err = do(n == 0); err == nil || !dynamo.Again(err) {
			return err
		}
		if pause := dynamo.Pause(ctx, n, err); pause != nil {
			return errors.Join(err, pause)
		}
	}
	return err
}

// receive takes a customer's message to its Chat: steps 1 to 7 of the protocol. [dynamo.ErrRefused] means begin again,
// with strong reads. The order of the steps and the crash points between them are in the comment of package dynamo.
func (a *assigner) receive(ctx context.Context, m whatsapp.Message, told *chat.Arrival, strong bool, o *openings) error {
	where, err := a.find(ctx, m, told.Message.Key, strong)
	if err != nil {
		return err
	}
	arrival := *told
	if where.chat == "" {
		return a.create(ctx, m, arrival, where, o)
	}
	c, err := a.store.Deliver(ctx, where.chat, arrival)
	for err != nil && c != nil && c.Status == chat.Merged {
		where.chat = c.MergedInto
		c, err = a.store.Deliver(ctx, where.chat, arrival)
	}
	if err == nil {
		return a.store.PutMessage(ctx, where.chat, arrival.Message)
	}
	if !errors.Is(err, dynamo.ErrRefused) || c == nil {
		return err
	}
	if !arrival.Settled && c.MayHaveBeenAhead(arrival.Message.Key) {
		return again(a.settle(ctx, m, told))
	}
	if elsewhere, err := a.belongs(ctx, where, *c, &arrival); elsewhere != nil || err != nil {
		return err
	}
	if c.Status == chat.Open && c.LastIn.Before(arrival.Message.Key) && arrival.Alias == nil {
		return err // it is the newest all the same: somebody read, and made room, between two tries
	}
	if stored, err := a.store.Has(ctx, *c, arrival.Message.Key); stored || err != nil {
		return err
	}
	if c.Status == chat.Open {
		return a.store.Late(ctx, *c, arrival)
	}
	return a.open(ctx, *c, arrival, o, nil)
}

// create begins a Chat at the address of the user id, so that its item is found without an alias; without a user id, at
// a random one.
func (a *assigner) create(ctx context.Context, m whatsapp.Message, arrival chat.Arrival, where place, o *openings) error {
	c := chat.Chat{ID: where.user, Number: m.Number, Customer: chat.Customer{
		UserID: where.userID, Phone: where.phoneToLink, Username: arrival.Username, Profile: arrival.Profile,
		Language: assign.Unknown, Country: detect.Country(where.userID, m.Customer.Phone),
	}}
	if c.ID == "" {
		c.ID = chat.RandomID()
	}
	var links []chat.Link
	if where.phoneToLink != "" {
		c.Customer.PhoneSince = arrival.Message.Shown()
		links = append(links, chat.Link{Address: where.phone, Since: arrival.Message.Shown()})
	}
	if where.alias == nil {
		return a.open(ctx, c, arrival, o, nil, links...)
	}
	shows, err := a.showing(ctx, *where.alias, m.Customer.Phone, arrival.Message.Shown(), c.ID)
	if err != nil {
		return err
	}
	// Behind what the transaction holds as read.
	if elsewhere, err := a.elsewhere(ctx, *where.alias, c.ID, arrival.Message); elsewhere != nil || err != nil {
		return err
	}
	if shows == nil { // no room in the alias for what is so old
		shows = &chat.Showing{Before: *where.alias, After: *where.alias}
	}
	c.Customer = shows.Of(c.Customer)
	return a.open(ctx, c, arrival, o, shows, links...)
}

// open is the routing event: the message opens the Chat, and the rules in force say in which pool. Somebody of the pool
// who is free gets it at once if nobody waits there (direct.go); else it waits. Either is one transaction; a waiting
// entry's stream record is the signal to serve the pool.
func (a *assigner) open(ctx context.Context, c chat.Chat, arrival chat.Arrival, o *openings, shows *chat.Showing, links ...chat.Link) error {
	rules, err := a.rules(ctx)
	if err != nil {
		return err
	}
	now := a.now()
	asked := c // with what the message tells, also where it is not the Chat's yet
	if language := detect.Language(arrival.Message.Text); language != assign.Unknown && !c.Customer.ByHand {
		arrival.Language, asked.Customer.Language = language, language
	}
	if asked.Customer.Phone == "" {
		asked.Customer.Phone = arrival.Phone
	}
	placed := asked.Place(arrival.Message, rules.Rules, rules.Version, rules.Settings, now)
	if change := a.direct(ctx, c, placed, arrival, o); change != nil {
		change.Links, change.Shows = links, shows
		return a.openFor(ctx, *change, o)
	}
	waits := c.Opens(now, placed, arrival)
	waits.Links, waits.Shows = links, shows
	return a.store.Commit(ctx, waits)
}

// rules reads the rules in force. The message of the log line is what the alarm in template.yaml looks for.
func (a *assigner) rules(ctx context.Context) (dynamo.InForce, error) {
	rules, err := a.store.InForce(ctx)
	if err == nil && rules.Broken != nil {
		slog.ErrorContext(ctx, "rules not loadable", "saved", rules.Saved, "inForce", rules.Version, "error", rules.Broken)
	}
	return rules, err
}

// keep stores what neither opens a Chat nor moves it forward, if there is a Chat to keep it on; else it reports false.
// A system message also says that a customer's identities changed; that is done first.
func (a *assigner) keep(ctx context.Context, m whatsapp.Message, told *chat.Arrival) (bool, error) {
	where, err := a.find(ctx, m, told.Message.Key, true)
	if err != nil || where.chat == "" {
		return false, err
	}
	arrival := *told
	c, err := a.goingOn(ctx, where.chat)
	if err != nil {
		return false, err
	}
	if !arrival.Settled && c.MayHaveBeenAhead(arrival.Message.Key) {
		return false, again(a.settle(ctx, m, told))
	}
	elsewhere, err := a.belongs(ctx, where, c, &arrival)
	if err != nil {
		return true, err
	}
	if elsewhere != nil {
		arrival.Message.Shows = "" // it stands with another customer
		return true, a.store.Reveal(ctx, *elsewhere, arrival.Message)
	}
	if stored, err := a.store.Has(ctx, c, arrival.Message.Key); err != nil {
		return true, err
	} else if stored {
		// A history brings media twice: first that there is some, then, under the same id and time, what it is.
		return true, a.store.Reveal(ctx, c, arrival.Message)
	}
	return true, a.store.Keep(ctx, c, arrival, m.Effect() == whatsapp.Keeps)
}
