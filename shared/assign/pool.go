package assign

import (
	"fmt"
	"slices"
	"strings"

	"chatkeeper/shared/team"
)

// Pool is who may be given a Chat: a team or one person, narrowed by languages and skills of which all are required.
// Exactly one of Team and Person is set. Waiting Chats queue per pool, and a pool is served serially.
type Pool struct {
	Team      string
	Person    string
	Languages []string
	Skills    []string
}

// String is the canonical text of the pool, such as "team:support;languages=ar,en;skills=billing". Pools with the same
// members by definition have the same text, whatever the order or repetition of what they require, and different ones
// never do: bytes outside letters, digits, ".", "_" and "-" are written as %XX.
func (p Pool) String() string {
	var b strings.Builder
	if p.Person != "" {
		b.WriteString("person:")
		escape(&b, p.Person)
	} else {
		b.WriteString("team:")
		escape(&b, p.Team)
	}
	writeRequired(&b, ";languages=", p.Languages)
	writeRequired(&b, ";skills=", p.Skills)
	return b.String()
}

// ParsePool reads the canonical text of a pool. Anything that String would not write is an error.
func ParsePool(text string) (Pool, error) {
	var p Pool
	ok := true
	for i, part := range strings.Split(text, ";") {
		switch {
		case i == 0 && strings.HasPrefix(part, "team:"):
			p.Team, ok = unescape(part[len("team:"):])
		case i == 0 && strings.HasPrefix(part, "person:"):
			p.Person, ok = unescape(part[len("person:"):])
		case i > 0 && strings.HasPrefix(part, "languages="):
			p.Languages, ok = readRequired(part[len("languages="):])
		case i > 0 && strings.HasPrefix(part, "skills="):
			p.Skills, ok = readRequired(part[len("skills="):])
		default:
			ok = false
		}
		if !ok {
			break
		}
	}
	if !ok || p.Team == "" && p.Person == "" || p.String() != text {
		return Pool{}, fmt.Errorf("assign: %q is not the text of a pool", text)
	}
	return p, nil
}

// Fits reports whether the person belongs to the pool: active, with a role, in the team (team.Everyone is every active
// Agent) or the person named, with every language and skill required. Whether they are free is not asked.
func (p Pool) Fits(person team.Person) bool {
	return p.standing(&person) == able
}

// standing is why the person does not belong to the pool, or able.
func (p *Pool) standing(person *team.Person) standing {
	switch {
	case p.Person != "" && p.Person != person.ID:
		return notInPool
	case p.Person == "" && p.Team != team.Everyone && !slices.Contains(person.Teams, p.Team):
		return notInPool
	case person.Role != team.Agent && person.Role != team.Admin:
		return noRole
	case p.Person == "" && p.Team == team.Everyone && person.Role != team.Agent:
		return notInPool
	case !person.Active:
		return inactive
	}
	for _, language := range p.Languages {
		if !slices.Contains(person.Languages, language) {
			return lacksLanguage
		}
	}
	for _, skill := range p.Skills {
		if !slices.Contains(person.Skills, skill) {
			return lacksSkill
		}
	}
	return able
}

func writeRequired(b *strings.Builder, label string, values []string) {
	if len(values) == 0 {
		return
	}
	sorted := slices.Compact(slices.Sorted(slices.Values(values)))
	b.WriteString(label)
	for i, v := range sorted {
		if i > 0 {
			b.WriteByte(',')
		}
		escape(b, v)
	}
}

func readRequired(text string) ([]string, bool) {
	parts := strings.Split(text, ",")
	for i, part := range parts {
		v, ok := unescape(part)
		if !ok {
			return nil, false
		}
		parts[i] = v
	}
	return parts, true
}

const hexDigits = "0123456789ABCDEF"

func escape(b *strings.Builder, s string) {
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', c == '.', c == '_', c == '-':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(hexDigits[c>>4])
			b.WriteByte(hexDigits[c&15])
		}
	}
}

func unescape(s string) (string, bool) {
	if !strings.Contains(s, "%") {
		return s, s != ""
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '%' {
			b.WriteByte(s[i])
			continue
		}
		if i+2 >= len(s) {
			return "", false
		}
		high, low := strings.IndexByte(hexDigits, s[i+1]), strings.IndexByte(hexDigits, s[i+2])
		if high < 0 || low < 0 {
			return "", false
		}
		b.WriteByte(byte(high<<4 | low))
		i += 2
	}
	return b.String(), true
}
