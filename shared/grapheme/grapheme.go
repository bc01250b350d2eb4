// Package grapheme shortens text for display without breaking what a reader sees as one letter: a base with its marks, a
// Hangul syllable, a flag, an emoji of several code points (Unicode Standard Annex #29).
package grapheme

import "github.com/rivo/uniseg"

// Cut returns the longest beginning of text that has at most this many letters and bytes and ends between two letters.
// It is empty where the first letter alone is too long.
func Cut(text string, letters, bytes int) string {
	end, state := 0, -1
	for rest := text; rest != "" && letters > 0; letters-- {
		var letter string
		letter, rest, _, state = uniseg.FirstGraphemeClusterInString(rest, state)
		if end+len(letter) > bytes {
			break
		}
		end += len(letter)
	}
	return text[:end]
}

// previewBytes keeps a Chat's item below 1 KB.
const previewBytes = 72

// Preview is the beginning of a message's text that a list of Chats shows.
func Preview(text string) string { return Cut(text, previewBytes, previewBytes) }
