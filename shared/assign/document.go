package assign

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	text    string // of a string or number
	truth   bool
}

// deepest is how deep a document may nest in all: maxNesting conditions of two levels each, and what is around them.
const deepest = 2*maxNesting + 8

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

// readTree reads one JSON value and nothing behind it. Names that occur twice are reported, and the first counts; a
// document that is not JSON, or nests too deep, ends the reading with the problem where it is.
func (r *reader) readTree(doc []byte) *node {
	root := &node{}
	if len(doc) > MaxBytes {
		r.say(root, "is larger than %d KB", MaxBytes>>10)
		return nil
	}
	if !utf8.Valid(doc) {
		r.say(root, "is not UTF-8")
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(doc))
	d.UseNumber()
	at, err := r.readNode(d, root, 0)
	if err == nil {
		at = root
		if _, err = d.Token(); err == io.EOF {
			return root
		}
		err = errors.New("there is something after the end of the document")
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = errors.New("it ends too early")
	}
	if syntax := (*json.SyntaxError)(nil); errors.As(err, &syntax) {
		read := doc[:min(int(syntax.Offset), len(doc))]
		err = fmt.Errorf("%w (line %d, byte %d of it)", err, 1+bytes.Count(read, []byte("\n")), len(read)-1-bytes.LastIndexByte(read, '\n'))
	}
	r.say(at, "can't be read as JSON: %v", err)
	return nil
}

var errTooDeep = errors.New("it nests too deep")

// readNode fills in n. On an error it returns the node that was being read.
func (r *reader) readNode(d *json.Decoder, n *node, depth int) (*node, error) {
	token, err := d.Token()
	if err != nil {
		return n, err
	}
	switch t := token.(type) {
	case json.Delim:
		n.kind = byte(t)
		if depth >= deepest {
			return n, errTooDeep
		}
		var names map[string]bool
		if n.kind == '{' {
			names = make(map[string]bool)
		}
		for d.More() {
			child := &node{parent: n, index: len(n.members)}
			if n.kind == '{' {
				name, err := d.Token()
				if err != nil {
					return n, err
				}
				child.name, _ = name.(string)
			}
			if at, err := r.readNode(d, child, depth+1); err != nil {
				return at, err
			}
			if n.kind == '{' {
				if names[child.name] {
					r.say(child, "is there twice")
					continue
				}
				names[child.name] = true
			}
			n.members = append(n.members, child)
		}
		_, err := d.Token()
		return n, err
	case string:
		n.kind, n.text = '"', t
	case bool:
		n.kind, n.truth = 't', t
	case json.Number:
		n.kind, n.text = '0', t.String()
	default:
		n.kind = 'n'
	}
	return n, nil
}
