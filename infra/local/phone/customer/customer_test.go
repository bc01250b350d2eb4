package customer_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/shared/detect"
	"chatkeeper/shared/whatsapp"
)

func TestTextsTellTheirLanguage(t *testing.T) {
	t.Parallel()
	for _, l := range customer.Examples {
		for _, text := range l.Opening {
			if got := detect.Language(text); got != l.Code {
				t.Errorf("%q is taken for %s, want %s", text, got, l.Code)
			}
		}
	}
	if got := customer.ExamplesIn("xx").Code; got != "en" {
		t.Errorf("a language without texts gets %s", got)
	}
}

func TestIdentitiesTellTheirCountry(t *testing.T) {
	t.Parallel()
	for _, c := range customer.Countries {
		if got := detect.Country(c.UserID(7), ""); got != c.Code {
			t.Errorf("%s is taken for %s", c.UserID(7), got)
		}
		if got := detect.Country("", c.Phone(7)); got != c.Code {
			t.Errorf("%s is taken for %s, want %s", c.Phone(7), got, c.Code)
		}
		if customer.ExamplesIn(c.Language).Code != c.Language {
			t.Errorf("%s has no texts in %s", c.Name, c.Language)
		}
	}
	for _, c := range customer.Ready() {
		if got := detect.Country(c.UserID, c.Phone); got != c.Country {
			t.Errorf("%s is taken for %s", c.Name, got)
		}
	}
}

func TestPhoneLikeKeepsTheCountryAndWhoIsWho(t *testing.T) {
	t.Parallel()
	n := func(last string) uint64 { return uint64(len(last)) + uint64(last[7]-'0') }
	for from, want := range map[string]string{
		"12025550143": "10000000011", "5511900000001": "550000000009", "551100000001": "550000000009", "999123": "999123",
	} {
		if got := customer.PhoneLike(from, n); got != want {
			t.Errorf("%s becomes %s, want %s", from, got, want)
		}
	}
}

// What is sent must be read by the product as what it was meant to be.
func TestDeliveriesAreReadAsMeant(t *testing.T) {
	t.Parallel()
	cairo := customer.Ready()[0]
	at := time.Unix(1794000000, 0)
	for _, c := range []struct {
		what              customer.Message
		kind, text, reply string
		effect            whatsapp.Effect
	}{
		{customer.Message{Text: "مرحبا 👋 <b>"}, "text", "مرحبا 👋 <b>", "", whatsapp.Opens},
		{customer.Message{Type: customer.Button, Text: "Sales", ReplyID: "sales"}, "interactive", "Sales", "sales", whatsapp.Opens},
		{customer.Message{Type: customer.Image, Text: "look"}, "image", "look", "", whatsapp.Opens},
		{customer.Message{Type: customer.Location}, "location", "The old mill", "", whatsapp.Opens},
		{customer.Message{Type: customer.Reaction, Target: "wamid.other"}, "reaction", "", "", whatsapp.Keeps},
		{customer.Message{Type: customer.Unsupported}, "unsupported", "", "", whatsapp.Opens},
	} {
		id := customer.WAMID()
		d := cairo.Sends("100000000000001", "15550100001", id, at, c.what)
		for _, b := range d.Body {
			if b >= 0x80 {
				t.Fatalf("%s: not all of it is ASCII", c.kind)
			}
		}
		updates, err := whatsapp.Split(d.Body, at)
		if err != nil || len(updates) != 1 {
			t.Fatalf("%s: %d updates, %v", c.kind, len(updates), err)
		}
		m := updates[0].Message()
		got := [...]string{m.Type, m.Text, m.ReplyID, m.ID, m.Customer.UserID, m.Customer.Phone, m.Name, m.Number}
		want := [...]string{c.kind, c.text, c.reply, id, cairo.UserID, cairo.Phone, cairo.Name, "100000000000001"}
		if got != want || m.Effect() != c.effect || m.At != at.Unix() {
			t.Errorf("read as %q, %v at %d, want %q, %v", got, m.Effect(), m.At, want, c.effect)
		}
	}
}

func TestPostIsSigned(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		if !whatsapp.Verify([]string{"secret"}, r.Header.Get("X-Hub-Signature-256"), raw) {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	for secret, want := range map[string]int{"secret": http.StatusOK, "another": http.StatusUnauthorized} {
		line := customer.Line{URL: server.URL, AppSecret: secret, Client: server.Client()}
		if got, err := line.Post(t.Context(), []byte(`{}`)); got != want || err != nil {
			t.Errorf("signed with %s: %d, %v, want %d", secret, got, err, want)
		}
	}
}
