package dynamo

import (
	"context"
	"log/slog"
)

// # Rows that can't be read
//
// One row that is not what its place says keeps nobody from the others. What reads several rows leaves it out, goes on
// behind it, and reports it: the message of the log line is what the alarm in template.yaml looks for. What reads one row
// by its key returns [ErrUnreadable], because there is nothing else to answer. Rows that must not be skipped, because
// something waits by them, are set aside (see SetAside), and of the versions of the rules the last good one counts.

// readable is what read makes of an item. It reports false, also to the log, for one that can't be read.
func readable[T any](ctx context.Context, item Item, read func(Item) (T, error)) (T, bool) {
	v, err := read(item)
	if err != nil {
		notReadable(ctx, item, err)
	}
	return v, err == nil
}

func notReadable(ctx context.Context, item Item, because error) {
	slog.ErrorContext(ctx, "row not readable", "key", unreadable(item, because).Key(), "error", because)
}
