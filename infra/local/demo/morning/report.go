package morning

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"chatkeeper/infra/local/phone/story"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
	"chatkeeper/shared/whatsapp"
)

// Report is how the morning went.
type Report struct {
	Seed         uint64
	Took         time.Duration
	Sent         int // deliveries
	Acknowledged int // POSTs answered with 200, copies and repetitions included
	Repeated     int // POSTs that had to be made again because no 200 came
	Customers    int // messages of customers that must be stored

	Rows []Row // the Chats of this run, as they were at the end of the morning

	Lost        []string // keys of acknowledged messages that are not stored exactly once
	Breaches    []invariant.Breach
	Stuck       []string // what still went on when it should have been quiet
	DeadLetters int      // messages that came into the dead-letter queues meanwhile
}

// Clean reports whether all promises were kept.
func (r Report) Clean() bool {
	return len(r.Lost) == 0 && len(r.Breaches) == 0 && len(r.Stuck) == 0 && r.DeadLetters == 0
}

// Row is one Chat for people to read. It holds no phone number.
type Row struct {
	Chat     string // id
	Customer string // name
	Language string
	Country  string
	Status   chat.Status
	Assignee string    // empty while it waits
	Pool     string    // while it waits
	Since    time.Time // while it waits
	Rule     string
	Reason   string
}

// note puts the Chats on the report, as they are now.
func (p *play) note(ctx context.Context) error {
	all, err := p.snapshot(ctx)
	if err != nil {
		return err
	}
	p.breaches(all)
	var settings team.Settings
	err = p.persist(ctx, "reading the settings", func() error {
		settings, err = p.Store.Settings(ctx)
		return err
	})
	if err != nil {
		return err
	}
	names := story.NewNames(settings, all.People)
	own := p.own(all)
	events := map[string][]chat.Event{}
	for _, e := range all.Events {
		events[e.Chat] = append(events[e.Chat], e.Event)
	}
	entries := map[string]chat.Entry{}
	for _, e := range all.Entries {
		entries[e.Chat] = e
	}
	for _, c := range all.Chats {
		if own[c.ID] && c.Status != chat.Merged {
			p.report.Rows = append(p.report.Rows, p.row(c, entries[c.ID], story.Of(story.InOrder(events[c.ID])), names))
		}
	}
	slices.SortFunc(p.report.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.rank(), b.rank()), cmp.Compare(a.Assignee, b.Assignee), cmp.Compare(a.Pool, b.Pool), a.Since.Compare(b.Since),
			cmp.Compare(a.Chat, b.Chat))
	})
	return nil
}

// rank puts owned Chats first, then those that wait, then closed ones.
func (r Row) rank() int {
	switch {
	case r.Status == chat.Closed:
		return 2
	case r.Assignee == "":
		return 1
	}
	return 0
}

func (p *play) row(c chat.Chat, e chat.Entry, s story.Story, names story.Names) Row {
	r := Row{Chat: c.ID, Customer: c.Customer.Profile, Language: c.Customer.Language, Country: c.Customer.Country, Status: c.Status,
		Reason: names.Because(c, e.Because, s)}
	if s.Routed != nil {
		r.Rule = story.Rule(*s.Routed.Decision)
	}
	if c.Owner != "" {
		r.Assignee = names.Person(c.Owner)
	}
	if c.Waiting() {
		r.Since = c.WaitingSince
		var pools []string
		for _, pool := range c.Pools {
			pools = append(pools, names.Pool(pool))
		}
		r.Pool = strings.Join(pools, " and ")
	}
	return r
}

// check looks at everything once more, now that everybody has gone home.
func (p *play) check(ctx context.Context) error {
	p.Progress(Progress{Doing: "checking every promise"})
	all, err := p.snapshot(ctx)
	if err != nil {
		return err
	}
	p.breaches(all)
	p.report.Customers = len(p.expected())
	p.report.Lost = p.lost(all)
	p.Progress(Progress{Doing: "checking every promise", Done: 1, Total: 1})
	return nil
}

// breaches puts those on the report that are not there yet: of the tables as they are, and of the order in which Chats were
// given to people since the stack was quiet before.
func (p *play) breaches(all invariant.Snapshot) {
	found := invariant.Check(all)
	if p.settled != nil {
		found = append(found, invariant.Order(*p.settled, all)...)
	}
	for _, b := range found {
		if !slices.ContainsFunc(p.report.Breaches, func(known invariant.Breach) bool { return known.String() == b.String() }) {
			p.report.Breaches = append(p.report.Breaches, b)
		}
	}
}

// arrival names a message that must be stored: the business number and the mark of WhatsApp's id, whatever its time.
type arrival struct {
	number string
	mark   chat.Mark
}

// expected are the customers' messages in everything that was acknowledged: those that open a Chat if it is not open.
func (p *play) expected() map[arrival]bool {
	all := map[arrival]bool{}
	for _, body := range p.deliveries.acknowledged() {
		updates, err := whatsapp.Split(body, p.begun)
		if err != nil {
			continue // no JSON: the webhook has not acknowledged it
		}
		for _, u := range updates {
			if m := u.Message(); m.Effect() == whatsapp.Opens {
				all[arrival{m.Number, p.Secret.Key(m.At, m.ID).Mark()}] = true
			}
		}
	}
	return all
}

// lost are the expected messages that are not stored, or stored more than once.
func (p *play) lost(all invariant.Snapshot) []string {
	number := map[string]string{}
	for _, c := range all.Chats {
		number[c.ID] = c.Number
	}
	stored := map[arrival]int{}
	for _, m := range all.Messages {
		stored[arrival{number[m.Chat], m.Key.Mark()}]++
	}
	var lost []string
	for a := range p.expected() {
		if n := stored[a]; n != 1 {
			lost = append(lost, fmt.Sprintf("%x is stored %d times", a.mark, n))
		}
	}
	slices.Sort(lost)
	return lost
}

// own are the Chats that messages of this run went to.
func (p *play) own(all invariant.Snapshot) map[string]bool {
	expected := p.expected()
	number := map[string]string{}
	for _, c := range all.Chats {
		number[c.ID] = c.Number
	}
	own := map[string]bool{}
	for _, m := range all.Messages {
		if expected[arrival{number[m.Chat], m.Key.Mark()}] {
			own[m.Chat] = true
		}
	}
	return own
}
