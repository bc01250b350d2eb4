package assign

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
	"unicode/utf8"
)

// node is a value of a JSON document that still knows where it stands.
type node struct {
	parent  *node
	name    string // in the parent object
	index   int    // in the parent list
	kind    byte   // '{', '[', '"', 't' for true and false, '0' for a number, 'n' for null
	members []*node
	text    string // of a string
	truth   bool
}

// pointer is the RFC 6901 JSON pointer of the node.
func (n *node) pointer() string {
	if n.parent == nil {
		return ""
	}
	if n.parent.kind == '[' {
		return n.parent.pointer() + "/" + strconv.Itoa(n.index)
	}
	return n.parent.pointer() + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(n.name)
}

// member is the value of an object's name, or nil.
func (n *node) member(name string) *node {
	for _, m := range n.members {
		if m.name == name {
			return m
		}
	}
	return nil
}

// tree reads one JSON value and nothing behind it, or says why not and returns nil. Names that occur twice in an object
// are reported too; the first counts.
func (r *reader) tree(doc []byte) *node {
	root := &node{}
	switch {
	case len(doc) > MaxBytes:
		r.say(root, "is larger than %d KB", MaxBytes>>10)
		return nil
	case !utf8.Valid(doc):
		r.say(root, "is not UTF-8")
		return nil
	}
	if err := json.Unmarshal(doc, new(json.RawMessage)); err != nil {
		if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
			read := doc[:min(int(syntax.Offset), len(doc))]
			r.say(root, "is not JSON: %v (line %d, byte %d)", err, 1+bytes.Count(read, []byte("\n")), len(read)-1-bytes.LastIndexByte(read, '\n'))
		} else {
			r.say(root, "is not JSON: %v", err)
		}
		return nil
	}
	if s := (scanner{reader: r, doc: string(doc)}); s.value(root, 0) {
		return root
	}
	return nil
}

// scanner goes through a document that is known to be JSON.
type scanner struct {
	*reader
	doc string
	at  int
}

// deepest is how deep a document may nest in all: conditions have two levels each, and there is something around them.
const deepest = 2*maxNesting + 8

// mostNames is how many names of an object are read; no object of a rules document has a quarter of that.
const mostNames = 64

// value fills in n. It reports false when it gave up, and has said why.
func (s *scanner) value(n *node, depth int) bool {
	s.space()
	switch n.kind = s.doc[s.at]; n.kind {
	case '{', '[':
		if depth == deepest {
			s.say(n, "nests too deep")
			return false
		}
		return s.members(n, depth)
	case '"':
		n.text = s.string()
	default:
		literal := s.doc[s.at:]
		if end := strings.IndexAny(literal, ",]} \t\r\n"); end >= 0 {
			literal = literal[:end]
		}
		s.at += len(literal)
		switch literal {
		case "true", "false":
			n.kind, n.truth = 't', literal == "true"
		case "null":
		default:
			n.kind = '0'
		}
	}
	return true
}

// members reads the values of an object or list.
func (s *scanner) members(n *node, depth int) bool {
	closing := n.kind + 2 // in ASCII, of '{' and of '['
	for s.at++; ; {
		s.space()
		switch s.doc[s.at] {
		case closing:
			s.at++
			return true
		case ',':
			s.at++
			continue
		}
		child := &node{parent: n, index: len(n.members)}
		if n.kind == '{' {
			child.name = s.string()
			s.space()
			s.at++ // the colon
		}
		if n.kind == '{' && len(n.members) == mostNames {
			s.say(child, "has more names before it than any object here")
			return false
		}
		if !s.value(child, depth+1) {
			return false
		}
		if n.kind == '{' && n.member(child.name) != nil {
			s.say(child, "is there twice")
			continue
		}
		n.members = append(n.members, child)
	}
}

func (s *scanner) string() string {
	start, escaped := s.at, false
	for s.at++; s.doc[s.at] != '"'; s.at++ {
		if s.doc[s.at] == '\\' {
			escaped = true
			s.at++
		}
	}
	s.at++
	if !escaped {
		return s.doc[start+1 : s.at-1]
	}
	var text string
	if err := json.Unmarshal([]byte(s.doc[start:s.at]), &text); err != nil {
		panic(err) // the whole document was found to be JSON
	}
	return text
}

func (s *scanner) space() {
	for s.at < len(s.doc) && strings.IndexByte(" \t\r\n", s.doc[s.at]) >= 0 {
		s.at++
	}
}
