package whatsapp_test

import (
	"testing"

	"chatkeeper/shared/whatsapp"

	"pgregory.net/rapid"
)

// TestRank: the states from the least to the most that is known. A failure is believed over nothing better than "sent".
func TestRank(t *testing.T) {
	t.Parallel()
	order := []string{"", "queued", "sending", "unknown", "sent", "failed", "delivered", "read", "played"}
	for i, state := range order {
		if got := whatsapp.Rank(state); got != i {
			t.Errorf("%q has rank %d, not %d", state, got, i)
		}
	}
	for _, state := range []string{"deleted", "warning", "SENT", "ringing"} {
		if got := whatsapp.Rank(state); got != 0 {
			t.Errorf("%q has rank %d", state, got)
		}
	}
	if got := (whatsapp.Status{Type: "call", Status: "failed"}).Rank(); got != 0 {
		t.Errorf("the end of a call has rank %d", got)
	}
}

// TestRankIgnoresOrder: statuses overtake each other; what holds in the end does not depend on it.
func TestRankIgnoresOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		states := rapid.SliceOfN(rapid.SampledFrom([]string{"queued", "sending", "unknown", "sent", "failed", "delivered", "read", "played", "new"}), 1, 8).Draw(t, "states")
		shuffled := rapid.Permutation(states).Draw(t, "shuffled")
		if a, b := last(states), last(shuffled); a != b {
			t.Fatalf("%v ends as %s, %v as %s", states, a, shuffled, b)
		}
	})
}

// last applies statuses as the store does: a higher rank wins.
func last(states []string) string {
	now := ""
	for _, state := range states {
		if whatsapp.Rank(state) > whatsapp.Rank(now) {
			now = state
		}
	}
	return now
}
