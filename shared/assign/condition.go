package assign

import "strings"

// The fields that conditions ask about.
const (
	fieldLanguage       = "language"
	fieldCountry        = "country"
	fieldPhonePrefix    = "phonePrefix"
	fieldBusinessNumber = "businessNumber"
	fieldDepartment     = "department"
	fieldText           = "text"
	fieldMessageType    = "messageType"
	fieldReplyID        = "replyId"
	fieldAdSource       = "adSource"
	fieldCustomerTag    = "customerTag"
	fieldCustomer       = "customer"
	fieldOpenedBy       = "openedBy"
	fieldHours          = "hours"
)

// The two questions about a calendar.
const (
	inside  = "inside"
	outside = "outside"
)

type kind uint8

const (
	question kind = iota // about one field
	allOf
	anyOf
	notOf
)

// condition is a node of a rule's "when".
type condition struct {
	kind  kind
	parts []condition // of all, any, and the one of not

	// of a question:
	field    string
	values   []string // as the document has them: of "in" or "contains"
	keys     []string // the same as they are compared
	calendar string
	is       string
	number   int32 // of the question in the whole document; see index
}

// holds reports whether the condition is true, given the answers to all questions.
func (c *condition) holds(yes answers) bool {
	switch c.kind {
	case allOf:
		for i := range c.parts {
			if !c.parts[i].holds(yes) {
				return false
			}
		}
		return true
	case anyOf:
		for i := range c.parts {
			if c.parts[i].holds(yes) {
				return true
			}
		}
		return false
	case notOf:
		return !c.parts[0].holds(yes)
	}
	return yes.has(c.number)
}

// answers is a set of question numbers: those whose answer is yes.
type answers []uint64

func (a answers) has(question int32) bool { return a[question>>6]&(1<<(question&63)) != 0 }

func (a answers) add(questions []int32) {
	for _, q := range questions {
		a[q>>6] |= 1 << (q & 63)
	}
}

// index turns the document round: from what an Input may hold to the questions that it answers with yes. All questions
// of all rules are so answered by one look-up for each thing the Input holds.
type index struct {
	questions int32
	byValue   map[fieldValue][]int32
	words     trie // of text questions
	calendars []string
}

type fieldValue struct{ field, value string }

// learn gives a question its number and files its values.
func (x *index) learn(c *condition) {
	if x.byValue == nil {
		x.byValue = make(map[fieldValue][]int32)
	}
	c.number = x.questions
	x.questions++
	for _, v := range c.values {
		c.keys = append(c.keys, compared(c.field, v))
	}
	switch c.field {
	case fieldText:
		for _, word := range c.keys {
			x.words.add(word, c.number)
		}
	case fieldHours:
		x.file(fieldHours, c.calendar+"/"+c.is, c.number)
	default:
		for _, key := range c.keys {
			x.file(c.field, key, c.number)
		}
	}
}

func (x *index) file(field, value string, question int32) {
	key := fieldValue{field, value}
	if list := x.byValue[key]; len(list) == 0 || list[len(list)-1] != question {
		x.byValue[key] = append(list, question)
	}
}

// compared is the form in which values of a field are compared.
func compared(field, value string) string {
	switch field {
	case fieldPhonePrefix:
		return strings.TrimPrefix(value, "+")
	case fieldReplyID, fieldAdSource:
		return shortened(value)
	case fieldCustomerTag:
		return shortened(strings.ToLower(value))
	case fieldText:
		return folded(value)
	}
	return value
}

// answer answers every question of the document.
func (x *index) answer(in Input) answers {
	yes := make(answers, (x.questions+63)/64)
	look := func(field, value string) {
		if value != "" {
			yes.add(x.byValue[fieldValue{field, value}])
		}
	}
	look(fieldLanguage, orUnknown(in.Language))
	look(fieldCountry, orUnknown(in.Country))
	look(fieldBusinessNumber, in.BusinessNumber)
	look(fieldDepartment, in.Department)
	look(fieldMessageType, in.MessageType)
	look(fieldReplyID, compared(fieldReplyID, in.ReplyID))
	look(fieldAdSource, compared(fieldAdSource, in.AdSource))
	look(fieldCustomer, in.Customer)
	look(fieldOpenedBy, in.OpenedBy)
	for n := 1; n <= min(len(in.PhonePrefix), prefixDigits); n++ {
		look(fieldPhonePrefix, in.PhonePrefix[:n])
	}
	for _, tag := range in.Tags[:min(len(in.Tags), MaxTags)] {
		look(fieldCustomerTag, compared(fieldCustomerTag, tag))
	}
	for _, calendar := range x.calendars {
		if isInside, known := in.Hours[calendar]; known {
			look(fieldHours, calendar+"/"+state(isInside))
		}
	}
	if !x.words.empty() && in.Text != "" {
		x.words.find(folded(in.Text), yes)
	}
	return yes
}

func orUnknown(value string) string {
	if value == "" {
		return Unknown
	}
	return value
}

func state(isInside bool) string {
	if isInside {
		return inside
	}
	return outside
}

// visit calls do for every question of the condition, in the order of the document.
func (c *condition) visit(do func(*condition)) {
	if c.kind == question {
		do(c)
		return
	}
	for i := range c.parts {
		c.parts[i].visit(do)
	}
}
