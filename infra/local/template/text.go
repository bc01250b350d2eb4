package template

import (
	"fmt"
	"strings"
)

// Text is a string of the template in which references to resources are still open: their addresses are known only
// when the stack runs.
type Text struct{ parts []part }

type part struct {
	literal   string
	reference Reference // if it names a resource, literal is empty
}

// Reference is !Ref (Attribute is empty) or !GetAtt of a resource.
type Reference struct{ Resource, Attribute string }

func (r Reference) String() string {
	if r.Attribute == "" {
		return "!Ref " + r.Resource
	}
	return "!GetAtt " + r.Resource + "." + r.Attribute
}

// Literal is a text without references.
func Literal(s string) Text { return Text{parts: []part{{literal: s}}} }

// To is a text that is one reference.
func To(resource, attribute string) Text {
	return Text{parts: []part{{reference: Reference{resource, attribute}}}}
}

// IsZero says whether the template gave no text at all.
func (t Text) IsZero() bool { return len(t.parts) == 0 }

// Resolve fills the references in.
func (t Text) Resolve(lookup func(Reference) (string, error)) (string, error) {
	var out strings.Builder
	for _, p := range t.parts {
		if p.reference == (Reference{}) {
			out.WriteString(p.literal)
			continue
		}
		value, err := lookup(p.reference)
		if err != nil {
			return "", fmt.Errorf("%v: %w", p.reference, err)
		}
		out.WriteString(value)
	}
	return out.String(), nil
}

// literal returns the text if nothing in it is open.
func (t Text) literal() (string, bool) {
	var out strings.Builder
	for _, p := range t.parts {
		if p.reference != (Reference{}) {
			return "", false
		}
		out.WriteString(p.literal)
	}
	return out.String(), true
}

// soleReference returns the reference if the text is nothing else.
func (t Text) soleReference() (Reference, bool) {
	if len(t.parts) != 1 || t.parts[0].reference == (Reference{}) {
		return Reference{}, false
	}
	return t.parts[0].reference, true
}

func join(texts ...Text) Text {
	var out Text
	for _, t := range texts {
		for _, p := range t.parts {
			last := len(out.parts) - 1
			if last >= 0 && p.reference == (Reference{}) && out.parts[last].reference == (Reference{}) {
				out.parts[last].literal += p.literal
				continue
			}
			out.parts = append(out.parts, p)
		}
	}
	return out
}
