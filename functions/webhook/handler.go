package main

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/queue"
	"chatkeeper/shared/whatsapp"
)

// maxDelivery is the size of the largest body that WhatsApp sends.
const maxDelivery = 3 << 20

// reserve is the time kept back for the answer: a late 503 says more than a time-out.
const reserve = time.Second

type webhook struct {
	appSecrets  []string // that a delivery may be signed with: the one in force and, during a rotation, the one before
	verifyToken string   // as typed into Meta's dashboard beside the address
	identityKey []byte   // of the hashes that stand for customers
	queues      sender
	inbound     string // URL of the queue that the assigner reads
	log         *slog.Logger
}

// sender puts messages into a queue. It returns nil only when every entry is stored.
type sender interface {
	SendAll(ctx context.Context, url string, entries []queue.Entry) error
}

func (w *webhook) handle(ctx context.Context, req events.APIGatewayV2HTTPRequest) (events.APIGatewayV2HTTPResponse, error) {
	switch req.RequestContext.HTTP.Method {
	case http.MethodGet:
		return w.handshake(ctx, req), nil
	case http.MethodPost:
		return w.deliver(ctx, req), nil
	}
	return answer(http.StatusMethodNotAllowed), nil
}

// handshake answers Meta's check of the address: the challenge comes back to whoever knows the token.
func (w *webhook) handshake(ctx context.Context, req events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	query := req.QueryStringParameters
	if query["hub.mode"] != "subscribe" || !equal(query["hub.verify_token"], w.verifyToken) {
		w.refuse(ctx, req, "verify token")
		return answer(http.StatusForbidden)
	}
	w.log.InfoContext(ctx, "address verified", "gatewayRequestId", req.RequestContext.RequestID)
	res := answer(http.StatusOK)
	res.Headers = map[string]string{"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
	res.Body = query["hub.challenge"]
	return res
}

// deliver stores a delivery in the queue. WhatsApp repeats for seven days what is not answered with exactly 200, so anything
// that is genuine is taken, whatever its shape, and 200 is said only when the queue has all of it:
//
//	401  not signed by the app; says nothing more
//	413  larger than WhatsApp's largest
//	400  signed, but no JSON object
//	503  not stored, or not all of it. The deduplication ids make the repetition harmless.
func (w *webhook) deliver(ctx context.Context, req events.APIGatewayV2HTTPRequest) events.APIGatewayV2HTTPResponse {
	receivedAt := time.Now()
	raw, ok := bodyOf(req)
	if len(raw) > maxDelivery {
		w.refuse(ctx, req, "too large")
		return answer(http.StatusRequestEntityTooLarge)
	}
	if !ok || !whatsapp.Verify(w.appSecrets, header(req, "x-hub-signature-256"), raw) {
		w.refuse(ctx, req, "signature")
		return answer(http.StatusUnauthorized)
	}
	updates, err := whatsapp.Split(raw, receivedAt)
	if err != nil {
		w.refuse(ctx, req, "not json")
		return answer(http.StatusBadRequest)
	}

	entries := make([]queue.Entry, len(updates))
	kinds := map[whatsapp.Kind]int{}
	trimmed := 0
	for i, u := range updates {
		entries[i] = queue.Entry{Body: u.Encode(), Group: u.Group(w.identityKey), Dedup: u.DedupID(w.identityKey)}
		kinds[u.Kind]++
		if u.Trimmed {
			trimmed++
		}
	}
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-reserve))
		defer cancel()
	}
	about := []any{"gatewayRequestId", req.RequestContext.RequestID, "updates", len(updates), "kinds", kinds, "trimmed", trimmed}
	if err := w.queues.SendAll(ctx, w.inbound, entries); err != nil {
		w.log.ErrorContext(ctx, "delivery not stored", append(about, "error", err.Error())...)
		res := answer(http.StatusServiceUnavailable)
		res.Headers = map[string]string{"Retry-After": "5"}
		return res
	}
	w.log.InfoContext(ctx, "delivery stored", about...)
	return answer(http.StatusOK)
}

func (w *webhook) refuse(ctx context.Context, req events.APIGatewayV2HTTPRequest, because string) {
	w.log.WarnContext(ctx, "request refused", "gatewayRequestId", req.RequestContext.RequestID, "because", because)
}

func answer(status int) events.APIGatewayV2HTTPResponse {
	return events.APIGatewayV2HTTPResponse{StatusCode: status}
}

// bodyOf returns the bytes that were sent. The gateway hands over any body it does not take for text in base64, and it may
// take none for text.
func bodyOf(req events.APIGatewayV2HTTPRequest) (raw []byte, ok bool) {
	if !req.IsBase64Encoded {
		return []byte(req.Body), true
	}
	raw, err := base64.StdEncoding.DecodeString(req.Body)
	return raw, err == nil
}

// header finds a header in any spelling: the gateway writes names in lower case, other hosts of the function as they came.
func header(req events.APIGatewayV2HTTPRequest, name string) string {
	if value, ok := req.Headers[name]; ok {
		return value
	}
	for key, value := range req.Headers {
		if strings.EqualFold(key, name) {
			return value
		}
	}
	return ""
}

// equal compares in a time that tells neither the content nor the length of the secret. An empty secret equals nothing.
func equal(given, secret string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(secret))
	return secret != "" && subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
