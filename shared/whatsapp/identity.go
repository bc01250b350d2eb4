package whatsapp

import "strings"

// Identity is who a customer is to WhatsApp: a BSUID, a phone number, or both. Both are opaque, and either may be missing:
// people who took a username need not show their number, and old deliveries have no BSUID.
type Identity struct {
	UserID string // BSUID, such as US.13491208655302741918, unique in the business portfolio; never a parent BSUID
	Phone  string // digits only, with country code, without +
}

// identify sorts an explicit BSUID and an address, which is a phone number, or a BSUID from some senders. Only what is all digits is a phone number.
func identify(userID, address string) Identity {
	who := Identity{UserID: boundedID(strings.TrimSpace(userID), maxIdentity)}
	address = strings.TrimSpace(address)
	switch phone, ok := asPhone(address); {
	case ok:
		who.Phone = phone
	case who.UserID == "":
		who.UserID = boundedID(address, maxIdentity)
	}
	return who
}

// asPhone strips one leading + and tells whether the rest is a phone number.
func asPhone(address string) (string, bool) {
	digits := strings.TrimPrefix(address, "+")
	if digits == "" || len(digits) > 20 {
		return "", false
	}
	for i := 0; i < len(digits); i++ {
		if digits[i] < '0' || digits[i] > '9' {
			return "", false
		}
	}
	return digits, true
}

func (c Contact) identity() Identity { return identify(c.UserID, c.WaID) }

// mayBe reports whether nothing speaks against two identities being one person. A phone number and the wa_id of the same
// person may differ in the digits after the country code (Brazil, Mexico, Argentina), never in the last eight.
func (who Identity) mayBe(other Identity) bool {
	if who.UserID != "" && other.UserID != "" {
		return who.UserID == other.UserID
	}
	if who.Phone != "" && other.Phone != "" {
		return lastDigits(who.Phone) == lastDigits(other.Phone)
	}
	return true
}

// is reports whether two identities are surely one person.
func (who Identity) is(other Identity) bool {
	if who.UserID != "" && other.UserID != "" {
		return who.UserID == other.UserID
	}
	return who.Phone != "" && who.Phone == other.Phone
}

func lastDigits(phone string) string { return phone[max(0, len(phone)-8):] }

// digitsOf drops everything else, so that numbers written for people compare with those written for machines.
func digitsOf(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, s)
}

// named is the identity in the update's own body, which is the customer's whichever way the message went.
func (u Update) named() Identity {
	body := node(u.Body)
	switch u.Kind {
	case KindMessage, KindStandbyMessage:
		who := identify(body.get("from_user_id").text(), body.get("from").text())
		if who == (Identity{}) {
			who = identify("", body.find("system", "customer").text())
		}
		if who == (Identity{}) {
			who = identify(body.find("system", "previous_user_id").text(), "")
		}
		return who
	case KindEcho, KindStandbyEcho:
		who := identify(body.get("to_user_id").text(), body.get("to").text())
		if who == (Identity{}) {
			// The agent's echoes wrap the request that sent the message.
			who = identify(body.find("message", "recipient").text(), body.find("message", "to").text())
		}
		if u.isBusiness(who.Phone) {
			who = identify(body.get("from_user_id").text(), body.get("from").text())
		}
		return who
	case KindHistory:
		if u.Thread != "" {
			return identify("", u.Thread)
		}
		if u.sentByBusiness() {
			return identify(body.get("to_user_id").text(), body.get("to").text())
		}
		return identify(body.get("from_user_id").text(), body.get("from").text())
	case KindStatus, KindStandbyStatus:
		if body.get("recipient_type").text() == "group" {
			return Identity{}
		}
		return identify(body.get("recipient_user_id").text(), body.get("recipient_id").text())
	}
	return Identity{}
}

// customer is the identity in the body, completed from the contact beside it. Split attached only a contact that fits.
func (u Update) customer() Identity {
	who, beside := u.named(), u.Contact.identity()
	if who.UserID == "" {
		who.UserID = beside.UserID
	}
	if who.Phone == "" {
		who.Phone = beside.Phone
	}
	return who
}

// isBusiness reports whether an address is the business's own.
func (u Update) isBusiness(address string) bool {
	return address != "" && (address == u.Number || digitsOf(address) != "" && digitsOf(address) == digitsOf(u.Display))
}

// sentByBusiness tells the direction of a message from the history, which says so in one of several ways or not at all.
func (u Update) sentByBusiness() bool {
	body := node(u.Body)
	from, to := body.get("from").text(), first(body.get("to"), body.get("to_user_id"))
	switch {
	case body.find("history_context", "from_me").isTrue() || u.isBusiness(from):
		return true
	case from != "" && from == u.Thread || u.isBusiness(to):
		return false
	case to != "":
		return true
	}
	return u.Thread != "" && from != "" && !identify("", from).mayBe(identify("", u.Thread))
}
