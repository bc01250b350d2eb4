package phone

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"chatkeeper/infra/local/phone/story"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// shown is how many Messages of a Chat the phone shows.
const shown = 40

// counted is how many waiting Chats of a pool are counted exactly.
const counted = 100

type looking struct {
	UserID string `json:"userId"`
	Phone  string `json:"phone"`
	Number string `json:"number"`
}

// view is everything that the page shows, as the tables have it at this moment. A customer without a Chat has none.
type view struct {
	Rules    rulesView     `json:"rules"`
	Chat     *chatView     `json:"chat"`
	Why      *whyView      `json:"why"`
	Messages []messageView `json:"messages"` // oldest first
	History  []eventView   `json:"history"`  // newest first
	People   []personView  `json:"people"`
	Pools    []poolView    `json:"pools"` // those with waiting Chats
}

type rulesView struct {
	InForce int64  `json:"inForce"`
	Saved   int64  `json:"saved"`
	Broken  string `json:"broken"` // why the newest can't be loaded; empty when it is in force
}

type chatView struct {
	ID           string     `json:"id"`
	Number       string     `json:"number"`
	Status       string     `json:"status"`
	Owner        *nameView  `json:"owner"`
	Since        time.Time  `json:"since"` // open or closed since then
	Waiting      *waitView  `json:"waiting"`
	Epoch        int64      `json:"epoch"`
	OwnerEpoch   int64      `json:"ownerEpoch"`
	Unread       string     `json:"unread"`
	Language     string     `json:"language"`
	Country      string     `json:"country"`
	RulesVersion int64      `json:"rulesVersion"`
	Merged       []string   `json:"merged"`
	Identities   []string   `json:"identities"`
	LastIn       *time.Time `json:"lastIn"`
}

type nameView struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

type waitView struct {
	Since   time.Time `json:"since"`
	Pools   []string  `json:"pools"`
	Because string    `json:"because"`
}

type messageView struct {
	Key       string    `json:"key"`
	At        time.Time `json:"at"`
	Direction string    `json:"direction"`
	Type      string    `json:"type"`
	Text      string    `json:"text"`
	Source    string    `json:"source"`
	Errors    []int     `json:"errors"`
	Unread    bool      `json:"unread"`
}

type personView struct {
	ID           string   `json:"id"`
	Name         string   `json:"name"`
	Role         string   `json:"role"`
	Active       bool     `json:"active"`
	Availability string   `json:"availability"`
	OpenChats    int      `json:"openChats"`
	Capacity     int      `json:"capacity"` // in force; 0 for none
	Teams        []string `json:"teams"`
	Languages    []string `json:"languages"`
	Skills       []string `json:"skills"`
}

type poolView struct {
	Words string    `json:"words"`
	Count string    `json:"count"`
	Since time.Time `json:"since"` // of the first in line
}

// noEnd is for people who are online until they say otherwise.
var noEnd time.Time

func (p *page) look(ctx context.Context, in looking) (view, error) {
	rules, err := p.store.InForce(ctx)
	if err != nil {
		return view{}, err
	}
	people, err := p.store.People(ctx)
	if err != nil {
		return view{}, err
	}
	n := story.NewNames(rules.Settings, people)
	v := view{Rules: rulesView{InForce: rules.Version, Saved: rules.Saved}, Messages: []messageView{}, History: []eventView{}, People: []personView{}}
	if rules.Broken != nil {
		v.Rules.Broken = rules.Broken.Error()
	}
	for _, who := range people {
		v.People = append(v.People, newPersonView(n, who))
	}
	if v.Pools, err = p.pools(ctx, n); err != nil {
		return view{}, err
	}
	c, err := p.find(ctx, in)
	if err != nil || c == nil {
		return v, err
	}
	return v, p.lookAt(ctx, &v, *c, rules, n)
}

// lookAt adds a Chat to the view. Its parts are read one after the other, so that they may differ by what happened in
// between; the next look is half a second away.
func (p *page) lookAt(ctx context.Context, v *view, c chat.Chat, rules dynamo.InForce, n story.Names) error {
	page, err := p.store.MessagesBefore(ctx, c, chat.Key{}, shown)
	if err != nil {
		return err
	}
	for _, m := range page.Messages {
		v.Messages = append(v.Messages, messageView{Key: m.Key.String(), At: m.Key.Time(), Direction: string(m.Direction), Type: m.Type,
			Text: m.Text, Source: m.Source, Errors: m.Errors, Unread: slices.Contains(c.Unread, m.Key.Mark())})
	}
	events, err := p.store.History(ctx, c.ID)
	if err != nil {
		return err
	}
	for _, e := range slices.Backward(story.InOrder(events)) {
		v.History = append(v.History, eventView{At: e.At, Epoch: e.Epoch, Type: string(e.Type), Says: n.Event(e), Note: e.Note})
	}
	nobody, err := p.nobody(ctx, c)
	if err != nil {
		return err
	}
	shows := newChatView(n, c, nobody)
	v.Chat = &shows
	if v.Why = newWhyView(n, c, nobody, events); v.Why != nil {
		v.Why.Rules = p.explained(ctx, v.Why, page.Messages, rules)
	}
	return nil
}

// find is the Chat that the identities lead to, as the assigner would find it; nil when there is none.
func (p *page) find(ctx context.Context, in looking) (*chat.Chat, error) {
	var user, phone string
	if in.UserID != "" {
		user = p.secret.UserAddress(in.Number, in.UserID)
	}
	if in.Phone != "" {
		phone = p.secret.PhoneAddress(in.Number, in.Phone)
	}
	if user == "" && phone == "" {
		return nil, nil
	}
	leads, err := p.store.Find(ctx, user, phone, true)
	if err != nil {
		return nil, err
	}
	lead := leads.User
	if lead == nil {
		lead = leads.Phone
	}
	if lead == nil {
		return nil, nil
	}
	id := lead.Chat
	for {
		c, err := p.store.Chat(ctx, id)
		if err != nil || c == nil || c.Status != chat.Merged {
			return c, err
		}
		id = c.MergedInto
	}
}

// nobody is why the Chat still waits, as the serving of its pool said last; empty before that, and when it does not wait.
func (p *page) nobody(ctx context.Context, c chat.Chat) (assign.Reason, error) {
	for _, pool := range c.Pools {
		e, err := p.store.Entry(ctx, c.ID, pool)
		if err != nil {
			return "", err
		}
		if e != nil && e.Because != "" {
			return e.Because, nil
		}
	}
	return "", nil
}

func (p *page) pools(ctx context.Context, n story.Names) ([]poolView, error) {
	waiting := []poolView{}
	listed, err := p.store.Directory(ctx)
	if err != nil {
		return nil, err
	}
	for _, pool := range listed {
		page, err := p.store.Waiting(ctx, pool, "", counted)
		if err != nil {
			return nil, err
		}
		if len(page.Entries) == 0 {
			continue
		}
		count := strconv.Itoa(len(page.Entries))
		if page.After != "" {
			count += "+"
		}
		waiting = append(waiting, poolView{Words: n.Pool(pool), Count: count, Since: page.Entries[0].Since})
	}
	return waiting, nil
}

// explained says of each rule why it did or did not decide. It is empty when that can't be told any more: the rules of then are
// gone, or the message that they looked at has scrolled away and would make a difference.
func (p *page) explained(ctx context.Context, w *whyView, messages []chat.Message, inForce dynamo.InForce) []ruleView {
	rules := inForce.Rules
	if w.RulesVersion != inForce.Version {
		rules = p.version(ctx, w.RulesVersion)
	}
	if rules == nil || w.input == nil {
		return nil
	}
	in := *w.input
	for _, m := range messages {
		if m.Key.String() == w.looked {
			in.Text = m.Text
		}
	}
	var views []ruleView
	for _, x := range rules.Explain(in) {
		if (x.Outcome == assign.Matched) != (x.RuleID == w.RuleID) {
			return nil
		}
		if x.RuleID == assign.OtherwiseID {
			x.RuleName = story.Otherwise
		}
		views = append(views, ruleView{x.RuleName, x.Outcome, x.Because})
	}
	return views
}

// version reads rules that were in force once. They never change, so they are read once.
func (p *page) version(ctx context.Context, version int64) *assign.Rules {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rules, known := p.rules[version]; known {
		return rules
	}
	doc, err := p.store.RulesVersion(ctx, version)
	if err != nil && !errors.Is(err, dynamo.ErrNoVersion) {
		return nil // the next look tries again
	}
	rules, err := assign.Parse([]byte(doc))
	if err != nil {
		rules = nil
	}
	p.rules[version] = rules
	return rules
}

func newPersonView(n story.Names, who team.Person) personView {
	v := personView{ID: who.ID, Name: who.Name, Role: string(who.Role), Active: who.Active, Availability: string(who.Availability),
		OpenChats: who.OpenChats, Teams: []string{}, Languages: who.Languages, Skills: who.Skills}
	if who.Limit != team.NoLimit {
		v.Capacity = who.Limit
	}
	for _, id := range who.Teams {
		v.Teams = append(v.Teams, n.Team(id))
	}
	return v
}

func newChatView(n story.Names, c chat.Chat, nobody assign.Reason) chatView {
	v := chatView{ID: c.ID, Number: n.Number(c.Number), Status: string(c.Status), Since: c.OpenedAt, Epoch: c.Epoch, OwnerEpoch: c.OwnerEpoch,
		Unread: strconv.Itoa(len(c.Unread)), Language: c.Customer.Language, Country: c.Customer.Country, RulesVersion: c.RulesVersion,
		Merged: c.From}
	if c.Status == chat.Closed {
		v.Since = c.ClosedAt
	}
	if !c.More.IsZero() {
		v.Unread = strconv.Itoa(chat.MaxUnread) + "+"
	}
	if c.Owner != "" {
		v.Owner = &nameView{c.Owner, n.Person(c.Owner)}
	}
	if c.Waiting() {
		v.Waiting = &waitView{Since: c.WaitingSince, Because: cmp.Or(nobody.Words(), "its pool has not been served yet")}
		for _, pool := range c.Pools {
			v.Waiting.Pools = append(v.Waiting.Pools, n.Pool(pool))
		}
	}
	if c.Customer.UserID != "" {
		v.Identities = append(v.Identities, "user id")
	}
	if c.Customer.Phone != "" {
		v.Identities = append(v.Identities, "phone number")
	}
	if !c.LastIn.IsZero() {
		at := c.LastIn.Time()
		v.LastIn = &at
	}
	return v
}
