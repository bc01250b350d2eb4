package chat

import (
	"cmp"
	"slices"
	"strings"
)

// Shown orders what messages and system notices say about a customer's phone number: by WhatsApp's second; within one, a
// message that shows it beside a user id comes after those that show it alone, and a notice after every message, because it
// says what holds from then on. Messages alike of one second are not ordered: the hash in a Key does not say which was
// written first. The zero value is before everything.
type Shown int64

const (
	alone Shown = iota
	besideUser
	told
	ranks
)

// Alone is when a message with this Key showed a phone number and no user id.
func (k Key) Alone() Shown { return ranks*Shown(k.second()) + alone }

// Beside is when a message with this Key showed a phone number and a user id.
func (k Key) Beside() Shown { return ranks*Shown(k.second()) + besideUser }

// Told is when a system notice with this Key told of new identities.
func (k Key) Told() Shown { return ranks*Shown(k.second()) + told }

// Shown is when the message showed the identities of its customer.
func (m Message) Shown() Shown {
	switch {
	case m.Type == "system":
		return m.Key.Told()
	case m.Shows != "":
		return m.Key.Beside()
	}
	return m.Key.Alone()
}

// Second is WhatsApp's time stamp.
func (s Shown) Second() int64 { return int64(s / ranks) }

// Proves reports whether it was more than a message that showed the number alone.
func (s Shown) Proves() bool { return s%ranks != alone }

// Alias is a phone number and the Chats that it has led to. Which of them a message belongs to that shows the number alone
// depends on its time only: not on the order of deliveries, and not on what became of user ids since.
type Alias struct {
	Address string   // Secret.PhoneAddress
	Holders []Holder // in the order of Since, then of Chat; none if the number leads nowhere
	Version int64    // grows by one with every write of the alias
}

// Holder is a Chat whose customer had a phone number from a moment on, until the next holder's. A Chat that was merged
// stands for the one that goes on. One that had the number more than once is listed as often. A holder without a Chat says
// that the number was free from then on; it is never the first.
type Holder struct {
	Chat  string
	Since Shown // the first message or notice that is known to show it
}

// MaxHolders is how many holders an alias lists. Beyond it, the oldest goes that is listed again later, so that the alias
// still tells which Chats may have a message; and only when all of them are different Chats, the oldest: its messages, were
// they delivered once more, would be the next holder's.
const MaxHolders = 16

// At is the Chat that a message with this Key belongs to if it shows nothing but the number; empty if the number was free
// then and is. What comes before a holder when nobody had the number is that holder's: they wrote before it was known who
// they are.
func (a Alias) At(k Key) string {
	i := 0
	for n, h := range a.Holders {
		if h.Since.Second() <= k.second() {
			i = n
		}
	}
	if a.Holders[i].Chat == "" && i+1 < len(a.Holders) {
		i++
	}
	return a.Holders[i].Chat
}

// Last is the holder that has the number, or had it last.
func (a Alias) Last() Holder {
	if n := len(a.Holders); a.IsFree() {
		return a.Holders[n-2]
	}
	return a.Holders[len(a.Holders)-1]
}

// IsFree reports whether whoever had the number last has left it.
func (a Alias) IsFree() bool { return a.Holders[len(a.Holders)-1].Chat == "" }

// Free reports whether nobody is known to have had the number at that moment, or since.
func (a Alias) Free(at Shown) bool {
	return len(a.Holders) == 0 || a.IsFree() && a.Holders[len(a.Holders)-1].Since <= at
}

// Holder is who had the number at that moment, as far as the alias knows, and until when; the next one, if nobody did. The
// end is 0 where it is not known.
func (a Alias) Holder(at Shown) (h Holder, until Shown) {
	i := max(0, a.after(at)-1)
	if a.Holders[i].Chat == "" && i+1 < len(a.Holders) {
		i++
	}
	if i+1 < len(a.Holders) {
		until = a.Holders[i+1].Since
	}
	return a.Holders[i], until
}

// Next is the first holder who began at that moment or later, by the second; nil if there is none.
func (a Alias) Next(at Shown) *Holder {
	for i, h := range a.Holders {
		if h.Chat != "" && h.Since.Second() >= at.Second() {
			return &a.Holders[i]
		}
	}
	return nil
}

// after is the place of the first holder who began later.
func (a Alias) after(at Shown) int {
	i, _ := slices.BinarySearchFunc(a.Holders, at+1, func(h Holder, at Shown) int { return cmp.Compare(h.Since, at) })
	return i
}

// Resolved is the alias with each holder's Chat in the place of those that were merged into it.
func (a Alias) Resolved(goesOn func(id string) string) Alias {
	holders := a.Holders
	a.Holders = nil
	for _, h := range holders {
		if h.Chat != "" {
			h.Chat = goesOn(h.Chat)
		}
		if n := len(a.Holders); n == 0 || a.Holders[n-1].Chat != h.Chat {
			a.Holders = append(a.Holders, h)
		}
	}
	return a
}

// Same reports whether two aliases say the same.
func (a Alias) Same(other Alias) bool { return slices.Equal(a.Holders, other.Holders) }

// Shows is the alias once it is known that the Chat's customer had the number at that moment. Who had it before has it
// again from the moment resumes on; 0 if nothing says so. It changes nothing where the alias says so already, or would have
// to forget it at once, see MaxHolders.
func (a Alias) Shows(at Shown, chat string, resumes Shown) Alias {
	before, shows, i := a, Holder{chat, at}, a.after(at)
	if slices.Contains(a.Holders, shows) || i > 0 && a.Holders[i-1].Chat == chat {
		return before
	}
	a.Holders = slices.Clone(a.Holders)
	var next *Holder
	if i < len(a.Holders) {
		next = &before.Holders[i]
	}
	if i > 0 && a.Holders[i-1].Chat != "" {
		if resumes == 0 && next != nil && next.Chat == "" {
			resumes = next.Since - 1 // they told that they had it until then
		}
		if resumes != 0 {
			a.Holders = append(a.Holders, Holder{a.Holders[i-1].Chat, resumes})
			next = nil
		}
	}
	if next != nil && next.Chat == chat {
		a.Holders = slices.Delete(a.Holders, i, i+1)
	}
	a.Holders = append(a.Holders, shows)
	slices.SortFunc(a.Holders, func(a, b Holder) int { return cmp.Or(cmp.Compare(a.Since, b.Since), strings.Compare(a.Chat, b.Chat)) })
	if a = a.bounded(); !slices.Contains(a.Holders, shows) {
		return before
	}
	return a
}

// Leaves is the alias once its last holder has told that they have another number: it is free from the next second on.
func (a Alias) Leaves(at Shown) Alias {
	free := Holder{Since: Shown(at.Second()+1) * ranks}
	if a.Free(free.Since) {
		return a
	}
	a.Holders = slices.Clone(a.Holders)
	if a.IsFree() {
		a.Holders = a.Holders[:len(a.Holders)-1]
	}
	a.Holders = append(a.Holders, free)
	return a.bounded()
}

func (a Alias) bounded() Alias {
	for len(a.Holders) > MaxHolders {
		i := max(0, slices.IndexFunc(a.Holders, a.isListedLater))
		a.Holders = slices.Delete(a.Holders, i, i+1)
		for a.Holders[0].Chat == "" {
			a.Holders = a.Holders[1:]
		}
	}
	return a
}

func (a Alias) isListedLater(h Holder) bool {
	return slices.ContainsFunc(a.Holders, func(other Holder) bool { return other.Chat == h.Chat && other.Since > h.Since })
}

// Showing is what a message or a notice proves: the customer of a Chat had a phone number at a moment.
type Showing struct {
	Phone         string
	At            Shown
	Before, After Alias // the same if the alias said so already, and only the Chat did not
	Leads         bool  // the number leads to the Chat from now on; else somebody has it who showed it later
	From          *Chat // the Chat that it led to until now, which loses it; nil if there is none
}

// Of is the customer of the Chat once the showing is stored. Who showed another number later keeps that one.
func (s Showing) Of(c Customer) Customer {
	if s.From != nil {
		if last := max(s.From.Customer.PhoneSince, s.From.Customer.PhoneFence); last.Second() >= s.At.Second() {
			c.PhoneFence = max(c.PhoneFence, last)
		}
	}
	if s.Leads && c.newest(s.Phone, s.At) {
		c.Phone, c.PhoneSince = s.Phone, s.At
	}
	return c
}

// newest reports whether a number shown then is the customer's newest. Of two that messages of one second show, it is the
// greater one, whichever comes first.
func (c Customer) newest(phone string, at Shown) bool {
	return cmp.Or(cmp.Compare(at, c.PhoneSince), strings.Compare(phone, c.Phone)) > 0
}

// Renumbers reports whether a number shown then becomes that of the Chat, to which its alias leads.
func (c Chat) Renumbers(phone string, at Shown) bool {
	return phone != "" && phone != c.Customer.Phone && c.Customer.newest(phone, at)
}

// Straight reports whether the Chat alone tells that a message belongs here and stands nowhere else, without a look at the
// alias of the number that it shows, if any: the number leads here, the Chat's customer has shown it by then, and whoever
// had it before can have got no message of that second or later. The comment of dynamo's identity.go says why.
func (c Chat) Straight(phone string, k Key) bool {
	if c.Customer.PhoneFence != 0 && c.Customer.PhoneFence.Second() >= k.second() {
		return false
	}
	return phone == "" || phone == c.Customer.Phone && c.Customer.PhoneSince.Second() <= k.second()
}

// again is the Chat once a message in it has shown its phone number again. The fence is of no use after one that is
// straight: PhoneSince does what it did.
func (c Chat) again(a Arrival) Chat {
	at := a.Message.Shown()
	if a.Phone == "" || a.Phone != c.Customer.Phone || at < c.Customer.PhoneSince {
		return c
	}
	if a.Alias == nil && c.Straight(a.Phone, a.Message.Key) {
		c.Customer.PhoneFence = 0
	}
	c.Customer.PhoneSince = at
	return c
}

// Counts reports whether the Chat counts the message as unread, as far as it counts exactly. It may not be stored yet.
func (c Chat) Counts(k Key) bool { return slices.Contains(c.Unread, k.Mark()) || c.More == k }
