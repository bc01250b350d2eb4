package main

import (
	"testing"

	"chatkeeper/infra/acting"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/httpapi"
)

// newWorld is the function over tables of its own.
func newWorld(t testing.TB) *acting.World {
	t.Helper()
	return acting.New(t, func(s *dynamo.Store, names *httpapi.NameBook) httpapi.Routes {
		h := reply{store: s, names: names}
		return h.routes()
	})
}
