// Command verify is `make verify`: it reads both tables of the running stack whole and reports every breach of an
// invariant that one look at them can show, with the ids involved. It ends with 1 if there is any.
package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"chatkeeper/infra/local/running"
	"chatkeeper/shared/invariant"
)

func main() {
	breaches, err := verify(context.Background())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	if breaches > 0 {
		os.Exit(1)
	}
}

// verify checks a snapshot. One that was taken while somebody wrote shows breaches that are none, so whatever is found
// must be found again in a second one.
func verify(ctx context.Context) (int, error) {
	stack, err := running.Find(ctx)
	if err != nil {
		return 0, err
	}
	var lasting map[string]bool
	var all invariant.Snapshot
	for range 3 {
		if all, err = stack.Store.Snapshot(ctx); err != nil {
			return 0, err
		}
		found := map[string]bool{}
		for _, b := range invariant.Check(all) {
			if text := b.String(); lasting == nil || lasting[text] {
				found[text] = true
			}
		}
		if lasting = found; len(lasting) == 0 {
			break
		}
		time.Sleep(time.Second)
	}
	for text := range lasting {
		fmt.Println(text)
	}
	aside, err := stack.Store.AsideItems(ctx)
	if err != nil {
		return 0, err
	}
	for _, a := range aside {
		fmt.Printf("set aside at %s: %s: %s\n", a.At, a.From, a.Because)
	}
	fmt.Printf("%d Chats, %d Messages, %d events, %d waiting entries, %d people: ", len(all.Chats), len(all.Messages), len(all.Events), len(all.Entries), len(all.People))
	if len(lasting) == 0 {
		fmt.Println("every invariant holds.")
	} else {
		fmt.Printf("%d breaches.\n", len(lasting))
	}
	return len(lasting), nil
}
