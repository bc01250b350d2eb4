package assign

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// longestText is how much of a customer's text rules look at, in bytes. First messages are far shorter.
const longestText = 4096

// folded is the form in which texts and the words looked for in them are compared: lower case, one space for any run
// of white space, without the marks that Arabic writers leave out at will, and with one kind of apostrophe.
func folded(text string) string {
	if len(text) > longestText {
		cut := longestText
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		text = text[:cut]
	}
	var b strings.Builder
	b.Grow(len(text))
	space := false
	for _, r := range text {
		switch {
		case unicode.IsSpace(r):
			space = b.Len() > 0
			continue
		case r == '\u0640', '\u064b' <= r && r <= '\u0652', r == '\u0670': // tatweel and the vowel marks
			continue
		case '\u200b' <= r && r <= '\u200f', r == '\ufeff': // zero width spaces, joiners and direction marks
			continue
		case r == '’', r == 'ʼ', r == '‘':
			r = '\''
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// unspaced are the scripts whose writers put no space between words, or, as in Korean, glue particles to them: there a
// word is found wherever its characters are.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Hangul, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

// joined reports whether two runes next to each other are parts of one word in a script that separates its words.
func joined(before, after rune) bool {
	return wordRune(before) && wordRune(after)
}

func wordRune(r rune) bool {
	if r < utf8.RuneSelf {
		return 'a' <= r && r <= 'z' || '0' <= r && r <= '9' || 'A' <= r && r <= 'Z' || r == '_'
	}
	return (unicode.IsLetter(r) || unicode.IsMark(r) || unicode.IsDigit(r)) && !unicode.In(r, unspaced...)
}

// trie holds the folded words of all text questions, rune by rune, so that a text is searched for all of them at once.
type trie struct {
	next map[branch]int32
	ends [][]int32 // by node: the questions that a word ending here answers
}

type branch struct {
	node int32
	r    rune
}

func (t *trie) empty() bool { return len(t.next) == 0 }

func (t *trie) add(word string, question int32) {
	if t.next == nil {
		t.next, t.ends = make(map[branch]int32), make([][]int32, 1)
	}
	node := int32(0)
	for _, r := range word {
		to, ok := t.next[branch{node, r}]
		if !ok {
			to = int32(len(t.ends))
			t.next[branch{node, r}] = to
			t.ends = append(t.ends, nil)
		}
		node = to
	}
	t.ends[node] = append(t.ends[node], question)
}

// find adds the questions whose words the folded text contains.
func (t *trie) find(text string, yes answers) {
	before := rune(' ')
	for start, first := range text {
		if !joined(before, first) {
			t.findAt(text[start:], yes)
		}
		before = first
	}
}

// findAt adds the questions whose words the text begins with.
func (t *trie) findAt(text string, yes answers) {
	node, at := int32(0), 0
	for at < len(text) {
		r, size := utf8.DecodeRuneInString(text[at:])
		to, ok := t.next[branch{node, r}]
		if !ok {
			return
		}
		node, at = to, at+size
		if len(t.ends[node]) == 0 {
			continue
		}
		if after, _ := utf8.DecodeRuneInString(text[at:]); at == len(text) || !joined(r, after) {
			yes.add(t.ends[node])
		}
	}
}

// contains reports whether the folded text contains the folded word, as the trie would find it.
func contains(text, word string) bool {
	if word == "" {
		return false
	}
	first, _ := utf8.DecodeRuneInString(word)
	last, _ := utf8.DecodeLastRuneInString(word)
	for from := 0; ; {
		i := strings.Index(text[from:], word)
		if i < 0 {
			return false
		}
		start, end := from+i, from+i+len(word)
		before, _ := utf8.DecodeLastRuneInString(text[:start])
		after, _ := utf8.DecodeRuneInString(text[end:])
		if (start == 0 || !joined(before, first)) && (end == len(text) || !joined(last, after)) {
			return true
		}
		_, size := utf8.DecodeRuneInString(text[start:])
		from = start + size
	}
}
