// Package e2e_test checks the whole product from outside: it speaks HTTP, and nothing else. Every request and answer is
// held against openapi.yaml.
//
// Without CHATKEEPER_E2E_URL it starts a local stack of its own. With it, it tests what is there, which must hold the seed
// people and nobody's real work (it makes everybody away, and writes Chats):
//
//	CHATKEEPER_E2E_URL         address of the API
//	CHATKEEPER_E2E_APP_SECRET  signs deliveries; local-app-secret if empty
//	CHATKEEPER_E2E_TOKENS      bearer tokens of alex, amira, bruno, chloe, dan and mei: alex=…,amira=…
//
// mei may be deactivated there, and her token left out if she is. The tokens may name more: "unknown" (a good token of
// nobody), "expired", "audience" and "issuer" (of others). Who has no token, and mei while she is active, is left out of the
// matrix, and that is said.
package e2e_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatkeeper/infra/local/issuer"
	"chatkeeper/infra/local/issuer/issuertest"
	"chatkeeper/infra/local/seed"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/stack"
	"chatkeeper/infra/local/stack/stacktest"
	"chatkeeper/shared/dynamo"
	"chatkeeper/shared/team"
)

// target is what is tested.
type target struct {
	url       string
	appSecret string
	tokens    map[string]string
	key       crypto.PublicKey // of the issuer; nil if it is not at hand
	// deactivate makes mei inactive; nil where it has been done, or can't be.
	deactivate func()
	meiStays   bool  // active to the end
	said       *said // what the functions logged; nil if it is not at hand
	// checkRights compares what the functions did with what they may do; nil where it was not watched.
	checkRights func(*testing.T)
}

// said collects output.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func newTarget(t *testing.T) *target {
	t.Helper()
	if url := os.Getenv("CHATKEEPER_E2E_URL"); url != "" {
		tokens := map[string]string{}
		for pair := range strings.SplitSeq(os.Getenv("CHATKEEPER_E2E_TOKENS"), ",") {
			name, token, _ := strings.Cut(strings.TrimSpace(pair), "=")
			tokens[name] = token
		}
		for _, id := range []string{"alex", "amira", "bruno", "chloe", "dan"} {
			if tokens[id] == "" {
				t.Fatalf("CHATKEEPER_E2E_TOKENS has no token of %s", id)
			}
		}
		return (&target{url: strings.TrimSuffix(url, "/"), tokens: tokens,
			appSecret: cmp.Or(os.Getenv("CHATKEEPER_E2E_APP_SECRET"), "local-app-secret")}).withForged(t)
	}
	return ownStack(t)
}

// ownStack is a local stack with the seed.
func ownStack(t *testing.T) *target {
	t.Helper()
	people := seed.People()
	i := issuertest.Start(t, people...)
	output := &said{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the stack said:\n%s", output)
		}
	})
	r := &rights{}
	s := stacktest.Start(t, stack.Options{Parameters: map[string]string{"Issuer": i.URL, "Audience": i.Audience}, Output: output,
		Edit: r.between(t, serverstest.DynamoDBEndpoint(t), serverstest.SQSEndpoint(t))})
	store := dynamo.New(s.DynamoDB(), s.Table("ChatsTable"), s.Table("TeamTable"))
	if _, err := seed.Load(t.Context(), store, dynamo.Now()); err != nil {
		t.Fatal(err)
	}
	tg := &target{url: s.URL, appSecret: s.Environment("WebhookFunction")["APP_SECRET"], tokens: map[string]string{}, key: i.Key.Public(), said: output,
		checkRights: func(t *testing.T) { r.check(t, s) },
		deactivate: func() {
			_, err := store.UpdatePerson(context.WithoutCancel(t.Context()), "mei", dynamo.Now(), func(p *team.Person) error {
				p.Active = false
				return nil
			})
			if err != nil {
				t.Error(err)
			}
		}}
	for _, p := range people {
		tg.tokens[p.ID] = issuertest.Token(t, i, p)
	}
	amira := people[1]
	tg.tokens["unknown"] = issuertest.Token(t, i, team.Person{ID: "nobody", Email: "nobody@example.com"})
	tg.tokens["expired"] = forge(t, i, amira, func(c map[string]any) { c["exp"] = time.Now().Add(-time.Hour).Unix() })
	tg.tokens["not yet"] = forge(t, i, amira, func(c map[string]any) { c["nbf"] = time.Now().Add(time.Hour).Unix() })
	tg.tokens["audience"] = forge(t, i, amira, func(c map[string]any) { c["aud"] = "another" })
	tg.tokens["issuer"] = forge(t, i, amira, func(c map[string]any) { c["iss"] = "https://example.com" })
	return tg.withForged(t)
}

func forge(t *testing.T, i *issuer.Issuer, p team.Person, change func(map[string]any)) string {
	t.Helper()
	claims := i.Claims(p, time.Hour)
	change(claims)
	token, err := i.Key.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

// withForged adds tokens that anybody could make of a good one.
func (tg *target) withForged(t *testing.T) *target {
	t.Helper()
	parts := strings.Split(tg.tokens["amira"], ".")
	if len(parts) != 3 {
		t.Fatal("a token of amira is needed")
	}
	encode := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	tg.tokens["alg none"] = encode(map[string]string{"alg": "none", "typ": "JWT"}) + "." + parts[1] + "."
	tg.tokens["not signed"] = parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256))
	if tg.key != nil {
		header, err := base64.RawURLEncoding.DecodeString(parts[0])
		if err != nil {
			t.Fatal(err)
		}
		var h map[string]any
		if err := json.Unmarshal(header, &h); err != nil {
			t.Fatal(err)
		}
		h["alg"] = "HS256"
		der, err := x509.MarshalPKIXPublicKey(tg.key)
		if err != nil {
			t.Fatal(err)
		}
		public := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
		signed := encode(h) + "." + parts[1]
		signature, err := jwt.SigningMethodHS256.Sign(signed, public)
		if err != nil {
			t.Fatal(err)
		}
		tg.tokens["hmac"] = signed + "." + base64.RawURLEncoding.EncodeToString(signature)
	}
	return tg
}
