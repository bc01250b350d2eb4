package main

import (
	"context"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/dynamo"
)

// choose picks who of the roster gets a Chat. The roster may not know of Chats that others gave to people, so whoever is
// chosen is read again before the transaction: a read costs a tenth of a refused transaction. If that told nothing new,
// the choice stands. If they turn out to be less free, so may be those behind them, and they are read together; under
// weighted at once, because there everybody's turn counts. The transaction still decides: it takes the person only if
// unchanged. "Nobody" stands without a second look; see [dynamo.Roster].
func (a *assigner) choose(ctx context.Context, people *dynamo.Roster, want assign.Want) (assign.Choice, error) {
	read := map[string]bool{}
	for {
		edition := people.Edition()
		choice := people.Choose(want, a.now())
		if choice.Person == nil || read[choice.Person.ID] {
			return choice, nil
		}
		again := choice.Candidates
		if len(read) == 0 && want.Strategy != assign.Weighted {
			again = again[:1]
		}
		var ids []string
		for _, c := range again {
			ids = append(ids, c.PersonID)
			read[c.PersonID] = true
		}
		if err := a.store.Reread(ctx, ids...); err != nil || people.Edition() == edition {
			return choice, err
		}
	}
}
