package customer

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
)

// Line is WhatsApp's line to a webhook.
type Line struct {
	URL       string
	AppSecret string
	Client    *http.Client
}

// Post delivers a body, signed with the app secret, and returns the status that the webhook answered. An error means that
// it did not answer. Only 200 is an acknowledgement; WhatsApp delivers again after anything else.
func (l Line) Post(ctx context.Context, body []byte) (int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, l.URL, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	mac := hmac.New(sha256.New, []byte(l.AppSecret))
	mac.Write(body)
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
	res, err := l.Client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	defer res.Body.Close()
	// Read to the end, so that the connection is used again. The body says nothing.
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return 0, fmt.Errorf("deliver: %w", err)
	}
	return res.StatusCode, nil
}
