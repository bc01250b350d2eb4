package httpapi_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/httpapi"
)

// now is the time of all tests of this package.
var now = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

const audience = "chatkeeper"

var (
	rsaKey   = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	otherKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })
	ecKey    = sync.OnceValue(func() *ecdsa.PrivateKey { return must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)) })
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// provider is an OIDC issuer of a test, with keys that change.
type provider struct {
	URL   string
	asked atomic.Int32 // how often the keys were read

	mu   sync.Mutex
	keys []map[string]string
	down bool
}

func startProvider(t *testing.T, keys ...map[string]string) *provider {
	t.Helper()
	p := &provider{keys: keys}
	mux := http.NewServeMux()
	serve := func(w http.ResponseWriter, body any) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.down {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		if err := json.NewEncoder(w).Encode(body); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		p.asked.Add(1)
		serve(w, map[string]string{"issuer": p.URL, "jwks_uri": p.URL + "/keys"})
	})
	mux.HandleFunc("/keys", func(w http.ResponseWriter, _ *http.Request) {
		serve(w, map[string]any{"keys": p.keys})
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.URL = server.URL
	return p
}

func (p *provider) set(down bool, keys ...map[string]string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.down, p.keys = down, keys
}

func rsaJWK(kid string, k *rsa.PrivateKey) map[string]string {
	return map[string]string{"kid": kid, "kty": "RSA", "use": "sig", "alg": "RS256", "e": "AQAB",
		"n": base64.RawURLEncoding.EncodeToString(k.N.Bytes())}
}

func ecJWK(kid string, k *ecdsa.PrivateKey) map[string]string {
	point := must(k.PublicKey.Bytes())
	return map[string]string{"kid": kid, "kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:])}
}

func sign(method jwt.SigningMethod, header map[string]any, claims map[string]any, key any) string {
	t := jwt.NewWithClaims(method, jwt.MapClaims(claims))
	maps.Copy(t.Header, header)
	return must(t.SignedString(key))
}

// good are the claims of a token that is good, with some others over them; nil takes one out.
func (p *provider) good(over map[string]any) map[string]any {
	claims := map[string]any{"iss": p.URL, "aud": audience, "sub": "subject-1", "email": "Dan@Example.com", "email_verified": true,
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	maps.Copy(claims, over)
	maps.DeleteFunc(claims, func(_ string, v any) bool { return v == nil })
	return claims
}

func (p *provider) verifier(at func() time.Time) *httpapi.Verifier {
	return httpapi.NewVerifier(httpapi.VerifierOptions{Issuer: p.URL, Audience: audience, Now: at})
}

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func TestWhichTokensAreGood(t *testing.T) {
	t.Parallel()
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	p := startProvider(t, rsaJWK("rsa", rsaKey()), ecJWK("ec", ecKey()), rsaJWK("small", small),
		map[string]string{"kid": "secret", "kty": "oct", "k": "c2VjcmV0"})
	v := p.verifier(at(now))
	rs := func(over map[string]any) string {
		return sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa"}, p.good(over), rsaKey())
	}
	publicPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: must(x509.MarshalPKIXPublicKey(rsaKey().Public()))})
	publicDER := must(x509.MarshalPKIXPublicKey(rsaKey().Public()))
	middle := func(token, with string) string {
		parts := strings.Split(token, ".")
		parts[1] = base64.RawURLEncoding.EncodeToString([]byte(with))
		return strings.Join(parts, ".")
	}
	for _, test := range []struct {
		name  string
		token string
		good  bool
	}{
		{"RS256", rs(nil), true},
		{"ES256", sign(jwt.SigningMethodES256, map[string]any{"kid": "ec"}, p.good(nil), ecKey()), true},
		{"one of several audiences", rs(map[string]any{"aud": []string{"other", audience}}), true},
		{"no aud, but client_id, as Cognito's access tokens", rs(map[string]any{"aud": nil, "client_id": audience}), true},
		{"expired within the leeway", rs(map[string]any{"exp": now.Add(-20 * time.Second).Unix()}), true},
		{"no nbf", rs(map[string]any{"nbf": nil}), true},

		{"empty", "", false},
		{"no token at all", "hello", false},
		{"expired", rs(map[string]any{"exp": now.Add(-time.Minute).Unix()}), false},
		{"without an end", rs(map[string]any{"exp": nil}), false},
		{"not valid yet", rs(map[string]any{"nbf": now.Add(time.Minute).Unix()}), false},
		{"another issuer", rs(map[string]any{"iss": "https://elsewhere.example"}), false},
		{"the issuer with a slash", rs(map[string]any{"iss": p.URL + "/"}), false},
		{"no issuer", rs(map[string]any{"iss": nil}), false},
		{"another audience", rs(map[string]any{"aud": "other"}), false},
		{"another audience, though the client_id fits", rs(map[string]any{"aud": "other", "client_id": audience}), false},
		{"no audience", rs(map[string]any{"aud": nil}), false},
		{"no subject", rs(map[string]any{"sub": nil}), false},
		{"a huge subject", rs(map[string]any{"sub": strings.Repeat("x", 256)}), false},
		{"a subject that is a number", rs(map[string]any{"sub": 7}), false},
		{"alg none", sign(jwt.SigningMethodNone, map[string]any{"kid": "rsa"}, p.good(nil), jwt.UnsafeAllowNoneSignatureType), false},
		{"alg none, spelt otherwise", strings.Join([]string{
			base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"nOnE","kid":"rsa"}`)), strings.Split(rs(nil), ".")[1], ""}, "."), false},
		{"HMAC with the public key (PEM)", sign(jwt.SigningMethodHS256, map[string]any{"kid": "rsa"}, p.good(nil), publicPEM), false},
		{"HMAC with the public key (DER)", sign(jwt.SigningMethodHS256, map[string]any{"kid": "rsa"}, p.good(nil), publicDER), false},
		{"HMAC with a served secret", sign(jwt.SigningMethodHS256, map[string]any{"kid": "secret"}, p.good(nil), []byte("secret")), false},
		{"RS512", sign(jwt.SigningMethodRS512, map[string]any{"kid": "rsa"}, p.good(nil), rsaKey()), false},
		{"PS256", sign(jwt.SigningMethodPS256, map[string]any{"kid": "rsa"}, p.good(nil), rsaKey()), false},
		{"signed by another key", sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa"}, p.good(nil), otherKey()), false},
		{"a key that is too small", sign(jwt.SigningMethodRS256, map[string]any{"kid": "small"}, p.good(nil), small), false},
		{"the other kind of key", sign(jwt.SigningMethodES256, map[string]any{"kid": "rsa"}, p.good(nil), ecKey()), false},
		{"no kid", sign(jwt.SigningMethodRS256, nil, p.good(nil), rsaKey()), false},
		{"an unknown kid", sign(jwt.SigningMethodRS256, map[string]any{"kid": "new"}, p.good(nil), rsaKey()), false},
		{"a kid that is no text", sign(jwt.SigningMethodRS256, map[string]any{"kid": 1}, p.good(nil), rsaKey()), false},
		{"a key of its own in the header", sign(jwt.SigningMethodRS256, map[string]any{"kid": "mine", "jwk": rsaJWK("mine", otherKey())}, p.good(nil), otherKey()), false},
		{"what must be understood and is not", sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa", "crit": []string{"b64"}}, p.good(nil), rsaKey()), false},
		{"changed claims", middle(rs(nil), `{"iss":"`+p.URL+`","aud":"chatkeeper","sub":"alex","exp":9999999999}`), false},
		{"cut", rs(nil)[:len(rs(nil))-4], false},
		{"a fourth part", rs(nil) + ".x", false},
		{"huge", rs(map[string]any{"padding": strings.Repeat("x", 8<<10)}), false},
	} {
		who, err := v.Verify(t.Context(), test.token)
		var e *chat.Error
		switch {
		case test.good && err != nil:
			t.Errorf("%s: %v", test.name, err)
		case test.good && who != httpapi.Identity{Issuer: p.URL, Subject: "subject-1", Email: "dan@example.com", EmailVerified: true}:
			t.Errorf("%s: is about %+v", test.name, who)
		case !test.good && (!errors.As(err, &e) || e.Code != chat.Unauthenticated):
			t.Errorf("%s: accepted or another error: %+v, %v", test.name, who, err)
		}
	}
}

func TestWhichEmailsAreVerified(t *testing.T) {
	t.Parallel()
	p := startProvider(t, rsaJWK("rsa", rsaKey()))
	v := p.verifier(at(now))
	for _, test := range []struct {
		email, verified any
		want            bool
	}{
		{"a@b.example", true, true}, {"a@b.example", "true", true},
		{"a@b.example", false, false}, {"a@b.example", "false", false}, {"a@b.example", nil, false}, {"a@b.example", 1, false}, {nil, true, false},
	} {
		who, err := v.Verify(t.Context(), sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa"},
			p.good(map[string]any{"email": test.email, "email_verified": test.verified}), rsaKey()))
		if err != nil || who.EmailVerified != test.want {
			t.Errorf("%v, %v: %+v, %v", test.email, test.verified, who, err)
		}
	}
}

// A key that was rotated in counts at once, one that was taken out after an hour; made-up key ids cause one request a minute.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	p := startProvider(t, rsaJWK("old", rsaKey()))
	var clock atomic.Int64
	clock.Store(now.Unix())
	v := p.verifier(func() time.Time { return time.Unix(clock.Load(), 0) })
	long := map[string]any{"exp": now.Add(48 * time.Hour).Unix()}
	oldToken := sign(jwt.SigningMethodRS256, map[string]any{"kid": "old"}, p.good(long), rsaKey())
	newToken := sign(jwt.SigningMethodRS256, map[string]any{"kid": "new"}, p.good(long), otherKey())
	expect := func(step, token string, code chat.Code, asked int32) {
		t.Helper()
		_, err := v.Verify(t.Context(), token)
		var e *chat.Error
		if errors.As(err, &e) != (code != "") || e != nil && e.Code != code {
			t.Errorf("%s: %v, want %q", step, err, code)
		}
		if got := p.asked.Load(); got != asked {
			t.Errorf("%s: the keys were read %d times, want %d", step, got, asked)
		}
	}
	later := func(d time.Duration) { clock.Add(int64(d / time.Second)) }
	expect("the first token", oldToken, "", 1)
	expect("the second", oldToken, "", 1)
	expect("an unknown key", newToken, chat.Unauthenticated, 1) // read just now
	p.set(false, rsaJWK("old", rsaKey()), rsaJWK("new", otherKey()))
	later(30 * time.Second)
	expect("within the minute", newToken, chat.Unauthenticated, 1)
	later(31 * time.Second)
	expect("a minute later", newToken, "", 2)
	p.set(false, rsaJWK("new", otherKey()))
	expect("withdrawn, not seen yet", oldToken, "", 2)
	later(2 * time.Hour)
	expect("withdrawn", oldToken, chat.Unauthenticated, 3)
	p.set(true)
	later(2 * time.Hour)
	expect("the issuer is down, old keys go on", newToken, "", 4)
	expect("and it is left alone for a minute", newToken, "", 4)
}

// Without keys nobody can be let in, and nobody can be told that their token is bad.
func TestAnIssuerThatIsDown(t *testing.T) {
	t.Parallel()
	p := startProvider(t)
	p.set(true)
	v := p.verifier(at(now))
	token := sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa"}, p.good(nil), rsaKey())
	_, err := v.Verify(t.Context(), token)
	var e *chat.Error
	if !errors.As(err, &e) || e.Code != chat.TryAgain {
		t.Errorf("%v, want try_again", err)
	}
	p.set(false, rsaJWK("rsa", rsaKey()))
	if _, err := v.Verify(t.Context(), token); err != nil {
		t.Errorf("back again: %v", err)
	}
}

// What the issuer serves is not believed blindly.
func TestOddKeyDocuments(t *testing.T) {
	t.Parallel()
	even := rsaJWK("rsa", rsaKey())
	even["e"] = base64.RawURLEncoding.EncodeToString(big.NewInt(4).Bytes())
	offCurve := ecJWK("ec", ecKey())
	offCurve["y"] = offCurve["x"]
	encryption := rsaJWK("rsa", rsaKey())
	encryption["use"] = "enc"
	for name, key := range map[string]map[string]string{"an even exponent": even, "a point off the curve": offCurve, "a key for encryption": encryption,
		"no numbers": {"kid": "rsa", "kty": "RSA"}, "no base64": {"kid": "rsa", "kty": "RSA", "n": "!", "e": "AQAB"}} {
		p := startProvider(t, key)
		for _, token := range []string{sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa"}, p.good(nil), rsaKey()),
			sign(jwt.SigningMethodES256, map[string]any{"kid": "ec"}, p.good(nil), ecKey())} {
			if _, err := p.verifier(at(now)).Verify(t.Context(), token); err == nil {
				t.Errorf("%s: a token was good", name)
			}
		}
	}
	var elsewhere *httptest.Server
	elsewhere = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/keys" {
			_, _ = w.Write(must(json.Marshal(map[string]any{"keys": []any{rsaJWK("rsa", rsaKey())}})))
			return
		}
		_, _ = w.Write([]byte(`{"issuer": "https://elsewhere.example", "jwks_uri": "` + elsewhere.URL + `/keys"}`))
	}))
	defer elsewhere.Close()
	huge := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`{"padding": "` + strings.Repeat("x", 1<<20) + `"}`))
	}))
	defer huge.Close()
	for name, url := range map[string]string{"a document of another issuer": elsewhere.URL, "a huge document": huge.URL} {
		v := httpapi.NewVerifier(httpapi.VerifierOptions{Issuer: url, Audience: audience, Now: at(now)})
		_, err := v.Verify(t.Context(), sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa"}, map[string]any{"iss": url}, rsaKey()))
		var e *chat.Error
		if !errors.As(err, &e) || e.Code != chat.TryAgain {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Under `sam local` the functions reach the issuer of this machine by another address than its name.
func TestAnIssuerAtAnotherAddress(t *testing.T) {
	t.Parallel()
	p := startProvider(t, rsaJWK("rsa", rsaKey()))
	address := strings.TrimPrefix(p.URL, "http://")
	p.URL = "http://issuer.example:8082"
	v := httpapi.NewVerifier(httpapi.VerifierOptions{Issuer: p.URL, Audience: audience, Address: address, Now: at(now)})
	if _, err := v.Verify(t.Context(), sign(jwt.SigningMethodRS256, map[string]any{"kid": "rsa"}, p.good(nil), rsaKey())); err != nil {
		t.Error(err)
	}
}
