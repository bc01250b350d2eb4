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
	_, leads, err := a.leads(ctx, s.Number, &s.Customer, false)
	if err != nil {
		return err
	}
	lead := leads.User
	if lead == nil {
		lead = leads.Phone
	}
	if lead == nil {
		slog.InfoContext(ctx, "dropped", "kind", whatsapp.KindStatus, "because", "no chat")
		return nil
	}
	return a.store.Delivered(ctx, lead.Chat, a.secret.Key(0, s.ID).Mark(), s.Status, s.Rank(), s.At, s.ErrorCodes)
}
