package assign

import "chatkeeper/shared/team"

// Reason is a stable code that says why something about an assignment is so. Words puts it in a sentence.
type Reason string

// Why a person was chosen.
const (
	LongestAgo       Reason = "longest_ago"
	FewestOpenChats  Reason = "fewest_open_chats"
	NextByWeight     Reason = "next_by_weight"
	NamedPerson      Reason = "named_person"
	PreviousAssignee Reason = "previous_assignee"
)

// Why a person was passed over.
const (
	AssignedLater     Reason = "assigned_later"
	MoreOpenChats     Reason = "more_open_chats"
	LaterByWeight     Reason = "later_by_weight"
	LowerWeight       Reason = "lower_weight"
	PreviousPreferred Reason = "previous_preferred"
	LaterID           Reason = "later_id"
	LaterInOrder      Reason = "later_in_order"
	AtCapacity        Reason = "at_capacity"
	IsAway            Reason = "away"
	IsOffline         Reason = "offline"
	OnlineEnded       Reason = "online_ended"
	Excluded          Reason = "excluded"
	LacksLanguage     Reason = "lacks_language"
	LacksSkill        Reason = "lacks_skill"
	Inactive          Reason = "inactive"
	NoRole            Reason = "no_role"
	NotInPool         Reason = "not_in_pool"
)

// What decided between two who were equal by the strategy; LongestAgo may too.
const (
	HigherWeight Reason = "higher_weight"
	FirstID      Reason = "first_id" // they were equal in everything else
)

// Why nobody can take a Chat: one code for each situation that an Admin would mend in another way.
const (
	NoMembers        Reason = "no_members"         // nobody belongs to the team, or there is no such person
	NobodyActive     Reason = "nobody_active"      // whoever belongs to it is deactivated or has no role
	NobodyQualified  Reason = "nobody_qualified"   // no active member has all the languages and skills required
	NobodyOnline     Reason = "nobody_online"      // all who qualify are away or offline
	AllAtCapacity    Reason = "all_at_capacity"    // all who qualify are online and full
	OnlineAtCapacity Reason = "online_at_capacity" // those online are full, and others are away or offline
	AllExcluded      Reason = "all_excluded"       // all who qualify may not have this very Chat
	RestExcluded     Reason = "rest_excluded"      // some may not have this very Chat, and the others are full, away or offline
	NoSuchStrategy   Reason = "no_such_strategy"   // the strategy is not one that this version can follow
)

var reasonWords = map[Reason]string{
	LongestAgo:        "was given a Chat longest ago",
	FewestOpenChats:   "has the fewest open Chats",
	NextByWeight:      "is next in turn by weight",
	NamedPerson:       "is the person the rule names",
	PreviousAssignee:  "was the Assignee when the Chat was closed, and the rule prefers them",
	AssignedLater:     "was given a Chat more recently",
	MoreOpenChats:     "has more open Chats",
	LaterByWeight:     "comes later in turn by weight",
	LowerWeight:       "was equal in turn, and has a lower weight",
	PreviousPreferred: "was next, but the rule prefers whoever was the Assignee when the Chat was closed",
	LaterID:           "was equal in everything, and comes later in the order of ids",
	LaterInOrder:      "could take it, but comes later in the order",
	AtCapacity:        "has as many open Chats as their capacity allows",
	IsAway:            "is away",
	IsOffline:         "is offline",
	OnlineEnded:       "was online, but that has ended by itself",
	Excluded:          "may not have this Chat",
	LacksLanguage:     "lacks a language that the rule requires",
	LacksSkill:        "lacks a skill that the rule requires",
	Inactive:          "is deactivated",
	NoRole:            "has no role",
	NotInPool:         "does not belong to the pool",
	HigherWeight:      "they were equal in turn, so the higher weight decided",
	FirstID:           "they were equal in everything, so the order of ids decided",
	NoMembers:         "nobody belongs to this pool",
	NobodyActive:      "whoever belongs to this pool is deactivated or has no role",
	NobodyQualified:   "nobody in this team has all the languages and skills that the rule requires",
	NobodyOnline:      "nobody in this pool is online",
	AllAtCapacity:     "everybody in this pool has as many open Chats as their capacity allows",
	OnlineAtCapacity:  "those online have as many open Chats as their capacity allows, and the others are away or offline",
	AllExcluded:       "nobody in this pool may have this Chat",
	RestExcluded:      "some in this pool may not have this Chat, and the others are full, away or offline",
	NoSuchStrategy:    "the rule's strategy is not known here",
}

// Words is the reason in words for people to read, without a subject where it is about one person. A code that this
// version does not know is its own words.
func (r Reason) Words() string {
	if w, ok := reasonWords[r]; ok {
		return w
	}
	return string(r)
}

// outcome is Chosen for the reasons of being chosen, and Passed for all others.
func (r Reason) outcome() string {
	switch r {
	case LongestAgo, FewestOpenChats, NextByWeight, NamedPerson, PreviousAssignee:
		return Chosen
	}
	return Passed
}

// availability is that of a person of whom the reason is true, or most likely true.
func (r Reason) availability() team.Availability {
	switch r {
	case IsAway:
		return team.Away
	case IsOffline:
		return team.Offline
	}
	return team.Online
}

// standing is how a person stands to a Chat of a pool; smaller is nearer to being chosen.
type standing uint8

const (
	able standing = iota
	atCapacity
	onlineEnded
	away
	offline
	isExcluded
	lacksLanguage
	lacksSkill
	inactive
	noRole
	notInPool
	standings

	listed = isExcluded // the last standing that is shown as a candidate; the rest are only counted
)

var standingReasons = [standings]Reason{
	able: LaterInOrder, atCapacity: AtCapacity, onlineEnded: OnlineEnded, away: IsAway, offline: IsOffline,
	isExcluded: Excluded, lacksLanguage: LacksLanguage, lacksSkill: LacksSkill, inactive: Inactive, noRole: NoRole,
	notInPool: NotInPool,
}

func nobodyBecause(counts [standings]int) Reason {
	absent := counts[away] + counts[offline] + counts[onlineEnded]
	full, barred := counts[atCapacity], counts[isExcluded]
	switch {
	case barred > 0 && absent+full == 0:
		return AllExcluded
	case barred > 0:
		return RestExcluded
	case full > 0 && absent > 0:
		return OnlineAtCapacity
	case full > 0:
		return AllAtCapacity
	case absent > 0:
		return NobodyOnline
	case counts[lacksLanguage]+counts[lacksSkill] > 0:
		return NobodyQualified
	case counts[inactive]+counts[noRole] > 0:
		return NobodyActive
	}
	return NoMembers
}
