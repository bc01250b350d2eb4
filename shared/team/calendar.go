package team

import (
	"fmt"
	"time"
	_ "time/tzdata" // an image to run functions in need not have zone files
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

// Location is the calendar's time zone. It fails for a name that the IANA database does not have, the empty one included.
func (c Calendar) Location() (*time.Location, error) {
	if c.Zone == "" || c.Zone == "Local" { // which time.LoadLocation takes for UTC, and for the zone of the machine
		return nil, fmt.Errorf("calendar %s: %q is not a time zone", c.ID, c.Zone)
	}
	zone, err := time.LoadLocation(c.Zone)
	if err != nil {
		return nil, fmt.Errorf("calendar %s: %w", c.ID, err)
	}
	return zone, nil
}

// Inside reports whether the moment lies in the calendar's hours. It fails as Location does.
func (c Calendar) Inside(at time.Time) (bool, error) {
	zone, err := c.Location()
	if err != nil {
		return false, err
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
