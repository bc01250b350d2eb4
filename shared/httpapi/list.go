package httpapi

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// List is the answer of every route that lists.
type List[T any] struct {
	Items      []T    `json:"items"`
	NextCursor string `json:"nextCursor,omitempty"` // empty: this was the last page
}

// ParseLimit reads how many items are asked for: usual if nothing is said, at most most.
func ParseLimit(r *Request, usual, most int) (int, error) {
	text := r.Query.Get("limit")
	if text == "" && !r.Query.Has("limit") {
		return usual, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest(fmt.Sprintf("limit must be a whole number from 1 to %d.", most))
	}
	return n, nil
}

// CheckQuery refuses parameters that the route does not have, and those that stand twice: a filter with a typing mistake
// must not show everything.
func CheckQuery(r *Request, names ...string) error {
	for name, values := range r.Query {
		if !slices.Contains(names, name) {
			return badRequest("There is no such query parameter; the route has: " + fmt.Sprint(names))
		}
		if len(values) > 1 {
			return badRequest("The query parameter " + name + " stands there twice.")
		}
	}
	return nil
}

// Cursors seals positions in lists, so that nobody reads on where we did not say so: a cursor says where, and what it was
// made for. It is signed, not secret: no position may hold personal data.
type Cursors struct{ key []byte }

// NewCursors derives the key from a secret of the deployment.
func NewCursors(secret string) Cursors {
	return Cursors{mac([]byte(secret), []byte("cursors of lists"))}
}

const sealSize = 16

// Seal makes a cursor for a list: the route with all its filters, because a position in one list means nothing in
// another. position is anything that JSON holds.
func (c Cursors) Seal(list string, position any) string {
	text, err := json.Marshal(position)
	if err != nil {
		panic("httpapi: a position that JSON can't hold: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(append(c.sign(list, text), text...))
}

// Open reads what Seal made for the same list. Anything else is a BadRequest.
func (c Cursors) Open(list, cursor string, position any) error {
	refused := badRequest("This cursor was not made here for this list.")
	b, err := base64.RawURLEncoding.DecodeString(cursor)
	sameText := base64.RawURLEncoding.EncodeToString(b) == cursor // decoding passes over line breaks and stray bits
	if err != nil || !sameText || len(b) < sealSize || !hmac.Equal(b[:sealSize], c.sign(list, b[sealSize:])) {
		return refused
	}
	if json.Unmarshal(b[sealSize:], position) != nil { // made by another version
		return refused
	}
	return nil
}

func (c Cursors) sign(list string, text []byte) []byte {
	return mac(c.key, bytes.Join([][]byte{[]byte(strconv.Itoa(len(list))), []byte(list), text}, []byte{0}))[:sealSize]
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}
