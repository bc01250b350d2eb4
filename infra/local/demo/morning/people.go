package morning

import (
	"context"
	"errors"
	"slices"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
)

// closes is a step in which the Assignee closes the Chat. If it changed hands or was closed meanwhile, nothing happens.
func (p *play) closes(seen chat.Chat) func(context.Context) error {
	return p.update(seen, func(c chat.Chat, by chat.Actor) *chat.Change {
		if c.Status != chat.Open {
			return nil
		}
		change := c.Closes(dynamo.Now(), by)
		return &change
	})
}

// opensAgain is a step in which the Assignee opens the Chat again.
func (p *play) opensAgain(seen chat.Chat) func(context.Context) error {
	return p.update(seen, func(c chat.Chat, by chat.Actor) *chat.Change {
		if c.Status != chat.Closed {
			return nil
		}
		change := c.OpensAgain(dynamo.Now(), by)
		return &change
	})
}

func (p *play) update(seen chat.Chat, do func(chat.Chat, chat.Actor) *chat.Change) func(context.Context) error {
	by := chat.Actor{Kind: chat.ByPerson, ID: seen.Owner}
	for _, who := range p.before {
		if who.ID == seen.Owner {
			by.Name = who.Name
		}
	}
	return func(ctx context.Context) error {
		return p.persist(ctx, "changing a Chat", func() error {
			_, err := p.Store.Update(ctx, seen.ID, func(c chat.Chat) (*chat.Change, error) {
				if c.Epoch != seen.Epoch {
					return nil, nil // something else happened to it, or this did and only the answer was lost
				}
				return do(c, by), nil
			})
			if errors.Is(err, dynamo.ErrNoChat) {
				return final{err}
			}
			return err
		})
	}
}

// chatsOf are the Chats that the acknowledged messages went to, in the order they were opened.
func (p *play) chatsOf(ctx context.Context) ([]chat.Chat, error) {
	all, err := p.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	own := p.own(all)
	chats := slices.DeleteFunc(all.Chats, func(c chat.Chat) bool { return !own[c.ID] })
	slices.SortFunc(chats, func(a, b chat.Chat) int { return a.OpenedAt.Compare(b.OpenedAt) })
	return chats, nil
}

func (p *play) snapshot(ctx context.Context) (all invariant.Snapshot, err error) {
	err = p.persist(ctx, "reading the tables", func() error {
		all, err = p.Store.Snapshot(ctx)
		return err
	})
	return all, err
}
