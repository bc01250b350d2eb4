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
	Calling  string `json:"-"`        // code before its phone numbers
	Language string `json:"language"` // most written there, of those that Examples knows
}

// Countries are some, by name.
var Countries = []Country{
	{"AR", "Argentina", "54", "es"},
	{"AU", "Australia", "61", "en"},
	{"BR", "Brazil", "55", "pt"},
	{"CL", "Chile", "56", "es"},
	{"CN", "China", "86", "zh"},
	{"CO", "Colombia", "57", "es"},
	{"CI", "Côte d’Ivoire", "225", "fr"},
	{"EG", "Egypt", "20", "ar"},
	{"FR", "France", "33", "fr"},
	{"DE", "Germany", "49", "de"},
	{"IN", "India", "91", "en"},
	{"KE", "Kenya", "254", "en"},
	{"MX", "Mexico", "52", "es"},
	{"MA", "Morocco", "212", "ar"},
	{"NG", "Nigeria", "234", "en"},
	{"PE", "Peru", "51", "es"},
	{"PT", "Portugal", "351", "pt"},
	{"SA", "Saudi Arabia", "966", "ar"},
	{"SN", "Senegal", "221", "fr"},
	{"SG", "Singapore", "65", "zh"},
	{"ES", "Spain", "34", "es"},
	{"TW", "Taiwan", "886", "zh"},
	{"TR", "Türkiye", "90", "tr"},
	{"AE", "United Arab Emirates", "971", "ar"},
	{"GB", "United Kingdom", "44", "en"},
	{"US", "United States", "1", "en"},
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
	ready := func(n uint64, name, country, language, username string, hasID, hasPhone bool) Customer {
		c, _ := CountryOf(country)
		who := Customer{Name: name, Country: country, Language: language, Username: username}
		if hasID {
			who.UserID = c.UserID(10000 + n)
		}
		if hasPhone {
			who.Phone = c.Phone(100 + n)
		}
		return who
	}
	return []Customer{
		ready(1, "Cairo", "EG", "ar", "", true, true),
		ready(2, "Riyadh", "SA", "ar", "riyadh.sa", true, false),
		ready(3, "Shanghai", "CN", "zh", "", true, true),
		ready(4, "Taipei", "TW", "zh", "taipei.tw", true, false),
		ready(5, "São Paulo", "BR", "pt", "", true, true),
		ready(6, "Mexico City", "MX", "es", "mexico.mx", true, false),
		ready(7, "Paris", "FR", "fr", "", true, true),
		ready(8, "Dakar", "SN", "fr", "", false, true),
		ready(9, "London", "GB", "en", "", true, true),
		ready(10, "Lagos", "NG", "en", "lagos.ng", true, false),
		ready(11, "Berlin", "DE", "de", "", true, true),
	}
}
