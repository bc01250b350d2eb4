// Command token is `make token PERSON=<id>`: a bearer token of the local issuer for somebody of the running stack.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"chatkeeper/infra/local/issuer"
	"chatkeeper/infra/local/running"
	"chatkeeper/infra/local/template"
)

// life is a working day: a token that was pasted into a shell should not end in the middle of it.
const life = 12 * time.Hour

func main() {
	token, err := tokenOf(context.Background(), os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(token)
}

func tokenOf(ctx context.Context, arguments []string) (string, error) {
	s, err := running.Find(ctx)
	if err != nil {
		return "", err
	}
	people, err := s.Store.People(ctx)
	if err != nil {
		return "", err
	}
	var ids []string
	for _, p := range people {
		if len(arguments) == 1 && p.ID == arguments[0] {
			key, err := issuer.OpenKey(s.Place.Folder)
			if err != nil {
				return "", err
			}
			i := issuer.New(issuer.Options{URL: s.Place.IssuerURL, Audience: template.LocalAudience, Key: key})
			return i.Token(p, life)
		}
		ids = append(ids, p.ID)
	}
	return "", errors.New("make token PERSON=<id>, where the id is one of " + strings.Join(ids, ", "))
}
