// Package gateway serves the HTTP routes of the template as an API Gateway HTTP API with payload format 2.0 does.
package gateway

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"chatkeeper/infra/local/lambda"
	"chatkeeper/infra/local/servers"
	"chatkeeper/infra/local/template"

	"github.com/aws/aws-lambda-go/events"
)

// maxBody is API Gateway's limit of a request, and maxEvent Lambda's of an invocation.
const (
	maxBody  = 10 << 20
	maxEvent = 6 << 20
)

// Target is a route and the function that serves it.
type Target struct {
	Route    template.Route
	Function *lambda.Function
}

// Gateway is the http.Handler of all routes.
type Gateway struct {
	routes routes
	log    *slog.Logger
}

// New checks that no two routes take the same requests.
func New(targets []Target, log *slog.Logger) (*Gateway, error) {
	routes, err := newRoutes(targets)
	if err != nil {
		return nil, err
	}
	return &Gateway{routes: routes, log: log}, nil
}

func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	id := rand.Text()
	w.Header().Set("Apigw-Requestid", id)
	route, parameters, ok := g.routes.find(r.Method, r.URL.EscapedPath())
	if !ok {
		refuse(w, http.StatusNotFound, "Not Found")
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	case err != nil:
		refuse(w, http.StatusBadRequest, "Bad Request")
		return
	}
	event, err := json.Marshal(newEvent(r, body, route, parameters, id, now))
	if err != nil {
		g.log.Error("request does not become an event", "requestId", id, "error", err)
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
		return
	}
	if len(event) > maxEvent {
		refuse(w, http.StatusRequestEntityTooLarge, "Request Entity Too Large")
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), route.target.Route.Timeout)
	defer cancel()
	answer, err := route.target.Function.Invoke(ctx, event)
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		refuse(w, http.StatusServiceUnavailable, "Service Unavailable")
	case errors.Is(err, context.Canceled): // the client has gone
	case errors.Is(err, lambda.ErrClosed):
		refuse(w, http.StatusServiceUnavailable, "Service Unavailable")
	case err != nil:
		g.log.Error("function failed", "function", route.target.Function.Name(), "route", route.key(), "requestId", id, "error", err)
		refuse(w, http.StatusInternalServerError, "Internal Server Error")
	default:
		if err := respond(w, answer); err != nil {
			g.log.Error("function gave no proper response", "function", route.target.Function.Name(), "route", route.key(), "requestId", id, "error", err)
			refuse(w, http.StatusInternalServerError, "Internal Server Error")
		}
	}
}

func refuse(w http.ResponseWriter, status int, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]string{"message": message})
}

func newEvent(r *http.Request, body []byte, route route, parameters map[string]string, id string, now time.Time) events.APIGatewayV2HTTPRequest {
	now = now.UTC()
	headers := map[string]string{"host": r.Host}
	for name, values := range r.Header {
		if name != "Cookie" {
			headers[strings.ToLower(name)] = strings.Join(values, ",")
		}
	}
	if len(body) > 0 {
		headers["content-length"] = fmt.Sprint(len(body))
	}
	var cookies []string
	for _, line := range r.Header["Cookie"] {
		for cookie := range strings.SplitSeq(line, ";") {
			cookies = append(cookies, strings.TrimSpace(cookie))
		}
	}
	query := map[string]string{}
	for name, values := range r.URL.Query() {
		query[name] = strings.Join(values, ",")
	}
	source, _, _ := net.SplitHostPort(r.RemoteAddr)
	event := events.APIGatewayV2HTTPRequest{
		Version: "2.0", RouteKey: route.key(),
		RawPath: r.URL.Path, RawQueryString: r.URL.RawQuery,
		Cookies: cookies, Headers: headers, QueryStringParameters: query, PathParameters: parameters,
		RequestContext: events.APIGatewayV2HTTPRequestContext{
			RouteKey: route.key(), AccountID: servers.Account, Stage: "$default", APIID: "local", RequestID: id,
			DomainName: r.Host, DomainPrefix: "local",
			Time: now.Format("02/Jan/2006:15:04:05 -0700"), TimeEpoch: now.UnixMilli(),
			HTTP: events.APIGatewayV2HTTPRequestContextHTTPDescription{
				Method: r.Method, Path: r.URL.Path, Protocol: r.Proto, SourceIP: source, UserAgent: r.UserAgent(),
			},
		},
	}
	event.Body, event.IsBase64Encoded = encodeBody(body, r.Header.Get("Content-Type"))
	return event
}

// encodeBody passes text on as it is and everything else as base64: the type decides, not the bytes, as on AWS. Bytes
// that JSON can't hold would be changed on the way, so text that is no UTF-8 is encoded too.
func encodeBody(body []byte, contentType string) (text string, isBase64 bool) {
	if len(body) == 0 {
		return "", false
	}
	if isText(contentType) && utf8.Valid(body) {
		return string(body), false
	}
	return base64.StdEncoding.EncodeToString(body), true
}

func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	switch kind {
	case "application/json", "application/javascript", "application/xml", "application/x-www-form-urlencoded":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// respond writes a response of payload format 2.0. One without statusCode is the body itself.
func respond(w http.ResponseWriter, answer []byte) error {
	var response events.APIGatewayV2HTTPResponse
	var probe struct {
		StatusCode *json.RawMessage `json:"statusCode"`
	}
	if json.Unmarshal(answer, &probe) != nil || probe.StatusCode == nil {
		w.Header().Set("Content-Type", "application/json")
		var text string
		if json.Unmarshal(answer, &text) == nil {
			answer = []byte(text)
		}
		w.Write(answer)
		return nil
	}
	if err := json.Unmarshal(answer, &response); err != nil {
		return err
	}
	if response.StatusCode < 100 || response.StatusCode > 999 {
		return fmt.Errorf("status code %d", response.StatusCode)
	}
	body := []byte(response.Body)
	if response.IsBase64Encoded {
		decoded, err := base64.StdEncoding.DecodeString(response.Body)
		if err != nil {
			return fmt.Errorf("body: %w", err)
		}
		body = decoded
	}
	header := w.Header()
	for name, value := range response.Headers {
		header.Set(name, value)
	}
	for name, values := range response.MultiValueHeaders {
		for _, value := range values {
			header.Add(name, value)
		}
	}
	for _, cookie := range response.Cookies {
		header.Add("Set-Cookie", cookie)
	}
	if header.Get("Content-Type") == "" {
		header.Set("Content-Type", "text/plain;charset=UTF-8")
	}
	w.WriteHeader(response.StatusCode)
	w.Write(body)
	return nil
}
