package dynamo

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/shared/chat"
)

// # Whose message it is
//
// A user id leads to one Chat for good: merges move it on, nothing takes it back. A phone number is recycled, so its alias
// lists who had it since when ([chat.Alias], [chat.MaxHolders]), and moves only by time. A message that shows a user id
// belongs to its Chat; one that shows a number alone belongs to who had the number at its time. It is stored once, wherever
// that was when it was stored first: what becomes known later about the number does not move it, but is looked through.
//
// The alias is written in one transaction with every Chat that it concerns, so this holds at every instant:
//
//	J  a Chat that goes on and shows a phone number is where that number's alias leads, and the number is not free.
//
// # Straight
//
// For nearly all messages the Chat alone tells whether they may be stored there ([chat.Chat.Straight]), by conditions on its
// item that cost nothing: it shows the message's number (ph), or the message shows none; that was last shown in the message's
// second or before (pa); and the fence (pf), if there is one, lies before that second. So beside a user id no alias is read
// at all, and a text on an open Chat reads half a unit (the user id's item, weakly; without a user id the alias, strongly: one).
//
// Why the message m is then in no other Chat, and will be in none. Every write of a message that shows the number at the
// Chat where its alias leads leaves pa at m's second or later: the write raises it, or found it there. Let D be another Chat
// that has m. D got it because the alias said so, by the number alone, when D had the number at m's time.
//
//   - D was the last holder then. So D's pa is m's second or later, and the number moves away from D only in a transaction
//     that holds while D's pa is as read: if the showing that moves it is later than that ps, the new Chat's ps is, and m is
//     not straight; if not, D's pa becomes the new Chat's fence, and m is not straight. What moves on from there takes the
//     fence along, merges too.
//   - D was an earlier holder. So the next one's showing is later than m, and the ps of each Chat that the number leads to
//     since then is later too.
//
// And afterwards: whoever reads the alias after m was stored finds this Chat, or a newer showing has moved the number to one
// for which the above holds with this Chat as D. Whoever read the alias before that is refused, because D has lost ph, or
// because the alias is not as it was read.
//
// # Not straight
//
// A message that is not straight (late by more than its second; from a number that the Chat shows no more; behind the fence)
// is rare. It reads the alias strongly, then looks for itself in each of the alias's Chats, and is stored by a transaction
// that holds while the alias is as it was read (Arrival.Alias, by a counter that every write of the alias raises). That is
// enough: between the look into another Chat D and the commit nothing can store it in D. Another delivery that is not
// straight reads the same alias, and so chooses the same Chat, or another alias, and one of the two is refused. A straight one
// at D needs J: then the alias led to D while it leads here. One that began before, and has counted the message in D but not
// stored it yet, shows in D's marks: it counts as stored there, and is completed. (Beyond 40 unread messages there is no
// mark; a twin by the other identity that comes exactly between those two writes of a crowd would be stored in both.)
//
// # Interleavings
//
//   - Two groups at once, m by the number alone (n) and with the user id (u). No alias: both put it, one is refused. The
//     number is another's, D's: u moves it and, if its Chat is new, creates it in that transaction. n straight at D before
//     that: the transaction is refused (D's pa), u begins again and finds m at D. After that: n is refused (D's ph) and
//     finds m at the new Chat. The number is that of a Chat without a user id: u links it or merges it, then stores m.
//   - Move beside move. Both hold while the alias is as read: one is refused, and decides with what it reads then. The order
//     of the two does not matter, because holders stand in the order of their times.
//   - Merge beside move. The merge makes the alias lead on and raises its counter: a move that read it before is refused.
//     A move that comes first takes ph from the other Chat, or raises the counter: the merge is refused, or leaves the alias
//     alone. A move from a Chat that is merged meanwhile is refused by its status.
//   - Rename beside move. A user id that is renamed late has two Chats for a while, and both may be holders of the number; the
//     merge makes them one, and holders stand for the Chats that go on. Nothing else of the alias changes.
//   - Redelivery beside merge. Unchanged (see merge.go): what is straight looks under the Chat and those merged into it, and
//     that list is as read at the commit; the others' lists are read after the alias, and a merge between two holders leaves
//     the message under one of the two.
//   - A showing between a Chat's update and PutMessage: the Chat counts the message and has shown the number by then (pa),
//     so a move sees it as above; PutMessage completes it where it is counted.
//
// What is told late about a time in the middle (A, then A again, then that B had it in between) needs to know when A showed
// the number again: Messages that show a number beside a user id say so (sh), and are read from that time on, by this alone.

// Lead is where an identity leads.
type Lead struct {
	Chat    string     // the Chat's id; of a phone number, of the Chat that has it or had it last
	Renamed string     // of a user id: the one that its customer has now; there may be no Chat yet
	Alias   chat.Alias // of a phone number
}

// Leads is where the identities of one message lead; nil where an identity is missing or leads nowhere yet.
type Leads struct {
	User, Phone *Lead
}

// Find reads where the addresses lead, in one request. An empty address is not read. A Chat that stands at an identity's
// own address and is merged leads on to the next; an alias may lead to a merged Chat. Only a user id alone may be read
// weakly, which costs half and may be stale: the Chat that it leads to is merged by now, at worst, or it leads nowhere yet,
// and then it is to be read again, strongly.
func (s *Store) Find(ctx context.Context, userAddress, phoneAddress string, strong bool) (Leads, error) {
	var keys []Item
	for _, a := range []string{userAddress, phoneAddress} {
		if a != "" {
			keys = append(keys, key(chatPK(a), selfSK))
		}
	}
	items, err := s.getAll(ctx, keys, strong || phoneAddress != "")
	if err != nil {
		return Leads{}, err
	}
	var leads Leads
	for _, item := range items {
		it, err := unmarshal[chatItem](item)
		if err != nil {
			return Leads{}, err
		}
		switch lead := (&Lead{Chat: it.To, Renamed: it.UserID}); {
		case it.PK == chatPK(phoneAddress):
			lead.Alias = it.alias()
			leads.Phone = lead
		case it.To == "":
			leads.User = &Lead{Chat: cmp.Or(it.Into, it.PK[len(chatPrefix):])}
		default:
			leads.User = lead
		}
	}
	return leads, nil
}

// alias is the item of a phone number.
func (it chatItem) alias() chat.Alias {
	a := chat.Alias{Address: it.PK[len(chatPrefix):], Version: it.Version}
	for _, former := range slices.Sorted(slices.Values(it.Holders)) {
		since, id, _ := strings.Cut(former, " ")
		n, _ := strconv.ParseInt(since, 10, 64)
		a.Holders = append(a.Holders, chat.Holder{Chat: id, Since: chat.Shown(n)})
	}
	a.Holders = append(a.Holders, chat.Holder{Chat: it.To, Since: shownOf(it.Since)})
	if free := shownOf(it.Free); free != 0 {
		a.Holders = append(a.Holders, chat.Holder{Since: free})
	}
	return a
}

// aliasOf is the item's part about who has the number, had it, and whether it is free.
func aliasOf(a chat.Alias) (it chatItem) {
	former := a.Holders[:len(a.Holders)-1]
	if a.IsFree() {
		it.Free = shownBytes(a.Holders[len(former)].Since)
		former = former[:len(former)-1]
	}
	it.To, it.Since = a.Last().Chat, shownBytes(a.Last().Since)
	for _, h := range former {
		it.Holders = append(it.Holders, fmt.Sprintf("%011d %s", h.Since, h.Chat)) // sorts by time
	}
	return it
}

// FirstShowing reads when the number with this address was first shown in a Chat, or one merged into it, beside a user id,
// after the second of one moment and before that of another; 0 if it was not. The end may be 0. It is strongly consistent.
func (s *Store) FirstShowing(ctx context.Context, c chat.Chat, address string, after, before chat.Shown) (chat.Shown, error) {
	var first chat.Shown
	from, to := chat.FirstKey(after.Second()+1), chat.LastKey
	if before != 0 {
		to = chat.FirstKey(before.Second())
	}
	if !from.Before(to) {
		return 0, nil
	}
	for _, id := range append([]string{c.ID}, c.From...) {
		e, err := expression.NewBuilder().WithFilter(equals("sh", address)).WithKeyCondition(expression.Key("pk").Equal(expression.Value(chatPK(id))).
			And(expression.Key("sk").Between(expression.Value(messageSK(from)), expression.Value(messageSK(to))))).Build()
		if err != nil {
			return 0, err
		}
		pages := dynamodb.NewQueryPaginator(s.db, &dynamodb.QueryInput{TableName: &s.chats, ConsistentRead: aws.Bool(true), KeyConditionExpression: e.KeyCondition(),
			FilterExpression: e.Filter(), ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values()})
		for found := false; pages.HasMorePages() && !found; {
			out, err := pages.NextPage(ctx)
			if err != nil {
				return 0, outcome("read what showed a number", err)
			}
			for _, item := range out.Items {
				m, ok := readable(ctx, item, readMessage)
				if !ok {
					continue
				}
				if at := m.Shown(); first == 0 || at < first {
					first = at
				}
				found = true
				break
			}
		}
	}
	return first, nil
}

// Link makes an identity lead to an existing Chat and notes it there: a phone number is where the customer was last
// seen, a user id belongs to a Chat that has none. ErrRefused: the identity leads somewhere meanwhile, or the Chat is
// merged or got another user id; look again.
func (s *Store) Link(ctx context.Context, c chat.Chat, l chat.Link, ids chat.Identities) error {
	t := transaction{store: s}
	t.link(c.ID, l)
	after := chat.Showing{Phone: ids.Phone, At: l.Since, Leads: ids.Phone != ""}.Of(c.Customer)
	after.UserID = cmp.Or(ids.UserID, after.UserID)
	t.identify(c, after)
	return t.commit(ctx)
}

// Show stores what a message proves of a phone number whose alias there is, see [chat.Showing]: in the alias, in the Chat
// whose customer showed it, and in the one that loses it. ErrRefused: the alias, or one of the Chats, is not as it was read.
func (s *Store) Show(ctx context.Context, c chat.Chat, showing chat.Showing) error {
	t := transaction{store: s}
	t.show(showing)
	t.identify(c, showing.Of(c.Customer))
	return t.commit(ctx)
}

// Leave notes that the customer of a Chat took another number then, so that this one is free. A Chat that has shown none
// since has none: if it were theirs, it would show the other one. ErrRefused as Show.
func (s *Store) Leave(ctx context.Context, c chat.Chat, phone string, before chat.Alias, at chat.Shown) error {
	t := transaction{store: s}
	t.alias(before, before.Leaves(at))
	if c.Customer.PhoneSince < at {
		free := c.Customer
		free.Phone, free.PhoneSince = "", at
		t.identify(c, free)
	} else {
		t.check(chatPK(c.ID), selfSK, goesOn().And(shows(phone).Not()))
	}
	return t.commit(ctx)
}

// show moves the alias, and takes the number from who had it. The fence of the Chat that gets it comes from what that one
// had shown, which must be as read.
func (t *transaction) show(showing chat.Showing) {
	t.alias(showing.Before, showing.After)
	if showing.From == nil {
		return
	}
	from := *showing.From
	held := goesOn().And(shownAsRead("pa", from.Customer.PhoneSince))
	if from.Customer.Phone != showing.Phone {
		t.check(chatPK(from.ID), selfSK, held.And(shows(showing.Phone).Not()))
		return
	}
	forgets := from.Customer
	forgets.Phone = ""
	t.identify(from, forgets)
}

// alias writes an alias that is as it was read, or checks that.
func (t *transaction) alias(before, after chat.Alias) {
	asRead := name("n").AttributeNotExists()
	if before.Version != 0 {
		asRead = equals("n", before.Version)
	}
	u, was, is := &update{}, aliasOf(before), aliasOf(after)
	become(u, "to", was.To, is.To)
	for _, a := range []struct {
		attribute string
		was, is   []byte
	}{{"since", was.Since, is.Since}, {"lf", was.Free, is.Free}} {
		if len(a.is) == 0 && len(a.was) > 0 {
			u.remove(a.attribute)
		} else if !bytes.Equal(a.was, a.is) {
			u.set(a.attribute, a.is)
		}
	}
	if len(is.Holders) == 0 && len(was.Holders) > 0 {
		u.remove("hs")
	} else if !slices.Equal(was.Holders, is.Holders) {
		u.set("hs", set(is.Holders))
	}
	if u.empty() {
		t.check(chatPK(before.Address), selfSK, asRead)
		return
	}
	u.add("n", 1)
	t.update(t.store.chats, chatPK(before.Address), selfSK, u, asRead)
}

// link makes an identity lead to the Chat, if it leads nowhere yet.
func (t *transaction) link(chatID string, l chat.Link) {
	t.put(t.store.chats, chatItem{PK: chatPK(l.Address), SK: selfSK, To: chatID, Since: shownBytes(l.Since)}, absent())
}

// lead makes an alias of one Chat lead to another.
func (t *transaction) lead(address, from, to string) {
	u := &update{}
	u.set("to", to)
	u.add("n", 1)
	t.update(t.store.chats, chatPK(address), selfSK, u, equals("to", from))
}

// identify gives the Chat's customer the identities that now lead to it.
func (t *transaction) identify(c chat.Chat, customer chat.Customer) {
	after := c
	after.Customer = customer
	t.chat(c, after, 0, goesOn())
}

// straight are the conditions under which the message may be stored in the Chat without a look at its number's alias. They
// ask only for what the write does not alter: see guards.go.
func straight(c chat.Chat, a chat.Arrival) []expression.ConditionBuilder {
	k, at := a.Message.Key, a.Message.Shown()
	held := []expression.ConditionBuilder{shownBefore("pf", k.Alone())}
	switch {
	case a.Phone == "":
	case c.Customer.PhoneSince < at && c.Customer.Phone == a.Phone:
		// the write raises the moment
	case c.Customer.PhoneSince <= at:
		held = append(held, shows(a.Phone), shownUntil("pa", at))
	default:
		held = append(held, shows(a.Phone), shownUntil("pa", k.Told()))
	}
	return held
}

// belongs are the conditions under which the message belongs in the Chat as it was read: by what the Chat says, or by the
// alias, which the transaction checks to be as it was read.
func (t *transaction) belongs(c chat.Chat, a chat.Arrival) []expression.ConditionBuilder {
	if a.Alias == nil {
		return straight(c, a)
	}
	if a.Alias.Address != "" {
		t.alias(*a.Alias, *a.Alias)
	}
	return nil
}

// goesOn holds while the Chat is not merged.
func goesOn() expression.ConditionBuilder {
	return equals("st", string(chat.Open)).Or(equals("st", string(chat.Closed)))
}

// shows holds while the Chat shows the phone number.
func shows(phone string) expression.ConditionBuilder { return equals("ph", phone) }

// shownBefore holds where an attribute tells nothing or something earlier.
func shownBefore(attribute string, at chat.Shown) expression.ConditionBuilder {
	return name(attribute).AttributeNotExists().Or(name(attribute).LessThan(expression.Value(shownBytes(at))))
}

// shownUntil holds where an attribute tells nothing, or nothing later.
func shownUntil(attribute string, at chat.Shown) expression.ConditionBuilder {
	return name(attribute).AttributeNotExists().Or(name(attribute).LessThanEqual(expression.Value(shownBytes(at))))
}

func shownAsRead(attribute string, at chat.Shown) expression.ConditionBuilder {
	if at == 0 {
		return name(attribute).AttributeNotExists()
	}
	return equals(attribute, shownBytes(at))
}

// Rename notes that a user id which leads nowhere is another one now, at whose address (to) its customer's Chat is, or will
// be: WhatsApp may tell of the change before any message of theirs has come. ErrRefused: it leads somewhere meanwhile.
func (s *Store) Rename(ctx context.Context, address, to, userID string, since chat.Shown) error {
	return s.put(ctx, chatItem{PK: chatPK(address), SK: selfSK, To: to, UserID: userID, Since: shownBytes(since)}, absent())
}

// Renew gives a Chat the user id that WhatsApp says its customer has now, in place of the one it had: ids are made anew
// when people change their phone number. ErrRefused as Link.
func (s *Store) Renew(ctx context.Context, c chat.Chat, l chat.Link, userID string) error {
	t := transaction{store: s}
	t.link(c.ID, l)
	renewed := c.Customer
	renewed.UserID = userID
	t.identify(c, renewed)
	return t.commit(ctx)
}

// Follow makes an alias that leads to a merged Chat lead to the one that goes on, so that its messages need not follow.
// ErrRefused: it leads elsewhere by now.
func (s *Store) Follow(ctx context.Context, address, from, to string) error {
	t := transaction{store: s}
	t.lead(address, from, to)
	return t.commit(ctx)
}
