package httpapi

import (
	"encoding/json"
	"maps"
	"time"

	"chatkeeper/shared/access"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// ShownChat is a Chat as the API shows it to one person.
type ShownChat struct {
	ID             string        `json:"id"`
	BusinessNumber ShownNumber   `json:"businessNumber"`
	Customer       ShownCustomer `json:"customer"`
	Status         chat.Status   `json:"status"`
	Assignee       *NamedID      `json:"assignee"`
	Waiting        *ShownWaiting `json:"waiting"`
	Unread         int           `json:"unread"`
	UnreadMore     bool          `json:"unreadMore,omitempty"` // there are more than Unread says
	LastIn         *time.Time    `json:"lastIn,omitempty"`
	LastMessage    *ShownPreview `json:"lastMessage,omitempty"`
	OpenedAt       time.Time     `json:"openedAt"`
	ClosedAt       *time.Time    `json:"closedAt,omitempty"`
	Epoch          int64         `json:"epoch"`
	Window         ShownWindow   `json:"window"`
	Can            access.Can    `json:"can"`
	Notice         *ShownNotice  `json:"notice"`
}

// ShownNumber is a business number.
type ShownNumber struct {
	ID      string `json:"id"`
	Display string `json:"display"`
}

// ShownCustomer is the person on the other side.
type ShownCustomer struct {
	Name     string   `json:"name"`
	Phone    string   `json:"phone,omitempty"`
	Username string   `json:"username,omitempty"`
	Country  string   `json:"country,omitempty"`
	Language string   `json:"language,omitempty"`
	Tags     []string `json:"tags,omitempty"`
}

// ShownWaiting is where a Chat waits. Reason is why nobody could take it when its pool was last served; a Chat does not
// say that itself, so a handler that has the waiting entry fills it in.
type ShownWaiting struct {
	Since  time.Time     `json:"since"`
	Reason assign.Reason `json:"reason,omitempty"`
	Pools  []string      `json:"pools"`
}

// ShownPreview is the last message as a list shows it.
type ShownPreview struct {
	At        time.Time      `json:"at"`
	Direction chat.Direction `json:"direction"`
	Preview   string         `json:"preview"`
}

// ShownWindow is whether WhatsApp takes free text now, and until when.
type ShownWindow struct {
	Open     bool       `json:"open"`
	ClosesAt *time.Time `json:"closesAt,omitempty"`
}

// ShownNotice tells a viewer why they can't reply.
type ShownNotice struct {
	Code     chat.Code `json:"code"`
	Text     string    `json:"text"`
	Assignee *NamedID  `json:"assignee,omitempty"`
}

// ShowChat shows the Chat to viewer as it is at the moment now.
func ShowChat(c chat.Chat, viewer team.Person, names Names, now time.Time) ShownChat {
	shown := ShownChat{
		ID: c.ID, BusinessNumber: ShownNumber{c.Number, or(names.Numbers[c.Number], c.Number)}, Customer: showCustomer(c.Customer),
		Status: c.Status, Assignee: names.named(c.Owner), Unread: len(c.Unread), UnreadMore: !c.More.IsZero(),
		OpenedAt: c.OpenedAt, ClosedAt: when(c.ClosedAt), Epoch: c.Epoch, Can: access.Of(viewer, c),
	}
	if c.Waiting() {
		shown.Waiting = &ShownWaiting{Since: c.WaitingSince, Pools: c.Pools}
	}
	if !c.LastIn.IsZero() {
		closes := c.WindowCloses()
		shown.LastIn = when(c.LastIn.Time())
		shown.Window = ShownWindow{Open: now.Before(closes), ClosesAt: &closes}
	}
	if p := c.Preview; !p.At.IsZero() {
		shown.LastMessage = &ShownPreview{At: p.At.Time(), Direction: p.Direction, Preview: p.Text}
	}
	if n := access.NoticeOf(viewer, c); n != nil {
		shown.Notice = &ShownNotice{Code: n.Code, Text: n.Text, Assignee: names.named(n.Assignee)}
	}
	return shown
}

func showCustomer(c chat.Customer) ShownCustomer {
	return ShownCustomer{Name: or(c.Name, c.Profile), Phone: c.Phone, Username: c.Username,
		Country: told(c.Country), Language: told(c.Language), Tags: c.Tags}
}

func told(code string) string {
	if code == assign.Unknown {
		return ""
	}
	return code
}

func when(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// ShownMessage is a Message as the API shows it. WhatsApp's own ids never are: they contain the customer's number.
type ShownMessage struct {
	ID        string          `json:"id"`
	At        time.Time       `json:"at"`
	Direction chat.Direction  `json:"direction"`
	Type      string          `json:"type"`
	Text      string          `json:"text,omitempty"`
	Media     json.RawMessage `json:"media,omitempty"`
	Quoted    string          `json:"quoted,omitempty"` // id of the Message that it answers; the handler, which can look it up, fills it in
	By        *NamedID        `json:"by,omitempty"`
	Delivery  string          `json:"delivery,omitempty"`
	Failure   string          `json:"failure,omitempty"`
}

// mediaTypes are the types whose content is shown as media.
var mediaTypes = map[string]bool{"image": true, "video": true, "audio": true, "document": true, "sticker": true}

// ShowMessage shows a Message.
func ShowMessage(m chat.Message, names Names) ShownMessage {
	shown := ShownMessage{ID: m.Key.String(), At: m.Key.Time(), Direction: m.Direction, Type: m.Type, Text: m.Text,
		By: names.named(m.By), Delivery: string(m.Delivery)}
	if mediaTypes[m.Type] {
		shown.Media = showMedia(m.Content)
	}
	return shown
}

// showMedia keeps what a frontend needs of WhatsApp's object.
func showMedia(content []byte) json.RawMessage {
	var media struct {
		MIMEType string `json:"mime_type"`
		Filename string `json:"filename"`
		Voice    bool   `json:"voice"`
		Animated bool   `json:"animated"`
	}
	if json.Unmarshal(content, &media) != nil {
		return nil
	}
	shown, err := json.Marshal(struct {
		MIMEType string `json:"mimeType,omitempty"`
		Filename string `json:"filename,omitempty"`
		Voice    bool   `json:"voice,omitempty"`
		Animated bool   `json:"animated,omitempty"`
	}(media))
	if err != nil {
		return nil
	}
	return shown
}

// ShownEvent is an event of a Chat's history.
type ShownEvent struct {
	At       time.Time      `json:"at"`
	Epoch    int64          `json:"epoch"`
	Type     chat.EventType `json:"type"`
	From     *NamedID       `json:"from,omitempty"`
	To       *NamedID       `json:"to,omitempty"`
	By       ShownActor     `json:"by"`
	Note     string         `json:"note,omitempty"`
	Chat     string         `json:"chat,omitempty"` // of merged: the other Chat
	Decision *ShownDecision `json:"decision,omitempty"`
}

// ShownActor is who caused an event.
type ShownActor struct {
	Kind chat.ActorKind `json:"kind"`
	ID   string         `json:"id,omitempty"`
	Name string         `json:"name,omitempty"`
}

// ShowEvent shows an event of a Chat's history.
func ShowEvent(e chat.Event, names Names) ShownEvent {
	by := ShownActor{Kind: e.By.Kind, ID: e.By.ID, Name: e.By.Name}
	if e.By.Kind == chat.ByPerson && by.Name == "" {
		by.Name = or(names.People[e.By.ID], e.By.ID)
	}
	return ShownEvent{At: e.At, Epoch: e.Epoch, Type: e.Type, From: names.named(e.From), To: names.named(e.Owner), By: by,
		Note: e.Note, Chat: e.Chat, Decision: ShowDecision(e.Decision)}
}

// ShownDecision is a Decision with its words. Rules is what each rule said to the inputs; only the document of that
// version can tell, so a handler that has it fills it in.
type ShownDecision struct {
	RulesVersion int64                 `json:"rulesVersion"`
	Rules        []ShownRule           `json:"rules"`
	Step         int                   `json:"step"`
	Pool         string                `json:"pool,omitempty"`
	Strategy     assign.Strategy       `json:"strategy,omitempty"`
	Candidates   []ShownCandidate      `json:"candidates"`
	Others       map[assign.Reason]int `json:"others"`
	TieBreak     assign.Reason         `json:"tieBreak,omitempty"`
	Result       ShownResult           `json:"result"`
}

// ShownRule is what became of one rule.
type ShownRule struct {
	ID      string `json:"id"`
	Name    string `json:"name,omitempty"`
	Outcome string `json:"outcome"`
	Because string `json:"because,omitempty"`
}

// ShownCandidate is one person who was looked at.
type ShownCandidate struct {
	PersonID string        `json:"personId"`
	Name     string        `json:"name"`
	Outcome  string        `json:"outcome"`
	Because  assign.Reason `json:"because"`
}

// ShownResult is who got the Chat, or why nobody did; neither where the decision only routed it.
type ShownResult struct {
	PersonID string        `json:"personId,omitempty"`
	Nobody   bool          `json:"nobody,omitempty"`
	Because  assign.Reason `json:"because,omitempty"`
}

// ShowDecision shows a Decision; nil for none.
func ShowDecision(d *assign.Decision) *ShownDecision {
	if d == nil {
		return nil
	}
	shown := &ShownDecision{RulesVersion: d.RulesVersion, Step: d.Step, Pool: d.Pool, Strategy: d.Strategy, TieBreak: d.TieBreak,
		Rules: []ShownRule{}, Candidates: []ShownCandidate{}, Others: map[assign.Reason]int{},
		Result: ShownResult{PersonID: d.PersonID, Nobody: d.Nobody != "", Because: d.Nobody}}
	maps.Copy(shown.Others, d.Others)
	if d.RuleID != "" {
		shown.Rules = append(shown.Rules, ShownRule{ID: d.RuleID, Name: d.RuleName, Outcome: "matched"})
	}
	for _, c := range d.Candidates {
		shown.Candidates = append(shown.Candidates, ShownCandidate{PersonID: c.PersonID, Name: or(c.Name, c.PersonID), Outcome: c.Outcome, Because: c.Because})
	}
	return shown
}

// ShownPerson is a team member as everybody here sees them.
type ShownPerson struct {
	ID           string            `json:"id"`
	Name         string            `json:"name"`
	Email        string            `json:"email,omitempty"`
	Role         team.Role         `json:"role,omitempty"`
	Active       bool              `json:"active"`
	Availability team.Availability `json:"availability"`
	OnlineUntil  *time.Time        `json:"onlineUntil,omitempty"`
	Capacity     *int              `json:"capacity"` // null: none was set
	Weight       int               `json:"weight"`
	Languages    []string          `json:"languages"`
	Skills       []string          `json:"skills"`
	Teams        []string          `json:"teams"`
	OpenChats    int               `json:"openChats"`
}

// ShowPerson shows a person. Online that has ended by itself is offline.
func ShowPerson(p team.Person, now time.Time) ShownPerson {
	shown := ShownPerson{ID: p.ID, Name: p.Name, Email: p.Email, Role: p.Role, Active: p.Active, Availability: p.Availability,
		Weight: max(p.Weight, 1), Languages: listed(p.Languages), Skills: listed(p.Skills), Teams: listed(p.Teams), OpenChats: p.OpenChats}
	if p.Availability == team.Online {
		shown.OnlineUntil = when(p.OnlineUntil)
		if !p.Online(now) {
			shown.Availability, shown.OnlineUntil = team.Offline, nil
		}
	}
	if p.Capacity > 0 {
		shown.Capacity = &p.Capacity
	}
	return shown
}

// listed is never nil, so that JSON has a list.
func listed(values []string) []string { return append([]string{}, values...) }
