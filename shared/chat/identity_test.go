package chat_test

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"chatkeeper/shared/chat"
)

// at is a Key of a second.
func at(second int) chat.Key { return chat.Secret("s").Key(int64(second), "m") }

// I8: who had a number when, from what is known so far, in whatever order it became known: whoever showed it last by then;
// before anybody showed it, the first who did.
func TestAliasKnowsWhoHadTheNumber(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		seconds := rapid.SliceOfNDistinct(rapid.IntRange(1, 40), 1, 14, rapid.ID[int]).Draw(r, "seconds")
		shown := map[int]string{}
		var a chat.Alias
		for _, second := range seconds {
			who := rapid.SampledFrom([]string{"a", "b", "c"}).Draw(r, "who")
			shows := at(second).Beside()
			var resumes chat.Shown
			if len(a.Holders) > 0 {
				holder, until := a.Holder(shows)
				for n := 40; n > second; n-- {
					if shown[n] == holder.Chat && (until == 0 || int64(n) < until.Second()) {
						resumes = at(n).Beside()
					}
				}
			}
			shown[second] = who
			a = a.Shows(shows, who, resumes)
			if again := a.Shows(shows, who, resumes); !again.Same(a) {
				r.Fatalf("once more, %v became %v", a, again)
			}
			want := shown[slices.Min(seconds[:len(shown)])]
			for n := range 42 {
				if shown[n] != "" {
					want = shown[n]
				}
				if got := a.At(at(n)); got != want {
					r.Fatalf("after %v in the order %v, %v says that %s had it at %d, want %s", shown, seconds[:len(shown)], a, got, n, want)
				}
			}
			if next := a.Next(shows); next == nil && a.Last().Chat != who {
				r.Fatalf("%v does not lead to %s, who showed it last", a, who)
			}
		}
	})
}

// An alias is bounded. It forgets when somebody had the number who has it again later, then who had it first; what is older
// than all it knows is not noted.
func TestAliasIsBounded(t *testing.T) {
	t.Parallel()
	var a chat.Alias
	for n := range chat.MaxHolders / 2 {
		a = a.Shows(at(100+2*n).Beside(), "a", 0).Shows(at(101+2*n).Beside(), fmt.Sprint("b", n), 0)
	}
	full := a
	if len(full.Holders) != chat.MaxHolders {
		t.Fatalf("it has %d holders", len(full.Holders))
	}
	if a = full.Shows(at(200).Beside(), "c", 0); len(a.Holders) != chat.MaxHolders || a.Holders[0].Chat != "b0" || a.At(at(103)) != "b1" || a.Last().Chat != "c" {
		t.Errorf("one more: %v", a)
	}
	for n := range chat.MaxHolders {
		a = a.Shows(at(300+n).Beside(), fmt.Sprint("d", n), 0)
	}
	if a.At(at(1)) != "d0" || len(a.Holders) != chat.MaxHolders {
		t.Errorf("many more: %v", a)
	}
	if old := a.Shows(at(1).Beside(), "e", 0); !old.Same(a) {
		t.Errorf("an older one: %v", old)
	}
}

// Who told of another number had this one until then. After that it is nobody's, and then whose who shows it.
func TestANumberIsFree(t *testing.T) {
	t.Parallel()
	a := chat.Alias{}.Shows(at(10).Beside(), "a", 0).Leaves(at(20).Told())
	for n, want := range map[int]string{1: "a", 10: "a", 20: "a", 21: "", 40: ""} {
		if got := a.At(at(n)); got != want {
			t.Errorf("at %d it is %q's, want %q", n, got, want)
		}
	}
	for _, test := range []struct {
		who     string
		shows   chat.Shown
		resumes chat.Shown
		want    map[int]string
	}{
		{"a", at(30).Beside(), 0, map[int]string{15: "a", 25: "a", 35: "a"}},
		{"b", at(30).Beside(), 0, map[int]string{15: "a", 20: "a", 21: "b", 35: "b"}},
		{"b", at(30).Alone(), 0, map[int]string{15: "a", 20: "a", 21: "b", 35: "b"}},
		{"b", at(15).Beside(), 0, map[int]string{12: "a", 15: "b", 19: "b", 20: "a", 21: ""}},
		{"b", at(15).Beside(), at(18).Beside(), map[int]string{12: "a", 16: "b", 19: "a", 21: ""}},
		{"b", at(20).Beside(), 0, map[int]string{12: "a", 20: "a", 21: ""}},
		{"b", at(21).Beside(), 0, map[int]string{12: "a", 20: "a", 21: "b"}},
	} {
		now := a.Shows(test.shows, test.who, test.resumes)
		for n, want := range test.want {
			if got := now.At(at(n)); got != want {
				t.Errorf("%s shows it at %d: at %d it is %q's, want %q", test.who, test.shows.Second(), n, got, want)
			}
		}
	}
}

// Chats that were merged are one holder.
func TestHoldersWhoAreOne(t *testing.T) {
	t.Parallel()
	a := chat.Alias{}.Shows(at(1).Beside(), "a", 0).Shows(at(2).Beside(), "b", 0).Shows(at(3).Beside(), "b2", 0).Shows(at(4).Beside(), "a", 0)
	got := a.Resolved(func(id string) string { return id[:1] })
	want := []chat.Holder{{Chat: "a", Since: at(1).Beside()}, {Chat: "b", Since: at(2).Beside()}, {Chat: "a", Since: at(4).Beside()}}
	if !slices.Equal(got.Holders, want) {
		t.Errorf("it is %v, want %v", got.Holders, want)
	}
}

// A fence goes where the number goes, if messages that come after the showing may be with whom it comes from.
func TestShowingMovesTheFence(t *testing.T) {
	t.Parallel()
	from := func(since, fence int) *chat.Chat {
		c := chat.Chat{Customer: chat.Customer{Phone: "1", PhoneSince: at(since).Alone()}}
		if fence != 0 {
			c.Customer.PhoneFence = at(fence).Alone()
		}
		return &c
	}
	for _, test := range []struct {
		what     string
		from     *chat.Chat
		customer chat.Customer
		leads    bool
		want     chat.Customer
	}{
		{"from nobody", nil, chat.Customer{}, true, chat.Customer{Phone: "1", PhoneSince: at(20).Beside()}},
		{"from one who showed it before", from(19, 0), chat.Customer{}, true, chat.Customer{Phone: "1", PhoneSince: at(20).Beside()}},
		{"from one who showed it in that second", from(20, 0), chat.Customer{}, true, chat.Customer{Phone: "1", PhoneSince: at(20).Beside(), PhoneFence: at(20).Alone()}},
		{"from one who showed it since", from(30, 0), chat.Customer{}, true, chat.Customer{Phone: "1", PhoneSince: at(20).Beside(), PhoneFence: at(30).Alone()}},
		{"from one who has a fence", from(25, 30), chat.Customer{}, true, chat.Customer{Phone: "1", PhoneSince: at(20).Beside(), PhoneFence: at(30).Alone()}},
		{"to one with a later fence", from(25, 0), chat.Customer{PhoneFence: at(40).Alone()}, true, chat.Customer{Phone: "1", PhoneSince: at(20).Beside(), PhoneFence: at(40).Alone()}},
		{"to one who showed another one since", from(30, 0), chat.Customer{Phone: "2", PhoneSince: at(25).Beside()}, true, chat.Customer{Phone: "2", PhoneSince: at(25).Beside(), PhoneFence: at(30).Alone()}},
		{"to one who had it for a while", nil, chat.Customer{}, false, chat.Customer{}},
	} {
		got := chat.Showing{Phone: "1", At: at(20).Beside(), Leads: test.leads, From: test.from}.Of(test.customer)
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s: %+v, want %+v", test.what, got, test.want)
		}
	}
}

// What a Chat alone can tell about where a message belongs.
func TestStraight(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		customer chat.Customer
		phone    string
		second   int
		want     bool
	}{
		{chat.Customer{}, "", 10, true},
		{chat.Customer{}, "1", 10, false},
		{chat.Customer{Phone: "1"}, "1", 10, true},
		{chat.Customer{Phone: "2"}, "1", 10, false},
		{chat.Customer{Phone: "2"}, "", 10, true},
		{chat.Customer{Phone: "1", PhoneSince: at(9).Told()}, "1", 10, true},
		{chat.Customer{Phone: "1", PhoneSince: at(10).Told()}, "1", 10, true},
		{chat.Customer{Phone: "1", PhoneSince: at(11).Alone()}, "1", 10, false},
		{chat.Customer{Phone: "1", PhoneFence: at(9).Told()}, "1", 10, true},
		{chat.Customer{Phone: "1", PhoneFence: at(10).Alone()}, "1", 10, false},
		{chat.Customer{Phone: "1", PhoneFence: at(10).Alone()}, "", 10, false},
	} {
		if got := (chat.Chat{Customer: test.customer}).Straight(test.phone, at(test.second)); got != test.want {
			t.Errorf("%+v, a message that shows %q at %d: %t", test.customer, test.phone, test.second, got)
		}
	}
}
