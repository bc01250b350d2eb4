package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"chatkeeper/shared/whatsapp"
)

// A Chat shows at most 24 letters and 72 bytes of a customer's name, and ends between two letters, in every script.
func TestNamesAreCutBetweenLetters(t *testing.T) {
	t.Parallel()
	a := &assigner{secret: testSecret}
	for name, want := range map[string]string{
		"Mei":                         "Mei",
		strings.Repeat("กิ", 20):      strings.Repeat("กิ", 12), // six bytes each
		strings.Repeat("ع", 40):       strings.Repeat("ع", 24),
		strings.Repeat("e\u0301", 30): strings.Repeat("e\u0301", 24),
		strings.Repeat("🇦🇪", 10):      strings.Repeat("🇦🇪", 9), // eight bytes each
	} {
		arrival := a.arrival(whatsapp.Message{Kind: whatsapp.KindMessage, Direction: whatsapp.In, Type: "text", Name: name, Customer: whatsapp.Identity{UserID: "US.1"},
			Text: strings.Repeat("กิ", 20)})
		if arrival.Profile != want {
			t.Errorf("%q is shown as %q, want %q", name, arrival.Profile, want)
		}
		if got := arrival.Preview; got != strings.Repeat("กิ", 12) || !utf8.ValidString(got) {
			t.Errorf("a list shows %q", got)
		}
	}
}
