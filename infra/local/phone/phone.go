// Package phone serves the page of a customer's phone: somebody who works on Chatkeeper writes as a customer, and sees beside it
// what becomes of the Chat, who owns it and why.
//
// It is for the laptop. It holds no state of its own: what is sent goes to the webhook as WhatsApp would send it, and what
// is shown is read from the tables. Its few controls (availability, capacity, closing, opening again) use the store
// functions that the API uses, without asking who may: whoever can reach the page may do everything on it. So it is
// served on loopback alone, and takes no request that another site's page may have caused.
package phone

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"chatkeeper/infra/local/phone/customer"
	"chatkeeper/shared/assign"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// Options are what the page needs of a running stack.
type Options struct {
	Store      *dynamo.Store
	Secret     chat.Secret // IDENTITY_KEY of the functions
	WebhookURL string      // of the API, with the path
	AppSecret  string      // signs deliveries
	Log        *slog.Logger
}

type page struct {
	store  *dynamo.Store
	secret chat.Secret
	line   customer.Line
	log    *slog.Logger

	mu    sync.Mutex
	rules map[int64]*assign.Rules // versions that are not in force any more; nil for one that can't be read
}

//go:embed page
var files embed.FS

// New returns the page at / and what it needs under /phone/.
func New(o Options) http.Handler {
	p := &page{
		store: o.Store, secret: o.Secret, log: o.Log, rules: map[int64]*assign.Rules{},
		line: customer.Line{URL: o.WebhookURL, AppSecret: o.AppSecret, Client: &http.Client{Timeout: time.Minute}},
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", asset("page.html", "text/html; charset=utf-8"))
	mux.HandleFunc("GET /phone/page.css", asset("page.css", "text/css; charset=utf-8"))
	mux.HandleFunc("GET /phone/page.js", asset("page.js", "text/javascript; charset=utf-8"))
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })
	mux.HandleFunc("POST /phone/start", answers(p, p.start))
	mux.HandleFunc("POST /phone/look", answers(p, p.look))
	mux.HandleFunc("POST /phone/invent", answers(p, p.invent))
	mux.HandleFunc("POST /phone/send", answers(p, p.send))
	mux.HandleFunc("POST /phone/again", answers(p, p.again))
	mux.HandleFunc("POST /phone/person", answers(p, p.person))
	mux.HandleFunc("POST /phone/chat", answers(p, p.chat))
	return guard(mux)
}

func asset(name, contentType string) http.HandlerFunc {
	content, err := files.ReadFile("page/" + name)
	if err != nil {
		panic(err) // the files are part of the binary
	}
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("Cache-Control", "no-cache")
		_, _ = w.Write(content) // a browser that went away needs no answer
	}
}

// guard refuses what did not come from the page itself. A page of another site can make a browser send requests here, and by
// a name that it points at 127.0.0.1 could even read the answers; so the host must be a name of loopback, and a POST must say
// that its own origin sent it.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		switch {
		case !isLoopback(r.Host):
			refuse(w, http.StatusForbidden, "this page answers to localhost only")
		case r.Method == http.MethodPost && !fromItself(r):
			refuse(w, http.StatusForbidden, "only the page itself may ask this")
		case r.Method == http.MethodPost && !isJSON(r):
			refuse(w, http.StatusUnsupportedMediaType, "this takes application/json")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

func isLoopback(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

func fromItself(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "same-origin"
	}
	return r.Header.Get("Origin") == "http://"+r.Host
}

func isJSON(r *http.Request) bool {
	kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return err == nil && kind == "application/json"
}

// maxBody holds any delivery that the page makes, several times escaped.
const maxBody = 512 << 10

// wrong is an error that whoever uses the page can understand, with the status to answer.
type wrong struct {
	status int
	says   string
}

func (w wrong) Error() string { return w.says }

// answers reads a request of type In, strictly, and writes what do makes of it.
func answers[In, Out any](p *page, do func(context.Context, In) (Out, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var in In
		dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
		dec.DisallowUnknownFields()
		err := dec.Decode(&in)
		if err == nil && dec.Decode(new(any)) != io.EOF {
			err = errors.New("something follows it")
		}
		var large *http.MaxBytesError
		if errors.As(err, &large) {
			refuse(w, http.StatusRequestEntityTooLarge, "this is too long")
			return
		}
		if err != nil {
			refuse(w, http.StatusBadRequest, "this page and the program behind it differ; load the page again")
			return
		}
		out, err := do(r.Context(), in)
		var said wrong
		switch {
		case errors.As(err, &said):
			refuse(w, said.status, said.says)
		case r.Context().Err() != nil: // nobody is there to read the answer
		case err != nil:
			p.log.WarnContext(r.Context(), "phone page", "path", r.URL.Path, "error", err)
			refuse(w, http.StatusServiceUnavailable, "the tables do not answer; is the stack still running?")
		default:
			reply(w, http.StatusOK, out)
		}
	}
}

func refuse(w http.ResponseWriter, status int, says string) {
	reply(w, status, map[string]string{"error": says})
}

func reply(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // a browser that went away needs no answer
}
