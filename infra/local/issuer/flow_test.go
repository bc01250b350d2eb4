package issuer_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"chatkeeper/infra/local/issuer"
	"chatkeeper/infra/local/issuer/issuertest"
	"chatkeeper/infra/local/seed"
	"chatkeeper/shared/httpapi"
	"chatkeeper/shared/team"
)

const verifierText = "a-code-verifier-of-at-least-forty-three-characters"

func challenge() string {
	sum := sha256.Sum256([]byte(verifierText))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// browser follows no redirects, as a test wants to see them.
var browser = &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}

func authorization() url.Values {
	return url.Values{"client_id": {"chatkeeper"}, "redirect_uri": {"http://localhost:5173/back?x=1"}, "response_type": {"code"}, "scope": {"openid email"},
		"state": {"s1"}, "nonce": {"n1"}, "code_challenge": {challenge()}, "code_challenge_method": {"S256"}}
}

func exchange(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "client_id": {"chatkeeper"}, "code": {code},
		"redirect_uri": {"http://localhost:5173/back?x=1"}, "code_verifier": {verifierText}}
}

func post(t *testing.T, address string, form url.Values) (int, map[string]any) {
	t.Helper()
	response, err := browser.PostForm(address, form)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var body map[string]any
	if err := json.NewDecoder(response.Body).Decode(&body); err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, body
}

// code signs the person in on the page and returns the code.
func code(t *testing.T, i *issuer.Issuer, person string) string {
	t.Helper()
	response, err := browser.PostForm(i.URL+"/authorize?"+authorization().Encode(), url.Values{"person": {person}})
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	back, err := response.Location()
	if err != nil || response.StatusCode != http.StatusSeeOther {
		t.Fatalf("%d, %v", response.StatusCode, err)
	}
	q := back.Query()
	if back.Host != "localhost:5173" || q.Get("x") != "1" || q.Get("state") != "s1" || q.Get("code") == "" {
		t.Fatalf("back to %s", back)
	}
	return q.Get("code")
}

func TestSigningInByCodeAndRefresh(t *testing.T) {
	t.Parallel()
	i := issuertest.Start(t, seed.People()...)
	page, err := http.Get(i.URL + "/authorize?" + authorization().Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer page.Body.Close()
	content, err := io.ReadAll(page.Body)
	action := regexp.MustCompile(`action="([^"]*)"`).FindSubmatch(content)
	if err != nil || !strings.Contains(string(content), `value="amira"`) || action == nil {
		t.Fatalf("the page does not list the team: %v\n%s", err, content)
	}
	chosen, err := browser.PostForm(i.URL+html.UnescapeString(string(action[1])), url.Values{"person": {"amira"}})
	if err != nil {
		t.Fatal(err)
	}
	chosen.Body.Close()
	if back, err := chosen.Location(); err != nil || back.Query().Get("state") != "s1" {
		t.Fatalf("the page's form leads to %v, %v", back, err)
	}
	v := httpapi.NewVerifier(httpapi.VerifierOptions{Issuer: i.URL, Audience: "chatkeeper"})
	isAmira := func(what string, token any) {
		t.Helper()
		who, err := v.Verify(t.Context(), token.(string))
		if err != nil || who != (team.Identity{Issuer: i.URL, Subject: "amira", Email: "amira@example.com", EmailVerified: true}) {
			t.Errorf("%s is about %+v, %v", what, who, err)
		}
	}
	status, got := post(t, i.URL+"/token", exchange(code(t, i, "amira")))
	if status != http.StatusOK || got["token_type"] != "Bearer" {
		t.Fatalf("%d %v", status, got)
	}
	isAmira("the access token", got["access_token"])
	isAmira("the ID token", got["id_token"])
	if _, err := v.Verify(t.Context(), got["refresh_token"].(string)); err == nil {
		t.Error("a refresh token opens the API")
	}
	again := url.Values{"grant_type": {"refresh_token"}, "client_id": {"chatkeeper"}, "refresh_token": {got["refresh_token"].(string)}}
	status, fresh := post(t, i.URL+"/token", again)
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, fresh)
	}
	isAmira("the refreshed token", fresh["access_token"])
	for name, token := range map[string]any{"an access token": got["access_token"], "nothing": "", "an unsigned one": "e30.e30."} {
		again.Set("refresh_token", token.(string))
		if status, body := post(t, i.URL+"/token", again); status != http.StatusBadRequest || body["error"] != "invalid_grant" {
			t.Errorf("%s for a refresh token: %d %v", name, status, body)
		}
	}
}

func TestCodesAreGoodOnceAndWithTheirProof(t *testing.T) {
	t.Parallel()
	i := issuertest.Start(t, seed.People()...)
	for name, change := range map[string]func(url.Values){
		"another verifier":  func(f url.Values) { f.Set("code_verifier", verifierText+"x") },
		"no verifier":       func(f url.Values) { f.Del("code_verifier") },
		"another address":   func(f url.Values) { f.Set("redirect_uri", "http://localhost:5173/") },
		"another code":      func(f url.Values) { f.Set("code", "made-up") },
		"another client":    func(f url.Values) { f.Set("client_id", "other") },
		"another grant":     func(f url.Values) { f.Set("grant_type", "password") },
		"nothing different": nil,
	} {
		form := exchange(code(t, i, "dan"))
		if change != nil {
			change(form)
		}
		status, body := post(t, i.URL+"/token", form)
		if (status == http.StatusOK) != (change == nil) {
			t.Errorf("%s: %d %v", name, status, body)
		}
		if status, _ := post(t, i.URL+"/token", exchange(form.Get("code"))); change == nil && status == http.StatusOK {
			t.Error("a code was good twice")
		}
	}
}

func TestWhatThePageRefuses(t *testing.T) {
	t.Parallel()
	i := issuertest.Start(t, seed.People()...)
	for name, change := range map[string]func(url.Values){
		"another client":             func(q url.Values) { q.Set("client_id", "other") },
		"an address elsewhere":       func(q url.Values) { q.Set("redirect_uri", "http://elsewhere.example/") },
		"an address that looks here": func(q url.Values) { q.Set("redirect_uri", "http://localhost.elsewhere.example/") },
		"no address":                 func(q url.Values) { q.Del("redirect_uri") },
		"a script":                   func(q url.Values) { q.Set("redirect_uri", "javascript:alert(1)") },
		"no PKCE":                    func(q url.Values) { q.Del("code_challenge") },
		"plain PKCE":                 func(q url.Values) { q.Set("code_challenge_method", "plain") },
		"the implicit flow":          func(q url.Values) { q.Set("response_type", "token") },
		"no openid":                  func(q url.Values) { q.Set("scope", "email") },
	} {
		q := authorization()
		change(q)
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			request, err := http.NewRequestWithContext(t.Context(), method, i.URL+"/authorize?"+q.Encode(), nil)
			if err != nil {
				t.Fatal(err)
			}
			response, err := browser.Do(request)
			if err != nil {
				t.Fatal(err)
			}
			response.Body.Close()
			if response.StatusCode != http.StatusBadRequest {
				t.Errorf("%s %s: %d", method, name, response.StatusCode)
			}
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, i.URL+"/.well-known/openid-configuration", nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Host = "elsewhere.example:80"
	response, err := browser.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	response.Body.Close()
	if response.StatusCode != http.StatusForbidden {
		t.Errorf("under another name: %d", response.StatusCode)
	}
}

func TestTokensOutliveARestart(t *testing.T) {
	t.Parallel()
	folder := filepath.Join(t.TempDir(), "data")
	first, err := issuer.OpenKey(folder)
	if err != nil {
		t.Fatal(err)
	}
	second, err := issuer.OpenKey(folder)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID != second.ID {
		t.Errorf("the key changed")
	}
	if info, err := os.Stat(filepath.Join(folder, "issuer.pem")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("others may read the key: %v %v", info.Mode(), err)
	}
	running := issuertest.Start(t)
	running.Key = second
	before := issuer.New(issuer.Options{URL: running.URL, Audience: "chatkeeper", Key: first,
		People: func(context.Context) ([]team.Person, error) { return nil, nil }})
	token, err := before.Token(team.Person{ID: "dan"}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	v := httpapi.NewVerifier(httpapi.VerifierOptions{Issuer: running.URL, Audience: "chatkeeper"})
	if who, err := v.Verify(t.Context(), token); err != nil || who.Subject != "dan" || who.EmailVerified {
		t.Errorf("%+v, %v", who, err)
	}
}
