package team

import (
	"fmt"
	"time"
)

// Calendar is a week of opening hours in one time zone, with days that differ.
type Calendar struct {
	ID       string
	Name     string
	Zone     string                  // IANA name, such as "Asia/Dubai"
	Week     map[time.Weekday][]Span // hours of a normal week; a day without spans is closed
	Holidays map[string][]Span       // "2026-12-25" to the hours of that day; none means closed
}

// Span is a stretch of one day in minutes since midnight, local time: From inclusive, To exclusive, To at most 1440.
type Span struct {
	From, To int
}

// Inside reports whether the moment lies in the calendar's hours. It fails only for a zone that the system does not know.
func (c Calendar) Inside(at time.Time) (bool, error) {
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return false, fmt.Errorf("calendar %s: %w", c.ID, err)
	}
	local := at.In(zone)
	spans, special := c.Holidays[local.Format(time.DateOnly)]
	if !special {
		spans = c.Week[local.Weekday()]
	}
	minute := local.Hour()*60 + local.Minute()
	for _, s := range spans {
		if s.From <= minute && minute < s.To {
			return true, nil
		}
	}
	return false, nil
}
