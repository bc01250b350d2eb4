// Package grapheme shortens text for display without breaking what a reader sees as one letter: a base with its marks, an
// Indic conjunct, a Hangul syllable, a flag, an emoji of several code points (Unicode Standard Annex #29).
//
// It uses clipperhouse/uax29, which follows Unicode 17 as browsers do. rivo/uniseg 0.4.7 breaks Indic conjuncts, see
// findings/uniseg-indic-conjuncts.sh.
package grapheme

import "github.com/clipperhouse/uax29/v2/graphemes"

// Cut returns the longest beginning of text that has at most this many letters and bytes and ends between two letters.
// It is empty where the first letter alone is too long.
func Cut(text string, letters, bytes int) string {
	end := 0
	for of := graphemes.FromString(text); letters > 0 && of.Next() && of.End() <= bytes; letters-- {
		end = of.End()
	}
	return text[:end]
}

// previewBytes keeps a Chat's item below 1 KB.
const previewBytes = 72

// Preview is the beginning of a message's text that a list of Chats shows.
func Preview(text string) string { return Cut(text, previewBytes, previewBytes) }
