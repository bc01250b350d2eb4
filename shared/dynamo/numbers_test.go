package dynamo_test

import (
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"

	"chatkeeper/infra/faults"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// A business number is noted before its first Chat is stored, so that no Chat is ever there without it, and no further
// Chat pays for it.
func TestNumbersAreNotedOnce(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	numbers := func() []string {
		t.Helper()
		all, err := s.store.Numbers(t.Context())
		s.must(err)
		return all
	}
	if all := numbers(); len(all) != 0 {
		t.Errorf("numbers without a Chat: %v", all)
	}
	broken := &faults.AfterWrite{Fault: faults.Failed}
	broken.Arm()
	m := chat.Message{Key: s.key(0), WAMID: "wamid", Direction: chat.In, Type: "text", Arrived: dynamo.Now()}
	if err := s.arrive(s.client(dynamodb.WithAPIOptions(broken.Add)), "US.1", "US.1", chat.Arrival{Message: m}); err == nil {
		t.Error("nothing failed")
	}
	if c, err := s.store.Chat(t.Context(), "US.1"); c != nil || err != nil || !slices.Equal(numbers(), []string{stageNumber}) {
		t.Errorf("after the first of two writes there is %v (%v), and the numbers are %v", c, err, numbers())
	}
	calls := &faults.Injector{At: -1}
	store := s.client(dynamodb.WithAPIOptions(calls.Add))
	s.must(s.message(store, "US.2", 0))
	first := calls.Calls()
	s.must(s.message(store, "US.3", 0))
	if second := calls.Calls() - first; first != 3 || second != 2 {
		t.Errorf("the first Chat takes %d calls, the second %d; want 3 and 2", first, second)
	}
}
