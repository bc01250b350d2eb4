package whatsapp

import (
	"bytes"
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is one JSON value as it was received, or nothing. WhatsApp changes types and shapes without notice, so no method
// fails: what is not there, or not of the shape that was asked for, reads as nothing. A node is never copied.
type node []byte

// get returns the member of an object by its name; the last one if it stands there twice.
func (n node) get(name string) node {
	var found node
	n.members(func(key []byte, value node) {
		if string(key) == name {
			found = value
		}
	})
	return found
}

// find follows a path of member names.
func (n node) find(path ...string) node {
	for _, name := range path {
		n = n.get(name)
	}
	return n
}

// members visits the members of an object in their order.
func (n node) members(visit func(key []byte, value node)) {
	if !n.isObject() {
		return
	}
	i := skipSpace(n, 1)
	for i < len(n) && n[i] == '"' {
		end := skipString(n, i)
		key := []byte(n[i+1 : max(i+1, end-1)])
		if bytes.IndexByte(key, '\\') >= 0 {
			key = []byte(node(n[i:end]).text())
		}
		i = skipSpace(n, skipSpace(n, end)+1) // over the colon
		if i >= len(n) {
			return
		}
		end = skipValue(n, i)
		visit(key, n[i:end])
		i = skipSpace(n, skipSpace(n, end)+1) // over the comma or the end
	}
}

// each visits the elements of an array. An object where a list is expected counts as a list of one.
func (n node) each(visit func(node)) {
	if n.isObject() {
		visit(n)
		return
	}
	if !n.isArray() {
		return
	}
	i := skipSpace(n, 1)
	for i < len(n) && n[i] != ']' {
		end := skipValue(n, i)
		visit(n[i:end])
		i = skipSpace(n, skipSpace(n, end)+1)
	}
}

func (n node) isObject() bool { return len(n) > 0 && n[0] == '{' }
func (n node) isArray() bool  { return len(n) > 0 && n[0] == '[' }

// text reads a string, and a number as it is spelled: ids come as both.
func (n node) text() string {
	switch {
	case len(n) == 0:
		return ""
	case n[0] == '-' || n[0] >= '0' && n[0] <= '9':
		return string(n)
	case n[0] != '"' || len(n) < 2:
		return ""
	}
	inner := n[1 : len(n)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return strings.ToValidUTF8(string(inner), string(utf8.RuneError))
	}
	var s string
	if json.Unmarshal(n, &s) != nil {
		return ""
	}
	return s
}

// number reads a number, or a string that holds one; 0 for anything else.
func (n node) number() int64 {
	s := strings.TrimSpace(n.text())
	if whole, err := strconv.ParseInt(s, 10, 64); err == nil {
		return whole
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != f || f > 1<<62 || f < -(1<<62) {
		return 0
	}
	return int64(f)
}

// isTrue reads a boolean, also one that is spelled as a string.
func (n node) isTrue() bool { return string(n) == "true" || n.text() == "true" }

// depth is how deep arrays and objects are nested in the value; a scalar has depth 0.
func (n node) depth() int {
	deepest, depth := 0, 0
	for i := 0; i < len(n); i++ {
		switch n[i] {
		case '"':
			i = skipString(n, i) - 1
		case '{', '[':
			depth++
			deepest = max(deepest, depth)
		case '}', ']':
			depth--
		}
	}
	return deepest
}

// first returns the first node that says something as text.
func first(nodes ...node) string {
	for _, n := range nodes {
		if s := n.text(); s != "" {
			return s
		}
	}
	return ""
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString returns the place after the string that begins at i.
func skipString(b []byte, i int) int {
	i++
	if end := bytes.IndexByte(b[min(i, len(b)):], '"'); end >= 0 && bytes.IndexByte(b[i:i+end], '\\') < 0 {
		return i + end + 1
	}
	for ; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return len(b)
}

// skipValue returns the place after the value that begins at i. It always moves on, so that a walk ends whatever it walks over.
func skipValue(b []byte, i int) int {
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		depth := 0
		for i < len(b) {
			switch b[i] {
			case '"':
				i = skipString(b, i)
				continue
			case '{', '[':
				depth++
			case '}', ']':
				depth--
			}
			i++
			if depth == 0 {
				return i
			}
		}
		return len(b)
	}
	for i++; i < len(b); i++ {
		switch b[i] {
		case ',', ']', '}', ' ', '\n', '\t', '\r':
			return i
		}
	}
	return len(b)
}
