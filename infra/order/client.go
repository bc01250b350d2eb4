package order

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
)

// Client is an HTTP client of DynamoDB in a process whose invocations [Begin] tells apart. What comes outside of any
// is not looked at.
type Client struct {
	HTTP interface {
		Do(*http.Request) (*http.Response, error)
	}
	Passed map[string]bool // Chats that an invocation may pass over, for a reason of their own
	Breach func(error)     // is told about each
}

type invocation struct{}

// Begin begins an invocation: what is done with the context that it returns belongs to it.
func Begin(ctx context.Context) context.Context {
	return context.WithValue(ctx, invocation{}, &Looks{})
}

// Do makes the request.
func (c Client) Do(r *http.Request) (*http.Response, error) {
	looks, _ := r.Context().Value(invocation{}).(*Looks)
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	if looks == nil || action != "Query" && action != "TransactWriteItems" {
		return c.HTTP.Do(r)
	}
	request, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(request))
	response, err := c.HTTP.Do(r)
	if err != nil || response.StatusCode != http.StatusOK {
		return response, err
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil {
		return nil, err
	}
	response.Body = io.NopCloser(bytes.NewReader(answer))
	if err := looks.answered(action, request, answer, c.Passed); err != nil {
		c.Breach(err)
	}
	return response, nil
}
