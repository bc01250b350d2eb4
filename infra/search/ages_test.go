package search

import (
	"context"
	"fmt"
	"iter"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/team"
)

// ages makes everything that is stored older, which is the same as if so much time had passed: no binary's clock can be
// set. Only what WhatsApp says about the time of messages stays: that is compared with itself alone.
func (l *lane) ages(ctx context.Context, by time.Duration) error {
	now, err := l.read(ctx)
	if err != nil {
		return err
	}
	for _, items := range now {
		for i, old := range items {
			items[i] = aged(old, by)
		}
	}
	return l.become(ctx, now)
}

// sortableTime is a text that begins with a time in milliseconds, after the rank of a priority in some.
var sortableTime = regexp.MustCompile(`^(\d#)?(\d{13})(#.*)?$`)

// aged is an item with every time in it earlier: numbers in milliseconds, texts that sort by time, when DynamoDB may delete
// it, in seconds, and when a message arrived, in microseconds. No other number of ours is as great, but for the turns of
// people, which are no times, and phone numbers.
func aged(old map[string]types.AttributeValue, by time.Duration) map[string]types.AttributeValue {
	item := map[string]types.AttributeValue{}
	for name, v := range old {
		if item[name] = v; name == "num" || name == "ph" {
			continue // digits of WhatsApp's
		}
		switch v := v.(type) {
		case *types.AttributeValueMemberN:
			n, err := strconv.ParseInt(v.Value, 10, 64)
			switch {
			case err != nil || name == "turn":
			case name == "expires":
				item[name] = &types.AttributeValueMemberN{Value: fmt.Sprint(n - int64(by/time.Second))}
			case name == "ar":
				item[name] = &types.AttributeValueMemberN{Value: fmt.Sprint(n - by.Microseconds())}
			case isTime(n):
				item[name] = &types.AttributeValueMemberN{Value: fmt.Sprint(n - by.Milliseconds())}
			}
		case *types.AttributeValueMemberS:
			if part := sortableTime.FindStringSubmatch(v.Value); part != nil {
				if n, err := strconv.ParseInt(part[2], 10, 64); err == nil && isTime(n) {
					item[name] = &types.AttributeValueMemberS{Value: fmt.Sprintf("%s%013d%s", part[1], n-by.Milliseconds(), part[3])}
				}
			}
		}
	}
	return item
}

// isTime reports whether a number is a time in milliseconds, in a year from 2001 to 2286.
func isTime(n int64) bool { return n >= 1e12 && n < 1e13 }

// Each time that is stored is as much earlier, and what should have happened by then happens at the next sweep.
func TestAges(t *testing.T) {
	t.Parallel()
	l := newGround(t).newLane(t)
	const later = `{"rules": [], "otherwise": {"to": [{"team": "support", "strategy": "least_loaded"}, {"team": "sales", "strategy": "round_robin", "after": "10m"}]}}`
	s := &scenario{name: "ages", people: there(later, away(agent("amira", 2, "support")), agent("dan", 2, "sales")),
		before: []phase{{writes(alice, 1, "a1"), writes(boris, 2, "b1"), is("dan", team.Online)}, {gives("alex", boris, `{"personId":"dan"}`)}, {sets("dan", "closed", boris)}}}
	if err := l.prepare(t.Context(), s); err != nil {
		t.Fatal(err)
	}
	times := func() []time.Time {
		all, err := l.store.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.SortedFunc(timesIn(reflect.ValueOf(all)), time.Time.Compare)
	}
	before := times()
	const first = 9 * time.Minute
	if err := l.ages(t.Context(), first); err != nil {
		t.Fatal(err)
	}
	for i, now := range times() {
		if !now.Add(first).Equal(before[i]) {
			t.Errorf("a time of %v became %v", before[i], now)
		}
	}
	if len(before) < 12 {
		t.Errorf("%d times prove little", len(before))
	}
	r := l.newRun(s, plan{scenario: s.name})
	defer r.close()
	r.kept = s.promised.clone()
	for _, want := range []string{"", "dan"} {
		if err := r.tell([]phase{{sweeps()}}, true); err != nil {
			t.Fatalf("%v\n%s", err, r.story())
		}
		if _, err := r.check(t.Context()); err != nil {
			t.Error(err)
		}
		if c, err := l.store.Chat(t.Context(), r.chatOf(alice)); err != nil || c.Owner != want {
			t.Errorf("the Chat is %+v (%v), want it to be of %q", c, err, want)
		}
		if err := l.ages(t.Context(), 10*time.Minute-first); err != nil {
			t.Fatal(err)
		}
	}
}

// timesIn are all times in a value that are set.
func timesIn(v reflect.Value) iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		if at, ok := v.Interface().(time.Time); ok {
			if !at.IsZero() {
				yield(at)
			}
			return
		}
		var parts []reflect.Value
		switch v.Kind() {
		case reflect.Pointer:
			if !v.IsNil() {
				parts = append(parts, v.Elem())
			}
		case reflect.Slice, reflect.Array:
			for i := range v.Len() {
				parts = append(parts, v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				parts = append(parts, v.Field(i))
			}
		}
		for _, p := range parts {
			for at := range timesIn(p) {
				if !yield(at) {
					return
				}
			}
		}
	}
}
