package assign

import "fmt"

// Problem is one thing that is wrong with a rules document, and where.
type Problem struct {
	Pointer string `json:"pointer"` // RFC 6901 JSON pointer into the document; "" is the whole of it
	Detail  string `json:"detail"`  // what is wrong, for an Admin to read
}

// Problems is the error of Parse: everything wrong with a document that one reading finds, in the order of the document.
type Problems []Problem

// Error names the first problem and counts the others.
func (p Problems) Error() string {
	switch len(p) {
	case 0:
		return "rules: no problems"
	case 1:
		return fmt.Sprintf("rules: %s: %s", place(p[0].Pointer), p[0].Detail)
	}
	return fmt.Sprintf("rules: %s: %s (and %d more)", place(p[0].Pointer), p[0].Detail, len(p)-1)
}

func place(pointer string) string {
	if pointer == "" {
		return "the document"
	}
	return pointer
}
