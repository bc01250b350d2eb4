package httpapi

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"chatkeeper/shared/chat"
)

const (
	keysAge     = time.Hour   // after which keys are read again, so that a withdrawn one stops to count
	keysPause   = time.Minute // between two reads: tokens with made-up key ids must not become requests to the issuer
	keysTimeout = 3 * time.Second
	maxDocument = 256 << 10
)

// keys are the issuer's public keys (RFC 7517), found by OIDC discovery.
type keys struct {
	issuer string
	client *http.Client
	now    func() time.Time

	mu    sync.Mutex // held while reading: whoever comes meanwhile needs the same keys
	byID  map[string]publicKey
	read  time.Time // when byID was read
	tried time.Time // when the last read began, whatever came of it
}

// publicKey is a key and the one algorithm it is for. Taking the algorithm from the token instead would let the token's
// writer choose.
type publicKey struct {
	algorithm string
	key       crypto.PublicKey
}

var errUnknownKey = errors.New("no such key")

// keyClient is impatient, follows no redirects, and goes to address, if there is one, whatever name is asked for.
func keyClient(address string) *http.Client {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	if address != "" {
		transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		}
	}
	return &http.Client{Timeout: keysTimeout, Transport: transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// find returns the key with the id. An id that is not known makes it read the keys again, at most once in keysPause.
// When they can't be read, old ones go on to count; without any the error is TryAgain.
func (k *keys) find(ctx context.Context, id, algorithm string) (crypto.PublicKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	_, known := k.byID[id]
	due := !known || now.Sub(k.read) > keysAge
	if due && (k.tried.IsZero() || now.Sub(k.tried) >= keysPause || k.byID == nil) {
		k.tried = now
		fresh, err := k.fetch(ctx)
		switch {
		case err == nil:
			k.byID, k.read = fresh, now
		case k.byID == nil:
			slog.Error("keys of the issuer not read", "error", err)
			return nil, &chat.Error{Code: chat.TryAgain, Detail: "The keys of the token's issuer can't be read now."}
		default:
			slog.Error("keys of the issuer not read again; the old ones go on", "error", err)
		}
	}
	found, ok := k.byID[id]
	if !ok || found.algorithm != algorithm {
		return nil, errUnknownKey
	}
	return found.key, nil
}

func (k *keys) fetch(ctx context.Context) (map[string]publicKey, error) {
	ctx, cancel := context.WithTimeout(ctx, keysTimeout)
	defer cancel()
	var discovery struct {
		Issuer  string `json:"issuer"`
		JWKSURI string `json:"jwks_uri"`
	}
	if err := k.get(ctx, strings.TrimSuffix(k.issuer, "/")+"/.well-known/openid-configuration", &discovery); err != nil {
		return nil, err
	}
	if discovery.Issuer != k.issuer {
		return nil, errors.New("the discovery document is of another issuer")
	}
	if err := sameSafety(k.issuer, discovery.JWKSURI); err != nil {
		return nil, err
	}
	var set struct {
		Keys []jwk `json:"keys"`
	}
	if err := k.get(ctx, discovery.JWKSURI, &set); err != nil {
		return nil, err
	}
	found := map[string]publicKey{}
	for _, j := range set.Keys {
		if key, ok := j.public(); ok {
			found[j.ID] = key
		}
	}
	return found, nil
}

// sameSafety refuses keys by http where the issuer is known by https. Plain http is for an issuer on this machine.
func sameSafety(issuer, keys string) error {
	i, err := url.Parse(issuer)
	if err != nil {
		return err
	}
	j, err := url.Parse(keys)
	if err != nil {
		return err
	}
	if j.Scheme != "https" && j.Scheme != i.Scheme {
		return errors.New("the keys are not served by https")
	}
	return nil
}

func (k *keys) get(ctx context.Context, address string, to any) error {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	response, err := k.client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %d", address, response.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocument+1))
	if err != nil {
		return err
	}
	if len(body) > maxDocument {
		return fmt.Errorf("%s is larger than %d bytes", address, maxDocument)
	}
	return json.Unmarshal(body, to)
}

// jwk is a key as its issuer serves it.
type jwk struct {
	ID        string `json:"kid"`
	Type      string `json:"kty"`
	Use       string `json:"use"`
	Algorithm string `json:"alg"`
	N         string `json:"n"`
	E         string `json:"e"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
}

// public is false for a key that is not for our algorithms: issuers serve keys for other uses beside.
func (j jwk) public() (publicKey, bool) {
	var p publicKey
	switch {
	case j.ID == "" || j.Use != "" && j.Use != "sig":
		return p, false
	case j.Type == "RSA":
		n, okN := number(j.N)
		e, okE := number(j.E)
		// RFC 7518 asks for 2048 bits; beyond 8192 a check costs too much.
		if !okN || !okE || n.BitLen() < 2048 || n.BitLen() > 8192 || !e.IsInt64() || e.Int64() < 3 || e.Int64() > 1<<31-1 || e.Bit(0) == 0 {
			return p, false
		}
		p = publicKey{"RS256", &rsa.PublicKey{N: n, E: int(e.Int64())}}
	case j.Type == "EC" && j.Curve == "P-256":
		x, errX := base64.RawURLEncoding.DecodeString(j.X)
		y, errY := base64.RawURLEncoding.DecodeString(j.Y)
		if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
			return p, false
		}
		// Refuses a point that is not on the curve.
		key, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
		if err != nil {
			return p, false
		}
		p = publicKey{"ES256", key}
	default:
		return p, false
	}
	return p, j.Algorithm == "" || j.Algorithm == p.algorithm
}

func number(text string) (*big.Int, bool) {
	b, err := base64.RawURLEncoding.DecodeString(text)
	return new(big.Int).SetBytes(b), err == nil && len(b) > 0
}
