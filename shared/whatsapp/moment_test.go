package whatsapp_test

import (
	"fmt"
	"testing"
	"time"

	"chatkeeper/shared/whatsapp"
)

// A message and a status happen when their time stamp says, as long as that can be true; else at the time of their entry,
// else when they were received.
func TestMoment(t *testing.T) {
	t.Parallel()
	received := receivedAt.Unix()
	most := received + int64(whatsapp.MaxAhead/time.Second)
	for _, test := range []struct {
		stamp, entry string
		at           int64
		believed     bool
		ahead        bool
	}{
		{`"1794000000"`, ``, 1_794_000_000, true, false},
		{`"1794000000"`, `1793000000`, 1_794_000_000, true, false},
		{`1230768000`, ``, 1_230_768_000, true, false},
		{fmt.Sprint(most), ``, most, true, false},
		{fmt.Sprint(most + 1), ``, received, false, true},
		{fmt.Sprint(most+1) + `000`, ``, received, false, true},
		{fmt.Sprint(received + 365*24*3600), `1793000000`, 1_793_000_000, false, true},
		{`1230767999`, ``, received, false, false},
		{`"0"`, ``, received, false, false},
		{`-1794000000`, ``, received, false, false},
		{`"soon"`, ``, received, false, false},
		{`null`, ``, received, false, false},
		{`null`, `1793000000`, 1_793_000_000, false, false},
		{`null`, `5`, received, false, false},
		{`null`, fmt.Sprint(most + 1), received, false, false},
	} {
		entry := ""
		if test.entry != "" {
			entry = `"time":` + test.entry + `,`
		}
		raw := `{"entry":[{` + entry + `"changes":[{"field":"messages","value":{"messages":[{"id":"m","timestamp":` + test.stamp + `}],"statuses":[{"id":"s","timestamp":` + test.stamp + `}]}}]}]}`
		updates := split(t, []byte(raw))
		m, s := updates[0].Message(), updates[1].Status()
		if m.At != test.at || s.At != test.at || m.Believed() != test.believed || m.Ahead() != test.ahead {
			t.Errorf("stamped %s in an entry of %q: the message is of %d (believed %v, ahead %v), the status of %d; want %d", test.stamp, test.entry, m.At, m.Believed(), m.Ahead(), s.At, test.at)
		}
	}
}
