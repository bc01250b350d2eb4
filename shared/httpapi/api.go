// Package httpapi is what all functions behind the HTTP API have in common: who is asking, what a body may look like,
// how a failure reads, and how a Chat is shown. Handlers see a [Request] of a known, active person and return a
// [Response] or an error; the status codes of errors stand here and nowhere else (problem.go).
//
// Every request is verified here, also behind a gateway that has verified it already: the gateway is configuration, and
// is not there on a laptop.
package httpapi

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"runtime/debug"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Identity is what a verified token says about who sent it.
type Identity = team.Identity

// Request is a request of somebody who is known and active.
type Request struct {
	Person team.Person       // as read for this request, strongly consistent
	ID     string            // of the request, for logs
	Path   map[string]string // the parameters of the route
	Query  url.Values
	Header http.Header
	Body   []byte
	Now    time.Time
}

// Response is a success. Failures are errors: a *[chat.Error] for what the caller can do something about.
type Response struct {
	Status int // 0: 200
	Body   any // as JSON; nil: none
	Header map[string]string
}

// Handler answers one route.
type Handler func(ctx context.Context, r *Request) (*Response, error)

// Routes are the handlers of a function, keyed as in template.yaml: "GET /v1/chats/{chatId}".
type Routes map[string]Handler

// People finds who has signed in. An identity that belongs to nobody is a *[chat.Error] with the code UnknownPerson.
type People interface {
	SignedIn(ctx context.Context, who Identity) (team.Person, error)
}

// Options of an API. Verifier, People and Names must be given.
type Options struct {
	Verifier *Verifier
	People   People
	Names    *NameBook        // for failures that name the Assignee or show the Chat
	Now      func() time.Time // nil: the system's clock, to the millisecond
	Log      *slog.Logger     // nil: the default one at the time of the request
}

// API serves requests.
type API struct{ Options }

// New returns an API.
func New(o Options) *API {
	if o.Now == nil {
		o.Now = func() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }
	}
	return &API{o}
}

// Handle is what lambda.Start takes. It never returns an error: every failure has an answer, and a gateway that gets
// none would make up its own.
func (a *API) Handle(routes Routes) func(context.Context, events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	return func(ctx context.Context, event events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
		ctx, cancel := inTime(ctx)
		defer cancel()
		began := time.Now()
		id := event.RequestContext.RequestID
		r, response, err := a.answer(ctx, routes, event)
		out, err := a.render(ctx, r, event, response, err)
		log := cmp.Or(a.Log, slog.Default()).With("requestId", id, "route", event.RouteKey, "status", out.StatusCode)
		if r != nil {
			log = log.With("personId", r.Person.ID)
		}
		if out.StatusCode >= http.StatusInternalServerError {
			log.Error("request failed", "error", err)
		} else {
			log.Info("request", "milliseconds", time.Since(began).Milliseconds())
		}
		return out, nil
	}
}

// inTime ends the work a moment before the function is ended, so that there is time to answer.
func inTime(ctx context.Context) (context.Context, context.CancelFunc) {
	end, limited := ctx.Deadline()
	if !limited {
		return context.WithCancel(ctx)
	}
	return context.WithDeadline(ctx, end.Add(-min(time.Second, time.Until(end)/4)))
}

// answer goes from the event to the handler's answer. The Request is nil when it did not get as far as a known person.
func (a *API) answer(ctx context.Context, routes Routes, event events.APIGatewayV2HTTPRequest) (r *Request, response *Response, err error) {
	defer func() {
		if p := recover(); p != nil {
			response, err = nil, fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	header := http.Header{}
	for name, value := range event.Headers {
		header.Set(name, value)
	}
	token, err := bearer(header)
	if err != nil {
		return nil, nil, err
	}
	who, err := a.Verifier.Verify(ctx, token)
	if err != nil {
		return nil, nil, err
	}
	person, err := a.People.SignedIn(ctx, who)
	if err != nil {
		return nil, nil, err
	}
	r = &Request{Person: person, ID: event.RequestContext.RequestID, Path: event.PathParameters, Header: header, Now: a.Now()}
	if !person.Active || person.Role != team.Agent && person.Role != team.Admin {
		return r, nil, &chat.Error{Code: chat.Inactive, Detail: "You are deactivated or have no role; an Admin can change that."}
	}
	handle, ok := routes[event.RouteKey]
	if !ok {
		return r, nil, &chat.Error{Code: chat.NoSuchRoute, Detail: "There is no such route."}
	}
	if err := checkPath(r.Path); err != nil {
		return r, nil, err
	}
	if r.Query, err = url.ParseQuery(event.RawQueryString); err != nil {
		return r, nil, badRequest("The query string can't be read.")
	}
	r.Body = []byte(event.Body)
	if event.IsBase64Encoded {
		if r.Body, err = base64.StdEncoding.DecodeString(event.Body); err != nil {
			return r, nil, badRequest("The body can't be read.")
		}
	}
	if len(r.Body) > MaxBody {
		return r, nil, tooLarge()
	}
	response, err = handle(ctx, r)
	return r, response, err
}

// maxID is more than any id of ours has, and less than a key of the tables may have.
const maxID = 200

// missing are the codes of what the parameters of routes name.
var missing = map[string]chat.Code{"chatId": chat.NoSuchChat, "personId": chat.NoSuchPerson, "teamId": chat.NoSuchTeam}

// checkPath keeps away what can be nobody's id, and what the tables would refuse as a key.
func checkPath(parameters map[string]string) error {
	for name, id := range parameters {
		if id != "" && len(id) <= maxID && utf8.ValidString(id) {
			continue
		}
		code, ok := missing[name]
		if !ok {
			code = chat.NoSuchRoute
		}
		return &chat.Error{Code: code, Detail: "This can't be an id."}
	}
	return nil
}

// render makes the answer that goes out, and returns the failure that it shows, if it is one: err, or one that was found
// here. Headers are the same for success and failure.
func (a *API) render(ctx context.Context, r *Request, event events.APIGatewayV2HTTPRequest, response *Response, err error) (events.APIGatewayV2HTTPResponse, error) {
	out := events.APIGatewayV2HTTPResponse{StatusCode: http.StatusOK, Headers: map[string]string{
		"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "X-Request-Id": event.RequestContext.RequestID}}
	if err == nil && response == nil {
		err = fmt.Errorf("%s answered nothing", event.RouteKey)
	}
	if err == nil {
		if err = out2xx(&out, r, event, response); err == nil {
			return out, nil
		}
	}
	a.problem(ctx, &out, r, err)
	return out, err
}

func out2xx(out *events.APIGatewayV2HTTPResponse, r *Request, event events.APIGatewayV2HTTPRequest, response *Response) error {
	for name, value := range response.Header {
		out.Headers[name] = value
	}
	out.StatusCode = cmp.Or(response.Status, http.StatusOK)
	if response.Body == nil {
		return nil
	}
	body, err := json.Marshal(response.Body)
	if err != nil {
		return fmt.Errorf("show the answer: %w", err)
	}
	if event.RequestContext.HTTP.Method == http.MethodGet && out.StatusCode == http.StatusOK {
		sum := sha256.Sum256(body)
		tag := `"` + base64.RawURLEncoding.EncodeToString(sum[:16]) + `"`
		out.Headers["ETag"] = tag
		if matches(r.Header.Get("If-None-Match"), tag) {
			out.StatusCode = http.StatusNotModified
			return nil
		}
	}
	out.Headers["Content-Type"] = "application/json"
	out.Body = string(body)
	return nil
}

// matches compares weakly, as RFC 9110 says for If-None-Match.
func matches(header, tag string) bool {
	for candidate := range strings.SplitSeq(header, ",") {
		candidate = strings.TrimPrefix(strings.TrimSpace(candidate), "W/")
		if candidate == tag || candidate == "*" {
			return true
		}
	}
	return false
}
