package team

// Team is a named group of people: a department, a language desk, a region. Who belongs to it stands with the people.
type Team struct {
	ID   string
	Name string
}

// Department is what a Chat is about. The first department in the list that fits a Chat is its department.
type Department struct {
	ID        string
	Name      string
	Position  int      // order in the list, smallest first
	Numbers   []string // business numbers (phone_number_id) that mean it
	ReplyIDs  []string // button and list choices that mean it
	Keywords  []string // words in the customer's text that mean it, compared without case
	AdSources []string // referral source ids that mean it
}

// Number is a business phone number.
type Number struct {
	ID       string // WhatsApp's phone_number_id
	Name     string
	Display  string // as customers see it
	Language string // what to assume when a customer's language is unknown; empty for no assumption
}

// Settings is everything about the business that routing depends on, beside the rules and the people.
type Settings struct {
	Teams       []Team
	Departments []Department // in order of Position
	Numbers     []Number
	Calendars   []Calendar
}
