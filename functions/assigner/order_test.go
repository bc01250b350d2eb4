package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/whatsapp"
)

// change is one change of a delivery, for the business number of the tests.
func change(field string, value map[string]any) map[string]any {
	value["messaging_product"] = "whatsapp"
	value["metadata"] = map[string]any{"phone_number_id": seed.SupportNumber, "display_phone_number": "15550100001"}
	return map[string]any{"field": field, "value": value}
}

// post takes one delivery apart as the webhook does, with each list of changes in an entry of its own.
func (w *world) post(receivedAt time.Time, entries ...[]any) []string {
	w.Helper()
	var all []any
	for i, changes := range entries {
		all = append(all, map[string]any{"id": fmt.Sprint(i), "changes": changes})
	}
	raw, err := json.Marshal(map[string]any{"object": "whatsapp_business_account", "entry": all})
	w.must(err)
	split, err := whatsapp.Split(raw, receivedAt)
	w.must(err)
	var bodies []string
	for _, u := range split {
		bodies = append(bodies, u.Encode())
	}
	return bodies
}

// Messages of one second read in the order in which WhatsApp delivered them, whichever is handled first: texts and albums
// of one list, of several changes and entries, and a history with the media that follow its placeholders.
func TestMessagesOfOneSecond(t *testing.T) {
	t.Parallel()
	at, received := morning.Add(time.Hour), morning.Add(2*time.Hour)
	newPost := func(entries ...[]any) []string { // each received a millisecond after the one before
		received = received.Add(time.Millisecond)
		return (&world{TB: t}).post(received, entries...)
	}
	texts := func(from, n int) (all []any) {
		for i := range n {
			all = append(all, text("US.1", "", fmt.Sprintf("n%02d", from+i), at))
		}
		return all
	}
	image := func(n int) map[string]any {
		m := of(text("US.1", "", "", at), "image", map[string]any{"id": fmt.Sprint(n), "caption": fmt.Sprintf("n%02d", n)})
		return m
	}
	album := func(n int) (all []any) {
		for i := range n {
			all = append(all, image(i))
		}
		return all
	}
	past := func(from, n int, of func(int) map[string]any) map[string]any {
		var all []any
		for i := range n {
			m := of(from + i)
			m["from"] = "15550101111"
			all = append(all, m)
		}
		return map[string]any{"id": "15550101111", "messages": all}
	}
	written := func(n int) map[string]any { return text("", "", fmt.Sprintf("n%02d", n), at) }
	placeholders := func(n int) map[string]any {
		return map[string]any{"id": fmt.Sprint("wamid.placeholder", n), "timestamp": fmt.Sprint(at.Unix()), "type": "media_placeholder"}
	}
	media := func(n int) map[string]any {
		m := image(n)
		m["id"], m["from"] = fmt.Sprint("wamid.placeholder", n), "15550101111"
		return m
	}
	history := func(threads ...any) []any {
		return []any{change("history", map[string]any{"history": []any{map[string]any{"threads": threads}}})}
	}
	messages := func(list []any) any { return change("messages", map[string]any{"messages": list}) }
	for _, test := range []struct {
		name  string
		posts [][]string
		count int
	}{
		{"texts of one list", [][]string{newPost([]any{messages(texts(0, 10))})}, 10},
		{"an album", [][]string{newPost([]any{messages(album(10))})}, 10},
		{"several changes and entries", [][]string{newPost([]any{messages(texts(0, 3)), messages(texts(3, 3))}, []any{messages(texts(6, 4))})}, 10},
		{"several deliveries", [][]string{newPost([]any{messages(texts(0, 5))}), newPost([]any{messages(texts(5, 5))})}, 10},
		{"a history", [][]string{newPost(history(past(0, 5, written), past(5, 5, written)))}, 10},
		{"media of a history", [][]string{newPost(history(past(0, 6, placeholders), past(6, 2, written))),
			newPost([]any{change("history", map[string]any{"messages": []any{media(5), media(1), media(4), media(0), media(3), media(2)}})})}, 8},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.receives(text("US.1", "15550101111", "before", morning))
			for _, bodies := range test.posts {
				bodies = slices.Clone(bodies)
				rand.Shuffle(len(bodies), func(i, j int) { bodies[i], bodies[j] = bodies[j], bodies[i] })
				for _, body := range bodies {
					w.must(w.update(t.Context(), body))
				}
			}
			want := []string{"before"}
			for i := range test.count {
				want = append(want, fmt.Sprintf("n%02d", i))
			}
			c := w.only()
			if got := w.texts(c); !slices.Equal(got, want) {
				t.Errorf("it reads %q", got)
			}
			for limit := 1; limit <= test.count; limit++ {
				page, err := w.store.MessagesBefore(t.Context(), c, chat.Key{}, limit)
				w.must(err)
				var got []string
				for _, m := range page.Messages {
					got = append(got, m.Text)
				}
				if !slices.Equal(got, want[len(want)-limit:]) {
					t.Errorf("its last %d read %q", limit, got)
				}
			}
		})
	}
}

// A customer is called what the last of their messages says, whatever the Keys of one second are.
func TestNamesOfOneSecond(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	key := func(id string) chat.Key { return testSecret.Key(morning.Unix(), id) }
	for n, order := range [][]int{{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		user := fmt.Sprint("US.", n)
		ids := []string{user + "a", user + "b", user + "c"}
		slices.SortFunc(ids, func(a, b string) int { ka, kb := key(a), key(b); return slices.Compare(ka[:], kb[:]) })
		var changes []any
		for i, place := range order {
			m := text(user, "", "hello", morning)
			m["id"] = ids[place]
			name := fmt.Sprint("Name ", i)
			changes = append(changes, change("messages", map[string]any{"messages": []any{m},
				"contacts": []any{map[string]any{"user_id": user, "profile": map[string]any{"name": name, "username": fmt.Sprint("name", i, ".", n)}}}}))
		}
		bodies := w.post(morning.Add(time.Minute), changes)
		for range 2 { // the second time nothing changes
			for _, body := range bodies {
				w.must(w.update(t.Context(), body))
			}
		}
		c, err := w.store.Chat(t.Context(), testSecret.UserAddress(seed.SupportNumber, user))
		w.must(err)
		if want := fmt.Sprint("name2.", n); c.Customer.Profile != "Name 2" || c.Customer.Username != want {
			t.Errorf("keys in the order %v: they are called %q and %q", order, c.Customer.Profile, c.Customer.Username)
		}
		w.finds(fmt.Sprint("name2.", n), user)
	}
	w.checked()
}
