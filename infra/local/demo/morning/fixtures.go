package morning

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"regexp"

	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/shared/chat"
)

// What tells one run's deliveries from another's: message ids, user ids, and the phone numbers of customers. The business's own
// numbers (1202555010x, 12025550198) stay.
var (
	messageID = regexp.MustCompile(`wamid\.[A-Za-z0-9_.-]+|wacid\.[A-Za-z0-9_.-]+|ABtest[0-9]`)
	userID    = regexp.MustCompile(`\b([A-Z]{2})\.[0-9]{2,}`)
	phone     = regexp.MustCompile(`\b(120255501[1-9][0-79]|447700900[0-9]{3}|33639980[0-9]{3}|614915701[0-9]{2}|551[0-9]{9,10})\b`)
)

// renamed is the delivery as if other customers had sent it, in this run. Nothing else changes, however oddly it is
// spelled: what was equal stays equal, and lengths stay within what they were made to test.
func renamed(body []byte, run string) []byte {
	body = messageID.ReplaceAllFunc(body, func(id []byte) []byte { return append(append([]byte{}, id...), ".r"+run...) })
	body = userID.ReplaceAllFunc(body, func(id []byte) []byte {
		if c, known := customer.CountryOf(string(id[:2])); known {
			return []byte(c.UserID(number(run, string(id))))
		}
		return id
	})
	return phone.ReplaceAllFunc(body, func(digits []byte) []byte {
		return []byte(customer.PhoneLike(string(digits), func(last string) uint64 { return number(run, last) }))
	})
}

// number is one that stands for a text in this run.
func number(run, text string) uint64 {
	sum := sha256.Sum256([]byte(run + "\x00" + text))
	return binary.BigEndian.Uint64(sum[:])
}

// playFixtures delivers every fixture, waits until all of it has arrived, and closes the Chats, so that the morning
// begins with empty desks.
func (p *play) playFixtures(ctx context.Context) error {
	if len(p.Fixtures) == 0 {
		return nil
	}
	var scripts [][]func(context.Context) error
	for _, f := range p.Fixtures {
		d := p.deliveries.add(renamed(f.Body, p.run))
		scripts = append(scripts, []func(context.Context) error{func(ctx context.Context) error { return p.deliver(ctx, d, 1) }})
	}
	if err := p.together(ctx, "one delivery of every kind", scripts); err != nil {
		return err
	}
	if err := p.quiet(ctx, "the stack takes them in"); err != nil {
		return err
	}
	chats, err := p.chatsOf(ctx)
	if err != nil {
		return err
	}
	var closing [][]func(context.Context) error
	for _, c := range chats {
		if c.Status == chat.Open && c.Owner != "" {
			closing = append(closing, []func(context.Context) error{p.closes(c)})
		}
	}
	return p.together(ctx, "their Chats are closed", closing)
}
