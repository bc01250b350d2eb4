package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/whatsapp"
)

// # What comes before its Chat
//
// An update that begins no Chat and finds none is kept for a day under the addresses of its customer (package dynamo,
// early.go), and taken to the Chat by the delivery that begins one there or links one of the addresses to one. Such a
// delivery looks for early ones once its own message is stored. A text on an open Chat, done at the first attempt, begins
// nothing and looks for nothing.
//
// Crash points, and who repairs them:
//
//   - Before an early update is kept: the queue delivers it again. Between keeping it and looking for the Chat once more: the
//     same, and keeping it again changes nothing.
//   - After it is stored in its Chat, before it is deleted here: whoever looks next finds it stored in the Chat. Else it is
//     gone after a day.
//   - After a delivery has begun a Chat, or linked an address, before it has looked: the queue delivers it again, and what was
//     delivered before always looks, and so does a delivery that finds its message stored.
//   - While it takes early ones: as before; those that were taken are deleted.
//   - A delivery takes mostEarly of them and then puts itself in its queue once more, so that the customer's newer messages
//     come between. A crash before that delivers it again; after it, two deliveries look.

// mostEarly is how many early updates a delivery takes before it makes room for others of its customer.
const mostEarly = 100

// earlyPage is how many of them are read at a time. Most addresses have none.
const earlyPage = 25

// aside takes an update that begins no Chat to the one that there is. Where there is none, it is kept for it; kept is whether
// a Chat has it.
func (a *assigner) aside(ctx context.Context, d *incoming) (kept bool, err error) {
	if kept, err = a.tries(ctx, d, false); kept || err != nil {
		return kept, err
	}
	until := time.UnixMilli(d.ReceivedAt).Add(dynamo.EarlyLasts)
	if !a.now().Before(until) {
		dropped(ctx, d.Update, "no chat")
		return false, nil
	}
	for _, address := range a.places(d) {
		if err := a.store.PutEarly(ctx, a.early(d, address), until); err != nil {
			return false, err
		}
	}
	if kept, err = a.tries(ctx, d, true); err != nil || !kept { // whoever begins its Chat looks for it after that
		return false, err
	}
	return true, a.forgets(ctx, d)
}

// tries takes an update to its Chat; false if there is none.
func (a *assigner) tries(ctx context.Context, d *incoming, strong bool) (kept bool, err error) {
	err = a.repeat(ctx, func(first bool) (err error) {
		d.begins = d.begins || !first
		if d.isStatus() {
			kept, err = a.status(ctx, d, strong || !first)
		} else {
			kept, err = a.keep(ctx, d)
		}
		return err
	})
	return kept, err
}

func (a *assigner) early(d *incoming, address string) dynamo.Early {
	return dynamo.Early{Address: address, ID: d.DedupID(a.secret), Body: d.body}
}

// places are the addresses of the customer whom an update is about, by all names that it tells.
func (a *assigner) places(d *incoming) []string {
	change := d.message.System
	who := []whatsapp.Identity{d.message.Customer, {UserID: change.PreviousUserID}, {UserID: change.UserID, Phone: change.NewPhone}}
	if d.isStatus() {
		who = []whatsapp.Identity{d.Status().Customer}
	}
	all := []string{d.where.user, d.where.phone}
	for _, w := range who {
		user, phone := a.addresses(d.Number, w)
		all = append(all, user, phone)
	}
	slices.Sort(all)
	return slices.DeleteFunc(slices.Compact(all), func(address string) bool { return address == "" })
}

// forgets deletes what was kept of an update.
func (a *assigner) forgets(ctx context.Context, d *incoming) error {
	for _, address := range a.places(d) {
		if err := a.store.DeleteEarly(ctx, a.early(d, address)); err != nil {
			return err
		}
	}
	return nil
}

// takesEarly takes what came before a delivery to the Chat that it began, or that its customer's identities lead to now.
func (a *assigner) takesEarly(ctx context.Context, d *incoming) error {
	taken := 0
	addresses := a.places(d)
	for i := 0; i < len(addresses); i++ {
		for after := ""; ; {
			page, err := a.store.EarlyAt(ctx, addresses[i], after, earlyPage, a.now())
			if err != nil {
				return err
			}
			for _, e := range page.Updates {
				if taken == mostEarly {
					return a.goesOnLater(ctx, d, e)
				}
				gone, further, err := a.takes(ctx, e)
				if err != nil {
					return err
				}
				if gone {
					taken++
				}
				for _, address := range further {
					if !slices.Contains(addresses, address) {
						addresses = append(addresses, address)
					}
				}
			}
			if after = page.After; after == "" {
				break
			}
		}
	}
	return nil
}

// takes takes one early update to its Chat. It reports whether the update is gone from its address, and where Chats may
// have begun by it in turn. One that can't be taken, whoever tries, stays where it is: it must not fail those that came
// after it.
func (a *assigner) takes(ctx context.Context, e dynamo.Early) (gone bool, further []string, err error) {
	var d *incoming
	kept := false
	err = safely(func() (err error) {
		if d, err = a.reading(ctx, e.Body); err == nil && d != nil {
			kept, err = a.aside(ctx, d)
		}
		return err
	})
	switch {
	case err != nil && !dynamo.Again(err) && ctx.Err() == nil:
		slog.ErrorContext(ctx, "left out", "early", e.ID, "error", err)
		return false, nil, nil
	case err != nil:
		return false, nil, err
	case d == nil:
		return true, nil, a.store.DeleteEarly(ctx, e)
	}
	places := a.places(d)
	if d.begins {
		further = places
	}
	stands := slices.Contains(places, e.Address)
	if kept {
		err = a.forgets(ctx, d)
	}
	if err == nil && !stands { // it is kept elsewhere: its user id was renamed since
		err = a.store.DeleteEarly(ctx, e)
	}
	return kept || !stands, further, err
}

// goesOnLater puts a delivery in its queue once more: more is waiting, next of all, than one takes.
func (a *assigner) goesOnLater(ctx context.Context, d *incoming, next dynamo.Early) error {
	slog.InfoContext(ctx, "more came early", "kind", d.Kind)
	cause := d.DedupID(a.secret) + "." + next.ID[:min(len(next.ID), 32)]
	return a.queues.SendAll(ctx, a.inbound, []queue.Entry{{Body: d.body, Group: d.Group(a.secret), Dedup: "early." + cause}})
}
