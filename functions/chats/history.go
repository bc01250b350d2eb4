package main

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

// Events a page.
const (
	usualEvents = 20
	mostEvents  = 50
)

// event is an event of the history, with the answer to "why not them?" where somebody was asked about.
type event struct {
	httpapi.ShownEvent
	About *about `json:"about,omitempty"`
}

// about says how a person stood to a choice. Then tells whether the decision kept it; else it is how the person would stand
// to the same pool as they are now, because a decision names eight people and counts the others.
type about struct {
	PersonID string        `json:"personId"`
	Outcome  string        `json:"outcome"` // assign.Chosen or assign.Passed
	Because  assign.Reason `json:"because"`
	Words    string        `json:"words"`
	Then     bool          `json:"then"`
}

// history shows what happened to a Chat, and to those that were merged into it, newest first.
func (h *chats) history(ctx context.Context, r *httpapi.Request) (*httpapi.Response, error) {
	if err := httpapi.CheckQuery(r, "about", "limit", "cursor"); err != nil {
		return nil, err
	}
	limit, err := httpapi.ParseLimit(r, usualEvents, mostEvents)
	if err != nil {
		return nil, err
	}
	list := "history of " + r.Path["chatId"]
	var after dynamo.EventPlace
	if r.Query.Has("cursor") {
		if err := h.cursors.Open(list, r.Query.Get("cursor"), &after); err != nil {
			return nil, err
		}
	}
	c, err := h.find(ctx, r.Path["chatId"])
	if err != nil {
		return nil, err
	}
	person, err := h.askedAbout(ctx, r)
	if err != nil {
		return nil, err
	}
	page, err := h.store.Events(ctx, c, after, limit)
	if err != nil {
		return nil, err
	}
	var people []string
	for _, e := range page.Events {
		people = append(people, e.From, e.Owner)
	}
	names := h.names.Names(ctx, people...)
	answer := httpapi.List[event]{Items: []event{}}
	for _, e := range page.Events {
		shown := event{ShownEvent: httpapi.ShowEvent(e.Event, names)}
		if shown.Decision != nil {
			rules, err := h.explained(ctx, c, e)
			if err != nil {
				return nil, err
			}
			if rules != nil {
				shown.Decision.Rules = rules
			}
		}
		if person != nil {
			shown.About = whyNot(*person, e.Event)
		}
		answer.Items = append(answer.Items, shown)
	}
	if page.Next != nil {
		answer.NextCursor = h.cursors.Seal(list, *page.Next)
	}
	return &httpapi.Response{Body: answer}, nil
}

func (h *chats) askedAbout(ctx context.Context, r *httpapi.Request) (*team.Person, error) {
	id := r.Query.Get("about")
	if !r.Query.Has("about") {
		return nil, nil
	}
	if id == "" || len(id) > maxID {
		return nil, dynamo.ErrNoPerson
	}
	p, err := h.store.Person(ctx, id)
	if err == nil && p == nil {
		err = dynamo.ErrNoPerson
	}
	return p, err
}

// whyNot answers why a person did, or did not, get the Chat when this was decided; nil where nothing was decided about
// people.
func whyNot(p team.Person, e chat.Event) *about {
	d := e.Decision
	if d == nil || d.PersonID == "" && d.Nobody == "" {
		return nil
	}
	for _, c := range d.Candidates {
		if c.PersonID == p.ID {
			return &about{PersonID: p.ID, Outcome: c.Outcome, Because: c.Because, Words: c.Because.Words(), Then: true}
		}
	}
	answer := &about{PersonID: p.ID, Outcome: assign.Passed, Because: assign.LaterInOrder}
	pool, err := assign.ParsePool(d.Pool)
	if err != nil {
		answer.Because = assign.NotInPool
	} else if now := assign.Choose(assign.Want{Pool: pool, Strategy: assign.RoundRobin}, []team.Person{p}, e.At); now.Person == nil {
		answer.Because = alone(now)
	}
	answer.Words = answer.Because.Words()
	return answer
}

// alone is the reason in a choice from one person that fell on nobody.
func alone(c assign.Choice) assign.Reason {
	for _, candidate := range c.Candidates {
		return candidate.Because
	}
	for _, reason := range slices.Sorted(maps.Keys(c.Others)) {
		return reason
	}
	return assign.NotInPool
}

// explained says of each rule why it did or did not decide, as the rules of then tell from the inputs of then. nil when they
// can't any more: the version or some inputs are gone, or what comes out is not what was decided.
func (h *chats) explained(ctx context.Context, c chat.Chat, e dynamo.EventOf) ([]httpapi.ShownRule, error) {
	d := e.Decision
	if d.Input == nil || d.Partial {
		return nil, nil
	}
	rules, err := h.rules.version(ctx, d.RulesVersion)
	if err != nil || rules == nil {
		return nil, err
	}
	in := *d.Input
	if in.MessageType != "" {
		m, err := h.message(ctx, c, e.Chat, d.Message)
		if err != nil || m == nil {
			return nil, err
		}
		in.Text = m.Text
	}
	var shown []httpapi.ShownRule
	for _, x := range rules.Explain(in) {
		if (x.Outcome == assign.Matched) != (x.RuleID == d.RuleID) {
			return nil, nil
		}
		shown = append(shown, httpapi.ShownRule{ID: x.RuleID, Name: x.RuleName, Outcome: x.Outcome, Because: x.Because})
	}
	return shown, nil
}

// message is the one that the rules looked at: decisions don't copy its text. It stands in the Chat that it opened, or in
// one that was merged with it; nil if the decision is so old that it names none, or if it can't be read.
func (h *chats) message(ctx context.Context, c chat.Chat, opened, id string) (*chat.Message, error) {
	if id == "" {
		return nil, nil
	}
	k, err := chat.ParseKey(id)
	if err != nil {
		return nil, err
	}
	for _, part := range append([]string{opened, c.ID}, c.From...) {
		m, err := h.store.Message(ctx, part, k)
		if errors.Is(err, dynamo.ErrUnreadable) {
			continue
		}
		if m != nil || err != nil {
			return m, err
		}
	}
	return nil, nil
}

// ruleBook remembers versions of the rules, which never change.
type ruleBook struct {
	source ruleSource

	mu   sync.Mutex
	read map[int64]*assign.Rules // nil: that version can't be loaded
}

type ruleSource interface {
	RulesVersion(ctx context.Context, version int64) (string, error)
}

// mostVersions is how many versions are remembered at a time.
const mostVersions = 16

// version is nil when there is no such version, or none that can be loaded.
func (b *ruleBook) version(ctx context.Context, version int64) (*assign.Rules, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if rules, known := b.read[version]; known {
		return rules, nil
	}
	doc, err := b.source.RulesVersion(ctx, version)
	if errors.Is(err, dynamo.ErrUnreadable) {
		return nil, nil // until somebody mends it
	}
	if err != nil && !errors.Is(err, dynamo.ErrNoVersion) {
		return nil, err
	}
	rules, err := assign.Parse([]byte(doc))
	if err != nil {
		rules = nil
	}
	if b.read == nil || len(b.read) >= mostVersions {
		b.read = map[int64]*assign.Rules{}
	}
	b.read[version] = rules
	return rules, nil
}
