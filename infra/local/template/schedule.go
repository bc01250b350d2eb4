package template

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Times tells when a schedule is due.
type Times interface {
	// Next is the first due time after the given one; zero if there is none.
	Next(after time.Time) time.Time
}

var rateExpression = regexp.MustCompile(`^rate\(([1-9]\d*) (minute|minutes|hour|hours|day|days)\)$`)

// ParseSchedule reads rate(n unit), or cron(minute hour day month weekday year) in UTC. Of cron the lists, ranges, steps,
// * and ? are understood; names of days and months and the marks L, W and # are refused.
func ParseSchedule(expression string) (Times, error) {
	if m := rateExpression.FindStringSubmatch(expression); m != nil {
		n, err := strconv.Atoi(m[1])
		if err != nil {
			return nil, fmt.Errorf("schedule %s: %w", expression, err)
		}
		unit := map[byte]time.Duration{'m': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}[m[2][0]]
		return rate(time.Duration(n) * unit), nil
	}
	inner, isCron := strings.CutPrefix(expression, "cron(")
	inner, isClosed := strings.CutSuffix(inner, ")")
	fields := strings.Fields(inner)
	if !isCron || !isClosed || len(fields) != 6 {
		return nil, fmt.Errorf("schedule %q is neither rate(n minutes) nor cron(minute hour day month weekday year)", expression)
	}
	var c cron
	for i, f := range []struct {
		to        *[]int
		low, high int
	}{{&c.minutes, 0, 59}, {&c.hours, 0, 23}, {&c.days, 1, 31}, {&c.months, 1, 12}, {&c.weekdays, 1, 7}, {&c.years, 1970, 2199}} {
		values, err := cronField(fields[i], f.low, f.high)
		if err != nil {
			return nil, fmt.Errorf("schedule %q: %w", expression, err)
		}
		*f.to = values
	}
	return c, nil
}

type rate time.Duration

func (r rate) Next(after time.Time) time.Time { return after.Add(time.Duration(r)) }

// cron holds the allowed values of each field; weekdays count from 1, Sunday.
type cron struct{ minutes, hours, days, months, weekdays, years []int }

func (c cron) Next(after time.Time) time.Time {
	t := after.UTC().Truncate(time.Minute).Add(time.Minute)
	for end := t.AddDate(5, 0, 0); t.Before(end); {
		switch {
		case !slices.Contains(c.years, t.Year()), !slices.Contains(c.months, int(t.Month())),
			!slices.Contains(c.days, t.Day()), !slices.Contains(c.weekdays, int(t.Weekday())+1):
			t = time.Date(t.Year(), t.Month(), t.Day()+1, 0, 0, 0, 0, time.UTC)
		case !slices.Contains(c.hours, t.Hour()):
			t = t.Truncate(time.Hour).Add(time.Hour)
		case !slices.Contains(c.minutes, t.Minute()):
			t = t.Add(time.Minute)
		default:
			return t
		}
	}
	return time.Time{}
}

func cronField(text string, low, high int) ([]int, error) {
	var values []int
	for item := range strings.SplitSeq(text, ",") {
		span, stepText, hasStep := strings.Cut(item, "/")
		step := 1
		if hasStep {
			n, err := strconv.Atoi(stepText)
			if err != nil || n < 1 {
				return nil, fmt.Errorf("step %q", item)
			}
			step = n
		}
		from, to := low, high
		if span != "*" && span != "?" {
			first, last, isRange := strings.Cut(span, "-")
			n, err := strconv.Atoi(first)
			if err != nil {
				return nil, fmt.Errorf("%q is not a number from %d to %d", item, low, high)
			}
			from = n
			switch {
			case isRange:
				if to, err = strconv.Atoi(last); err != nil {
					return nil, fmt.Errorf("range %q", item)
				}
			case !hasStep:
				to = from
			}
		}
		if from < low || to > high || from > to {
			return nil, fmt.Errorf("%q is not within %d to %d", item, low, high)
		}
		for n := from; n <= to; n += step {
			values = append(values, n)
		}
	}
	return values, nil
}
