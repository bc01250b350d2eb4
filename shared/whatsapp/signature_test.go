package whatsapp_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"chatkeeper/shared/whatsapp"
)

func TestVerify(t *testing.T) {
	t.Parallel()
	const body = `{"object":"whatsapp_business_account","entry":[]}`
	const known = "sha256=dec6a680679a968e7e0319355b23599cbfc54502c0784668e9618baa0c633756" // of body, by test_app_secret
	escaped := `{"text":"M\u00e4rz \ud83d\udce6"}`
	spelled := `{"text":"März 📦"}`

	cases := []struct {
		label   string
		secrets []string
		header  string
		body    string
		want    bool
	}{
		{"a known signature", []string{"test_app_secret"}, known, body, true},
		{"another body", []string{"test_app_secret"}, known, body + " ", false},
		{"another secret", []string{"test_app_secreT"}, known, body, false},
		{"rotation: signed with the new secret", []string{"new", "old"}, sign("new", body), body, true},
		{"rotation: signed with the old secret", []string{"new", "old"}, sign("old", body), body, true},
		{"rotation: signed with neither", []string{"new", "old"}, sign("older", body), body, false},
		{"no rotation: the old secret is empty", []string{"new", ""}, sign("new", body), body, true},
		{"an empty secret signs nothing", []string{"new", ""}, sign("", body), body, false},
		{"no secret at all", nil, sign("", body), body, false},
		{"escapes are signed as they are spelled", []string{"s"}, sign("s", escaped), escaped, true},
		{"and not as they read", []string{"s"}, sign("s", escaped), spelled, false},
		{"an empty body", []string{"s"}, sign("s", ""), "", true},
		{"no header", []string{"s"}, "", body, false},
		{"no algorithm", []string{"test_app_secret"}, strings.TrimPrefix(known, "sha256="), body, false},
		{"another algorithm", []string{"test_app_secret"}, strings.Replace(known, "sha256", "sha1", 1), body, false},
		{"too short", []string{"test_app_secret"}, known[:len(known)-2], body, false},
		{"too long", []string{"test_app_secret"}, known + "00", body, false},
		{"not hexadecimal", []string{"test_app_secret"}, known[:len(known)-1] + "x", body, false},
		{"space around", []string{"test_app_secret"}, " " + known, body, false},
		{"sent twice", []string{"test_app_secret"}, known + "," + known, body, false},
	}
	for _, c := range cases {
		if got := whatsapp.Verify(c.secrets, c.header, []byte(c.body)); got != c.want {
			t.Errorf("%s: got %v", c.label, got)
		}
	}
}

func sign(secret, body string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}
