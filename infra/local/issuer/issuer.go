// Package issuer is the OpenID provider of the laptop: discovery, keys, the authorization code flow with PKCE, and refresh
// tokens. Instead of asking for a password it shows the team, and whoever can reach it may be anybody: it is served on
// loopback alone, and the deployed stack knows nothing of it.
//
// Its tokens look like those of any provider: RS256, with sub, email and email_verified; sub is the id of the person.
package issuer

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatkeeper/shared/team"
)

// How long what it gives out is good.
const (
	codeLife    = time.Minute
	accessLife  = time.Hour
	refreshLife = 30 * 24 * time.Hour
)

// Options of an Issuer.
type Options struct {
	URL      string // how tokens spell the issuer, and where it is reached; without a slash at the end
	Audience string // of its tokens, and the client_id of its only client
	Key      *Key
	People   func(context.Context) ([]team.Person, error) // who can sign in
	Now      func() time.Time                             // nil: the system's clock
}

// Issuer is the provider. It is an http.Handler (see flow.go).
type Issuer struct {
	Options

	mu    sync.Mutex
	codes map[string]grant
}

// New returns an Issuer.
func New(o Options) *Issuer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Issuer{Options: o, codes: map[string]grant{}}
}

// Key signs tokens.
type Key struct {
	ID      string
	private *rsa.PrivateKey
}

// NewKey makes a key that nobody keeps, for tests.
func NewKey() (*Key, error) {
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	return keyOf(private), nil
}

func keyOf(private *rsa.PrivateKey) *Key {
	sum := sha256.Sum256(private.N.Bytes())
	return &Key{ID: base64.RawURLEncoding.EncodeToString(sum[:9]), private: private}
}

// OpenKey reads the key in a folder, and makes it the first time: tokens outlive a restart.
func OpenKey(folder string) (*Key, error) {
	file := filepath.Join(folder, "issuer.pem")
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(file)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(content)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key; make reset starts anew", file)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	private, ok := parsed.(*rsa.PrivateKey)
	if err != nil || !ok {
		return nil, fmt.Errorf("%s holds no RSA key; make reset starts anew", file)
	}
	return keyOf(private), nil
}

func createKey(file string) (*Key, error) {
	k, err := NewKey()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(k.private)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return nil, err
	}
	temporary := file + ".new"
	if err := os.WriteFile(temporary, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		return nil, err
	}
	return k, os.Rename(temporary, file)
}

// Public is the key as others check with it.
func (k *Key) Public() crypto.PublicKey { return k.private.Public() }

// JWK is the public key as /keys serves it (RFC 7517).
func (k *Key) JWK() map[string]string {
	return map[string]string{"kid": k.ID, "kty": "RSA", "use": "sig", "alg": "RS256",
		"n": base64.RawURLEncoding.EncodeToString(k.private.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(k.private.E)).Bytes())}
}

// Sign signs whatever claims it is given: tests make bad tokens with it.
func (k *Key) Sign(claims map[string]any) (string, error) {
	t := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims(claims))
	t.Header["kid"] = k.ID
	return t.SignedString(k.private)
}

// Claims are what an access token of the person says, good for life.
func (i *Issuer) Claims(p team.Person, life time.Duration) map[string]any {
	now := i.Now()
	return map[string]any{"iss": i.URL, "aud": i.Audience, "sub": p.ID, "email": p.Email, "email_verified": p.Email != "",
		"name": p.Name, "iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(life).Unix(), "jti": rand.Text(), "token_use": "access"}
}

// Token is a bearer token of the person, good for life.
func (i *Issuer) Token(p team.Person, life time.Duration) (string, error) {
	return i.Key.Sign(i.Claims(p, life))
}
