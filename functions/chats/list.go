package main

import (
	"cmp"
	"context"
	"net/url"
	"slices"
	"strings"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
)

// Chats a page.
const (
	usualChats = 50
	mostChats  = 100
)

// mostRecent is how many open Chats of a person are listed by their last message; more are listed by opening.
const mostRecent = 100

// filter says which Chats a list has. Exactly one of its parts decides where they are read: query, waiting, assignee, or
// none of them for all Chats.
type filter struct {
	query    string
	waiting  bool
	team     string // of waiting
	assignee string
	statuses []chat.Status
}

func (h *chats) list(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := httpapi.CheckQuery(r, "status", "assignee", "team", "q", "limit", "cursor"); err != nil {
		return nil, err
	}
	f, err := parseFilter(r)
	if err != nil {
		return nil, err
	}
	limit, err := httpapi.ParseLimit(r, usualChats, mostChats)
	if err != nil {
		return nil, err
	}
	var from at
	if r.Query.Has("cursor") {
		if err := h.cursors.Open(f.key(), r.Query.Get("cursor"), &from); err != nil {
			return nil, err
		}
	}
	found, next, err := h.page(ctx, f, from, limit)
	if err != nil {
		return nil, err
	}
	owners := make([]string, len(found))
	for i, c := range found {
		owners[i] = c.Owner
	}
	names := h.names.Names(ctx, owners...)
	answer := httpapi.List[httpapi.ShownChat]{Items: []httpapi.ShownChat{}}
	for _, c := range found {
		answer.Items = append(answer.Items, httpapi.ShowChat(c, r.Person, names, r.Now))
	}
	if next != nil {
		answer.NextCursor = h.cursors.Seal(f.key(), next)
	}
	return &httpapi.Response{Body: answer}, nil
}

func badRequest(detail string) error { return &chat.Error{Code: chat.BadRequest, Detail: detail} }

// parseFilter reads which Chats are asked for. What can't be together is refused: a filter that is left out of account
// would show Chats that nobody asked for.
func parseFilter(r *httpapi.Request) (filter, error) {
	f := filter{query: strings.TrimSpace(r.Query.Get("q")), team: r.Query.Get("team"), assignee: r.Query.Get("assignee"), statuses: []chat.Status{chat.Open}}
	for _, name := range []string{"q", "team", "assignee", "status"} {
		if value := r.Query.Get(name); r.Query.Has(name) && (strings.TrimSpace(value) == "" || len(value) > maxID) {
			return f, badRequest(name + " must have 1 to 128 bytes that are not all blanks.")
		}
	}
	if r.Query.Has("status") {
		f.statuses = nil
		for word := range strings.SplitSeq(r.Query.Get("status"), ",") {
			s := chat.Status(word)
			if s != chat.Open && s != chat.Closed || slices.Contains(f.statuses, s) {
				return f, badRequest("status must be open, closed, or both with a comma between them.")
			}
			f.statuses = append(f.statuses, s)
		}
		slices.SortFunc(f.statuses, func(a, b chat.Status) int { return strings.Compare(string(b), string(a)) }) // open first
	}
	if f.query != "" && (f.team != "" || f.assignee != "" || r.Query.Has("status")) {
		return f, badRequest("q finds a customer, whatever their Chat's status; it stands alone.")
	}
	if f.assignee == "me" {
		f.assignee = r.Person.ID
	}
	f.waiting = f.assignee == "none" || f.team != ""
	if f.waiting && f.assignee != "" && f.assignee != "none" {
		return f, badRequest("team lists the Chats that wait for a team; nobody is their assignee.")
	}
	if f.waiting && !slices.Equal(f.statuses, []chat.Status{chat.Open}) {
		return f, badRequest("Only open Chats wait: leave status out, or say open.")
	}
	return f, nil
}

// key names the list that a cursor belongs to.
func (f filter) key() string {
	v := url.Values{"q": {f.query}, "team": {f.team}, "assignee": {f.assignee}}
	for _, s := range f.statuses {
		v.Add("status", string(s))
	}
	return "GET /v1/chats?" + v.Encode()
}

// page reads a page of the list, and where the next begins; nil when there is none.
func (h *chats) page(ctx context.Context, f filter, from at, limit int) ([]chat.Chat, *at, error) {
	if f.query != "" {
		found, err := h.search(ctx, f.query)
		return found, nil, err
	}
	parts, err := h.parts(ctx, f)
	if err != nil {
		return nil, nil, err
	}
	w := walk{at: from, parts: parts, again: len(f.statuses) > 1}
	return w.page(ctx, limit)
}

// parts are the parts of a list, one after the other: a person's open Chats and their closed ones are two, each in an order of
// its own.
func (h *chats) parts(ctx context.Context, f filter) ([]part, error) {
	switch {
	case f.waiting:
		pools, err := h.pools(ctx, f.team)
		return []part{{place: dynamo.WaitingPlace, read: func(ctx context.Context, after dynamo.Place, limit int) (dynamo.ChatPage, error) {
			return h.store.WaitingChats(ctx, pools, after, limit)
		}}}, err
	case f.assignee == "":
		return []part{{place: dynamo.OpenedPlace, read: func(ctx context.Context, after dynamo.Place, limit int) (dynamo.ChatPage, error) {
			return h.store.ChatsIn(ctx, f.statuses, after, limit)
		}}}, nil
	}
	var parts []part
	for _, status := range f.statuses {
		p := part{place: dynamo.ClosedPlace, read: func(ctx context.Context, after dynamo.Place, limit int) (dynamo.ChatPage, error) {
			return h.store.ChatsOf(ctx, f.assignee, status, after, limit)
		}}
		if status == chat.Open {
			p.place = dynamo.OpenedPlace
			p.recent = func(ctx context.Context) ([]chat.Chat, bool, error) {
				return h.store.RecentChatsOf(ctx, f.assignee, cmp.Or(h.recent, mostRecent))
			}
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// pools are the listed pools of a team, or all of them. A Chat is in the list from when its pool was first served in
// vain: before that, somebody may be about to get it.
func (h *chats) pools(ctx context.Context, teamID string) ([]string, error) {
	listed, err := h.store.Directory(ctx)
	if teamID == "" || err != nil {
		return listed, err
	}
	return slices.DeleteFunc(listed, func(text string) bool {
		p, err := assign.ParsePool(text)
		return err != nil || p.Team != teamID
	}), nil
}

// search finds the Chats of one customer, one for each business number: by the exact phone number, with or without what
// people write between digits, or by WhatsApp's user id, or by the username they have now, with or without @.
func (h *chats) search(ctx context.Context, query string) ([]chat.Chat, error) {
	numbers, err := h.numbers(ctx)
	if err != nil {
		return nil, err
	}
	at := func(address func(number, id string) string, id string) []string {
		addresses := make([]string, len(numbers))
		for i, number := range numbers {
			addresses[i] = address(number, id)
		}
		return addresses
	}
	if digits, ok := phone(query); ok {
		return h.store.ChatsAt(ctx, at(h.secret.PhoneAddress, digits))
	}
	username, isUsername := strings.CutPrefix(query, "@")
	if !isUsername {
		if found, err := h.store.ChatsAt(ctx, at(h.secret.UserAddress, query)); len(found) > 0 || err != nil {
			return found, err
		}
	}
	return h.store.ChatsNamed(ctx, username, at(h.secret.UsernameAddress, username))
}

// numbers are the business numbers under which customers are looked for: those that have Chats, whether or not the settings
// name them, and those of the settings.
func (h *chats) numbers(ctx context.Context) ([]string, error) {
	numbers, err := h.store.Numbers(ctx)
	if err != nil {
		return nil, err
	}
	settings, err := h.store.Settings(ctx)
	for _, n := range settings.Numbers {
		if !slices.Contains(numbers, n.ID) {
			numbers = append(numbers, n.ID)
		}
	}
	return numbers, err
}

// phone reads digits out of a number as people write it.
func phone(text string) (string, bool) {
	digits := strings.Map(func(c rune) rune {
		if strings.ContainsRune("+ -().\u00a0", c) {
			return -1
		}
		return c
	}, text)
	for _, c := range digits {
		if c < '0' || c > '9' {
			return "", false
		}
	}
	return digits, digits != ""
}
