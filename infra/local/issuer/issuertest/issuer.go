// Package issuertest gives tests an OpenID provider of their own.
package issuertest

import (
	"context"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"chatkeeper/infra/local/issuer"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/team"
)

// One key serves all tests of a process: making it is slow.
var key = sync.OnceValues(issuer.NewKey)

// Start serves an issuer until the test ends. Its URL and Audience are what a stack's parameters Issuer and Audience
// take; Token gives anybody a token.
func Start(t testing.TB, people ...team.Person) *issuer.Issuer {
	t.Helper()
	k, err := key()
	if err != nil {
		t.Fatal(err)
	}
	i := issuer.New(issuer.Options{Audience: template.LocalAudience, Key: k,
		People: func(context.Context) ([]team.Person, error) { return people, nil }})
	server := httptest.NewServer(i)
	t.Cleanup(server.Close)
	i.URL = server.URL
	return i
}

// Token is a bearer token of the person, good for an hour.
func Token(t testing.TB, i *issuer.Issuer, p team.Person) string {
	t.Helper()
	token, err := i.Token(p, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
