package main

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// byWords sends a customer by what they wrote, and by what people say about them.
const byWords = `{"rules": [
	{"id": "vip", "name": "VIP", "enabled": true, "when": {"field": "customerTag", "in": ["vip"]}, "to": [{"team": "sales", "strategy": "least_loaded"}]},
	{"id": "prices", "name": "Prices", "enabled": true, "when": {"field": "text", "contains": ["price"]}, "to": [{"team": "sales", "strategy": "round_robin"}]},
	{"id": "refunds", "name": "Refunds", "enabled": true, "when": {"field": "text", "contains": ["refund"]}, "to": [{"team": "support", "strategy": "round_robin"}], "priority": "high"},
	{"id": "known", "name": "Known", "enabled": true, "when": {"field": "customer", "in": ["returning"]}, "to": [{"team": "support", "strategy": "round_robin"}]}],
	"otherwise": {"to": [{"team": "everyone", "strategy": "round_robin"}]}}`

func (d *desk) ok(err error) {
	d.Helper()
	if err != nil {
		d.Fatal(err)
	}
}

func (d *desk) saves(doc string) {
	d.Helper()
	f, err := d.store.InForce(d.Context())
	d.ok(err)
	d.ok(d.store.SaveRules(d.Context(), doc, "alex", f.Saved, d.clock))
}

// wrote is a customer's text with its time by WhatsApp, which has arrived now.
func (d *desk) wrote(at time.Time, text string) chat.Message {
	d.clock = d.clock.Add(time.Second)
	return chat.Message{Key: d.secret.Key(at.Unix(), text), WAMID: "wamid." + text, Direction: chat.In, Type: "text", Text: text, Arrived: d.clock}
}

// takes brings a text to its Chat as the assigner does, some time after it has arrived.
func (d *desk) takes(id string, m chat.Message) {
	d.Helper()
	d.clock = d.clock.Add(time.Second)
	ctx, arrival := d.Context(), chat.Arrival{Message: m, Preview: m.Text}
	c, err := d.store.Deliver(ctx, id, arrival)
	switch {
	case err == nil:
		d.ok(d.store.PutMessage(ctx, id, m))
	case !errors.Is(err, dynamo.ErrRefused):
		d.Fatal(err)
	default:
		if c == nil {
			c = &chat.Chat{ID: id, Number: seed.SupportNumber, Customer: chat.Customer{Profile: "Layla", Language: "en"}}
		}
		f, err := d.store.InForce(ctx)
		d.ok(err)
		d.ok(d.store.Commit(ctx, c.Opens(d.clock, c.Place(m, f.Rules, f.Version, f.Settings, d.clock), arrival)))
	}
}

func (d *desk) writes(id, text string) {
	d.Helper()
	d.takes(id, d.wrote(d.clock.Add(time.Second), text))
}

// rerouted saves rules and routes a waiting Chat by them.
func (d *desk) rerouted(id string) {
	d.Helper()
	d.clock = d.clock.Add(time.Second)
	d.saves(byWords)
	f, err := d.store.InForce(d.Context())
	d.ok(err)
	e, err := d.store.Entry(d.Context(), id, d.chat(id).Pools[0])
	d.ok(err)
	if routed, err := d.store.Reroute(d.Context(), *e, f, d.clock); !routed || err != nil {
		d.Fatalf("routed: %v (%v)", routed, err)
	}
}

func (d *desk) chat(id string) chat.Chat {
	d.Helper()
	c, err := d.store.Chat(d.Context(), id)
	d.ok(err)
	return *c
}

func (d *desk) closed(id string) {
	d.Helper()
	d.given(id, "dan")
	d.becomes(id, func(c chat.Chat) chat.Change { return c.Closes(d.clock, chat.Actor{Kind: chat.ByPerson, ID: "dan"}) })
}

func (d *desk) merges(a, b string) {
	d.Helper()
	d.clock = d.clock.Add(time.Second)
	if merged, err := d.store.Merge(d.Context(), d.chat(a), d.chat(b), "", nil, d.clock); !merged || err != nil {
		d.Fatalf("merged: %v (%v)", merged, err)
	}
}

// The history says why each rule did or did not decide by what the rules looked at then, whatever else the customer wrote
// before and after; and what is stored takes the rules of then to the stored decision again.
func TestWhyEachRuleDecided(t *testing.T) {
	t.Parallel()
	const refund, price = `the text has "refund"`, `the text has "price"`
	for name, test := range map[string]struct {
		happens func(*desk)
		want    []string // newest first: the event, the rule that decided, and why
	}{
		"another text before the rules are saved": {func(d *desk) {
			d.writes("chat", "I want a refund")
			d.writes("chat", "hello?")
			d.rerouted("chat")
			d.rerouted("chat")
		}, []string{"routed refunds " + refund, "routed refunds " + refund, "created refunds " + refund}},
		"a late text opens the Chat again": {func(d *desk) {
			late := d.wrote(d.clock.Add(-time.Minute), "I want a refund")
			d.writes("chat", "the price, please")
			d.closed("chat")
			d.takes("chat", late)
			d.writes("chat", "hello?")
			d.rerouted("chat")
		}, []string{"routed refunds " + refund, "reopened refunds " + refund, "created prices " + price}},
		"a second text comes before the first is done": {func(d *desk) {
			first, second := d.wrote(d.clock, "I want a refund"), d.wrote(d.clock.Add(time.Second), "or the price")
			d.takes("chat", first)
			d.takes("chat", second)
		}, []string{"created refunds " + refund}},
		"people say something about the customer": {func(d *desk) {
			d.writes("chat", "I want a refund")
			d.writes("chat", "or the price")
			for _, tags := range [][]string{{"big"}, {"vip"}} {
				d.clock = d.clock.Add(time.Second)
				_, err := d.store.EditCustomer(d.Context(), "chat", "alex", d.clock, func(chat.Chat, team.Person) (chat.Edit, []chat.Need, error) {
					return chat.Edit{Tags: new(tags)}, nil, nil
				})
				d.ok(err)
			}
		}, []string{`routed vip the customer has the tag "vip"`, "routed refunds " + refund, "created refunds " + refund}},
		"two waiting Chats merge": {func(d *desk) {
			d.writes("other", "what is the price?")
			d.writes("chat", "I want a refund")
			d.writes("chat", "hello?")
			d.merges("other", "chat")
		}, []string{"merged refunds " + refund, "created refunds " + refund, "created prices " + price}},
		"a merger opens a Chat": {func(d *desk) {
			d.writes("chat", "hello?")
			d.closed("chat")
			d.writes("other", "what is the price?")
			d.writes("chat", "I want a refund")
			d.closed("chat")
			d.merges("other", "chat")
		}, []string{"merged refunds " + refund, "reopened refunds " + refund, "created prices " + price, "created otherwise no rule matched"}},
		"its last text was counted and not stored": {func(d *desk) {
			d.writes("other", "what is the price?")
			d.writes("chat", "hello")
			m := d.wrote(d.clock.Add(time.Second), "I want a refund")
			_, err := d.store.Deliver(d.Context(), "chat", chat.Arrival{Message: m, Preview: "hello"})
			d.ok(err)
			d.closed("chat")
			d.merges("other", "chat")
			d.ok(d.store.PutMessage(d.Context(), "chat", m))
		}, []string{`merged known customer is "returning"`, "created otherwise no rule matched", "created prices " + price}},
		"its text stands in a Chat that was merged into it": {func(d *desk) {
			d.writes("other", "I want a refund")
			first := d.chat("other").LastIn
			d.writes("chat", "hello")
			d.merges("other", "chat")
			d.clock = d.clock.Add(time.Second)
			f, err := d.store.InForce(d.Context())
			d.ok(err)
			c := d.chat("chat")
			m, err := d.store.Message(d.Context(), "other", first)
			d.ok(err)
			d.ok(d.store.Commit(d.Context(), c.Rerouted(d.clock, c.Place(*m, f.Rules, f.Version, f.Settings, d.clock))))
		}, []string{"routed refunds " + refund, "merged otherwise no rule matched", "created otherwise no rule matched", "created refunds " + refund}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.saves(byWords)
			test.happens(d)
			var got []string
			for _, item := range d.must("GET /v1/chats/{chatId}/history", "chat", "limit=50")["items"].([]any) {
				e := item.(map[string]any)
				decision, routed := e["decision"].(map[string]any)
				if !routed {
					continue
				}
				why := fmt.Sprint(e["type"], " is not explained")
				for _, r := range decision["rules"].([]any) {
					if r := r.(map[string]any); r["outcome"] == assign.Matched && r["because"] != nil {
						why = fmt.Sprint(e["type"], " ", r["id"], " ", r["because"])
					}
				}
				got = append(got, why)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("the history says\n%q, want\n%q", got, test.want)
			}
			d.replays("chat")
		})
	}
}

// replays routes again by what is stored: the inputs, the text of the message that the decision names, and the rules of
// that version.
func (d *desk) replays(id string) {
	d.Helper()
	page, err := d.store.Events(d.Context(), d.chat(id), dynamo.EventPlace{}, 100)
	d.ok(err)
	for _, e := range page.Events {
		if e.Decision == nil || e.Decision.Input == nil {
			continue
		}
		in := *e.Decision.Input
		if e.Decision.Message != "" {
			k, err := chat.ParseKey(e.Decision.Message)
			d.ok(err)
			for _, part := range append([]string{e.Chat}, d.chat(e.Chat).From...) {
				if m, err := d.store.Message(d.Context(), part, k); err != nil {
					d.Fatal(err)
				} else if m != nil {
					in.Text = m.Text
				}
			}
			if in.Text == "" {
				d.Errorf("%s names a message that is not there", e.Type)
			}
		}
		doc, err := d.store.RulesVersion(d.Context(), e.Decision.RulesVersion)
		d.ok(err)
		rules, err := assign.Parse([]byte(doc))
		d.ok(err)
		if r := rules.Route(in); r.RuleID != e.Decision.RuleID || r.Pool.String() != e.Decision.Pool || r.Strategy != e.Decision.Strategy || r.Priority != e.Decision.Priority {
			d.Errorf("%s is stored as %+v, and again it is %+v", e.Type, *e.Decision, r)
		}
	}
}

// A routing that was stored before decisions named the message is not explained by a guess.
func TestOldDecisionsAreNotExplained(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.saves(byWords)
	f, err := d.store.InForce(t.Context())
	d.ok(err)
	m := d.wrote(d.clock, "I want a refund")
	c := chat.Chat{ID: "chat", Number: seed.SupportNumber}
	change := c.Opens(d.clock, c.Place(m, f.Rules, f.Version, f.Settings, d.clock), chat.Arrival{Message: m, Preview: "hello"})
	change.Event.Decision.Message = ""
	d.ok(d.store.Commit(t.Context(), change))
	decision := d.must("GET /v1/chats/{chatId}/history", "chat", "")["items"].([]any)[0].(map[string]any)["decision"].(map[string]any)
	if rules := decision["rules"].([]any); len(rules) != 1 || rules[0].(map[string]any)["because"] != nil {
		t.Errorf("it is explained: %v", rules)
	}
}
