package main

import (
	"context"

	"chatkeeper/shared/whatsapp"
)

// status notes what became of a message of ours, on the Chat it was sent in, if there is one; else it reports false.
func (a *assigner) status(ctx context.Context, d *incoming, strong bool) (bool, error) {
	s := d.Status()
	id, err := a.sentTo(ctx, s, strong, &d.where)
	if err != nil || id == "" {
		return false, err
	}
	return true, a.store.Delivered(ctx, id, a.secret.Key(0, s.ID).Mark(), s.Status, s.Rank(), s.At, s.ErrorCodes)
}

// sentTo is the Chat of the customer that a status names, by the user id or else by who had the phone number then; empty if
// there is none. The addresses of both are noted.
func (a *assigner) sentTo(ctx context.Context, s whatsapp.Status, strong bool, where *place) (string, error) {
	for _, who := range []whatsapp.Identity{{UserID: s.Customer.UserID}, {Phone: s.Customer.Phone}} {
		if who == (whatsapp.Identity{}) {
			continue
		}
		p, leads, err := a.leads(ctx, s.Number, &who, strong)
		if p.user != "" {
			where.user = p.user
		}
		if p.phone != "" {
			where.phone = p.phone
		}
		switch {
		case err != nil:
			return "", err
		case leads.User != nil:
			return leads.User.Chat, nil
		case p.alias != nil:
			return p.alias.At(a.secret.Key(s.At, s.ID)), nil
		}
	}
	return "", nil
}
