package httpapi_test

import (
	"context"
	"errors"
	"testing"

	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

// register is where names are read, as long as it is not broken.
type register struct {
	broken bool
	reads  int
}

func (r *register) People(context.Context) ([]team.Person, error) {
	r.reads++
	if r.broken {
		return nil, errors.New("throttled")
	}
	return []team.Person{{ID: "dan", Name: "Dan"}}, nil
}

func (r *register) Settings(context.Context) (team.Settings, error) { return team.Settings{}, nil }

// Names that can't be read are missing, nothing more, and a table that does not answer is not asked with every request.
func TestNamesThatCantBeRead(t *testing.T) {
	t.Parallel()
	broken := &register{broken: true}
	book := httpapi.NewNameBook(broken)
	for range 3 {
		if names := book.Names(t.Context(), "dan"); len(names.People) != 0 {
			t.Errorf("names are %v", names)
		}
	}
	if broken.reads != 1 {
		t.Errorf("it was read %d times in one moment", broken.reads)
	}
}
