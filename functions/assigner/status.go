package main

import (
	"context"
	"log/slog"

	"chatkeeper/shared/whatsapp"
)

// status notes what became of a message of ours, on the Chat it was sent in.
func (a *assigner) status(ctx context.Context, s whatsapp.Status) error {
	if s.Rank() == 0 || s.Customer == (whatsapp.Identity{}) {
		slog.InfoContext(ctx, "dropped", "kind", whatsapp.KindStatus, "because", "nobody's")
		return nil
	}
	id, err := a.sentTo(ctx, s)
	if err != nil {
		return err
	}
	if id == "" {
		slog.InfoContext(ctx, "dropped", "kind", whatsapp.KindStatus, "because", "no chat")
		return nil
	}
	return a.store.Delivered(ctx, id, a.secret.Key(0, s.ID).Mark(), s.Status, s.Rank(), s.At, s.ErrorCodes)
}

// sentTo is the Chat of the customer that a status names, by the user id or else by who had the phone number then; empty if
// there is none.
func (a *assigner) sentTo(ctx context.Context, s whatsapp.Status) (string, error) {
	for _, who := range []whatsapp.Identity{{UserID: s.Customer.UserID}, {Phone: s.Customer.Phone}} {
		if who == (whatsapp.Identity{}) {
			continue
		}
		p, leads, err := a.leads(ctx, s.Number, &who, false)
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
