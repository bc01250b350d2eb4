package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"chatkeeper/infra/local/demo/morning"
	"chatkeeper/shared/chat"
)

func printReport(out io.Writer, r morning.Report) {
	printChats(out, r.Rows)
	printSummary(out, r)
	printCheck(out, r)
}

// printChats prints the table of who got what, and why.
func printChats(out io.Writer, rows []morning.Row) {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "\nCHAT\tCUSTOMER\tASSIGNEE\tRULE\tWHY")
	for _, r := range rows {
		customer := fmt.Sprintf("%s, %s, %s", cmp.Or(first(r.Customer, longestName), "(no name)"), r.Language, r.Country)
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", first(r.Chat, 8), customer, assignee(r), r.Rule, r.Reason)
	}
	_ = w.Flush() // a broken pipe shows nowhere
}

// longestName keeps a customer who is proud of theirs from widening the table.
const longestName = 20

// first is the beginning of a text: at most n characters.
func first(text string, n int) string {
	letters := []rune(text)
	return string(letters[:min(n, len(letters))])
}

func assignee(r morning.Row) string {
	switch {
	case r.Assignee == "":
		return fmt.Sprintf("waits (%s, since %s)", r.Pool, r.Since.Local().Format(time.TimeOnly))
	case r.Status == chat.Closed:
		return r.Assignee + ", closed"
	}
	return r.Assignee
}

func printSummary(out io.Writer, r morning.Report) {
	var owned, waiting, closed int
	load, why := map[string]int{}, map[string]int{}
	for _, row := range r.Rows {
		switch {
		case row.Status == chat.Closed:
			closed++
		case row.Assignee == "":
			waiting++
			why[fmt.Sprintf("for %s: %s", row.Pool, row.Reason)]++
		default:
			owned++
			load[row.Assignee]++
		}
	}
	fmt.Fprintf(out, "\n%d Chats at the end of the morning: %d owned, %d waiting, %d closed.\n", len(r.Rows), owned, waiting, closed)
	var people []string
	for _, name := range mostFirst(load) {
		people = append(people, fmt.Sprintf("%s %d", name, load[name]))
	}
	fmt.Fprintf(out, "  Owned: %s\n", cmp.Or(strings.Join(people, ", "), "none"))
	for _, reason := range mostFirst(why) {
		fmt.Fprintf(out, "  %d wait %s\n", why[reason], reason)
	}
	fmt.Fprintf(out, "%d deliveries, acknowledged %d times, %d tries without an answer; %.0f s, seed %d.\n",
		r.Sent, r.Acknowledged, r.Repeated, r.Took.Seconds(), r.Seed)
}

func mostFirst(counts map[string]int) []string {
	var names []string
	for name := range counts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(counts[b]-counts[a], cmp.Compare(a, b)) })
	return names
}

func printCheck(out io.Writer, r morning.Report) {
	if r.Clean() {
		fmt.Fprintf(out, "\nCheck: clean. %d customer messages were acknowledged and each is stored once; no invariant is broken.\n", r.Customers)
		return
	}
	fmt.Fprintln(out, "\nCheck: NOT clean.")
	for _, b := range r.Breaches {
		fmt.Fprintf(out, "  %s\n", b)
	}
	for _, lost := range r.Lost {
		fmt.Fprintf(out, "  I4 acknowledged message %s\n", lost)
	}
	for _, stuck := range r.Stuck {
		fmt.Fprintf(out, "  still going on: %s\n", stuck)
	}
	if r.DeadLetters > 0 {
		fmt.Fprintf(out, "  %d messages came into the dead-letter queues (make redrive brings them back)\n", r.DeadLetters)
	}
}
