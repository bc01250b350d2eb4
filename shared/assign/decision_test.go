package assign

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"chatkeeper/shared/team"

	"pgregory.net/rapid"
)

func stored(tb testing.TB, d Decision) (text []byte, back Decision) {
	tb.Helper()
	text, err := json.Marshal(d)
	if err != nil {
		tb.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil {
		tb.Fatalf("%v: %s", err, text)
	}
	return text, back
}

// aMessage is as long as the id of a Message is.
const aMessage = "DC1V504VOV08Q5HJ"

// An ordinary decision, with eight people and all there is to an input, is stored whole.
func TestDecisionIsStoredWhole(t *testing.T) {
	t.Parallel()
	people := []team.Person{
		anAgent("amira", owns(1, 4)), anAgent("bruno", owns(2, 4)), anAgent("chloe", owns(4, 4)), anAgent("dan", owns(3, 4)), anAgent("mei", availability(team.Away)),
		anAgent("p6", availability(team.Offline)), anAgent("p7", onlineUntil(noon)), anAgent("p8", owns(3, 3)), anAgent("p9", inTeams("sales")),
	}
	in := Input{Language: "ar", Country: "AE", PhonePrefix: "971501", BusinessNumber: "100000000000001", Department: "support", MessageType: "text",
		Tags: []string{"vip"}, Customer: NewCustomer, OpenedBy: Created, Hours: map[string]bool{"office": true}}
	d := Decision{RulesVersion: 12, Input: &in, Message: aMessage, RuleID: "arabic-desk", RuleName: "Arabic speakers", Pool: "team:support", Strategy: LeastLoaded, Priority: High,
		WaitingSince: noon.UnixMilli()}
	d = d.With(Choose(Want{Pool: Pool{Team: "support"}, Strategy: LeastLoaded}, people, noon))
	text, back := stored(t, d)
	if len(d.Candidates) != MaxCandidates || d.PersonID != "amira" || d.Others[NotInPool] != 1 {
		t.Errorf("decided %+v", d)
	}
	if !reflect.DeepEqual(d, back) {
		t.Errorf("stored as %s\nit was  %+v\nand is  %+v", text, d, back)
	}
	if len(text) > MaxDecision {
		t.Errorf("takes %d bytes: %s", len(text), text)
	}
}

// The longest of everything still fits, and keeps who was chosen and how many were not.
func TestDecisionFits(t *testing.T) {
	t.Parallel()
	var people []team.Person
	for i := range 12 {
		p := anAgent(fmt.Sprintf("%036d", i), owns(999, 1000))
		p.Name = strings.Repeat("名", 60)
		people = append(people, p)
	}
	in := Input{Language: "ar", Country: "AE", PhonePrefix: "971501", BusinessNumber: "100000000000001", Department: strings.Repeat("d", 32),
		MessageType: "interactive", ReplyID: strings.Repeat("r", 256), AdSource: strings.Repeat("a", 100), Customer: ReturningCustomer, OpenedBy: Reopened,
		Text: strings.Repeat("secret", 100), Hours: map[string]bool{}}
	for i := range 20 {
		in.Tags = append(in.Tags, strings.Repeat("t", 200)+fmt.Sprint(i))
	}
	for i := range maxCalendars {
		in.Hours[strings.Repeat("c", 31)+fmt.Sprint(i)] = true
	}
	kept := in.Kept()
	pool := Pool{Team: strings.Repeat("s", 32), Languages: []string{"ar", "en", "fr"}, Skills: []string{strings.Repeat("x", 32)}}
	d := Decision{RulesVersion: 1 << 30, Input: &kept, Message: aMessage, RuleID: strings.Repeat("r", 32), RuleName: strings.Repeat("名", maxNameRunes), Pool: pool.String(),
		Strategy: LeastLoaded, Priority: Normal, WaitingSince: noon.UnixMilli()}
	d = d.With(Choose(Want{Pool: Pool{Team: "support"}, Strategy: LeastLoaded}, people, noon))
	before := fmt.Sprintf("%+v", d)
	text, back := stored(t, d)
	if len(text) > MaxDecision {
		t.Errorf("takes %d bytes: %s", len(text), text)
	}
	if strings.Contains(string(text), "secret") {
		t.Errorf("keeps what the customer wrote: %s", text)
	}
	if after := fmt.Sprintf("%+v", d); after != before {
		t.Errorf("storing it changed it:\n%s\n%s", before, after)
	}
	if !back.Partial || len(back.Candidates) == 0 || back.Candidates[0].PersonID != d.PersonID || back.Candidates[0].Outcome != Chosen || back.RuleID != d.RuleID {
		t.Errorf("stored as %s", text)
	}
	if (back.Message == "") != (back.Input == nil) {
		t.Errorf("names the message %q beside inputs %+v", back.Message, back.Input)
	}
	total := len(back.Candidates)
	for _, n := range back.Others {
		total += n
	}
	if total != len(people) {
		t.Errorf("accounts for %d of %d people: %s", total, len(people), text)
	}

	// without the long input the eight have room for some
	d.Input, d.Message = nil, ""
	if text, back := stored(t, d); len(text) > MaxDecision || back.Partial || len(back.Candidates) < 2 {
		t.Errorf("takes %d bytes: %s", len(text), text)
	}
}

// Random choices: what is stored is what was decided, and never too long.
func TestStoredDecisionIsTheDecision(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		people := rapid.SliceOfNDistinct(rapid.Custom(anyPerson), 0, 12, func(p team.Person) string { return p.ID }).Draw(rt, "people")
		in := anyInput(rt).Kept()
		if len(in.Tags) == 0 {
			in.Tags = nil
		}
		strategy := rapid.SampledFrom([]Strategy{RoundRobin, LeastLoaded, Weighted}).Draw(rt, "strategy")
		d := Decision{RulesVersion: 3, Input: &in, Message: aMessage, RuleID: "r", RuleName: "R", Strategy: strategy, Priority: Low}
		d = d.With(Choose(Want{Pool: anyPool(rt), Strategy: strategy, Prefer: "a"}, people, noon))
		if len(d.Candidates) == 0 {
			d.Candidates = nil
		}
		text, back := stored(t, d)
		for i := range d.Candidates { // a person without availability counts as offline
			if d.Candidates[i].Availability == "" {
				d.Candidates[i].Availability = team.Offline
			}
		}
		for i := range back.Candidates {
			if back.Candidates[i].Availability == "" {
				back.Candidates[i].Availability = team.Offline
			}
		}
		if len(text) > MaxDecision || !reflect.DeepEqual(d, back) {
			rt.Fatalf("stored as %s\nit was  %+v\nand is  %+v", text, d, back)
		}
	})
}
