package dynamo

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/feature/dynamodb/expression"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Commit stores a change in one transaction: the Chat if it is still as read, the history, the loads of the people whose
// number of open Chats it alters, the waiting entries that go and come, the message that caused it and the identities
// that begin to lead here. It writes each item once (a transaction may not name one twice). Errors as in the package
// comment; after ErrUnsure the transaction may have happened.
func (s *Store) Commit(ctx context.Context, change chat.Change) error {
	if err := s.namedBy(ctx, change); err != nil {
		return err
	}
	t := transaction{store: s}
	if change.Before.Epoch == 0 {
		if err := s.noteNumber(ctx, change.Before.Number); err != nil {
			return err
		}
		t.put(s.chats, newChatItem(change.After), absent())
	} else {
		var held []expression.ConditionBuilder
		if change.Arrival != nil {
			held = t.belongs(change.Before, *change.Arrival)
		}
		t.chat(change.Before, change.After, change.Holds, held...)
	}
	for _, l := range change.Links {
		t.link(change.Before.ID, l)
	}
	if change.Shows != nil {
		t.show(*change.Shows)
	}
	if change.Arrival != nil {
		t.message(change.Before, change.Arrival.Message)
	}
	t.history(change.Before.ID, change.Event)
	loads := change.Loads()
	for _, person := range sortedKeys(loads) {
		t.load(person, loads[person], change)
	}
	t.needs(change, loads)
	for _, pool := range change.Leaves() {
		t.delete(waitingPK(pool), waitingSK(change.Before.Priority, change.Before.WaitingSince, change.Before.ID))
	}
	for _, e := range change.Enters() {
		t.put(s.chats, newEntryItem(e), nil)
	}
	if change.Timer != nil {
		t.delete(timerPK(timerShard(change.Before.ID)), timerSK(*change.Timer))
	}
	err := t.commit(ctx)
	if err == nil && change.Auto != nil {
		s.roster.assigned(*change.Auto)
	}
	return err
}

// transaction collects the items of one TransactWriteItems. The first error sticks.
type transaction struct {
	store *Store
	items []types.TransactWriteItem
	err   error
}

func (t *transaction) commit(ctx context.Context) error {
	if t.err != nil {
		return t.err
	}
	_, err := t.store.db.TransactWriteItems(ctx, &dynamodb.TransactWriteItemsInput{TransactItems: t.items})
	return outcome("transaction", err)
}

// message puts the Message if it is nowhere: neither in this Chat nor in those that were merged into it.
func (t *transaction) message(c chat.Chat, m chat.Message) {
	t.put(t.store.chats, newMessageItem(c.ID, m), absent())
	for _, from := range c.From {
		t.check(chatPK(from), messageSK(m.Key), *absent())
	}
}

func (t *transaction) history(chatID string, e chat.Event) {
	it, err := newHistoryItem(chatID, e)
	if err != nil {
		t.fail(err)
		return
	}
	t.put(t.store.chats, it, nil)
}

// load alters a person's number of open Chats by the change, and raises changed, as every write of a person does. If
// a rule chose the person, they are taken only as they were read, and only if they can take one more Chat of the pool;
// if somebody else did, only while they are active. changedAt follows what may let a person take a Chat, so only one
// who gets room: whoever follows that index to keep a roster (Roster) may miss that somebody looks less free, because
// the condition here catches it.
func (t *transaction) load(person string, n int, ch chat.Change) {
	u, held := &update{}, name("pk").AttributeExists()
	u.add("openChats", n)
	u.add("changed", 1)
	switch {
	case n < 0:
		u.set("changedAt", stamp(ch.Event.At))
	case ch.Auto != nil:
		u.set("assignedAt", millis(ch.Auto.At))
		if ch.Auto.Turn != 0 {
			u.set("turn", ch.Auto.Turn)
		}
		held = canTake(*ch.Auto)
	default:
		held = equals("active", true)
	}
	for _, need := range ch.Needs {
		if need.Person == person {
			held = held.And(able(need))
		}
	}
	t.update(t.store.team, peoplePK, person, u, held)
}

// needs checks those whom the change needs and whose load stays; one operation a person, whatever they are at once.
func (t *transaction) needs(ch chat.Change, loads map[string]int) {
	all := map[string]chat.Need{}
	for _, need := range ch.Needs {
		need.Admin = need.Admin || all[need.Person].Admin
		all[need.Person] = need
	}
	for _, person := range sortedKeys(all) {
		if loads[person] == 0 {
			t.checkIn(t.store.team, peoplePK, person, able(all[person]))
		}
	}
}

// able holds while the person is active and has a role, or the role Admin.
func able(n chat.Need) expression.ConditionBuilder {
	held := equals("active", true)
	if n.Admin {
		return held.And(equals("role", string(team.Admin)))
	}
	return held.And(name("role").In(expression.Value(string(team.Agent)), expression.Value(string(team.Admin))))
}

// canTake is the person as chosen: in the pool, online, and below the capacity in force, and unchanged since. The last
// would be enough for the others, but for one clock reading; they stand here so that the rule of invariant I3 can be
// read where it is enforced. Without changed, a round robin whose pools share people would be off by two.
func canTake(a chat.Auto) expression.ConditionBuilder {
	held := equals("active", true).
		And(equals("availability", string(team.Online))).
		And(equals("onlineUntil", int64(0)).Or(name("onlineUntil").GreaterThan(expression.Value(millis(a.Now))))).
		And(name("openChats").LessThan(name("limit"))).
		And(equals("changed", a.Person.Changed))
	return inPool(held, a.Pool)
}

func inPool(held expression.ConditionBuilder, p assign.Pool) expression.ConditionBuilder {
	switch {
	case p.Team == team.Everyone:
		held = held.And(equals("role", string(team.Agent)))
	case p.Team != "":
		held = held.And(name("teams").Contains(p.Team))
	}
	for _, l := range p.Languages {
		held = held.And(name("languages").Contains(l))
	}
	for _, skill := range p.Skills {
		held = held.And(name("skills").Contains(skill))
	}
	return held
}

func (t *transaction) put(table string, it any, held *expression.ConditionBuilder) {
	item, err := marshal(it)
	if err != nil {
		t.fail(err)
		return
	}
	put := &types.Put{TableName: &table, Item: item}
	if held != nil {
		e := t.build(expression.NewBuilder().WithCondition(*held))
		put.ConditionExpression, put.ExpressionAttributeNames, put.ExpressionAttributeValues = e.Condition(), e.Names(), e.Values()
	}
	t.items = append(t.items, types.TransactWriteItem{Put: put})
}

// update changes named attributes while the condition holds; without one, always.
func (t *transaction) update(table, pk, sk string, u *update, held expression.ConditionBuilder) {
	b := expression.NewBuilder().WithUpdate(u.b)
	if held.IsSet() {
		b = b.WithCondition(held)
	}
	e := t.build(b)
	t.items = append(t.items, types.TransactWriteItem{Update: &types.Update{TableName: &table, Key: key(pk, sk),
		UpdateExpression: e.Update(), ConditionExpression: e.Condition(),
		ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values()}})
}

func (t *transaction) delete(pk, sk string) { t.deleteFrom(t.store.chats, pk, sk) }

func (t *transaction) deleteFrom(table, pk, sk string) {
	t.items = append(t.items, types.TransactWriteItem{Delete: &types.Delete{TableName: &table, Key: key(pk, sk)}})
}

func (t *transaction) check(pk, sk string, held expression.ConditionBuilder) {
	t.checkIn(t.store.chats, pk, sk, held)
}

func (t *transaction) checkIn(table, pk, sk string, held expression.ConditionBuilder) {
	e := t.build(expression.NewBuilder().WithCondition(held))
	t.items = append(t.items, types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{TableName: &table,
		Key: key(pk, sk), ConditionExpression: e.Condition(), ExpressionAttributeNames: e.Names(), ExpressionAttributeValues: e.Values()}})
}

func (t *transaction) build(b expression.Builder) expression.Expression {
	e, err := b.Build()
	t.fail(err)
	return e
}

func (t *transaction) fail(err error) {
	if t.err == nil {
		t.err = err
	}
}
