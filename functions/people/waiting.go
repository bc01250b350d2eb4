package main

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/httpapi"
)

// mostCounted is how many waiting Chats of one pool are counted.
const mostCounted = 1000

// shownPool is a pool where Chats wait.
type shownPool struct {
	Pool      string                `json:"pool"` // canonical text
	Team      string                `json:"team,omitempty"`
	PersonID  string                `json:"personId,omitempty"`
	Languages []string              `json:"languages,omitempty"`
	Skills    []string              `json:"skills,omitempty"`
	Waiting   int                   `json:"waiting"`
	More      bool                  `json:"more,omitempty"` // there are more than were counted
	Since     time.Time             `json:"since"`          // of the one that has waited longest
	Reasons   map[assign.Reason]int `json:"reasons"`        // how many wait for which reason; those that nobody has looked at yet are in none
}

// waiting lists the pools where somebody waits. A pool is listed a moment after its first Chat waits.
func (p people) waiting(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	page, err := p.pageOf(r, "GET /v1/waiting")
	if err != nil {
		return nil, err
	}
	all, err := p.store.Directory(ctx)
	if err != nil {
		return nil, err
	}
	slices.Sort(all)
	some, next := cut(p, page, all, func(pool string) string { return pool })
	list := httpapi.List[shownPool]{Items: []shownPool{}, NextCursor: next}
	for _, name := range some {
		shown, err := p.pool(ctx, name)
		if err != nil {
			return nil, err
		}
		if shown.Waiting > 0 {
			list.Items = append(list.Items, shown)
		}
	}
	return &httpapi.Response{Body: list}, nil
}

func (p people) pool(ctx context.Context, name string) (shownPool, error) {
	shown := shownPool{Pool: name, Reasons: map[assign.Reason]int{}}
	if pool, err := assign.ParsePool(name); err == nil { // one that can't be read is shown by its text
		shown.Team, shown.PersonID, shown.Languages, shown.Skills = pool.Team, pool.Person, pool.Languages, pool.Skills
	}
	after := ""
	for {
		page, err := p.store.Waiting(ctx, name, after, mostCounted-shown.Waiting)
		if err != nil {
			return shown, err
		}
		for _, u := range page.Unreadable {
			slog.ErrorContext(ctx, "entry not readable", "key", u.Key(), "error", u.Because)
		}
		for _, e := range page.Entries {
			shown.Waiting++
			if shown.Since.IsZero() || e.Since.Before(shown.Since) {
				shown.Since = e.Since
			}
			if e.Because != "" {
				shown.Reasons[e.Because]++
			}
		}
		if after = page.After; after == "" || shown.Waiting >= mostCounted {
			shown.More = after != ""
			return shown, nil
		}
	}
}
