package main

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

// people answers what everybody active may know of the team.
type people struct {
	store interface {
		People(ctx context.Context) ([]team.Person, error)
		Person(ctx context.Context, id string) (*team.Person, error)
		Settings(ctx context.Context) (team.Settings, error)
		Directory(ctx context.Context) ([]string, error)
		Waiting(ctx context.Context, pool, after string, limit int) (dynamo.Page, error)
	}
	cursors httpapi.Cursors
}

func (p people) routes() httpapi.Routes {
	return httpapi.Routes{
		"GET /v1/people":            p.list,
		"GET /v1/people/{personId}": p.show,
		"GET /v1/teams":             p.teams,
		"GET /v1/waiting":           p.waiting,
	}
}

// How many items a page has. A team is hundreds of people, not thousands.
const (
	usualLimit = 100
	mostLimit  = 500
)

func (p people) list(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	page, err := p.pageOf(r, "GET /v1/people")
	if err != nil {
		return nil, err
	}
	all, err := p.store.People(ctx)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, func(a, b team.Person) int { return cmp.Compare(a.ID, b.ID) })
	some, next := cut(p, page, all, func(v team.Person) string { return v.ID })
	list := httpapi.List[httpapi.ShownPerson]{Items: []httpapi.ShownPerson{}, NextCursor: next}
	for _, v := range some {
		list.Items = append(list.Items, httpapi.ShowPerson(v, r.Now))
	}
	return &httpapi.Response{Body: list}, nil
}

func (p people) show(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := httpapi.CheckQuery(r); err != nil {
		return nil, err
	}
	who, err := p.store.Person(ctx, r.Path["personId"])
	if err != nil {
		return nil, err
	}
	if who == nil {
		return nil, &chat.Error{Code: chat.NoSuchPerson, Detail: "Nobody has this id."}
	}
	return &httpapi.Response{Body: httpapi.ShowPerson(*who, r.Now)}, nil
}

// shownTeam is a team. Everyone is built in: all active Agents.
type shownTeam struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	BuiltIn bool   `json:"builtIn,omitempty"`
	Members int    `json:"members"` // who are active
	Online  int    `json:"online"`  // of them
}

func (p people) teams(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	page, err := p.pageOf(r, "GET /v1/teams")
	if err != nil {
		return nil, err
	}
	settings, err := p.store.Settings(ctx)
	if err != nil {
		return nil, err
	}
	everybody, err := p.store.People(ctx)
	if err != nil {
		return nil, err
	}
	all := []shownTeam{{ID: team.Everyone, Name: "Everyone", BuiltIn: true}}
	for _, t := range settings.Teams {
		all = append(all, shownTeam{ID: t.ID, Name: cmp.Or(t.Name, t.ID)})
	}
	slices.SortFunc(all, func(a, b shownTeam) int { return strings.Compare(a.ID, b.ID) })
	for i := range all {
		for _, who := range everybody {
			if !who.Active || !belongs(who, all[i].ID) {
				continue
			}
			all[i].Members++
			if who.Online(r.Now) {
				all[i].Online++
			}
		}
	}
	some, next := cut(p, page, all, func(t shownTeam) string { return t.ID })
	return &httpapi.Response{Body: httpapi.List[shownTeam]{Items: append([]shownTeam{}, some...), NextCursor: next}}, nil
}

func belongs(p team.Person, id string) bool {
	if id == team.Everyone {
		return p.Role == team.Agent
	}
	return slices.Contains(p.Teams, id)
}

// page says which part of a list is asked for: behind an id, by the order of ids.
type page struct {
	list  string
	after string
	limit int
}

func (p people) pageOf(r *httpapi.Request, list string) (page, error) {
	if err := httpapi.CheckQuery(r, "limit", "cursor"); err != nil {
		return page{}, err
	}
	limit, err := httpapi.ParseLimit(r, usualLimit, mostLimit)
	if err != nil {
		return page{}, err
	}
	asked := page{list: list, limit: limit}
	if r.Query.Has("cursor") {
		err = p.cursors.Open(list, r.Query.Get("cursor"), &asked.after)
	}
	return asked, err
}

// cut takes the page out of everything, which is sorted by id.
func cut[T any](p people, asked page, all []T, id func(T) string) (some []T, next string) {
	from := 0
	for from < len(all) && asked.after != "" && id(all[from]) <= asked.after {
		from++
	}
	to := min(from+asked.limit, len(all))
	if to < len(all) {
		next = p.cursors.Seal(asked.list, id(all[to-1]))
	}
	return all[from:to], next
}
