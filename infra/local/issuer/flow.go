package issuer

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"errors"
	"html/template"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"chatkeeper/shared/team"
)

// grant is what a code stands for until it is exchanged, once.
type grant struct {
	person    team.Person
	redirect  string
	challenge string
	nonce     string
	scope     string
	until     time.Time
}

// ServeHTTP serves the provider's endpoints.
func (i *Issuer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /.well-known/openid-configuration", i.discovery)
	mux.HandleFunc("GET /keys", i.keys)
	mux.HandleFunc("GET /authorize", i.authorize)
	mux.HandleFunc("POST /authorize", i.choose)
	mux.HandleFunc("POST /token", i.token)
	// A page of another site must not reach it under a name of its own that leads to this machine.
	if host, _, err := net.SplitHostPort(r.Host); err != nil || !isLoopback(host) {
		http.Error(w, "the issuer answers on localhost alone", http.StatusForbidden)
		return
	}
	w.Header().Set("Cache-Control", "no-store")
	mux.ServeHTTP(w, r)
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (i *Issuer) discovery(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{
		"issuer":                                i.URL,
		"authorization_endpoint":                i.URL + "/authorize",
		"token_endpoint":                        i.URL + "/token",
		"jwks_uri":                              i.URL + "/keys",
		"response_types_supported":              []string{"code"},
		"response_modes_supported":              []string{"query"},
		"grant_types_supported":                 []string{"authorization_code", "refresh_token"},
		"subject_types_supported":               []string{"public"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"token_endpoint_auth_methods_supported": []string{"none"},
		"code_challenge_methods_supported":      []string{"S256"},
		"scopes_supported":                      []string{"openid", "email", "profile", "offline_access"},
		"claims_supported":                      []string{"sub", "email", "email_verified", "name"},
	})
}

func (i *Issuer) keys(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, map[string]any{"keys": []any{i.Key.JWK()}})
}

// checkAuthorization says what is wrong with a request to /authorize. Where the address to come back to can't be trusted,
// nobody is sent there, so it always ends on a page of ours.
func (i *Issuer) checkAuthorization(q url.Values) error {
	back, err := url.Parse(q.Get("redirect_uri"))
	switch {
	case q.Get("client_id") != i.Audience:
		return errors.New("client_id must be " + i.Audience)
	case err != nil || back.Scheme != "http" || !isLoopback(back.Hostname()) || back.Fragment != "":
		return errors.New("redirect_uri must be an http address on this machine")
	case q.Get("response_type") != "code":
		return errors.New("response_type must be code")
	case q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != base64.RawURLEncoding.EncodedLen(sha256.Size):
		return errors.New("PKCE with S256 is needed: code_challenge and code_challenge_method")
	case !slices.Contains(strings.Fields(q.Get("scope")), "openid"):
		return errors.New("scope must contain openid")
	}
	return nil
}

//go:embed choose.html
var chooseHTML string

var choosePage = template.Must(template.New("choose").Parse(chooseHTML))

func (i *Issuer) authorize(w http.ResponseWriter, r *http.Request) {
	if err := i.checkAuthorization(r.URL.Query()); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	people, err := i.People(r.Context())
	if err != nil {
		slog.Error("people not read", "error", err)
		http.Error(w, "the team can't be read now", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'")
	if err := choosePage.Execute(w, map[string]any{
		"People": people, "Action": template.URL("/authorize?" + r.URL.Query().Encode())}); err != nil {
		slog.Warn("page not sent", "error", err)
	}
}

// choose takes the choice on the page, and sends the browser back with a code.
func (i *Issuer) choose(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	if err := i.checkAuthorization(q); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	p, ok := i.person(w, r, r.PostFormValue("person"))
	if !ok {
		return
	}
	code := rand.Text()
	i.mu.Lock()
	for old, g := range i.codes {
		if i.Now().After(g.until) {
			delete(i.codes, old)
		}
	}
	i.codes[code] = grant{person: p, redirect: q.Get("redirect_uri"), challenge: q.Get("code_challenge"), nonce: q.Get("nonce"),
		scope: q.Get("scope"), until: i.Now().Add(codeLife)}
	i.mu.Unlock()
	back, err := url.Parse(q.Get("redirect_uri"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	answer := back.Query()
	answer.Set("code", code)
	answer.Set("iss", i.URL) // RFC 9207
	if q.Has("state") {
		answer.Set("state", q.Get("state"))
	}
	back.RawQuery = answer.Encode()
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}

// person finds somebody by id, or answers that there is nobody.
func (i *Issuer) person(w http.ResponseWriter, r *http.Request, id string) (team.Person, bool) {
	people, err := i.People(r.Context())
	if err != nil {
		slog.Error("people not read", "error", err)
		refuse(w, http.StatusServiceUnavailable, "temporarily_unavailable", "the team can't be read now")
		return team.Person{}, false
	}
	at := slices.IndexFunc(people, func(p team.Person) bool { return p.ID == id })
	if at < 0 {
		refuse(w, http.StatusBadRequest, "invalid_grant", "nobody has this id")
		return team.Person{}, false
	}
	return people[at], true
}

// token exchanges a code or a refresh token. It is called from pages of other ports, so it allows any origin: without a
// code or a refresh token nobody gets anything.
func (i *Issuer) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "invalid_request", "the form can't be read")
		return
	}
	if r.PostForm.Get("client_id") != i.Audience {
		refuse(w, http.StatusUnauthorized, "invalid_client", "client_id must be "+i.Audience)
		return
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		i.exchange(w, r.PostForm)
	case "refresh_token":
		i.refresh(w, r)
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
	}
}

// exchange takes a code, which is gone afterwards, whatever comes of it.
func (i *Issuer) exchange(w http.ResponseWriter, form url.Values) {
	i.mu.Lock()
	g, ok := i.codes[form.Get("code")]
	delete(i.codes, form.Get("code"))
	i.mu.Unlock()
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	proof := base64.RawURLEncoding.EncodeToString(sum[:])
	if !ok || i.Now().After(g.until) || form.Get("redirect_uri") != g.redirect || subtle.ConstantTimeCompare([]byte(proof), []byte(g.challenge)) != 1 {
		refuse(w, http.StatusBadRequest, "invalid_grant", "the code is not good, or not with this redirect_uri and code_verifier")
		return
	}
	i.give(w, g.person, g.scope, g.nonce)
}

const refreshUse = "refresh"

// refresh takes a refresh token: a signed one, so that it outlives a restart. It is for this endpoint alone.
func (i *Issuer) refresh(w http.ResponseWriter, r *http.Request) {
	claims := jwt.MapClaims{}
	_, err := jwt.ParseWithClaims(r.PostForm.Get("refresh_token"), claims, func(*jwt.Token) (any, error) { return i.Key.Public(), nil },
		jwt.WithValidMethods([]string{"RS256"}), jwt.WithIssuer(i.URL), jwt.WithAudience(i.URL+"/token"), jwt.WithExpirationRequired(), jwt.WithTimeFunc(i.Now))
	if err != nil || claims["token_use"] != refreshUse {
		refuse(w, http.StatusBadRequest, "invalid_grant", "the refresh token is not good")
		return
	}
	id, _ := claims["sub"].(string)
	scope, _ := claims["scope"].(string)
	if p, ok := i.person(w, r, id); ok {
		i.give(w, p, scope, "")
	}
}

// give answers with tokens.
func (i *Issuer) give(w http.ResponseWriter, p team.Person, scope, nonce string) {
	access := i.Claims(p, accessLife)
	access["scope"] = scope
	id := i.Claims(p, accessLife)
	id["token_use"] = "id"
	if nonce != "" {
		id["nonce"] = nonce
	}
	again := i.Claims(p, refreshLife)
	again["aud"], again["token_use"], again["scope"] = i.URL+"/token", refreshUse, scope
	accessToken, err1 := i.Key.Sign(access)
	idToken, err2 := i.Key.Sign(id)
	refreshToken, err3 := i.Key.Sign(again)
	if err := errors.Join(err1, err2, err3); err != nil {
		slog.Error("tokens not signed", "error", err)
		refuse(w, http.StatusInternalServerError, "server_error", "the tokens could not be signed")
		return
	}
	answer(w, http.StatusOK, map[string]any{"access_token": accessToken, "id_token": idToken, "refresh_token": refreshToken,
		"token_type": "Bearer", "expires_in": int(accessLife.Seconds()), "scope": scope})
}

func refuse(w http.ResponseWriter, status int, code, detail string) {
	answer(w, status, map[string]string{"error": code, "error_description": detail})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Access-Control-Allow-Origin", "*")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		slog.Warn("answer not sent", "error", err)
	}
}
