// Package seed fills an empty stack on a laptop: one Admin, five Agents, two business numbers, and rules that route by
// language, geography and department and spread the rest evenly.
package seed

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"time"

	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// Rules is the rules document of the seed.
//
//go:embed rules.json
var Rules string

// The business numbers of the seed: WhatsApp's phone_number_id.
const (
	SupportNumber = "100000000000001"
	SalesNumber   = "100000000000002"
)

// Settings are the teams, departments and numbers of the seed.
var Settings = team.Settings{
	Teams: []team.Team{{ID: "arabic", Name: "Arabic desk"}, {ID: "support", Name: "Support"}, {ID: "sales", Name: "Sales"}},
	Departments: []team.Department{
		{ID: "sales", Name: "Sales", Position: 1, Numbers: []string{SalesNumber}, ReplyIDs: []string{"sales"},
			Keywords: []string{"price", "quote", "discount", "buy"}},
		{ID: "support", Name: "Support", Position: 2, Numbers: []string{SupportNumber}, ReplyIDs: []string{"support"}},
	},
	Numbers: []team.Number{
		{ID: SupportNumber, Name: "Support", Display: "+1 555 010 0001"},
		{ID: SalesNumber, Name: "Sales", Display: "+1 555 010 0002"},
	},
}

// People are the Admin and the Agents of the seed: all online, no capacity set.
func People() []team.Person {
	person := func(id, name string, role team.Role, languages, teams []string) team.Person {
		return team.Person{ID: id, Name: name, Email: id + "@example.com", Role: role, Active: true,
			Availability: team.Online, Limit: team.NoLimit, Weight: 1, Languages: languages, Teams: teams}
	}
	return []team.Person{
		person("alex", "Alex", team.Admin, []string{"en"}, nil),
		person("amira", "Amira", team.Agent, []string{"ar", "en"}, []string{"arabic", "support"}),
		person("bruno", "Bruno", team.Agent, []string{"es", "pt"}, []string{"sales"}),
		person("chloe", "Chloe", team.Agent, []string{"en", "fr"}, []string{"support"}),
		person("dan", "Dan", team.Agent, []string{"en"}, []string{"sales", "support"}),
		person("mei", "Mei", team.Agent, []string{"en", "zh"}, []string{"support"}),
	}
}

// Load fills the tables if nobody is in them yet, and reports whether it did. It goes on where a Load that was
// interrupted stopped: the rules come last, and a stack that has rules is never touched.
func Load(ctx context.Context, store *dynamo.Store, now time.Time) (bool, error) {
	rules, err := store.InForce(ctx)
	if err != nil || rules.Saved > 0 {
		return false, err
	}
	if err := store.SaveSettings(ctx, Settings); err != nil {
		return false, fmt.Errorf("seed settings: %w", err)
	}
	for _, p := range People() {
		if err := store.AddPerson(ctx, p, now); err != nil && !errors.Is(err, dynamo.ErrRefused) {
			return false, fmt.Errorf("seed people: %w", err)
		}
	}
	if err := store.SaveRules(ctx, Rules, "alex", 0, now); err != nil {
		return false, fmt.Errorf("seed rules: %w", err)
	}
	return true, nil
}
