package httpapi

import (
	"context"
	"log/slog"
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
	read  time.Time // when names were read
	tried time.Time // when they were read, or could not be
}

const (
	maxNameAge = time.Minute
	// An id that is not in the book makes it read again, but not more often than this: it may belong to nobody. Nor is a
	// table that does not answer asked more often.
	minNameAge = 5 * time.Second
)

// NewNameBook returns a book that reads when it is first asked.
func NewNameBook(source NameSource) *NameBook { return &NameBook{source: source} }

// Names returns all names, and reads again if one of the people is missing. It has no error to return, because names are
// only for show: a write that is stored must not be answered as a failure for the lack of them. When they can't be read,
// the log says so, the answer is the names that were read before, and ids are shown in place of the others.
func (b *NameBook) Names(ctx context.Context, people ...string) Names {
	b.mu.Lock()
	defer b.mu.Unlock()
	missing := slices.ContainsFunc(people, func(id string) bool { return id != "" && b.names.People[id] == "" })
	stale := time.Since(b.read) >= maxNameAge || missing
	if !stale || !b.tried.IsZero() && time.Since(b.tried) < minNameAge {
		return b.names
	}
	fresh, err := b.fresh(ctx)
	b.tried = time.Now()
	if err != nil {
		slog.WarnContext(ctx, "names not read", "error", err)
		return b.names
	}
	b.names, b.read = fresh, b.tried
	return fresh
}

func (b *NameBook) fresh(ctx context.Context) (Names, error) {
	all, err := b.source.People(ctx)
	if err != nil {
		return Names{}, err
	}
	settings, err := b.source.Settings(ctx)
	if err != nil {
		return Names{}, err
	}
	fresh := Names{People: map[string]string{}, Numbers: map[string]string{}}
	for _, p := range all {
		fresh.People[p.ID] = or(p.Name, p.ID)
	}
	for _, n := range settings.Numbers {
		fresh.Numbers[n.ID] = or(n.Display, n.ID)
	}
	return fresh, nil
}
