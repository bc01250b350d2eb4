package main

import (
	"context"
	"crypto/sha256"
	"slices"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// # A list by pages
//
// Chats move while somebody pages: a customer writes, a Chat is closed or opened again, given away, merged. A walk through a
// list, from the page without a cursor to the one that has none, shows no Chat twice, and every Chat that was in the list
// all the time. Three things make it so:
//
//   - A page begins behind the place of the last Chat, which stays where it is for as long as a Chat is open, closed, or
//     waits.
//   - A cursor names the Chats that were shown (maxShown at most), and none of them comes again. A person's open Chats, which
//     move with each message, need no place at all: a page is the first of those that were not shown.
//   - A list of both statuses ends with another look at its top, for what came there since the walk began and was not shown:
//     a Chat that was opened again before its turn is there. It is repeated until there is nothing new.
//
// What came into the list meanwhile may be shown, once. Beyond maxShown Chats the walk goes on by places alone: a Chat that
// is opened again, or closed, or merged then may come twice or be missed. Two more things are not promised: an index is a
// moment late, and the shards of a list are not read at one instant.

// at is where a page begins.
type at struct {
	Part   int          `json:"s,omitempty"` // of the list
	Place  dynamo.Place `json:"p,omitzero"`  // the last Chat of the part that was looked at
	ByTime bool         `json:"o,omitempty"` // the part is listed by place, though it has a recent order
	Shown  []byte       `json:"m,omitempty"` // marks of the Chats that were shown

	// Of lists that are walked again.
	Tops   []dynamo.Place `json:"t,omitempty"` // of each part: the first Chat of this round
	Floors []dynamo.Place `json:"f,omitempty"` // of each part: where this round ends; empty in the first round
	New    bool           `json:"n,omitempty"` // this round, not the first, has shown something
}

const (
	// maxShown is how many Chats a cursor names. It keeps a cursor below 2.7 KB: it is a part of an address.
	maxShown = 250
	markSize = 5

	// late is how much earlier than its top at the beginning of a round the next round ends, in milliseconds: an index shows
	// a Chat a moment after it was opened, by the writer's clock.
	late = 60_000

	// mostReads bounds how often one page reads on because Chats that it read had been shown, or are no longer in the list.
	mostReads = 4
)

func markOf(id string) []byte {
	sum := sha256.Sum256([]byte(id))
	return sum[:markSize]
}

func (a *at) wasShown(id string) bool {
	mark := markOf(id)
	for shown := range slices.Chunk(a.Shown, markSize) {
		if string(shown) == string(mark) {
			return true
		}
	}
	return false
}

func (a *at) room() int { return maxShown - len(a.Shown)/markSize }

// show notes that a Chat is shown. The first maxShown are kept: a person's open Chats, which come first, move most.
func (a *at) show(id string) {
	if a.room() > 0 {
		a.Shown = append(a.Shown, markOf(id)...)
	}
	a.New = len(a.Floors) > 0
}

// part is a part of a list that is read in one order.
type part struct {
	read  func(ctx context.Context, after dynamo.Place, limit int) (dynamo.ChatPage, error)
	place func(chat.Chat) dynamo.Place
	// recent reads the whole part in an order that changes all the time, if it is small; nil where there is no such order.
	recent func(ctx context.Context) (chats []chat.Chat, small bool, err error)
}

// walk is a list on its way to the reader.
type walk struct {
	at
	parts []part
	again bool // Chats may move to the top while they stay in the list
}

// page reads the next page, and where the one after it begins; nil when it is the last. A page may be shorter than limit,
// even empty, and not be the last.
func (w *walk) page(ctx context.Context, limit int) ([]chat.Chat, *at, error) {
	var found []chat.Chat
	for {
		some, ended, err := w.next(ctx, limit-len(found))
		if err != nil {
			return nil, nil, err
		}
		if found = append(found, some...); !ended {
			return found, &w.at, nil
		}
		if w.Part++; w.Part == len(w.parts) && !w.round() {
			return found, nil, nil
		}
		w.Place, w.ByTime = dynamo.Place{}, false
		if len(found) == limit {
			return found, &w.at, nil
		}
	}
}

// round begins to walk the list again, if there may be something new at the top of it.
func (w *walk) round() bool {
	first := len(w.Floors) == 0
	if !w.again || w.room() == 0 || !first && !w.New {
		return false
	}
	w.Floors = make([]dynamo.Place, len(w.parts))
	for i, top := range w.Tops {
		if top != (dynamo.Place{}) {
			w.Floors[i] = dynamo.Place{At: top.At - late}
		}
	}
	w.Part, w.Tops, w.New = 0, nil, false
	return true
}

// next reads on in a part, and reports whether it has ended.
func (w *walk) next(ctx context.Context, limit int) (found []chat.Chat, ended bool, err error) {
	p := w.parts[w.Part]
	if p.recent != nil && !w.ByTime {
		all, small, err := p.recent(ctx)
		if err != nil {
			return nil, false, err
		}
		found = slices.DeleteFunc(all, func(c chat.Chat) bool { return w.wasShown(c.ID) })
		if small && len(found) <= w.room() {
			ended = len(found) <= limit
			found = found[:min(limit, len(found))]
			for _, c := range found {
				w.show(c.ID)
			}
			return found, ended, nil
		}
		found, w.ByTime = nil, true
	}
	count := limit
	for range mostReads {
		page, err := p.read(ctx, w.Place, count)
		if err != nil {
			return nil, false, err
		}
		for i, c := range page.Chats {
			place := p.place(c)
			if w.belowFloor(place) {
				return found, true, nil
			}
			w.top(place)
			w.Place = place
			if w.wasShown(c.ID) {
				continue
			}
			w.show(c.ID)
			if found = append(found, c); len(found) == limit {
				return found, page.Next == (dynamo.Place{}) && i == len(page.Chats)-1, nil
			}
		}
		if w.Place = page.Next; page.Next == (dynamo.Place{}) || w.belowFloor(page.Next) {
			return found, true, nil
		}
		count = mostChats
	}
	return found, false, nil
}

func (w *walk) belowFloor(p dynamo.Place) bool {
	return len(w.Floors) > 0 && w.Floors[w.Part] != (dynamo.Place{}) && p.Behind(w.Floors[w.Part])
}

// top notes the first Chat of a part in this round.
func (w *walk) top(p dynamo.Place) {
	if !w.again {
		return
	}
	if w.Tops == nil {
		w.Tops = make([]dynamo.Place, len(w.parts))
	}
	if w.Tops[w.Part] == (dynamo.Place{}) {
		w.Tops[w.Part] = p
	}
}
