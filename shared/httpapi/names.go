package httpapi

import (
	"context"
	"slices"
	"sync"
	"time"

	"chatkeeper/shared/team"
)

// Names are what people and business numbers are called. An id that is not in them is shown as it is.
type Names struct {
	People  map[string]string // name by person id
	Numbers map[string]string // as customers see it, by phone_number_id
}

// NamedID is somebody or something by id, with the name to show.
type NamedID struct {
	ID   string `json:"id"`
	Name string `json:"name"`
}

// named is nil for no id.
func (n Names) named(id string) *NamedID {
	if id == "" {
		return nil
	}
	return &NamedID{ID: id, Name: or(n.People[id], id)}
}

func or(name, id string) string {
	if name == "" {
		return id
	}
	return name
}

// NameSource is where a [NameBook] reads.
type NameSource interface {
	People(ctx context.Context) ([]team.Person, error)
	Settings(ctx context.Context) (team.Settings, error)
}

// NameBook remembers names, so that showing a Chat costs no reads of its own. A name may be as old as maxNameAge; rights
// are never taken from here. Make one for each function and keep it.
type NameBook struct {
	source NameSource

	mu    sync.Mutex
	names Names
	read  time.Time
}

const (
	maxNameAge = time.Minute
	// An id that is not in the book makes it read again, but not more often than this: it may belong to nobody.
	minNameAge = 5 * time.Second
)

// NewNameBook returns a book that reads when it is first asked.
func NewNameBook(source NameSource) *NameBook { return &NameBook{source: source} }

// Names returns all names, and reads again if one of the people is missing. On an error it returns the names it had.
func (b *NameBook) Names(ctx context.Context, people ...string) (Names, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	age := time.Since(b.read)
	missing := slices.ContainsFunc(people, func(id string) bool { return id != "" && b.names.People[id] == "" })
	if !b.read.IsZero() && (age < minNameAge || age < maxNameAge && !missing) {
		return b.names, nil
	}
	all, err := b.source.People(ctx)
	if err != nil {
		return b.names, err
	}
	settings, err := b.source.Settings(ctx)
	if err != nil {
		return b.names, err
	}
	fresh := Names{People: map[string]string{}, Numbers: map[string]string{}}
	for _, p := range all {
		fresh.People[p.ID] = or(p.Name, p.ID)
	}
	for _, n := range settings.Numbers {
		fresh.Numbers[n.ID] = or(n.Display, n.ID)
	}
	b.names, b.read = fresh, time.Now()
	return fresh, nil
}
