package detect

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/abadojack/whatlanggo"
)

// Limits of what Language looks at and believes.
const (
	longestText = 2000 // bytes; what follows does not change the language of a message
	longestWord = 64   // bytes
	longEnough  = 60   // letters from which on whatlanggo is asked; below, it is confidently wrong
	enoughWords = 8
	dominance   = 3 // times as much of one writing as of another that its language counts in a mixed text
	sureEnough  = 3 // score of a language by its hints: one sure word, or several likely ones
	leastLead   = 2 // of its score over the next
)

// Language is the language a text is written in, ISO 639-1, or Unknown when the text is too short, mixed, or has no
// words. Emoji, digits, addresses and links do not count. The script decides where only one language writes it, then
// letters that few languages have, then common words; long texts in Latin letters without those are told by the
// statistics of their letters. It holds no state and may be called at once from many goroutines.
func Language(text string) string {
	text = cut(text, longestText)
	var s survey
	s.byWord, s.byLetter = hintsTurned()
	s.read(text)
	latin, latinLetters := s.latin(text), s.letters[scriptLatin]
	other, otherLetters := s.other()
	switch {
	case latin == Unknown: // names of goods and people stand in Latin letters in every language
		return other
	case latinLetters >= dominance*otherLetters:
		return latin
	case otherLetters >= dominance*latinLetters:
		return other
	}
	return Unknown
}

func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

type script uint8

const (
	scriptNone script = iota
	scriptLatin
	scriptCyrillic
	scriptArabic
	scriptHan
	scriptKana
	scriptDevanagari
	scriptHangul
	scriptGreek
	scriptHebrew
	scriptThai
	scriptArmenian
	scriptGeorgian
	scriptBengali
	scriptGurmukhi
	scriptGujarati
	scriptOriya
	scriptTamil
	scriptTelugu
	scriptKannada
	scriptMalayalam
	scriptSinhala
	scriptLao
	scriptBurmese
	scriptEthiopic
	scriptKhmer
	scriptThaana
	scriptTibetan
	scripts
)

// oneLanguage are the scripts in which, on WhatsApp, one language is written.
var oneLanguage = [scripts]string{
	scriptHan: "zh", scriptKana: "ja", scriptHangul: "ko", scriptGreek: "el", scriptHebrew: "he", scriptThai: "th",
	scriptArmenian: "hy", scriptGeorgian: "ka", scriptBengali: "bn", scriptGurmukhi: "pa", scriptGujarati: "gu",
	scriptOriya: "or", scriptTamil: "ta", scriptTelugu: "te", scriptKannada: "kn", scriptMalayalam: "ml",
	scriptSinhala: "si", scriptLao: "lo", scriptBurmese: "my", scriptEthiopic: "am", scriptKhmer: "km",
	scriptThaana: "dv", scriptTibetan: "bo",
}

// blocks are Unicode's blocks of these scripts, in order.
var blocks = []struct {
	from, to rune
	script   script
}{
	{'A', 'Z', scriptLatin}, {'a', 'z', scriptLatin}, {0xC0, 0x24F, scriptLatin},
	{0x370, 0x3FF, scriptGreek}, {0x400, 0x52F, scriptCyrillic}, {0x530, 0x58F, scriptArmenian},
	{0x590, 0x5FF, scriptHebrew}, {0x600, 0x6FF, scriptArabic}, {0x750, 0x77F, scriptArabic},
	{0x780, 0x7BF, scriptThaana}, {0x900, 0x97F, scriptDevanagari}, {0x980, 0x9FF, scriptBengali},
	{0xA00, 0xA7F, scriptGurmukhi}, {0xA80, 0xAFF, scriptGujarati}, {0xB00, 0xB7F, scriptOriya},
	{0xB80, 0xBFF, scriptTamil}, {0xC00, 0xC7F, scriptTelugu}, {0xC80, 0xCFF, scriptKannada},
	{0xD00, 0xD7F, scriptMalayalam}, {0xD80, 0xDFF, scriptSinhala}, {0xE00, 0xE7F, scriptThai},
	{0xE80, 0xEFF, scriptLao}, {0xF00, 0xFFF, scriptTibetan}, {0x1000, 0x109F, scriptBurmese},
	{0x10A0, 0x10FF, scriptGeorgian}, {0x1100, 0x11FF, scriptHangul}, {0x1200, 0x137F, scriptEthiopic},
	{0x1780, 0x17FF, scriptKhmer}, {0x1E00, 0x1EFF, scriptLatin}, {0x1F00, 0x1FFF, scriptGreek},
	{0x3040, 0x30FF, scriptKana}, {0x3130, 0x318F, scriptHangul}, {0x3400, 0x4DBF, scriptHan},
	{0x4E00, 0x9FFF, scriptHan}, {0xAC00, 0xD7AF, scriptHangul}, {0xF900, 0xFAFF, scriptHan},
	{0xFB50, 0xFDFF, scriptArabic}, {0xFE70, 0xFEFF, scriptArabic}, {0x20000, 0x323AF, scriptHan},
}

// scriptOf is the script of a letter; scriptNone for everything else.
func scriptOf(r rune) script {
	if r < utf8.RuneSelf {
		if 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' {
			return scriptLatin
		}
		return scriptNone
	}
	if !unicode.IsLetter(r) {
		return scriptNone
	}
	for _, b := range blocks {
		if r <= b.to {
			if r >= b.from {
				return b.script
			}
			return scriptNone
		}
	}
	return scriptNone
}

// worth is how many letters of an alphabet one sign of a script says as much as.
func worth(s script) int {
	switch s {
	case scriptHan:
		return 3
	case scriptKana, scriptHangul:
		return 2
	}
	return 1
}

// survey is what a text is made of.
type survey struct {
	letters [scripts]int
	words   int             // with a letter
	scores  [len(hints)]int // by index of hints

	byWord   map[string][]hint
	byLetter map[rune][]hint
}

// read counts letters and scores words, field by field, without the fields that are links or addresses.
func (s *survey) read(text string) {
	for field := range strings.FieldsSeq(text) {
		if isAddress(field) {
			continue
		}
		var word [longestWord]byte
		n := 0
		for _, r := range field {
			kind := scriptOf(r)
			s.letters[kind] += worth(kind)
			r = unicode.ToLower(r)
			s.add(s.byLetter[r])
			switch {
			case r == '’' || r == 'ʼ' || r == '‘' || r == '\'':
				r = '\''
			case kind == scriptNone && !unicode.IsMark(r):
				s.word(word[:n])
				n = 0
				continue
			}
			if n+utf8.UTFMax <= longestWord {
				n = len(utf8.AppendRune(word[:n], r))
			}
		}
		s.word(word[:n])
	}
	s.letters[scriptNone] = 0
	if s.letters[scriptKana] > 0 { // Chinese characters beside kana are Japanese
		s.letters[scriptKana] += s.letters[scriptHan]
		s.letters[scriptHan] = 0
	}
}

// word adds what a word, in lower case, says about the language.
func (s *survey) word(word []byte) {
	word = bytes.Trim(word, "'")
	if len(word) == 0 {
		return
	}
	s.words++
	found := s.byWord[string(word)]
	if found == nil {
		found = s.byWord[string(squeezed(word))]
	}
	s.add(found)
}

func (s *survey) add(found []hint) {
	for _, h := range found {
		s.scores[h.language] += h.weight
	}
}

// squeezed is the word with letters that stand three times or more in a row written once: "holaaa" is "hola".
func squeezed(word []byte) []byte {
	out := word[:0]
	for i := 0; i < len(word); {
		end := i + 1
		for end < len(word) && word[end] == word[i] {
			end++
		}
		if word[i] < utf8.RuneSelf && end-i > 2 {
			out = append(out, word[i])
		} else {
			out = append(out, word[i:end]...)
		}
		i = end
	}
	return out
}

func isAddress(field string) bool {
	return strings.Contains(field, "://") || strings.ContainsRune(field, '@') || strings.HasPrefix(field, "www.") ||
		strings.Contains(field, ".com") || strings.Contains(field, ".net") || strings.Contains(field, ".org")
}

// other is the language of what is not in Latin letters, and how many letters that is.
func (s *survey) other() (language string, letters int) {
	most := scriptNone
	for i := scriptLatin + 1; i < scripts; i++ {
		letters += s.letters[i]
		if s.letters[i] > s.letters[most] {
			most = i
		}
	}
	switch {
	case letters < 2 || s.letters[most]*10 < letters*7:
		return Unknown, letters
	case oneLanguage[most] != "":
		return oneLanguage[most], letters
	}
	best := -1
	for i := range hints {
		if hints[i].script == most && (best < 0 || s.scores[i] > s.scores[best]) {
			best = i
		}
	}
	return hints[best].language, letters
}

// latin is the language of what is in Latin letters, by its words, or of a long text by its letters.
func (s *survey) latin(text string) string {
	best, next := -1, 0
	for i := range hints {
		if hints[i].script != scriptLatin {
			continue
		}
		switch {
		case best < 0:
			best = i
		case s.scores[i] > s.scores[best]:
			best, next = i, s.scores[best]
		case s.scores[i] > next:
			next = s.scores[i]
		}
	}
	score := s.scores[best]
	if score >= sureEnough && score >= next+leastLead && score*2 >= s.words {
		return hints[best].language
	}
	if s.letters[scriptLatin] < longEnough || s.words < enoughWords {
		return Unknown
	}
	info := whatlanggo.Detect(text)
	language := info.Lang.Iso6391()
	switch {
	case !info.IsReliable() || language == "":
		return Unknown
	case language == "nb" || language == "nn":
		return "no"
	}
	return language
}
