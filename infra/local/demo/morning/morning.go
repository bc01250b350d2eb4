// Package morning plays a busy morning on a running stack, and then looks whether everything is as it was promised.
//
// Customers who do not exist write in six languages, some twice, some while their Chat is closed; WhatsApp repeats
// deliveries; people close Chats, one goes offline and comes back. What customers do goes through the signed webhook, what people
// do through the store functions of the API. A seed decides what happens; who gets which Chat is up to the stack.
//
// The stack may break in the middle. A delivery that was not acknowledged is repeated, as WhatsApp does, and so is what a
// person did. In the end every acknowledged message must be stored once, and every invariant must hold.
package morning

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sqs"

	"chatkeeper/infra/fixtures"
	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/invariant"
	"chatkeeper/shared/team"
)

// Options are the stack to play on, and what to play.
type Options struct {
	Store  *dynamo.Store
	Secret chat.Secret   // IDENTITY_KEY of the functions
	Line   customer.Line // to the webhook
	SQS    *sqs.Client
	Queues []string // URLs of the queues that are empty when nothing goes on
	Dead   []string // URLs of the dead-letter queues

	Customers int
	Seed      uint64
	Fixtures  []fixtures.Fixture // played before the morning

	Patience time.Duration  // how long the stack may be away before the morning is given up; 0: two minutes
	Settle   time.Duration  // how long it may take until nothing goes on any more; 0: four minutes, longer than a queue's visibility time-out
	Progress func(Progress) // told about every step of the way; may be nil
}

// Progress is how far a part of the morning is.
type Progress struct {
	Doing       string
	Done, Total int    // Total is 0 where there is nothing to count
	Trouble     string // why it does not go on at the moment; empty when it does
}

// Agents are the ids of the people who work this morning: those of the seed data.
var Agents = []string{"amira", "bruno", "chloe", "dan", "mei"}

// Capacity is for how many more Chats each of them has room.
const Capacity = 4

// dan goes offline in the middle, and comes back.
const dan = "dan"

type play struct {
	Options
	*rand.Rand
	run     string // makes the ids of this run its own
	begun   time.Time
	numbers []team.Number
	before  []team.Person // the agents as they were

	deliveries deliveries
	report     Report
	settled    *invariant.Snapshot // the tables when the stack was quiet last; nil before
}

// Play plays it. An error means that it could not be played to the end: the stack stayed away, or refuses what is sent.
// Whether all promises were kept is in the Report.
func Play(ctx context.Context, o Options) (Report, error) {
	if o.Patience == 0 {
		o.Patience = 2 * time.Minute
	}
	if o.Settle == 0 {
		o.Settle = 4 * time.Minute
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	p := &play{Options: o, Rand: rand.New(rand.NewPCG(o.Seed, 1)), run: newRun(), begun: dynamo.Now(),
		report: Report{Seed: o.Seed}}
	err := p.play(ctx)
	p.report.Took = time.Since(p.begun)
	p.report.Sent, p.report.Acknowledged, p.report.Repeated = p.deliveries.counts()
	return p.report, err
}

func (p *play) play(ctx context.Context) error {
	if err := p.meet(ctx); err != nil {
		return err
	}
	dead, err := p.deadLetters(ctx)
	if err != nil {
		return err
	}
	err = errors.Join(p.morning(ctx), p.goHome(context.WithoutCancel(ctx)))
	if err != nil {
		return err
	}
	if err := p.quiet(ctx, "everybody takes what still waits"); err != nil {
		return err
	}
	if err := p.check(ctx); err != nil {
		return err
	}
	now, err := p.deadLetters(ctx)
	p.report.DeadLetters = max(0, now-dead)
	return err
}

// morning is what happens between coming and going home.
func (p *play) morning(ctx context.Context) error {
	if err := p.come(ctx); err != nil {
		return err
	}
	if err := p.playFixtures(ctx); err != nil {
		return err
	}
	if err := p.makeRoom(ctx); err != nil {
		return err
	}
	customers := p.invent()
	if err := p.rush(ctx, customers); err != nil {
		return err
	}
	if err := p.lull(ctx, customers); err != nil {
		return err
	}
	if err := p.secondRush(ctx, customers); err != nil {
		return err
	}
	return p.note(ctx)
}

// meet finds the people and the business numbers, and remembers how the people were.
func (p *play) meet(ctx context.Context) error {
	return p.persist(ctx, "meeting everybody", func() error {
		settings, err := p.Store.Settings(ctx)
		if err != nil {
			return err
		}
		p.numbers = settings.Numbers
		if len(p.numbers) == 0 {
			return final{errors.New("there are no business numbers; `make reset` and `make run` bring the seed data back")}
		}
		p.before = nil
		for _, id := range Agents {
			who, err := p.Store.Person(ctx, id)
			if err != nil {
				return err
			}
			if who == nil {
				return final{fmt.Errorf("%s of the seed data is not there; `make reset` and `make run` bring the seed data back", id)}
			}
			p.before = append(p.before, *who)
		}
		return nil
	})
}

// come: everybody comes in, is online, and takes what there is.
func (p *play) come(ctx context.Context) error {
	return p.everybody(ctx, "everybody comes in", func(who *team.Person) {
		who.Availability, who.OnlineUntil, who.Capacity, who.Limit = team.Online, time.Time{}, 0, team.NoLimit
	})
}

// makeRoom gives each agent room for Capacity more Chats than they have.
func (p *play) makeRoom(ctx context.Context) error {
	return p.everybody(ctx, fmt.Sprintf("everybody has room for %d Chats", Capacity), func(who *team.Person) {
		who.Capacity = who.OpenChats + Capacity
		who.Limit = who.Capacity
	})
}

// goHome gives the agents back what they had before.
func (p *play) goHome(ctx context.Context) error {
	before := map[string]team.Person{}
	for _, who := range p.before {
		before[who.ID] = who
	}
	return p.everybody(ctx, "everybody is as before", func(who *team.Person) {
		was := before[who.ID]
		who.Availability, who.OnlineUntil, who.Capacity, who.Limit = was.Availability, was.OnlineUntil, was.Capacity, was.Limit
	})
}

func (p *play) everybody(ctx context.Context, doing string, edit func(*team.Person)) error {
	for i, id := range Agents {
		p.Progress(Progress{Doing: doing, Done: i, Total: len(Agents)})
		if err := p.change(ctx, id, edit); err != nil {
			return err
		}
	}
	p.Progress(Progress{Doing: doing, Done: len(Agents), Total: len(Agents)})
	return nil
}

func (p *play) change(ctx context.Context, id string, edit func(*team.Person)) error {
	return p.persist(ctx, "changing "+id, func() error {
		_, err := p.Store.UpdatePerson(ctx, id, dynamo.Now(), func(who *team.Person) error {
			edit(who)
			return nil
		})
		return err
	})
}

// rush: everybody writes at once. Some write twice, and WhatsApp delivers some of it more than once.
func (p *play) rush(ctx context.Context, all []*writer) error {
	var scripts [][]func(context.Context) error
	for _, w := range all {
		scripts = append(scripts, p.says(w, 1+p.IntN(3)/2)) // every third customer writes a second message
	}
	if err := p.together(ctx, "customers write", scripts); err != nil {
		return err
	}
	return p.quiet(ctx, "the stack catches up")
}

// lull: each agent closes two Chats, Dan goes offline, and customers who wait ask again.
func (p *play) lull(ctx context.Context, all []*writer) error {
	chats, err := p.chatsOf(ctx)
	if err != nil {
		return err
	}
	var scripts [][]func(context.Context) error
	for _, id := range Agents {
		var own []chat.Chat
		for _, c := range chats {
			if c.Status == chat.Open && c.Owner == id {
				own = append(own, c)
			}
		}
		var script []func(context.Context) error
		for _, c := range own[:min(2, len(own))] {
			script = append(script, p.closes(c))
		}
		if id == dan {
			script = append(script, func(ctx context.Context) error {
				return p.change(ctx, dan, func(who *team.Person) { who.Availability = team.Offline })
			})
		}
		scripts = append(scripts, script)
	}
	for _, i := range p.Perm(len(all))[:len(all)/4] {
		scripts = append(scripts, p.says(all[i], 1))
	}
	if err := p.together(ctx, "people close Chats, customers ask again, Dan goes offline", scripts); err != nil {
		return err
	}
	return p.quiet(ctx, "the stack catches up")
}

// secondRush: half of those whose Chat was closed write again, WhatsApp repeats old deliveries, one Assignee opens a
// Chat again, Dan comes back.
func (p *play) secondRush(ctx context.Context, all []*writer) error {
	chats, err := p.chatsOf(ctx)
	if err != nil {
		return err
	}
	var scripts [][]func(context.Context) error
	closed := slices.DeleteFunc(chats, func(c chat.Chat) bool { return c.Status != chat.Closed || p.writerOf(c, all) == nil })
	for i, c := range closed {
		w := p.writerOf(c, all)
		switch {
		case i%2 == 0:
			scripts = append(scripts, p.says(w, 1))
		case i == 1:
			scripts = append(scripts, []func(context.Context) error{p.opensAgain(c)})
		default:
			scripts = append(scripts, p.repeats(w))
		}
	}
	for _, i := range p.Perm(len(all))[:len(all)/6] {
		scripts = append(scripts, p.repeats(all[i]))
	}
	scripts = append(scripts, []func(context.Context) error{func(ctx context.Context) error {
		return p.change(ctx, dan, func(who *team.Person) { who.Availability = team.Online })
	}})
	if err := p.together(ctx, "customers write again, old deliveries are repeated, Dan comes back", scripts); err != nil {
		return err
	}
	return p.quiet(ctx, "the stack catches up")
}
