package dynamo

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// InForce is what routes a Chat now: the newest rules that can be loaded, and the settings.
type InForce struct {
	Rules    *assign.Rules
	Version  int64 // of Rules; 0 is the built-in document of somebody who never saved one
	Settings team.Settings

	Saved  int64 // the newest version; greater than Version if it can't be loaded
	Broken error // why it can't be loaded: assign.Problems, or that its item is missing or can't be read

	revision int64
}

// pointer says which rules are in force. Every save of rules or settings raises the revision, so that one small read
// tells whether what is cached still holds.
type pointer struct {
	PK       string `dynamodbav:"pk"`
	SK       string `dynamodbav:"sk"`
	Version  int64  `dynamodbav:"version"`
	Revision int64  `dynamodbav:"revision"`
}

type versionItem struct {
	PK  string `dynamodbav:"pk"`
	SK  string `dynamodbav:"sk"`
	Doc string `dynamodbav:"doc"`
	By  string `dynamodbav:"by,omitempty"`
	At  int64  `dynamodbav:"at"`
}

// builtIn serves who never saved rules: everybody in turn.
var builtIn = mustParse(`{"rules": [], "otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`)

func mustParse(doc string) *assign.Rules {
	r, err := assign.Parse([]byte(doc))
	if err != nil {
		panic(err)
	}
	return r
}

// InForce reads what is in force, strongly consistent: one small read when nothing was saved since the last one. Rules
// that can't be loaded do not stop anybody: the last good version before them stays in force and Broken says why.
func (s *Store) InForce(ctx context.Context) (InForce, error) {
	item, err := s.get(ctx, s.team, rulesPK, rulesNowSK, true)
	if err != nil {
		return InForce{}, err
	}
	return s.pointedTo(ctx, item)
}

// ChatInForce is [Store.Chat] and [Store.InForce] in one request: what an assignment looks at last, so that no Chat is
// given away by older rules than those in force when it was read. [ErrUnreadable] is about the Chat alone.
func (s *Store) ChatInForce(ctx context.Context, id string) (*chat.Chat, InForce, error) {
	items, err := s.getBoth(ctx, map[string][]Item{s.chats: {key(chatPK(id), selfSK)}, s.team: {key(rulesPK, rulesNowSK)}})
	if err != nil {
		return nil, InForce{}, err
	}
	f, err := s.pointedTo(ctx, only(items[s.team]))
	if err != nil {
		if !Again(err) {
			err = fmt.Errorf("rules in force: %v", err) // wrapped, it would say that the Chat can't be read
		}
		return nil, f, err
	}
	c, err := asChat(only(items[s.chats]))
	return c, f, err
}

// only is the one item that was asked for; nil if there is none.
func only(items []Item) Item {
	if len(items) == 0 {
		return nil
	}
	return items[0]
}

// pointedTo is what the pointer's item says is in force; from memory, if that is what was loaded last.
func (s *Store) pointedTo(ctx context.Context, item Item) (InForce, error) {
	now, ok := readable(ctx, item, unmarshal[pointer])
	if !ok {
		return s.newest(ctx)
	}
	s.mu.Lock()
	cached := s.rules
	s.mu.Unlock()
	if cached != nil && cached.Saved == now.Version && cached.revision == now.Revision {
		return *cached, nil
	}
	fresh, err := s.load(ctx, now)
	if err != nil {
		return InForce{}, err
	}
	s.mu.Lock()
	s.rules = &fresh
	s.mu.Unlock()
	return fresh, nil
}

// newest is what is in force while the pointer can't be read: the newest version that was saved. It is read each time,
// because nothing tells whether it still holds.
func (s *Store) newest(ctx context.Context) (InForce, error) {
	in := under(s.partition(s.team, rulesPK), versionPrefix)
	in.ScanIndexForward, in.Limit = aws.Bool(false), aws.Int32(1)
	out, err := s.db.Query(ctx, in)
	if err != nil {
		return InForce{}, outcome("read versions of the rules", err)
	}
	var now pointer
	for _, item := range out.Items {
		now.Version, _ = strconv.ParseInt(strings.TrimPrefix(text(item["sk"]), versionPrefix), 10, 64)
	}
	return s.load(ctx, now)
}

// load reads what the pointer points to. Settings are read after the pointer, so they are at least as new: a save in
// between raises the revision, and the next routing reads again.
func (s *Store) load(ctx context.Context, now pointer) (InForce, error) {
	f := InForce{Rules: builtIn, Saved: now.Version, revision: now.Revision}
	var err error
	if f.Settings, err = s.Settings(ctx); err != nil {
		return f, err
	}
	// A zone that can't be loaded stops nothing but the questions about its hours. The message of the log line is what the alarm
	// in template.yaml looks for.
	for _, c := range f.Settings.Calendars {
		if _, err := c.Location(); err != nil {
			slog.ErrorContext(ctx, "zone not loadable", "calendar", c.ID, "error", err)
		}
	}
	for v := now.Version; v > 0; v-- {
		doc, err := s.RulesVersion(ctx, v)
		if err != nil && !errors.Is(err, ErrNoVersion) && !errors.Is(err, ErrUnreadable) {
			return f, err
		}
		if err == nil {
			if f.Rules, err = assign.Parse([]byte(doc)); err == nil {
				f.Version = v
				return f, nil
			}
		}
		if f.Broken == nil {
			f.Broken = fmt.Errorf("rules version %d: %w", v, err)
		}
	}
	f.Rules = builtIn
	return f, nil
}

// ErrNoVersion: no such version of the rules was saved.
var ErrNoVersion = errors.New("no such version")

// RulesVersion reads the document of one version as it was saved.
func (s *Store) RulesVersion(ctx context.Context, version int64) (string, error) {
	item, err := s.get(ctx, s.team, rulesPK, versionSK(version), true)
	if err != nil {
		return "", err
	}
	if item == nil {
		return "", ErrNoVersion
	}
	it, err := unmarshal[versionItem](item)
	return it.Doc, err
}

// SaveRules stores a document as the version after, and puts it in force. The caller has checked it. ErrRefused:
// somebody saved another version meanwhile. Versions are never changed or deleted.
func (s *Store) SaveRules(ctx context.Context, doc, by string, after int64, at time.Time) error {
	t := transaction{store: s}
	t.put(s.team, versionItem{PK: rulesPK, SK: versionSK(after + 1), Doc: doc, By: by, At: millis(at)}, absent())
	held := equals("version", after)
	if after == 0 {
		held = name("version").AttributeNotExists().Or(held)
	}
	u := &update{}
	u.set("version", after+1)
	u.add("revision", 1)
	t.update(s.team, rulesPK, rulesNowSK, u, held)
	return t.commit(ctx)
}

// setting is any item of the settings partition. Which fields are used follows from its key.
type setting struct {
	PK        string   `dynamodbav:"pk"`
	SK        string   `dynamodbav:"sk"`
	Name      string   `dynamodbav:"name"`
	Position  int      `dynamodbav:"position,omitempty"`
	Numbers   []string `dynamodbav:"numbers,omitempty"`
	ReplyIDs  []string `dynamodbav:"replyIds,omitempty"`
	Keywords  []string `dynamodbav:"keywords,omitempty"`
	AdSources []string `dynamodbav:"adSources,omitempty"`
	Display   string   `dynamodbav:"display,omitempty"`
	Language  string   `dynamodbav:"language,omitempty"`

	Zone     string                 `dynamodbav:"zone,omitempty"`
	Week     [7][]team.Span         `dynamodbav:"week,omitempty"`
	Holidays map[string][]team.Span `dynamodbav:"holidays,omitempty"`
}

func readSetting(item Item) (setting, error) {
	it, err := unmarshal[setting](item)
	if err == nil && len(it.SK) < len(teamPrefix) {
		err = fmt.Errorf("setting %q is of no kind: %w", it.SK, ErrUnreadable)
	}
	return it, err
}

// Settings reads teams, departments, numbers and calendars, strongly consistent.
func (s *Store) Settings(ctx context.Context) (team.Settings, error) {
	var all team.Settings
	err := s.each(ctx, s.partition(s.team, settingsPK), func(item Item) error {
		it, ok := readable(ctx, item, readSetting)
		if !ok {
			return nil
		}
		switch id := it.SK[2:]; it.SK[:2] {
		case teamPrefix:
			all.Teams = append(all.Teams, team.Team{ID: id, Name: it.Name})
		case departmentPrefix:
			all.Departments = append(all.Departments, team.Department{ID: id, Name: it.Name, Position: it.Position,
				Numbers: it.Numbers, ReplyIDs: it.ReplyIDs, Keywords: it.Keywords, AdSources: it.AdSources})
		case numberPrefix:
			all.Numbers = append(all.Numbers, team.Number{ID: id, Name: it.Name, Display: it.Display, Language: it.Language})
		case calendarPrefix:
			c := team.Calendar{ID: id, Name: it.Name, Zone: it.Zone, Holidays: it.Holidays, Week: map[time.Weekday][]team.Span{}}
			for day, spans := range it.Week {
				c.Week[time.Weekday(day)] = spans
			}
			all.Calendars = append(all.Calendars, c)
		}
		return nil
	})
	slices.SortStableFunc(all.Departments, func(a, b team.Department) int { return a.Position - b.Position })
	return all, err
}

// SaveSettings stores what is given beside what is there, each by its id, and makes it count for the next routing.
// At most 99 items at once (a transaction has room for 100).
func (s *Store) SaveSettings(ctx context.Context, all team.Settings) error {
	var items []setting
	for _, v := range all.Teams {
		items = append(items, setting{SK: teamPrefix + v.ID, Name: v.Name})
	}
	for _, v := range all.Departments {
		items = append(items, setting{SK: departmentPrefix + v.ID, Name: v.Name, Position: v.Position,
			Numbers: v.Numbers, ReplyIDs: v.ReplyIDs, Keywords: v.Keywords, AdSources: v.AdSources})
	}
	for _, v := range all.Numbers {
		items = append(items, setting{SK: numberPrefix + v.ID, Name: v.Name, Display: v.Display, Language: v.Language})
	}
	for _, v := range all.Calendars {
		it := setting{SK: calendarPrefix + v.ID, Name: v.Name, Zone: v.Zone, Holidays: v.Holidays}
		for day, spans := range v.Week {
			it.Week[day] = spans
		}
		items = append(items, it)
	}
	t := transaction{store: s}
	for _, it := range items {
		it.PK = settingsPK
		t.put(s.team, it, nil)
	}
	u := &update{}
	u.add("revision", 1)
	t.update(s.team, rulesPK, rulesNowSK, u, expression.ConditionBuilder{})
	return t.commit(ctx)
}
