package dynamo

import "context"

// # Business numbers
//
// Where a customer is found is a hash of the business number and their identity, so that a search has to know all business
// numbers that have Chats; the settings may name none of them. Each is noted once, before its first Chat is stored: by
// every Store that creates one, one unit each, and by no message after that. A crash between the two leaves a number
// without Chats, which is harmless.

type numberItem struct {
	PK string `dynamodbav:"pk"`
	SK string `dynamodbav:"sk"`
}

// noteNumber notes that a business number has Chats. It is done when it returns nil, and may be repeated.
func (s *Store) noteNumber(ctx context.Context, number string) error {
	if number == "" || s.noted(number) {
		return nil
	}
	if err := s.put(ctx, numberItem{PK: numbersPK, SK: number}, nil); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.numbers[number] = true
	return nil
}

func (s *Store) noted(number string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.numbers[number]
}

// Numbers lists the business numbers that have Chats, strongly consistent.
func (s *Store) Numbers(ctx context.Context) ([]string, error) {
	var numbers []string
	err := s.each(ctx, s.partition(s.chats, numbersPK), func(item Item) error {
		numbers = append(numbers, text(item["sk"]))
		return nil
	})
	return numbers, err
}
