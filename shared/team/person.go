// Package team holds the people who answer for Chats, the teams they form, and what the business says about itself
// for routing: departments, business numbers and hours. It is pure: time is passed in, nothing is read or written.
package team

import (
	"time"
)

// Everyone is the built-in team of all active Agents. It is never stored, and nobody lists it among their teams.
const Everyone = "everyone"

// Role decides what a person may do. A person without a role may do nothing.
type Role string

// The roles.
const (
	Agent Role = "agent"
	Admin Role = "admin"
)

// Availability is declared by the person, never guessed.
type Availability string

// The three availabilities. Only Online people are given Chats automatically.
const (
	Online  Availability = "online"
	Away    Availability = "away"
	Offline Availability = "offline"
)

// NoLimit is the capacity in force of somebody without one. It is a number so that one comparison serves everybody,
// in Go and in DynamoDB conditions.
const NoLimit = 1_000_000_000

// Person is a team member.
type Person struct {
	ID           string
	Name         string
	Email        string
	Role         Role
	Active       bool
	Availability Availability
	OnlineUntil  time.Time // online ends by itself then; zero means no end
	Capacity     int       // as an Admin set it; 0 means none was set
	Limit        int       // the capacity in force: Capacity, else the default for all, else NoLimit
	Weight       int       // share of Chats under the strategy weighted; at least 1
	Languages    []string  // ISO 639-1, lower case
	Skills       []string
	Teams        []string // ids

	OpenChats  int       // open Chats the person owns (invariant I2)
	AssignedAt time.Time // when a Chat was last given to the person automatically; zero means never
	Turn       int64     // the person's last turn under the strategy weighted, as package assign counts them; 0 means never
	Changed    int64     // raised by one with every write of the person; the fence of an automatic assignment
}

// Online reports whether the person takes Chats at the moment now.
func (p Person) Online(now time.Time) bool {
	return p.Availability == Online && (p.OnlineUntil.IsZero() || now.Before(p.OnlineUntil))
}

// CanTake reports whether an automatic assignment may give the person one more Chat, whatever the pool.
func (p Person) CanTake(now time.Time) bool {
	return p.Active && p.Online(now) && p.OpenChats < p.Limit
}

// MayAct reports whether the person may do anything here, and so own Chats: active, and with a role.
func (p Person) MayAct() bool { return p.Active && (p.Role == Agent || p.Role == Admin) }
