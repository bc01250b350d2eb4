package grapheme_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"pgregory.net/rapid"

	"chatkeeper/shared/grapheme"
)

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text           string
		letters, bytes int
		want           string
	}{
		{"Mei", 24, 72, "Mei"},
		{"", 24, 72, ""},
		{"abcdef", 3, 72, "abc"},
		{"abcdef", 24, 4, "abcd"},
		{"กิตติศักดิ์ สุวรรณ", 4, 72, "กิตติศั"},           // vowels and tone marks stay with their consonant
		{"กิตติศักดิ์", 24, 20, "กิตติ"},                   // the sixth syllable would be half
		{"नमस्ते", 24, 17, "नम"},                           // the conjunct of the end is one letter of twelve bytes
		{"e\u0301e\u0301e\u0301", 2, 72, "e\u0301e\u0301"}, // decomposed accents
		{"👩‍👩‍👧‍👦x", 1, 72, "👩‍👩‍👧‍👦"},
		{"👩‍👩‍👧‍👦x", 24, 24, ""},
		{"🇦🇪🇸🇦", 1, 72, "🇦🇪"},
		{"한국어", 2, 72, "한국"},
	} {
		if got := grapheme.Cut(c.text, c.letters, c.bytes); got != c.want {
			t.Errorf("Cut(%q, %d, %d) is %q, want %q", c.text, c.letters, c.bytes, got, c.want)
		}
	}
}

// Whatever the text: a beginning of it, within both limits, that ends between letters, and to which no letter more fits.
func TestCutAnyText(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text, letters, bytes := rapid.String().Draw(t, "text"), rapid.IntRange(0, 30).Draw(t, "letters"), rapid.IntRange(0, 80).Draw(t, "bytes")
		got := grapheme.Cut(text, letters, bytes)
		rest, cut := strings.CutPrefix(text, got)
		count := func(text string) (n int) {
			for of := graphemes.FromString(text); of.Next(); n++ {
			}
			return n
		}
		n := count(got)
		if !cut || n > letters || len(got) > bytes || !utf8.ValidString(got) {
			t.Fatalf("Cut(%q, %d, %d) is %q", text, letters, bytes, got)
		}
		if n+count(rest) != count(text) {
			t.Fatalf("Cut(%q, %d, %d) breaks a letter: %q", text, letters, bytes, got)
		}
		next := graphemes.FromString(rest)
		if n < letters && next.Next() && len(got)+next.End() <= bytes {
			t.Fatalf("Cut(%q, %d, %d) is %q, and one more letter fits", text, letters, bytes, got)
		}
	})
}
