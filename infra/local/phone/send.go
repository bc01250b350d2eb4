package phone

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"chatkeeper/infra/local/phone/customer"
)

// opening is what the page needs once.
type opening struct {
	Customers []customer.Customer `json:"customers"`
	Countries []customer.Country  `json:"countries"`
	Examples  []customer.Language `json:"examples"`
	Numbers   []numberView        `json:"numbers"`
}

type numberView struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Display string `json:"display"`
}

func (p *page) start(ctx context.Context, _ struct{}) (opening, error) {
	settings, err := p.store.Settings(ctx)
	if err != nil {
		return opening{}, err
	}
	out := opening{Customers: customer.Ready(), Countries: customer.Countries, Examples: customer.Examples, Numbers: []numberView{}}
	for _, n := range settings.Numbers {
		out.Numbers = append(out.Numbers, numberView{n.ID, n.Name, n.Display})
	}
	return out, nil
}

// invention says what a new customer should be like. The rest is made up.
type invention struct {
	Name     string `json:"name"`
	Country  string `json:"country"`
	HasPhone bool   `json:"hasPhone"`
	HasID    bool   `json:"hasId"`
	Username string `json:"username"`
}

func (p *page) invent(_ context.Context, in invention) (customer.Customer, error) {
	country, known := customer.CountryOf(in.Country)
	name, username := strings.TrimSpace(in.Name), strings.TrimPrefix(strings.TrimSpace(in.Username), "@")
	switch {
	case !known:
		return customer.Customer{}, wrong{http.StatusBadRequest, "choose one of the countries"}
	case name == "" || utf8.RuneCountInString(name) > 40:
		return customer.Customer{}, wrong{http.StatusBadRequest, "a name has 1 to 40 characters"}
	case utf8.RuneCountInString(username) > 35:
		return customer.Customer{}, wrong{http.StatusBadRequest, "a username has at most 35 characters"}
	case !in.HasPhone && !in.HasID:
		return customer.Customer{}, wrong{http.StatusBadRequest, "WhatsApp tells a phone number, a user id, or both"}
	}
	var random [8]byte
	_, _ = rand.Read(random[:]) // never fails
	n := binary.BigEndian.Uint64(random[:])
	who := customer.Customer{Name: name, Country: country.Code, Language: country.Language, Username: username}
	if in.HasID {
		who.UserID = country.UserID(n)
	}
	if in.HasPhone {
		who.Phone = country.Phone(n)
	}
	return who, nil
}

// maxText is the longest text that WhatsApp lets people write, in characters.
const maxText = 65536

type sending struct {
	Customer customer.Customer `json:"customer"`
	Number   string            `json:"number"`
	Message  customer.Message  `json:"message"`
}

// sent is what became of a delivery.
type sent struct {
	Status int    `json:"status"` // the webhook's answer; 0 when it gave none
	Millis int64  `json:"millis"` // how long that took
	Body   string `json:"body"`   // the delivery's bytes, to be sent again
	WAMID  string `json:"wamid"`
	Key    string `json:"key"` // under which the Message will be stored
	At     int64  `json:"at"`  // Unix seconds
}

func (p *page) send(ctx context.Context, in sending) (sent, error) {
	m := in.Message
	switch {
	case in.Customer.UserID == "" && in.Customer.Phone == "" || in.Number == "":
		return sent{}, wrong{http.StatusBadRequest, "choose a customer and a business number"}
	case !slices.Contains([]string{customer.Text, customer.Button, customer.Image, customer.Location, customer.Reaction, customer.Unsupported}, m.Type):
		return sent{}, wrong{http.StatusBadRequest, "there is no such type of message"}
	case m.Type == customer.Text && strings.TrimSpace(m.Text) == "":
		return sent{}, wrong{http.StatusBadRequest, "write something first"}
	case utf8.RuneCountInString(m.Text) > maxText:
		return sent{}, wrong{http.StatusBadRequest, "WhatsApp takes at most 65,536 characters"}
	}
	settings, err := p.store.Settings(ctx)
	if err != nil {
		return sent{}, err
	}
	display := in.Number
	for _, n := range settings.Numbers {
		if n.ID == in.Number {
			display = digits(n.Display)
		}
	}
	d := in.Customer.Sends(in.Number, display, customer.WAMID(), time.Now(), m)
	out := p.post(ctx, d.Body)
	out.WAMID, out.At, out.Key = d.WAMID, d.At, p.secret.Key(d.At, d.WAMID).String()
	return out, nil
}

// again posts a delivery a second time, byte for byte.
func (p *page) again(ctx context.Context, in struct {
	Body string `json:"body"`
}) (sent, error) {
	if in.Body == "" {
		return sent{}, wrong{http.StatusBadRequest, "nothing was sent yet"}
	}
	return p.post(ctx, []byte(in.Body)), nil
}

func (p *page) post(ctx context.Context, body []byte) sent {
	begun := time.Now()
	status, err := p.line.Post(ctx, body)
	if err != nil {
		p.log.WarnContext(ctx, "webhook does not answer", "error", err)
	}
	return sent{Status: status, Millis: time.Since(begun).Milliseconds(), Body: string(body)}
}

func digits(s string) string {
	return strings.Map(func(r rune) rune {
		if '0' <= r && r <= '9' {
			return r
		}
		return -1
	}, s)
}
