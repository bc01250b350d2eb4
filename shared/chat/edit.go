package chat

import (
	"fmt"
	"slices"

	"chatkeeper/shared/assign"
)

// Edit is what a person says about a customer. What is nil stays as it is.
type Edit struct {
	Name     *string // wins over the name they gave themselves; empty takes it back
	Language *string // ISO 639-1; assign.Unknown leaves it to what the customer writes
	Tags     *[]string
}

// Limits of what people say about a customer, in bytes: a Chat's item has 1 KB for all.
const (
	MaxName = 72
	MaxTags = 140 // of all tags together
)

// Check is an [Error] with what is too long, by the pointer of the place in a body {name, language, tags}; nil if all fits.
func (e Edit) Check() error {
	var wrong []Field
	if e.Name != nil && len(*e.Name) > MaxName {
		wrong = append(wrong, Field{Pointer: "/name", Detail: fmt.Sprintf("must have %d bytes at most", MaxName)})
	}
	if e.Tags != nil && !tagsFit(*e.Tags) {
		wrong = append(wrong, Field{Pointer: "/tags", Detail: fmt.Sprintf("must have %d bytes at most, all together", MaxTags)})
	}
	if wrong != nil {
		return &Error{Code: Invalid, Detail: "The body is not valid.", Fields: wrong}
	}
	return nil
}

func tagsFit(tags []string) bool {
	n := 0
	for _, tag := range tags {
		n += len(tag)
	}
	return n <= MaxTags
}

// Edited is the Chat with what a person says about its customer.
func (c Chat) Edited(e Edit) Chat {
	if e.Name != nil {
		c.Customer.Name = *e.Name
	}
	if e.Language != nil {
		c.Customer.Language, c.Customer.ByHand = *e.Language, *e.Language != assign.Unknown
	}
	if e.Tags != nil {
		c.Customer.Tags = slices.Sorted(slices.Values(*e.Tags))
	}
	return c
}
