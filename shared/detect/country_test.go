package detect

import (
	"strconv"
	"strings"
	"testing"

	"github.com/nyaruka/phonenumbers"
)

func TestCountry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ userID, phone, want string }{
		{"AE.13491208655302741918", "", "AE"},
		{"AE.ENT.13491208655302741918", "", "AE"},
		{"BR.1", "971501234567", "BR"}, // the id says where the account is registered; it wins
		{"", "971501234567", "AE"},
		{"", "+971501234567", "AE"},
		{"", "14165550123", "CA"},
		{"", "12125550123", "US"},
		{"", "15550001234", "US"}, // no area of North America: the calling code's main country
		{"", "18095550123", "DO"},
		{"", "77012345678", "KZ"},
		{"", "79161234567", "RU"},
		{"", "447911123456", "GB"},
		{"", "447781123456", "GB"},  // Guernsey, which shares the code
		{"", "5215512345678", "MX"}, // WhatsApp's older form with a 1
		{"", "5511912345678", "BR"},
		{"", "551112345678", "BR"},
		{"", "5491123456789", "AR"},
		{"", "966512345678", "SA"},
		{"", "201001234567", "EG"},
		{"", "919812345678", "IN"},
		{"", "8613812345678", "CN"},
		{"", "85291234567", "HK"},
		{"", "870773111632", Unknown}, // a satellite phone
		{"", "999123456789", Unknown},
		{"", "12", Unknown},
		{"", "", Unknown},
		{"", "US.134912", Unknown}, // a user id in the place of a phone
		{"ZZ.1", "", Unknown},
		{"ZZ.1", "4915112345678", "DE"},
		{"13491208655302741918", "", Unknown},
		{"us.134", "", Unknown},
		{"USA.134", "", Unknown},
		{"US", "", Unknown},
		{".", "", Unknown},
	} {
		if got := Country(c.userID, c.phone); got != c.want {
			t.Errorf("Country(%q, %q) = %q, want %q", c.userID, c.phone, got, c.want)
		}
	}
}

// mainCountry says which country the territories count for that the table does not tell apart.
var mainCountry = map[string]string{
	"GG": "GB", "IM": "GB", "JE": "GB", "VA": "IT", "SJ": "NO", "CC": "AU", "CX": "AU", "EH": "MA", "TA": "SH", "AC": "SH",
	"AX": "FI", "BL": "GP", "MF": "GP",
}

// The library's example of a mobile and of a fixed number of each of its regions.
func TestCountryOfEveryRegion(t *testing.T) {
	t.Parallel()
	for region := range phonenumbers.GetSupportedRegions() {
		want := region
		if main, territory := mainCountry[region]; territory {
			want = main
		} else if got := Country(region+".ENT.1", ""); got != want {
			t.Errorf("the user id of %s counts for %s", region, got)
		}
		for _, kind := range []phonenumbers.PhoneNumberType{phonenumbers.MOBILE, phonenumbers.FIXED_LINE} {
			number := phonenumbers.GetExampleNumberForType(region, kind)
			if number == nil || number.GetNationalNumber() == 0 {
				continue
			}
			phone := phonenumbers.Format(number, phonenumbers.E164)
			if got := Country("", phone); got != want && len(phone) > shortestPhone {
				t.Errorf("%s, a number of %s, counts for %s", phone, region, got)
			}
		}
	}
}

// Every area code of North America in which the library knows one of a few numbers.
func TestCountryOfEveryAreaCode(t *testing.T) {
	t.Parallel()
	known := 0
	for area := 200; area < 990; area++ {
		for _, rest := range []string{"2345678", "5550123", "4567890", "7654321"} {
			phone := "+1" + strconv.Itoa(area) + rest
			number, err := phonenumbers.Parse(phone, "")
			if err != nil {
				continue
			}
			region := phonenumbers.GetRegionCodeForNumber(number)
			if region == "" {
				continue
			}
			known++
			if got := Country("", phone); got != region {
				t.Errorf("%s, a number of %s, counts for %s", phone, region, got)
			}
		}
	}
	if known < 1000 {
		t.Errorf("the library knew only %d of the numbers", known)
	}
}

// Ids of every two letters: only countries that exist count.
func TestCountryIsOneThatExists(t *testing.T) {
	t.Parallel()
	listed := make(map[string]bool)
	for country := range strings.FieldsSeq(countries) {
		listed[country] = true
	}
	for prefix, country := range callingCodes() {
		if !listed[country] || len(prefix) > longestPrefix {
			t.Errorf("calling code %s of %s", prefix, country)
		}
	}
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			prefix := string([]rune{a, b})
			if got := Country(prefix+".1", "") == prefix; got != listed[prefix] {
				t.Errorf("%s is a country: %v", prefix, got)
			}
		}
	}
}

func FuzzCountry(f *testing.F) {
	f.Add("AE.1", "971501234567")
	f.Add("", "+")
	f.Fuzz(func(t *testing.T, userID, phone string) {
		if got := Country(userID, phone); got != Unknown && len(got) != 2 {
			t.Errorf("Country(%q, %q) = %q", userID, phone, got)
		}
	})
}

func BenchmarkCountry(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		Country("", "971501234567")
	}
}
