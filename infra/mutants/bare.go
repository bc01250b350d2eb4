package main

import (
	"regexp"
	"slices"
	"strings"
)

// A mutant takes a condition away. It can't take away one that is missing, so every attribute that an update alters must be
// named in the update's own condition, or be listed here with the reason.

// bareSite is an attribute that a write alters without asking what it was.
type bareSite struct {
	write string // as of a site
	item  string
	name  string // of the attribute
}

func (b bareSite) String() string { return b.write + ": " + b.item + " sets " + b.name }

// whyBare says why an attribute may be altered whatever it was; empty where no reason is known.
func whyBare(b bareSite) string {
	for _, a := range bareAccepted {
		if a.item.MatchString(b.item) && slices.Contains(strings.Fields(a.names), b.name) {
			return a.because
		}
	}
	return ""
}

var bareAccepted = []struct {
	item    *regexp.Regexp
	names   string
	because string
}{
	{regexp.MustCompile(`^Update C 0`), "oe rv oa ca ws st ow pr fr in ok ot sx sa",
		"changes only together with the epoch or the routing, which are as read"},
	{regexp.MustCompile(`^Update C 0`), "pd pt un pn", "belongs to the message that the preview or the last message (pv, li) is of, which moves forward only"},
	{regexp.MustCompile(`^Update C 0`), "ph", "belongs to the message that last showed the number (ps), which moves forward only"},
	{regexp.MustCompile(`^Update C 0`), "ur", "taking a mark leaves the others alone, and a mark that is not there is no error"},
}

// altered lists the attributes that an update expression alters.
func altered(expression string, names map[string]string) []string {
	var all []string
	for _, p := range placeholder.FindAllString(expression, -1) {
		if n, ok := names[p]; ok && !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	return all
}

// bare are those of the altered attributes that the condition does not name.
func bare(update, condition string, names map[string]string) []string {
	named := altered(condition, names)
	return slices.DeleteFunc(altered(update, names), func(n string) bool { return slices.Contains(named, n) })
}
