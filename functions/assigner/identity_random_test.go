package main

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/queue"
	"chatkeeper/shared/whatsapp"
)

// someone is a customer in a random story.
type someone struct {
	user, phone string
	before      []string // user ids that they had
	proven      bool     // a message that was delivered showed user id and phone number together
}

// sending is one that was made, or is to be made.
type sending struct {
	body   string
	twin   string // the same message as it comes without its user id; empty if there is none
	text   string
	user   string // that it shows
	phone  string // that it shows, or tells to be the new one
	left   string // of a notice: the phone number before
	at     chat.Key
	author *someone
}

// ledger is what a story's deliveries have told of numbers so far, and in whose Chat each message must be: where it was
// delivered first. Who is unknown is called by the number.
type ledger struct {
	*world
	names  map[string]string        // of who was unknown and is known now
	who    map[string]*chat.Alias   // by number; holders are names
	proofs map[string][]chat.Holder // by number
	in     map[string]string        // by text
	order  []string                 // of texts
	told   bool                     // nothing was told late so far
}

func name(p *someone) string { return strings.Split(p.user, "/")[0] }

func (l *ledger) is(name string) string {
	for l.names[name] != "" {
		name = l.names[name]
	}
	return name
}

func (l *ledger) alias(number string) chat.Alias {
	if l.who[number] == nil {
		return chat.Alias{}
	}
	return l.who[number].Resolved(l.is)
}

// proves notes that somebody is known to have had a number.
func (l *ledger) proves(number, who string, at chat.Shown) {
	a := l.alias(number)
	var resumes chat.Shown
	if len(a.Holders) > 0 && !a.Free(at) {
		holder, until := a.Holder(at)
		l.known(holder.Chat, who)
		for _, p := range l.proofs[number] {
			if l.is(p.Chat) == holder.Chat && p.Since.Second() > at.Second() && (until == 0 || p.Since.Second() < until.Second()) && (resumes == 0 || p.Since < resumes) {
				resumes = p.Since
			}
		}
	}
	a = l.alias(number).Shows(at, who, resumes)
	l.who[number] = &a
	l.proofs[number] = append(l.proofs[number], chat.Holder{Chat: who, Since: at})
}

// known says who it is that was unknown.
func (l *ledger) known(unknown, who string) {
	if strings.HasPrefix(unknown, "unknown") {
		l.names[unknown] = who
	}
}

// whose is who gets a message by the number alone. If nobody is known to have it, somebody unknown begins to.
func (l *ledger) whose(number string, k chat.Key) string {
	a := l.alias(number)
	if len(a.Holders) > 0 {
		if who := a.At(k); who != "" {
			return who
		}
	}
	who := fmt.Sprint("unknown at ", number, " since ", k.Alone())
	a = a.Shows(k.Alone(), who, 0)
	l.who[number] = &a
	return who
}

// deliver hands a message to the assigner, or the same one without its user id, and notes whose it is if it comes first.
func (l *ledger) deliver(r *rapid.T, d sending, twin bool) {
	body, who := d.body, name(d.author)
	if twin {
		body = d.twin
	}
	l.must(l.update(l.Context(), body))
	_, again := l.in[d.text]
	switch {
	case d.phone == "":
	case twin || d.user == "":
		if again {
			return
		}
		if who = l.whose(d.phone, d.at); l.told && who != name(d.author) && !strings.HasPrefix(who, "unknown") {
			r.Fatalf("nothing was told late, and %q is %s's", d.text, who)
		}
	case l.has(d.user) != nil: // else the message was another's before, and began no Chat
		l.proves(d.phone, who, d.at.Beside())
		d.author.proven = d.author.proven || d.phone == d.author.phone
	}
	r.Logf("%q comes (user id %q, number %s, without the user id %t, first %t): it is of %s", d.text, d.user, d.phone, twin, !again, l.in[d.text]+who)
	if !again {
		l.in[d.text] = who
		l.order = append(l.order, d.text)
	}
}

// has is the Chat of a user id; nil if there is none yet.
func (l *ledger) has(user string) *chat.Chat {
	_, leads, err := l.leads(l.Context(), seed.SupportNumber, &whatsapp.Identity{UserID: user}, true)
	l.must(err)
	if leads.User == nil {
		return nil
	}
	c, err := l.goingOn(l.Context(), leads.User.Chat)
	l.must(err)
	return &c
}

// tells hands a notice to the assigner, which does nothing while it finds no Chat of its customer.
func (l *ledger) tells(r *rapid.T, d sending) {
	r.Logf("WhatsApp tells at minute %s: %s", d.at.Time().Format("04"), d.body[strings.Index(d.body, `"body":`):strings.Index(d.body, `"receivedAt"`)])
	l.must(l.update(l.Context(), d.body))
	if d.phone == "" {
		return
	}
	for _, user := range append([]string{d.author.user}, d.author.before...) {
		c := l.has(user)
		if c == nil {
			continue
		}
		stored, err := l.store.Has(l.Context(), *c, d.at)
		l.must(err)
		if !stored {
			continue
		}
		who, at := name(d.author), d.at.Told()
		if next := l.alias(d.phone).Next(at); next != nil {
			l.known(next.Chat, who)
		}
		l.proves(d.phone, who, at)
		a := l.alias(d.left)
		since := func(p chat.Holder) bool { return l.is(p.Chat) == who && p.Since.Second() > at.Second() }
		if len(a.Holders) > 0 && a.Last().Chat == who && a.Last().Since <= at && !slices.ContainsFunc(l.proofs[d.left], since) && c.Customer.Phone != d.left {
			a = a.Leaves(at)
			l.who[d.left] = &a
		}
		return
	}
}

// again hands something to the assigner that it had before.
func (l *ledger) again(r *rapid.T, d sending, twin bool) {
	if d.text == "" {
		l.tells(r, d)
	} else {
		l.deliver(r, d, twin && d.twin != "")
	}
}

// I8 and I4 over histories drawn at random: customers write under their phone number, their user id or both; change their
// number or their user id, several times (and WhatsApp says so at once, late and in another order, or before they write at
// all); numbers are recycled again and again, also back; any message comes late; Chats are served and closed; deliveries
// come again hours later, also without the user id that they showed. In the end each customer has one Chat, and each
// message is, once, in the Chat of whoever had the number as far as it was known when it came first.
func TestRandomIdentities(t *testing.T) {
	t.Parallel()
	for range big(1, 200) { // of a hundred each
		w := newWorld(t, agent("dan", 0, "support", "sales"), agent("eve", 0, "support", "sales"))
		run := 0
		rapid.Check(t, func(r *rapid.T) { run++; w.story(r, run) })
		w.checked()
		if t.Failed() {
			return
		}
	}
}

// story tells one.
func (w *world) story(r *rapid.T, run int) {
	l := &ledger{world: w, names: map[string]string{}, who: map[string]*chat.Alias{}, proofs: map[string][]chat.Holder{}, in: map[string]string{}, told: true}
	var people []*someone
	var free []string // numbers that nobody has
	numbers := 0
	number := func() string { numbers++; return fmt.Sprintf("1555%05d%02d", run, numbers) }
	for i := range rapid.IntRange(2, 3).Draw(r, "customers") {
		people = append(people, &someone{user: fmt.Sprintf("US.%d.%d/0", run, i), phone: number()})
	}
	var past []sending
	var held []func() // what is delivered later, in another order
	last := false     // the proofs at the end
	clock := 0
	soon := func(what string, do func()) {
		if rapid.IntRange(0, 2).Draw(r, what+" late") == 0 {
			l.told = false
			held = append(held, do)
			return
		}
		do()
	}
	write := func(p *someone, user, phone string, late bool) {
		clock++
		said := fmt.Sprintf("%s says %d", name(p), clock)
		m := text(user, phone, said, minute(clock))
		d := sending{body: w.updates("messages", m)[0], text: said, user: user, phone: phone, at: w.secret.Key(minute(clock).Unix(), m["id"].(string)), author: p}
		if user != "" && phone != "" {
			delete(m, "from_user_id")
			d.twin = w.updates("messages", m)[0]
		}
		do := func() {
			past = append(past, d)
			if d.twin != "" && !last && rapid.IntRange(0, 4).Draw(r, "without the user id first") == 0 {
				l.told = l.told && p.proven
				l.deliver(r, d, true)
			}
			l.deliver(r, d, false)
		}
		if late {
			soon("write", do)
		} else {
			do()
		}
	}
	notice := func(p *someone, content map[string]any, phone string) {
		m := system(p.user, phone, clock, content)
		d := sending{body: w.updates("messages", m)[0], at: w.secret.Key(minute(clock).Unix(), m["id"].(string)), author: p, left: phone}
		d.phone, _ = content["wa_id"].(string)
		soon("tell", func() {
			past = append(past, d)
			l.tells(r, d)
		})
	}
	for _, p := range people {
		if rapid.IntRange(0, 4).Draw(r, "begins by") > 0 {
			write(p, p.user, p.phone, false)
		}
	}
	does := map[string]func(p *someone){
		"by number":  func(p *someone) { write(p, "", p.phone, p.proven) },
		"by user id": func(p *someone) { write(p, p.user, "", true) },
		"by both":    func(p *someone) { write(p, p.user, p.phone, p.proven) },
		"as before": func(p *someone) { // late by itself, under a user id that they had
			if len(p.before) > 0 {
				write(p, rapid.SampledFrom(p.before).Draw(r, "late, as"), "", true)
			}
		},
		"another number": func(p *someone) { // perhaps one that somebody had; the old one is free
			if !p.proven {
				return
			}
			clock++
			old := p.phone
			if n := len(free); n > 0 && rapid.IntRange(0, 3).Draw(r, "recycled") > 0 {
				i := rapid.IntRange(0, n-1).Draw(r, "number")
				p.phone = free[i]
				free = slices.Delete(free, i, i+1)
			} else {
				p.phone = number()
			}
			free = append(free, old)
			p.proven = false
			if rapid.IntRange(0, 2).Draw(r, "told") > 0 {
				notice(p, map[string]any{"type": "user_changed_number", "wa_id": p.phone}, old)
			}
			write(p, p.user, p.phone, true)
		},
		"heir": func(*someone) { // somebody new has a number that is free
			if len(free) > 0 {
				heir := &someone{user: fmt.Sprintf("US.%d.heir%d/0", run, clock), phone: free[0]}
				free = free[1:]
				people = append(people, heir)
				write(heir, heir.user, heir.phone, true)
			}
		},
		"another user id": func(p *someone) {
			clock++
			told := map[string]any{"type": "user_changed_user_id", "previous_user_id": p.user}
			p.before = append(p.before, p.user)
			p.user = fmt.Sprintf("%s/%d", name(p), clock)
			told["user_id"] = p.user
			phone := ""
			if p.proven && rapid.Bool().Draw(r, "with the number") {
				phone = p.phone
			}
			if rapid.Bool().Draw(r, "writes under it first") {
				write(p, p.user, []string{"", p.phone}[rapid.IntRange(0, 1).Draw(r, "and the number")], false)
			}
			notice(p, told, phone)
		},
		"what was held": func(*someone) {
			if len(held) > 0 {
				i := rapid.IntRange(0, len(held)-1).Draw(r, "now")
				do := held[i]
				held = slices.Delete(held, i, i+1)
				do()
			}
		},
		"again": func(*someone) {
			w.hours(rapid.IntRange(0, 5).Draw(r, "hours"))
			if len(past) > 0 {
				l.again(r, rapid.SampledFrom(past).Draw(r, "again"), rapid.Bool().Draw(r, "without the user id"))
			}
		},
		"served and closed": func(p *someone) {
			w.must(w.serve(w.Context(), queue.Signal{Pool: support}))
			if c := l.has(p.user); c != nil {
				w.closesIf(c.ID)
			}
		},
	}
	likely := []string{"another number", "by number", "by both", "another number", "by number", "what was held", "heir", "another user id", "again", "as before", "by user id", "served and closed"}
	for range rapid.IntRange(5, 25).Draw(r, "steps") {
		p := rapid.SampledFrom(people).Draw(r, "who")
		does[rapid.SampledFrom(likely).Draw(r, "what")](p)
	}
	for len(held) > 0 {
		i := rapid.IntRange(0, len(held)-1).Draw(r, "at last")
		do := held[i]
		held = slices.Delete(held, i, i+1)
		do()
	}
	last = true
	for _, p := range people {
		write(p, p.user, p.phone, false)
	}
	for _, twin := range []bool{false, true} { // twice, because a notice may need one that comes behind it
		for _, d := range past {
			l.again(r, d, twin)
		}
	}
	for _, p := range people {
		leads, err := w.store.Find(w.Context(), testSecret.UserAddress(seed.SupportNumber, p.user), testSecret.PhoneAddress(seed.SupportNumber, p.phone), true)
		w.must(err)
		c, err := w.goingOn(w.Context(), leads.User.Chat)
		w.must(err)
		other, err := w.goingOn(w.Context(), leads.Phone.Chat)
		w.must(err)
		if c.ID != other.ID || c.Customer.Phone != p.phone {
			r.Fatalf("%s has the number %s, and their Chat %s; the number leads to %s", p.user, p.phone, c.Customer.Phone, other.ID)
		}
		got := slices.DeleteFunc(w.texts(c), func(text string) bool { return text == "" })
		var want []string
		for _, said := range l.order {
			if said != "" && l.is(l.in[said]) == name(p) {
				want = append(want, said)
			}
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			r.Fatalf("the Chat of %s reads %q, want %q", p.user, got, want)
		}
	}
}
