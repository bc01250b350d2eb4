package dynamo

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/attributevalue"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Item is a row as DynamoDB gives and takes it.
type Item = map[string]types.AttributeValue

// Attribute names are short where items are many: DynamoDB bills them like content, and a Chat must fit 1 KB.

// chatItem is a Chat, or an alias when To is set.
type chatItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`

	To      string   `dynamodbav:"to,omitempty"`           // alias: the Chat that the identity leads to
	Since   []byte   `dynamodbav:"since,omitempty"`        // alias: since when
	Holders []string `dynamodbav:"hs,stringset,omitempty"` // alias of a phone number: who had it before, see aliasOf
	Free    []byte   `dynamodbav:"lf,omitempty"`           // alias of a phone number: since when it is free
	Version int64    `dynamodbav:"n,omitempty"`            // alias: how often it was changed

	Number string   `dynamodbav:"num,omitempty"`
	UserID string   `dynamodbav:"user,omitempty"` // alias of a user id: the one that it was renamed to, see Store.Rename
	Phone  string   `dynamodbav:"ph,omitempty"`
	Shown  []byte   `dynamodbav:"pa,omitempty"` // when a phone number was last shown
	Fence  []byte   `dynamodbav:"pf,omitempty"` // until when others may have messages from the phone number
	Handle string   `dynamodbav:"un,omitempty"`
	Given  string   `dynamodbav:"pn,omitempty"`
	Name   string   `dynamodbav:"nm,omitempty"`
	Lang   string   `dynamodbav:"lg,omitempty"`
	ByHand bool     `dynamodbav:"lh,omitempty"` // the language is what people said
	Land   string   `dynamodbav:"ct,omitempty"`
	Tags   []string `dynamodbav:"tg,stringset,omitempty"`

	Status       string   `dynamodbav:"st,omitempty"`
	Owner        string   `dynamodbav:"ow,omitempty"`
	Epoch        int64    `dynamodbav:"ep,omitempty"`
	OwnerEpoch   int64    `dynamodbav:"oe,omitempty"`
	OpenedAt     int64    `dynamodbav:"oa,omitempty"`
	ClosedAt     int64    `dynamodbav:"ca,omitempty"`
	Pools        []string `dynamodbav:"po,stringset,omitempty"`
	WaitingSince int64    `dynamodbav:"ws,omitempty"`
	Priority     string   `dynamodbav:"pr,omitempty"`
	RulesVersion int64    `dynamodbav:"rv,omitempty"`
	Routed       int64    `dynamodbav:"rt,omitempty"`

	LastIn    []byte   `dynamodbav:"li,omitempty"`
	Unread    [][]byte `dynamodbav:"ur,binaryset,omitempty"`
	More      []byte   `dynamodbav:"mo,omitempty"`
	Ahead     []byte   `dynamodbav:"ah,omitempty"` // four bytes, as the time in a Key
	PreviewAt []byte   `dynamodbav:"pv,omitempty"`
	Sent      bool     `dynamodbav:"pd,omitempty"` // the preview is of a message of ours
	Preview   string   `dynamodbav:"pt,omitempty"`

	From []string `dynamodbav:"fr,stringset,omitempty"`
	Into string   `dynamodbav:"in,omitempty"`

	OwnerKey  string `dynamodbav:"ok,omitempty"`
	OwnerAt   string `dynamodbav:"ot,omitempty"`
	StatusKey string `dynamodbav:"sx,omitempty"`
	StatusAt  string `dynamodbav:"sa,omitempty"`
}

func newChatItem(c chat.Chat) chatItem {
	it := chatItem{
		PK: chatPK(c.ID), SK: selfSK, Number: c.Number,
		UserID: c.Customer.UserID, Phone: c.Customer.Phone, Shown: shownBytes(c.Customer.PhoneSince), Fence: shownBytes(c.Customer.PhoneFence), Handle: c.Customer.Username, Given: c.Customer.Profile,
		Name: c.Customer.Name, Lang: c.Customer.Language, ByHand: c.Customer.ByHand, Land: c.Customer.Country, Tags: c.Customer.Tags,
		Status: string(c.Status), Owner: c.Owner, Epoch: c.Epoch, OwnerEpoch: c.OwnerEpoch,
		OpenedAt: millis(c.OpenedAt), ClosedAt: millis(c.ClosedAt),
		Pools: c.Pools, WaitingSince: millis(c.WaitingSince), Priority: string(c.Priority),
		RulesVersion: c.RulesVersion, Routed: c.Routed,
		LastIn: keyBytes(c.LastIn), More: keyBytes(c.More), Ahead: secondBytes(c.Ahead),
		PreviewAt: momentBytes(c.Preview.At), Sent: c.Preview.Direction == chat.Out, Preview: c.Preview.Text,
		From: c.From, Into: c.MergedInto,
	}
	for _, m := range c.Unread {
		it.Unread = append(it.Unread, m[:])
	}
	it.OwnerKey, it.OwnerAt, it.StatusKey, it.StatusAt = indexKeys(c.ID, c.Ownership)
	return it
}

func (it chatItem) chat() chat.Chat {
	slices.Sort(it.Pools) // sets come in any order
	c := chat.Chat{
		ID: it.PK[len(chatPrefix):], Number: it.Number,
		Customer: chat.Customer{UserID: it.UserID, Phone: it.Phone, PhoneSince: shownOf(it.Shown), PhoneFence: shownOf(it.Fence), Username: it.Handle, Profile: it.Given,
			Name: it.Name, Language: it.Lang, ByHand: it.ByHand, Country: it.Land, Tags: it.Tags},
		Ownership: chat.Ownership{
			Status: chat.Status(it.Status), Owner: it.Owner, Epoch: it.Epoch, OwnerEpoch: it.OwnerEpoch,
			OpenedAt: fromMillis(it.OpenedAt), ClosedAt: fromMillis(it.ClosedAt),
			Pools: it.Pools, WaitingSince: fromMillis(it.WaitingSince), Priority: assign.Priority(it.Priority),
			RulesVersion: it.RulesVersion, Routed: it.Routed},
		Inbox: chat.Inbox{LastIn: keyOf(it.LastIn), More: keyOf(it.More), Ahead: secondOf(it.Ahead),
			Preview: chat.Preview{At: momentOf(it.PreviewAt), Text: it.Preview}},
		From: it.From, MergedInto: it.Into,
	}
	if !c.Preview.At.IsZero() {
		c.Preview.Direction = chat.In
	}
	if it.Sent {
		c.Preview.Direction = chat.Out
	}
	for _, b := range it.Unread {
		if len(b) == len(chat.Mark{}) {
			c.Unread = append(c.Unread, chat.Mark(b))
		}
	}
	return c
}

type messageItem struct {
	PK       string `dynamodbav:"pk"`
	SK       string `dynamodbav:"sk"`
	WAMID    string `dynamodbav:"wa,omitempty"`
	Dir      string `dynamodbav:"d"`
	Type     string `dynamodbav:"ty"`
	Original string `dynamodbav:"og,omitempty"`
	Text     string `dynamodbav:"tx,omitempty"`
	ReplyID  string `dynamodbav:"ri,omitempty"`
	AdSource string `dynamodbav:"ad,omitempty"`
	Quoted   string `dynamodbav:"qu,omitempty"`
	Target   string `dynamodbav:"ta,omitempty"`
	Content  []byte `dynamodbav:"co,omitempty"`
	Source   string `dynamodbav:"so,omitempty"`
	Group    string `dynamodbav:"gr,omitempty"`
	Shows    string `dynamodbav:"sh,omitempty"` // address of the phone number that it shows beside a user id
	Forward  bool   `dynamodbav:"fw,omitempty"`
	Trimmed  bool   `dynamodbav:"tr,omitempty"`
	Errors   []int  `dynamodbav:"er,omitempty"`
	Arrived  int64  `dynamodbav:"ar"` // Unix microseconds: a delivery's order stands below the millisecond
	Accepted int64  `dynamodbav:"oe,omitempty"`
	By       string `dynamodbav:"by,omitempty"`
	Delivery string `dynamodbav:"dl,omitempty"`
}

func newMessageItem(chatID string, m chat.Message) messageItem {
	return messageItem{PK: chatPK(chatID), SK: messageSK(m.Key), WAMID: m.WAMID, Dir: string(m.Direction), Type: m.Type, Original: m.Original,
		Text: m.Text, ReplyID: m.ReplyID, AdSource: m.AdSource, Quoted: m.Quoted, Target: m.Target, Content: m.Content,
		Source: m.Source, Group: m.Group, Shows: m.Shows, Forward: m.Forwarded, Trimmed: m.Trimmed,
		Errors: m.Errors, Arrived: micros(m.Arrived), Accepted: m.OwnerEpoch, By: m.By, Delivery: string(m.Delivery)}
}

func readMessage(item Item) (chat.Message, error) {
	it, err := unmarshal[messageItem](item)
	if err != nil {
		return chat.Message{}, err
	}
	key, err := chat.ParseKey(it.SK[len(messagePrefix):])
	if err != nil {
		err = fmt.Errorf("message of %s: %w", it.PK, errors.Join(ErrUnreadable, err))
	}
	return chat.Message{Key: key, WAMID: it.WAMID, Direction: chat.Direction(it.Dir), Type: it.Type, Original: it.Original, Text: it.Text,
		ReplyID: it.ReplyID, AdSource: it.AdSource, Quoted: it.Quoted, Target: it.Target, Content: it.Content,
		Source: it.Source, Group: it.Group, Shows: it.Shows, Forwarded: it.Forward, Trimmed: it.Trimmed, Errors: it.Errors, Arrived: fromMicros(it.Arrived), OwnerEpoch: it.Accepted,
		By: it.By, Delivery: chat.Delivery(it.Delivery)}, err
}

// historyItem keeps the decision as one JSON text: it is written once, read whole, and never searched.
type historyItem struct {
	PK       string `dynamodbav:"pk"`
	SK       string `dynamodbav:"sk"`
	Epoch    int64  `dynamodbav:"ep"`
	At       int64  `dynamodbav:"at"`
	Type     string `dynamodbav:"ty"`
	Status   string `dynamodbav:"st"`
	From     string `dynamodbav:"fr,omitempty"`
	Owner    string `dynamodbav:"ow,omitempty"`
	ByKind   string `dynamodbav:"bk"`
	By       string `dynamodbav:"by,omitempty"`
	ByName   string `dynamodbav:"bn,omitempty"`
	Note     string `dynamodbav:"no,omitempty"`
	Routed   int64  `dynamodbav:"rt,omitempty"`
	Decision string `dynamodbav:"de,omitempty"`
	Chat     string `dynamodbav:"ch,omitempty"`
}

func newHistoryItem(chatID string, e chat.Event) (historyItem, error) {
	it := historyItem{PK: chatPK(chatID), SK: eventSK(e), Epoch: e.Epoch, At: millis(e.At), Type: string(e.Type),
		Status: string(e.Status), From: e.From, Owner: e.Owner, ByKind: string(e.By.Kind), By: e.By.ID, ByName: e.By.Name,
		Note: e.Note, Routed: e.Routed, Chat: e.Chat}
	if e.Decision != nil {
		d := *e.Decision
		if d.RulesVersion == chat.ByHand {
			d.RulesVersion = 0 // no rules sent the Chat there
		}
		text, err := json.Marshal(d)
		if err != nil {
			return it, fmt.Errorf("decision of chat %s: %w", chatID, err)
		}
		it.Decision = string(text)
	}
	return it, nil
}

func readEvent(item Item) (chat.Event, error) {
	it, err := unmarshal[historyItem](item)
	if err != nil {
		return chat.Event{}, err
	}
	e := chat.Event{Epoch: it.Epoch, At: fromMillis(it.At), Type: chat.EventType(it.Type), Status: chat.Status(it.Status),
		From: it.From, Owner: it.Owner, By: chat.Actor{Kind: chat.ActorKind(it.ByKind), ID: it.By, Name: it.ByName},
		Note: it.Note, Routed: it.Routed, Chat: it.Chat}
	if it.Decision == "" {
		return e, nil
	}
	e.Decision = &assign.Decision{}
	if err := json.Unmarshal([]byte(it.Decision), e.Decision); err != nil {
		return e, fmt.Errorf("decision at %s %s: %w", it.PK, it.SK, errors.Join(ErrUnreadable, err))
	}
	return e, nil
}

type entryItem struct {
	PK           string `dynamodbav:"pk"`
	SK           string `dynamodbav:"sk"`
	Chat         string `dynamodbav:"ch"`
	Epoch        int64  `dynamodbav:"ep"`
	Since        int64  `dynamodbav:"ws"`
	Priority     string `dynamodbav:"pr"`
	Strategy     string `dynamodbav:"sg"`
	Prefer       string `dynamodbav:"pf,omitempty"`
	Previous     string `dynamodbav:"pa,omitempty"`
	ClosedAt     int64  `dynamodbav:"ca,omitempty"`
	RuleID       string `dynamodbav:"ru,omitempty"`
	RuleName     string `dynamodbav:"rn,omitempty"`
	RulesVersion int64  `dynamodbav:"rv"`
	Routed       int64  `dynamodbav:"rt"`
	Message      []byte `dynamodbav:"me,omitempty"`
	Because      string `dynamodbav:"be,omitempty"`
	Step         int    `dynamodbav:"se,omitempty"`
	Unarmed      bool   `dynamodbav:"ua,omitempty"`
}

func newEntryItem(e chat.Entry) entryItem {
	return entryItem{PK: waitingPK(e.Pool), SK: waitingSK(e.Priority, e.Since, e.Chat), Chat: e.Chat, Epoch: e.Epoch,
		Since: millis(e.Since), Priority: string(e.Priority), Strategy: string(e.Strategy), RuleID: e.RuleID, RuleName: e.RuleName,
		Prefer: e.Prefer, Previous: e.Previous.Person, ClosedAt: millis(e.Previous.Until), RulesVersion: e.RulesVersion, Routed: e.Routed, Message: keyBytes(e.Message), Because: string(e.Because), Step: e.Step, Unarmed: e.Unarmed}
}

func (it entryItem) entry() chat.Entry {
	return chat.Entry{Chat: it.Chat, Pool: it.PK[len(waitingPrefix):], Priority: assign.Priority(it.Priority),
		Since: fromMillis(it.Since), Strategy: assign.Strategy(it.Strategy), RuleID: it.RuleID, RuleName: it.RuleName,
		Prefer: it.Prefer, Previous: chat.Previous{Person: it.Previous, Until: fromMillis(it.ClosedAt)}, RulesVersion: it.RulesVersion, Routed: it.Routed, Epoch: it.Epoch,
		Message: keyOf(it.Message), Because: assign.Reason(it.Because), Step: it.Step, Unarmed: it.Unarmed}
}

type personItem struct {
	PK        string   `dynamodbav:"pk"`
	SK        string   `dynamodbav:"sk"`
	Name      string   `dynamodbav:"name"`
	Email     string   `dynamodbav:"email,omitempty"`
	Role      string   `dynamodbav:"role,omitempty"`
	Active    bool     `dynamodbav:"active"`
	Avail     string   `dynamodbav:"availability"`
	Until     int64    `dynamodbav:"onlineUntil"` // always present: a condition compares with it; 0 means no end
	Capacity  int      `dynamodbav:"capacity,omitempty"`
	Limit     int      `dynamodbav:"limit"`
	Weight    int      `dynamodbav:"weight,omitempty"`
	Languages []string `dynamodbav:"languages,stringset,omitempty"`
	Skills    []string `dynamodbav:"skills,stringset,omitempty"`
	Teams     []string `dynamodbav:"teams,stringset,omitempty"`
	Open      int      `dynamodbav:"openChats"`
	Assigned  int64    `dynamodbav:"assignedAt,omitempty"`
	Turn      int64    `dynamodbav:"turn,omitempty"`
	Changed   int64    `dynamodbav:"changed"`
	ChangedAt string   `dynamodbav:"changedAt"`
}

func newPersonItem(p team.Person, now time.Time) personItem {
	return personItem{PK: peoplePK, SK: p.ID, Name: p.Name, Email: p.Email, Role: string(p.Role), Active: p.Active,
		Avail: string(p.Availability), Until: millis(p.OnlineUntil), Capacity: p.Capacity, Limit: p.Limit, Weight: p.Weight,
		Languages: p.Languages, Skills: p.Skills, Teams: p.Teams, Open: p.OpenChats, Assigned: millis(p.AssignedAt),
		Turn: p.Turn, Changed: p.Changed, ChangedAt: stamp(now)}
}

func readPerson(item Item) (team.Person, error) {
	it, err := unmarshal[personItem](item)
	return it.person(), err
}

func (it personItem) person() team.Person {
	return team.Person{ID: it.SK, Name: it.Name, Email: it.Email, Role: team.Role(it.Role), Active: it.Active,
		Availability: team.Availability(it.Avail), OnlineUntil: fromMillis(it.Until), Capacity: it.Capacity, Limit: it.Limit,
		Weight: it.Weight, Languages: it.Languages, Skills: it.Skills, Teams: it.Teams, OpenChats: it.Open,
		AssignedAt: fromMillis(it.Assigned), Turn: it.Turn, Changed: it.Changed}
}

func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func fromMicros(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

func keyBytes(k chat.Key) []byte {
	if k.IsZero() {
		return nil
	}
	return k[:]
}

func keyOf(b []byte) chat.Key {
	if len(b) != len(chat.Key{}) {
		return chat.Key{}
	}
	return chat.Key(b)
}

func momentBytes(m chat.Moment) []byte {
	if m.IsZero() {
		return nil
	}
	return m[:]
}

func momentOf(b []byte) chat.Moment {
	if len(b) != len(chat.Moment{}) {
		return chat.Moment{}
	}
	return chat.Moment(b)
}

// shownBytes keeps the order, and takes five bytes of a Chat's item.
func shownBytes(s chat.Shown) []byte {
	if s == 0 {
		return nil
	}
	return binary.BigEndian.AppendUint64(nil, uint64(s))[3:]
}

func shownOf(b []byte) chat.Shown {
	if len(b) != 5 {
		return 0
	}
	return chat.Shown(binary.BigEndian.Uint64(append(make([]byte, 3), b...)))
}

// marshal turns a tagged struct into an item. It leaves out every attribute that is NULL: what is empty is absent, and a
// condition on an empty attribute as read asks for its absence. attributevalue 1.21 stores an empty slice that is not nil
// as NULL in a set, also where it is told to omit empty ones.
func marshal(it any) (Item, error) {
	m, err := attributevalue.MarshalMap(it)
	if err != nil {
		return nil, fmt.Errorf("marshal %T: %w", it, err)
	}
	maps.DeleteFunc(m, func(_ string, v types.AttributeValue) bool {
		_, null := v.(*types.AttributeValueMemberNULL)
		return null
	})
	return m, nil
}

func unmarshal[T any](item Item) (T, error) {
	var it T
	if err := attributevalue.UnmarshalMap(item, &it); err != nil {
		return it, fmt.Errorf("unmarshal %T: %w", it, errors.Join(ErrUnreadable, err))
	}
	return it, nil
}
