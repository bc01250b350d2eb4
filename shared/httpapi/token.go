package httpapi

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatkeeper/shared/chat"
)

const (
	maxToken = 8 << 10 // API Gateway takes 10 KB of headers in all
	leeway   = 30 * time.Second
)

// algorithms are all that is taken. Neither "none" nor an HMAC, whose key would be the issuer's public one.
var algorithms = []string{"RS256", "ES256"}

// VerifierOptions say whose tokens are good.
type VerifierOptions struct {
	Issuer   string           // as the token's iss says it; its discovery document is read from there
	Audience string           // one of the token's aud
	Address  string           // host:port where the issuer is reached; empty: where its name leads. A container's localhost is not the issuer's
	Now      func() time.Time // nil: the system's clock
}

// Verifier checks tokens of one OIDC issuer. It keeps the issuer's keys; make one and keep it.
//
// A token that has no aud is taken if its client_id is the audience: Cognito's access tokens are like that, and API
// Gateway's JWT authorizer does the same. They tell no e-mail, so the first request of a person needs an ID token.
type Verifier struct {
	issuer, audience string
	keys             *keys
	parser           *jwt.Parser
}

// NewVerifier returns a Verifier. It reads the issuer's keys with the first token.
func NewVerifier(o VerifierOptions) *Verifier {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Verifier{
		issuer: o.Issuer, audience: o.Audience,
		keys: &keys{issuer: o.Issuer, client: keyClient(o.Address), now: o.Now},
		parser: jwt.NewParser(jwt.WithValidMethods(algorithms), jwt.WithIssuer(o.Issuer), jwt.WithExpirationRequired(),
			jwt.WithLeeway(leeway), jwt.WithTimeFunc(o.Now), jwt.WithStrictDecoding()),
	}
}

// unauthenticated is the error of a bad token. It says what is wrong with it in words of ours, and nothing out of it.
func unauthenticated(detail string) *chat.Error {
	return &chat.Error{Code: chat.Unauthenticated, Detail: detail}
}

var noToken = unauthenticated("The request has no bearer token.")

// bearer takes the token out of the header.
func bearer(header http.Header) (string, error) {
	scheme, token, _ := strings.Cut(header.Get("Authorization"), " ")
	token = strings.TrimSpace(token)
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", noToken
	}
	return token, nil
}

// challenge is the WWW-Authenticate header (RFC 6750): a request without a token is told no error.
func challenge(err error) string {
	if errors.Is(err, noToken) {
		return "Bearer"
	}
	return `Bearer error="invalid_token"`
}

type claims struct {
	jwt.RegisteredClaims
	ClientID      string `json:"client_id"`
	Email         string `json:"email"`
	EmailVerified any    `json:"email_verified"` // true, or "true" with some issuers
}

// Verify says whom a token is about. The error is a *[chat.Error]: Unauthenticated for a token that is not good,
// TryAgain when the issuer's keys can't be had.
func (v *Verifier) Verify(ctx context.Context, token string) (Identity, error) {
	if len(token) > maxToken {
		return Identity{}, unauthenticated("The token is too large.")
	}
	var c claims
	_, err := v.parser.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		if _, critical := t.Header["crit"]; critical { // RFC 7515: what must be understood and is not
			return nil, errors.New("crit")
		}
		kid, _ := t.Header["kid"].(string)
		if kid == "" {
			return nil, errors.New("no kid")
		}
		return v.keys.find(ctx, kid, t.Method.Alg())
	})
	var silent *chat.Error
	switch {
	case err == nil:
	case errors.As(err, &silent):
		return Identity{}, silent
	case errors.Is(err, jwt.ErrTokenExpired):
		return Identity{}, unauthenticated("The token has expired.")
	case errors.Is(err, jwt.ErrTokenNotValidYet):
		return Identity{}, unauthenticated("The token is not valid yet.")
	case errors.Is(err, jwt.ErrTokenInvalidIssuer):
		return Identity{}, unauthenticated("The token is of another issuer.")
	default:
		return Identity{}, unauthenticated("The token is not valid.")
	}
	if !slices.Contains(c.Audience, v.audience) && (len(c.Audience) > 0 || c.ClientID != v.audience || v.audience == "") {
		return Identity{}, unauthenticated("The token is for another audience.")
	}
	if c.Subject == "" || len(c.Subject) > maxSubject || len(c.Email) > maxEmail {
		return Identity{}, unauthenticated("The token names no subject that can be kept.")
	}
	return Identity{Issuer: v.issuer, Subject: c.Subject, Email: strings.ToLower(c.Email),
		EmailVerified: c.Email != "" && (c.EmailVerified == true || c.EmailVerified == "true")}, nil
}

// OIDC allows a subject 255 characters, and an e-mail address has at most 254.
const (
	maxSubject = 255
	maxEmail   = 254
)
