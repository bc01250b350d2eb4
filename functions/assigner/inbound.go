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
func (a *assigner) update(ctx context.Context, body string) error { return a.deliver(ctx, body, false) }

// incoming is an update on its way to its Chat, with what was found out about it so far.
type incoming struct {
	whatsapp.Update
	message whatsapp.Message // of an update that holds one
	body    string           // as it came from the queue
	arrival chat.Arrival     // of a message
	where   place            // as it was found last
	begins  bool             // a Chat may have begun where it belongs, and what came before that is to be taken there
}

// deliver is update. again says that the queue brought it before, so that a crash may have come between any two of its steps.
func (a *assigner) deliver(ctx context.Context, body string, again bool) error {
	d, err := a.reading(ctx, body)
	if err != nil || d == nil {
		return err
	}
	d.begins = again || d.message.System.UserID != "" || d.message.System.NewPhone != ""
	if d.isTurn() {
		o := &openings{}
		err = a.repeat(ctx, func(first bool) error {
			d.begins = d.begins || !first
			return a.receive(ctx, d, !first, o)
		})
	} else {
		_, err = a.aside(ctx, d)
	}
	if err == nil && d.begins {
		return a.takesEarly(ctx, d)
	}
	return err
}

// reading is the update that the body holds; nil if it belongs in no Chat.
func (a *assigner) reading(ctx context.Context, body string) (*incoming, error) {
	u, err := whatsapp.ParseUpdate(body)
	if err != nil {
		return nil, err
	}
	d := &incoming{Update: u, body: body}
	switch {
	case u.Kind == whatsapp.KindOther:
		dropped(ctx, u, "no message")
		return nil, nil
	case d.isStatus():
		if s := u.Status(); s.Rank() == 0 || s.Customer == (whatsapp.Identity{}) {
			dropped(ctx, u, "nobody's")
			return nil, nil
		}
		return d, nil
	}
	if d.message = u.Message(); d.message.Effect() == whatsapp.Ignored {
		dropped(ctx, u, "nobody's")
		return nil, nil
	}
	d.arrival, err = a.settled(ctx, d.message)
	return d, err
}

// isTurn reports whether it is a customer who waits for an answer, and begins a Chat where there is none.
func (d *incoming) isTurn() bool { return !d.isStatus() && d.message.Effect() == whatsapp.Opens }

func (d *incoming) isStatus() bool {
	return d.Kind == whatsapp.KindStatus || d.Kind == whatsapp.KindStandbyStatus
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
func (a *assigner) receive(ctx context.Context, d *incoming, strong bool, o *openings) error {
	m, arrival := d.message, d.arrival
	where, err := a.find(ctx, m, arrival.Message.Key, strong)
	if err != nil {
		return err
	}
	d.where = where
	if where.chat == "" {
		d.begins = true
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
		return again(a.settle(ctx, m, &d.arrival))
	}
	if elsewhere, err := a.belongs(ctx, where, *c, &arrival); elsewhere != nil || err != nil {
		d.begins = d.begins || elsewhere != nil
		return err
	}
	if c.Status == chat.Open && c.LastIn.Before(arrival.Message.Key) && arrival.Alias == nil {
		return err // it is the newest all the same: somebody read, and made room, between two tries
	}
	if stored, err := a.store.Has(ctx, *c, arrival.Message.Key); stored || err != nil {
		d.begins = d.begins || stored // and perhaps crashed after it
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
func (a *assigner) keep(ctx context.Context, d *incoming) (bool, error) {
	m, arrival := d.message, d.arrival
	where, err := a.find(ctx, m, arrival.Message.Key, true)
	if err != nil {
		return false, err
	}
	d.where = where
	if where.chat == "" {
		return false, nil
	}
	c, err := a.goingOn(ctx, where.chat)
	if err != nil {
		return false, err
	}
	if !arrival.Settled && c.MayHaveBeenAhead(arrival.Message.Key) {
		return false, again(a.settle(ctx, m, &d.arrival))
	}
	elsewhere, err := a.belongs(ctx, where, c, &arrival)
	if err != nil {
		return true, err
	}
	if elsewhere != nil {
		d.begins = true
		arrival.Message.Shows = "" // it stands with another customer
		return true, a.store.Reveal(ctx, *elsewhere, arrival.Message)
	}
	if stored, err := a.store.Has(ctx, c, arrival.Message.Key); err != nil {
		return true, err
	} else if stored {
		d.begins = true // and perhaps crashed after it
		// A history brings media twice: first that there is some, then, under the same id and time, what it is.
		return true, a.store.Reveal(ctx, c, arrival.Message)
	}
	return true, a.store.Keep(ctx, c, arrival, m.Effect() == whatsapp.Keeps)
}
