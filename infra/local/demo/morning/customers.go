package morning

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/shared/chat"
)

// languages are those that customers write in this morning, the more frequent ones more often.
var languages = []string{"en", "en", "en", "ar", "ar", "es", "es", "fr", "fr", "pt", "zh", "zh"}

// writer is a customer with what they have to say.
type writer struct {
	customer.Customer
	shows   customer.Customer // the identities in their first message; from the second on all of them
	number  string
	display string
	opening string
	more    []string
	nth     int // messages written
	last    *delivery
}

func newRun() string { return strings.ToLower(rand.Text()[:12]) }

// invent makes the customers up: languages, countries and numbers by the seed, identities of this run's own.
func (p *play) invent() []*writer {
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	base := binary.BigEndian.Uint64(random[:]) >> 16
	all := make([]*writer, p.Customers)
	for i := range all {
		language := languages[p.IntN(len(languages))]
		var countries []customer.Country
		for _, c := range customer.Countries {
			if c.Language == language {
				countries = append(countries, c)
			}
		}
		country := countries[p.IntN(len(countries))]
		texts := customer.ExamplesIn(language)
		number := p.numbers[0]
		if p.IntN(3) == 0 {
			number = p.numbers[p.IntN(len(p.numbers))]
		}
		n := base + uint64(i)
		w := &writer{number: number.ID, display: digits(number.Display), opening: texts.Opening[p.IntN(len(texts.Opening))], more: texts.More}
		w.Customer = customer.Customer{Name: fmt.Sprintf("%s %d", country.City, i+1), Country: country.Code, Language: language,
			UserID: country.UserID(n), Phone: country.Phone(n)}
		w.shows = w.Customer
		switch p.IntN(6) {
		case 0: // keeps the number to themselves
			w.Phone, w.Username = "", fmt.Sprintf("%s.%d", strings.ToLower(country.Code), i+1)
			w.shows = w.Customer
		case 1: // a delivery as they were before there were user ids
			w.UserID = ""
			w.shows = w.Customer
		case 2: // first only the phone number is known, then both
			w.shows.UserID = ""
		}
		all[i] = w
	}
	return all
}

// says is a script of n further messages, one after the other as people write. Every fourth is delivered several times at once.
func (p *play) says(w *writer, n int) []func(context.Context) error {
	var script []func(context.Context) error
	for range n {
		copies := 1
		if p.IntN(4) == 0 {
			copies = 2 + p.IntN(2)
		}
		script = append(script, func(ctx context.Context) error {
			who, text := w.Customer, w.opening
			if w.nth == 0 {
				who = w.shows
			} else {
				text = w.more[w.nth%len(w.more)]
			}
			w.nth++
			d := who.Sends(w.number, w.display, customer.WAMID(), time.Now(), customer.Message{Type: customer.Text, Text: text})
			w.last = p.deliveries.add(d.Body)
			return p.deliver(ctx, w.last, copies)
		})
	}
	return script
}

// repeats is a script in which WhatsApp delivers once more what was the customer's last message when it was written.
func (p *play) repeats(w *writer) []func(context.Context) error {
	d := w.last
	return []func(context.Context) error{func(ctx context.Context) error { return p.deliver(ctx, d, 1) }}
}

// writerOf is the customer of a Chat; nil if it is none of the morning's.
func (p *play) writerOf(c chat.Chat, all []*writer) *writer {
	for _, w := range all {
		if w.number == c.Number && (w.UserID != "" && w.UserID == c.Customer.UserID || w.Phone != "" && w.Phone == c.Customer.Phone) {
			return w
		}
	}
	return nil
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, s)
}
