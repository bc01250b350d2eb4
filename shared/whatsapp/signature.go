package whatsapp

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Verify reports whether a delivery comes from WhatsApp: header is the value of X-Hub-Signature-256, raw the body exactly
// as it was sent (WhatsApp signs its own spelling, \u00e4 for ä; a body that was decoded and printed again does not verify).
//
// Every secret that is not empty is valid, so that the app secret can be replaced without losing a delivery: give the new and
// the old one. All of them are tried, whichever fits, and compared in constant time. Without any secret nothing verifies.
func Verify(secrets []string, header string, raw []byte) bool {
	digits, ok := strings.CutPrefix(header, "sha256=")
	claimed, err := hex.DecodeString(digits)
	if !ok || err != nil {
		return false
	}
	verified := false
	for _, secret := range secrets {
		if secret == "" {
			continue
		}
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(raw)
		if hmac.Equal(mac.Sum(nil), claimed) {
			verified = true
		}
	}
	return verified
}
