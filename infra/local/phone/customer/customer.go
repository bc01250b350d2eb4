// Package customer plays WhatsApp's side for customers who do not exist: who they are, what the delivery of a message of
// theirs looks like, and its signed POST to the webhook.
package customer

import (
	"fmt"
	"slices"
	"strings"
)

// Customer is somebody who writes. At least one of UserID and Phone is there.
type Customer struct {
	Name     string `json:"name"`     // as they call themselves on WhatsApp
	Country  string `json:"country"`  // ISO 3166 alpha-2
	Language string `json:"language"` // ISO 639-1, what they write in
	UserID   string `json:"userId"`   // BSUID; empty in deliveries of the kind from before there were any
	Phone    string `json:"phone"`    // digits; empty for people who keep it to themselves
	Username string `json:"username"` // without the @; often none
}

// Country is where a customer may be from.
type Country struct {
	Code     string `json:"code"` // ISO 3166 alpha-2
	Name     string `json:"name"`
	City     string `json:"-"`        // customers are called after it
	Calling  string `json:"-"`        // code before its phone numbers
	Language string `json:"language"` // most written there, of those that Examples knows
}

// Countries are some, by name.
var Countries = []Country{
	{"AR", "Argentina", "Buenos Aires", "54", "es"},
	{"AU", "Australia", "Sydney", "61", "en"},
	{"BR", "Brazil", "São Paulo", "55", "pt"},
	{"CL", "Chile", "Santiago", "56", "es"},
	{"CN", "China", "Shanghai", "86", "zh"},
	{"CO", "Colombia", "Bogotá", "57", "es"},
	{"CI", "Côte d’Ivoire", "Abidjan", "225", "fr"},
	{"EG", "Egypt", "Cairo", "20", "ar"},
	{"FR", "France", "Paris", "33", "fr"},
	{"DE", "Germany", "Berlin", "49", "de"},
	{"IN", "India", "Mumbai", "91", "en"},
	{"KE", "Kenya", "Nairobi", "254", "en"},
	{"MX", "Mexico", "Mexico City", "52", "es"},
	{"MA", "Morocco", "Casablanca", "212", "ar"},
	{"NG", "Nigeria", "Lagos", "234", "en"},
	{"PE", "Peru", "Lima", "51", "es"},
	{"PT", "Portugal", "Lisbon", "351", "pt"},
	{"SA", "Saudi Arabia", "Riyadh", "966", "ar"},
	{"SN", "Senegal", "Dakar", "221", "fr"},
	{"SG", "Singapore", "Singapore", "65", "zh"},
	{"ES", "Spain", "Madrid", "34", "es"},
	{"TW", "Taiwan", "Taipei", "886", "zh"},
	{"TR", "Türkiye", "Istanbul", "90", "tr"},
	{"AE", "United Arab Emirates", "Dubai", "971", "ar"},
	{"GB", "United Kingdom", "London", "44", "en"},
	{"US", "United States", "New York", "1", "en"},
}

// CountryOf finds one of Countries by its code.
func CountryOf(code string) (Country, bool) {
	i := slices.IndexFunc(Countries, func(c Country) bool { return c.Code == code })
	if i < 0 {
		return Country{}, false
	}
	return Countries[i], true
}

// UserID is the BSUID number n of the country.
func (c Country) UserID(n uint64) string { return fmt.Sprintf("%s.%020d", c.Code, n) }

// Phone is the phone number n of the country. It is nobody's: no network gives out numbers that go on with 00 after the
// calling code.
func (c Country) Phone(n uint64) string { return fmt.Sprintf("%s00%08d", c.Calling, n%1e8) }

// PhoneLike is another phone number of the same country that is nobody's, or the same one where the calling code is none of
// Countries'. Numbers with the same last eight digits stay alike in them: WhatsApp writes some people's number in two ways.
func PhoneLike(phone string, n func(lastDigits string) uint64) string {
	for _, c := range Countries {
		if local, found := strings.CutPrefix(phone, c.Calling); found && len(local) >= 8 {
			return c.Phone(n(phone[len(phone)-8:]))
		}
	}
	return phone
}

// Ready are customers for the phone page, with all mixes of identities.
func Ready() []Customer {
	ready := func(n uint64, country, username string, hasID, hasPhone bool) Customer {
		c, _ := CountryOf(country)
		who := Customer{Name: c.City, Country: c.Code, Language: c.Language, Username: username}
		if hasID {
			who.UserID = c.UserID(10000 + n)
		}
		if hasPhone {
			who.Phone = c.Phone(100 + n)
		}
		return who
	}
	return []Customer{
		ready(1, "EG", "", true, true),
		ready(2, "SA", "riyadh.sa", true, false),
		ready(3, "CN", "", true, true),
		ready(4, "TW", "taipei.tw", true, false),
		ready(5, "BR", "", true, true),
		ready(6, "MX", "mexico.mx", true, false),
		ready(7, "FR", "", true, true),
		ready(8, "SN", "", false, true),
		ready(9, "GB", "", true, true),
		ready(10, "NG", "lagos.ng", true, false),
		ready(11, "DE", "", true, true),
	}
}
