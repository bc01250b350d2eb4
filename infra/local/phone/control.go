package phone

import (
	"context"
	"errors"
	"net/http"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// maxCapacity keeps typing errors out.
const maxCapacity = 1000

type personChange struct {
	ID           string             `json:"id"`
	Availability *team.Availability `json:"availability"` // null: as it is
	Capacity     *int               `json:"capacity"`     // null: as it is; 0: none
}

func (p *page) person(ctx context.Context, in personChange) (struct{}, error) {
	if a := in.Availability; a != nil && *a != team.Online && *a != team.Away && *a != team.Offline {
		return struct{}{}, wrong{http.StatusBadRequest, "availability is online, away or offline"}
	}
	if c := in.Capacity; c != nil && (*c < 0 || *c > maxCapacity) {
		return struct{}{}, wrong{http.StatusBadRequest, "capacity is between 1 and 1,000, or 0 for no limit"}
	}
	_, err := p.store.UpdatePerson(ctx, in.ID, dynamo.Now(), func(who *team.Person) error {
		if in.Availability != nil {
			who.Availability, who.OnlineUntil = *in.Availability, noEnd
		}
		if in.Capacity != nil {
			who.Capacity, who.Limit = *in.Capacity, *in.Capacity
			if who.Capacity == 0 {
				who.Limit = team.NoLimit
			}
		}
		return nil
	})
	if errors.Is(err, dynamo.ErrNoPerson) {
		return struct{}{}, wrong{http.StatusNotFound, "there is no such person"}
	}
	return struct{}{}, err
}

type chatChange struct {
	Chat string `json:"chat"`
	As   string `json:"as"` // the Assignee, as the page showed them
	Do   string `json:"do"` // close or open
}

func (p *page) chat(ctx context.Context, in chatChange) (struct{}, error) {
	if in.Do != "close" && in.Do != "open" {
		return struct{}{}, wrong{http.StatusBadRequest, "a Chat is closed or opened"}
	}
	who, err := p.store.Person(ctx, in.As)
	if err != nil {
		return struct{}{}, err
	}
	if who == nil {
		return struct{}{}, wrong{http.StatusNotFound, "there is no such person"}
	}
	by := chat.Actor{Kind: chat.ByPerson, ID: who.ID, Name: who.Name}
	_, err = p.store.Update(ctx, in.Chat, func(c chat.Chat) (*chat.Change, error) {
		var change chat.Change
		switch {
		case c.Status == chat.Merged || c.Owner != in.As:
			return nil, wrong{http.StatusConflict, who.Name + " is not the Assignee of this Chat any more"}
		case in.Do == "close" && c.Status == chat.Open:
			change = c.Closes(dynamo.Now(), by)
		case in.Do == "open" && c.Status == chat.Closed:
			change = c.OpensAgain(dynamo.Now(), by)
		default:
			return nil, nil // it is so already
		}
		return &change, nil
	})
	if errors.Is(err, dynamo.ErrNoChat) {
		return struct{}{}, wrong{http.StatusNotFound, "there is no such Chat"}
	}
	return struct{}{}, err
}
