package main

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"strings"
	"time"

	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// day is what happens, the same each time. Texts and their lengths are drawn from the seed.
type day struct {
	Customers int // who find somebody free; each writes ten messages, has their Chat closed, and writes again
	Waiting   int // who find nobody
	Seed      uint64
}

var (
	smallDay = day{Customers: 3, Waiting: 1, Seed: 1}
	wholeDay = day{Customers: 20, Waiting: 5, Seed: 1}
)

// busy is who takes the Chats of the hours in which hardly anybody is there.
const busy = "chloe"

// The operations, as the report names them.
const (
	opened        = "new Chat, somebody free"
	openedLate    = "new Chat, nobody free, then owned"
	texted        = "text on an open Chat"
	statusTold    = "delivery status"
	replied       = "reply accepted"
	messagesShown = "page of messages"
	chatsShown    = "page of Chats"
	markedRead    = "unread marked as read"
	reassigned    = "reassigned by an Admin"
	closed        = "closed"
	reopened      = "re-opened, somebody free"
	reopenedLate  = "re-opened, nobody free, then owned"
	signedIn      = "first request of a person"
)

// The budgets: units for one operation, requests for a page.
type budget struct {
	Writes, Reads float64 // 0: none stated
}

var budgets = map[string]budget{
	opened:       {Writes: 14},
	openedLate:   {Writes: 22},
	texted:       {Writes: 2, Reads: 1},
	statusTold:   {Writes: 1},
	replied:      {Writes: 8},
	reassigned:   {Writes: 16},
	closed:       {Writes: 12},
	reopened:     {Writes: 13},
	reopenedLate: {Writes: 23},
}

// client is a customer of the day.
type client struct {
	customer.Customer
	chat string
}

type play struct {
	*world
	*rand.Rand
	day
	clock   time.Time
	clients []*client
}

// replay plays the day, one kind of thing after the other, and leaves what each cost in w.operations.
func (w *world) replay(d day) error {
	p := &play{world: w, Rand: rand.New(rand.NewPCG(d.Seed, 1)), day: d, clock: dynamo.Now().Add(-time.Hour)}
	for i := range d.Customers + d.Waiting {
		c := &client{Customer: customer.Customer{UserID: fmt.Sprintf("GB.%020d", i), Phone: fmt.Sprintf("4400%08d", i), Name: fmt.Sprintf("Customer %d", i)}}
		c.chat = w.secret.UserAddress(seed.SupportNumber, c.UserID)
		p.clients = append(p.clients, c)
	}
	for _, step := range []func([]*client) error{
		p.signIn, p.open, p.text, p.statuses, p.reply, p.look, p.reassign, p.close, p.reopen,
	} {
		if err := step(p.clients[:d.Customers]); err != nil {
			return err
		}
	}
	return p.nobodyFree(p.clients[d.Customers:])
}

// signIn lets everybody ask for the first time, and the functions on the way of a message start: what that costs belongs
// to no Chat.
func (p *play) signIn([]*client) error {
	return p.count(signedIn, len(p.tokens), func() error {
		for id := range p.tokens {
			if err := p.call(id, "GET", "me", nil, nil); err != nil {
				return err
			}
		}
		return p.delivered(&client{Customer: customer.Customer{UserID: "GB.99999999999999999999"}})
	})
}

// each counts something done for each customer, one after the other.
func (p *play) each(name string, clients []*client, do func(*client) error) error {
	return p.count(name, len(clients), func() error {
		for _, c := range clients {
			if err := do(c); err != nil {
				return err
			}
		}
		return nil
	})
}

// writes delivers a text of a customer.
func (p *play) writes(c *client) error {
	p.clock = p.clock.Add(time.Second)
	const words = "My order has not arrived and I would like to know where it is. "
	text := strings.Repeat(words, 10)[:20+p.IntN(580)]
	return p.deliver(c.Sends(seed.SupportNumber, "", customer.WAMID(), p.clock, customer.Message{Text: text}).Body)
}

// chatOf waits until the Chat of the customer fulfils a condition.
func (p *play) chatOf(c *client, what string, holds func(chat.Chat) bool) (chat.Chat, error) {
	var found chat.Chat
	err := p.eventually(what, func() (bool, error) {
		read, err := p.store.Chat(p.ctx, c.chat)
		if read != nil {
			found = *read
		}
		return err == nil && read != nil && holds(found), err
	})
	return found, err
}

func owned(c chat.Chat) bool { return c.Status == chat.Open && c.Owner != "" }

// arrivesAndIsOwned has a customer write, and waits for the owner. It reports whether the owner came with the opening.
func (p *play) arrivesAndIsOwned(c *client) (direct bool, err error) {
	before, err := p.store.Chat(p.ctx, c.chat)
	if err != nil {
		return false, err
	}
	epoch := int64(0)
	if before != nil {
		epoch = before.Epoch
	}
	if err := p.writes(c); err != nil {
		return false, err
	}
	after, err := p.chatOf(c, "the Chat is owned", func(c chat.Chat) bool { return owned(c) && c.Epoch > epoch })
	return after.Epoch == epoch+1, err
}

// findsSomebody counts openings, of new or of closed Chats.
func (p *play) findsSomebody(name string, clients []*client) error {
	direct := 0
	err := p.each(name, clients, func(c *client) error {
		at, err := p.arrivesAndIsOwned(c)
		if at {
			direct++
		}
		return err
	})
	if err == nil {
		p.operations[len(p.operations)-1].Direct = direct
	}
	return err
}

func (p *play) open(clients []*client) error   { return p.findsSomebody(opened, clients) }
func (p *play) reopen(clients []*client) error { return p.findsSomebody(reopened, clients) }

func (p *play) text(clients []*client) error {
	return p.count(texted, len(clients)*(messagesPerChat-1), func() error {
		for range messagesPerChat - 1 {
			for _, c := range clients {
				if err := p.writes(c); err != nil {
					return err
				}
			}
		}
		for _, c := range clients {
			if _, err := p.chatOf(c, "all its texts are there", func(c chat.Chat) bool { return len(c.Unread) == messagesPerChat }); err != nil {
				return err
			}
		}
		return nil
	})
}

// delivered tells of a message of ours, as WhatsApp does.
func (p *play) delivered(c *client) error {
	const status = `{"object":"whatsapp_business_account","entry":[{"id":"200000000000001","changes":[{"field":"messages","value":{` +
		`"messaging_product":"whatsapp","metadata":{"display_phone_number":"15550100001","phone_number_id":%q},"statuses":[{"id":%q,` +
		`"status":"delivered","timestamp":"%d","recipient_id":%q,"recipient_user_id":%q,"pricing":{"billable":false,"pricing_model":"PMP",` +
		`"type":"free_customer_service","category":"service"}}]}}]}]}`
	return p.deliver(fmt.Appendf(nil, status, seed.SupportNumber, customer.WAMID(), p.clock.Unix(), c.Phone, c.UserID))
}

func (p *play) statuses(clients []*client) error { return p.each(statusTold, clients, p.delivered) }

// asOwner asks the API as the Assignee of the customer's Chat.
func (p *play) asOwner(c *client, method, path string, body, out any) error {
	read, err := p.store.Chat(p.ctx, c.chat)
	if err != nil {
		return err
	}
	return p.call(read.Owner, method, "chats/"+url.PathEscape(c.chat)+path, body, out)
}

func (p *play) reply(clients []*client) error {
	return p.each(replied, clients, func(c *client) error {
		return p.asOwner(c, "POST", "/messages", map[string]string{"type": "text", "text": "It left our house this morning, and will be with you tomorrow."}, nil)
	})
}

// look: Assignees look at their Chats, and mark what they saw as read.
func (p *play) look(clients []*client) error {
	seen := map[string][]string{}
	err := p.each(messagesShown, clients, func(c *client) error {
		var page struct {
			Items []struct{ ID, Direction string }
		}
		err := p.asOwner(c, "GET", "/messages", nil, &page)
		for _, m := range page.Items {
			if m.Direction == "in" {
				seen[c.chat] = append(seen[c.chat], m.ID)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	err = p.each(markedRead, clients, func(c *client) error {
		return p.asOwner(c, "POST", "/read", map[string]any{"messages": seen[c.chat]}, nil)
	})
	if err != nil {
		return err
	}
	return p.count(chatsShown, 1, func() error { return p.call("alex", "GET", "chats?status=open", nil, nil) })
}

func (p *play) reassign(clients []*client) error {
	return p.each(reassigned, clients, func(c *client) error {
		read, err := p.store.Chat(p.ctx, c.chat)
		if err != nil {
			return err
		}
		to := "dan"
		if read.Owner == to {
			to = "mei"
		}
		return p.call("alex", "PUT", "chats/"+url.PathEscape(c.chat)+"/assignee", map[string]string{"personId": to, "note": "Knows the customer."}, nil)
	})
}

func (p *play) close(clients []*client) error {
	return p.each(closed, clients, func(c *client) error {
		return p.asOwner(c, "PUT", "/status", map[string]string{"status": "closed"}, nil)
	})
}

// nobodyFree: customers write, first to a new Chat and later to a closed one, when nobody is there; then somebody comes.
// One after the other, so that none shares another's cost.
func (p *play) nobodyFree(clients []*client) error {
	for id := range p.tokens {
		if err := p.be(id, team.Offline); err != nil {
			return err
		}
	}
	if err := p.quiet(); err != nil {
		return err
	}
	waits := func(c *client) error {
		if err := p.writes(c); err != nil {
			return err
		}
		if _, err := p.chatOf(c, "the Chat waits", chat.Chat.Waiting); err != nil {
			return err
		}
		if err := p.quiet(); err != nil {
			return err
		}
		if err := p.be(busy, team.Online); err != nil {
			return err
		}
		if _, err := p.chatOf(c, "the Chat is owned", owned); err != nil {
			return err
		}
		if err := p.quiet(); err != nil {
			return err
		}
		return p.be(busy, team.Offline)
	}
	if err := p.each(openedLate, clients, waits); err != nil {
		return err
	}
	if err := p.each(closed, clients, func(c *client) error {
		return p.asOwner(c, "PUT", "/status", map[string]string{"status": "closed"}, nil)
	}); err != nil {
		return err
	}
	return p.each(reopenedLate, clients, waits)
}

// be changes a person's availability. It goes past the counting: somebody's coming belongs to no Chat.
func (p *play) be(id string, a team.Availability) error {
	_, err := p.store.UpdatePerson(p.ctx, id, dynamo.Now(), func(p *team.Person) error { p.Availability = a; return nil })
	return err
}
