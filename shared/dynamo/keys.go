package dynamo

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
)

// Access patterns. Every key of both tables is built in this file.
//
// Chats table
//
//	what                                  pk             sk                               read by
//	Chat                                  C#chat         0                                id; BSUID (the id is its hash when the first message told it)
//	identity that leads to a Chat         C#address      0                                hash(number, phone or BSUID)
//	whose a username was last             U#address      0                                hash(number, username), by a search only
//	business number that has Chats        N              number                           all of them, by a search only
//	Message                               C#chat         M#key                            Chat, in WhatsApp's order; one by its key
//	history                               C#chat         H#epoch#n                        Chat, in order: n is 0 for the change itself,
//	                                                                                      r and a number for a routing, a reason for "nobody"
//	delivery status of a message of ours  C#chat         D#mark                           Chat and the message's WhatsApp id, hashed
//	Key of a message without a true time  K#address        0                                hash(number, the message's WhatsApp id)
//	update that came before its Chat      E#address        id                               address of its customer; gone after 24 h
//	waiting entry                         W#pool         priority#since#chat              pool, in the order of service
//	directory of pools with waiting Chats WP             pool                             all of them, when somebody comes online or rules are saved; one by its assigner
//	timer of a step                       T#shard        due#step#chat#epoch#routed       those that are due, each shard in order
//	set aside for people to look at       Q#             time#chat                        all of them
//	where the sweeper's round stands      SW             0                                every sweep
//	reply by its Idempotency-Key          I#person#key   0                                the person's key; gone after 24 h
//	index byOwner                         owner#o or #c  opened or closed, ms             a person's Chats, newest first
//	index byStatus                        o or c, shard  opened, ms                       all Chats of a status, newest first; shards are merged
//
// Team table
//
//	person                                P              personId                         one; all (the roster)
//	index byChange (local)                P              changed, ms # random             who changed since, strongly consistent; see Roster
//	whose an e-mail is                    MAIL           e-mail, lower case               the verified e-mail of a token
//	whose a token's subject is            SUB            issuer#subject                   every request, cached
//	marker that the first Admin was made  F              0                                a verified e-mail that is nobody's
//	pointer to the rules in force         R              0                                every routing
//	rules version                         R              V#version                        one
//	team, department, number, calendar    S              T#id, D#id, N#id, H#id           all of them, when the pointer's revision changed
const (
	peoplePK    = "P"
	mailPK      = "MAIL"
	subjectPK   = "SUB"
	rulesPK     = "R"
	rulesNowSK  = "0"
	settingsPK  = "S"
	directoryPK = "WP"
	asidePK     = "Q#"
	numbersPK   = "N"
	sweepPK     = "SW"
	selfSK      = "0"
	changeIndex = "byChange"

	firstAdminPK = "F"

	teamPrefix       = "T#"
	departmentPrefix = "D#"
	numberPrefix     = "N#"
	calendarPrefix   = "H#"

	chatPrefix     = "C#"
	usernamePrefix = "U#"
	waitingPrefix  = "W#"
	messagePrefix  = "M#"
	historyPrefix  = "H#"
	deliveryPrefix = "D#"
	versionPrefix  = "V#"
	oncePrefix     = "I#"
	timerPrefix    = "T#"
	stampPrefix    = "K#"
	earlyPrefix    = "E#"

	// TimerShards spreads the timers: each partition takes about a thousand writes a second. A sweep reads all of them.
	TimerShards = 8

	// statusShards spreads the two lists of all Chats. A list is read with one request a shard.
	statusShards = 8
)

func chatPK(id string) string                 { return chatPrefix + id }
func usernamePK(address string) string        { return usernamePrefix + address }
func stampPK(address string) string           { return stampPrefix + address }
func earlyPK(address string) string           { return earlyPrefix + address }
func messageSK(k chat.Key) string             { return messagePrefix + k.String() }
func deliverySK(m chat.Mark) string           { return deliveryPrefix + fmt.Sprintf("%x", m[:]) }
func mailSK(email string) string              { return strings.ToLower(email) }
func waitingPK(pool string) string            { return waitingPrefix + pool }
func versionSK(version int64) string          { return fmt.Sprintf("%s%08d", versionPrefix, version) }
func subjectSK(issuer, subject string) string { return issuer + "#" + subject }
func oncePK(person, key string) string        { return oncePrefix + person + "#" + key }
func historySK(epoch int64, n string) string {
	return fmt.Sprintf("%s%010d#%s", historyPrefix, epoch, n)
}

// eventSK places an event in the history: a change once per epoch, a routing once per routing, a step once per routing
// and step, "nobody" once per routing, step and reason.
func eventSK(e chat.Event) string {
	switch e.Type {
	case chat.Routed:
		return historySK(e.Epoch, "r"+strconv.FormatInt(e.Routed, 10))
	case chat.Widened:
		return historySK(e.Epoch, fmt.Sprintf("s%d#%d", e.Routed, e.Decision.Step))
	case chat.Nobody:
		n := strconv.FormatInt(e.Routed, 10)
		if e.Decision.Step > 0 {
			n += "." + strconv.Itoa(e.Decision.Step)
		}
		return historySK(e.Epoch, fmt.Sprintf("nobody%s#%s", n, e.Decision.Nobody))
	}
	return historySK(e.Epoch, "0")
}

// waitingSK orders a pool: priority first, then how long the Chat has waited, then the id so that no two are alike.
func waitingSK(p assign.Priority, since time.Time, chatID string) string {
	return fmt.Sprintf("%d#%s#%s", p.Rank(), sortable(since), chatID)
}

func timerPK(shard int) string { return timerPrefix + strconv.Itoa(shard) }

// timerSK orders timers by when they are due. It ends with epoch and routing, so that a timer never takes the place of one
// that belongs to another waiting of the same Chat, and never goes in its stead.
func timerSK(t chat.Timer) string {
	return fmt.Sprintf("%s#%d#%s#%d#%d", sortable(t.Due), t.Entry.Step, t.Entry.Chat, t.Entry.Epoch, t.Entry.Routed)
}

func timerShard(chatID string) int { return shardOf(chatID) % TimerShards }

func asideSK(at time.Time, chatID string) string { return sortable(at) + "#" + chatID }

// sortable is a time to the millisecond whose text sorts like the time, until the year 2286.
func sortable(t time.Time) string { return fmt.Sprintf("%013d", t.UnixMilli()) }

// indexKeys are the attributes by which the two indexes list a Chat. They follow from owner and status alone.
func indexKeys(id string, o chat.Ownership) (ownerKey, ownerAt, statusKey, statusAt string) {
	if o.Status == chat.Merged {
		return
	}
	if o.Owner != "" {
		ownerKey, ownerAt = ownerIndexPK(o.Owner, o.Status), sortable(o.OpenedAt)
		if o.Status == chat.Closed {
			ownerAt = sortable(o.ClosedAt)
		}
	}
	return ownerKey, ownerAt, statusIndexPK(o.Status, shardOf(id)), sortable(o.OpenedAt)
}

func ownerIndexPK(owner string, s chat.Status) string { return fmt.Sprintf("%s#%.1s", owner, s) }

func statusIndexPK(s chat.Status, shard int) string { return fmt.Sprintf("%.1s%d", s, shard) }

func shardOf(id string) int {
	sum := 0
	for _, b := range []byte(id) {
		sum += int(b)
	}
	return sum % statusShards
}
