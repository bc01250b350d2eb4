package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/aws/aws-lambda-go/events"

	"chatkeeper/shared/chat"
)

// statuses says how each code of a *[chat.Error] is answered. A code that is not here is a mistake of ours: 500.
var statuses = map[chat.Code]struct {
	status int
	title  string
}{
	chat.BadRequest:      {http.StatusBadRequest, "The request can't be read"},
	chat.Unauthenticated: {http.StatusUnauthorized, "Not signed in"},
	chat.UnknownPerson:   {http.StatusForbidden, "Nobody here has this account"},
	chat.Inactive:        {http.StatusForbidden, "Deactivated or without a role"},
	chat.NotAssignee:     {http.StatusForbidden, "Only the Assignee may"},
	chat.AdminNotOwner:   {http.StatusForbidden, "Only the Assignee may; an Admin can become it"},
	chat.NoSuchChat:      {http.StatusNotFound, "No such Chat"},
	chat.NoSuchPerson:    {http.StatusNotFound, "No such person"},
	chat.NoSuchTeam:      {http.StatusNotFound, "No such team"},
	chat.NoSuchRoute:     {http.StatusNotFound, "No such route"},
	chat.ChatClosed:      {http.StatusConflict, "The Chat is closed"},
	chat.ChatMerged:      {http.StatusConflict, "The Chat was merged into another"},
	chat.NewMessage:      {http.StatusConflict, "The customer has written meanwhile"},
	chat.Stale:           {http.StatusPreconditionFailed, "The Chat has changed meanwhile"},
	chat.TooLarge:        {http.StatusRequestEntityTooLarge, "Too large"},
	chat.Invalid:         {http.StatusUnprocessableEntity, "Not valid"},
	chat.CannotOwn:       {http.StatusUnprocessableEntity, "This person can't own a Chat"},
	chat.WindowClosed:    {http.StatusUnprocessableEntity, "More than 24 hours since the customer wrote"},
	chat.KeyReused:       {http.StatusUnprocessableEntity, "The Idempotency-Key was used for another body"},
	chat.TryAgain:        {http.StatusServiceUnavailable, "Try again"},
}

// Internal is the code of what is our fault. It says nothing more; the log does, under the request id.
const Internal chat.Code = "internal"

// retryAfter is how many seconds a caller that is told to come back should wait.
const retryAfter = "1"

// Problem is the body of every failure (RFC 9457).
type Problem struct {
	Type     string     `json:"type"` // urn:chatkeeper:problem: and the code
	Title    string     `json:"title"`
	Status   int        `json:"status"`
	Detail   string     `json:"detail,omitempty"`
	Code     chat.Code  `json:"code"` // stable; what a program looks at
	Errors   []Wrong    `json:"errors,omitempty"`
	Assignee *NamedID   `json:"assignee,omitempty"` // of not_assignee and admin_not_assignee, unless the Chat waits
	Chat     *ShownChat `json:"chat,omitempty"`     // of stale and new_message: as it is now
}

// Wrong is one place in a body that is not valid.
type Wrong struct {
	Pointer string `json:"pointer"` // JSON pointer
	Detail  string `json:"detail"`
}

func badRequest(detail string) *chat.Error {
	return &chat.Error{Code: chat.BadRequest, Detail: detail}
}

func tooLarge() *chat.Error {
	return &chat.Error{Code: chat.TooLarge, Detail: "A body may have 64 KB."}
}

// Invalid is the error of a value that is well-formed and not allowed, at the place that the JSON pointer says.
func Invalid(pointer, detail string) error {
	return &chat.Error{Code: chat.Invalid, Detail: detail, Fields: []chat.Field{{Pointer: pointer, Detail: detail}}}
}

// problem fills in the answer to a failure.
func (a *API) problem(ctx context.Context, out *events.APIGatewayV2HTTPResponse, r *Request, err error) {
	var e *chat.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.DeadlineExceeded):
		e = &chat.Error{Code: chat.TryAgain, Detail: "It took too long; it may have happened all the same."}
	default:
		e = &chat.Error{}
	}
	known, ok := statuses[e.Code]
	p := Problem{Title: known.title, Status: known.status, Detail: e.Detail, Code: e.Code}
	if !ok {
		p = Problem{Title: "Internal error", Status: http.StatusInternalServerError, Code: Internal,
			Detail: "Something went wrong here. The log says what, under the id of the request."}
	}
	p.Type = "urn:chatkeeper:problem:" + string(p.Code)
	if ok {
		for _, f := range e.Fields {
			p.Errors = append(p.Errors, Wrong(f))
		}
		a.tell(ctx, &p, r, e)
	}
	out.StatusCode = p.Status
	out.Headers["Content-Type"] = "application/problem+json"
	switch p.Status {
	case http.StatusUnauthorized:
		out.Headers["WWW-Authenticate"] = challenge(err)
	case http.StatusServiceUnavailable:
		out.Headers["Retry-After"] = retryAfter
	}
	body, err := json.Marshal(p)
	if err != nil { // texts and numbers only: it can't be
		panic(err)
	}
	out.Body = string(body)
}

// tell adds who the Assignee is, or how the Chat is now.
func (a *API) tell(ctx context.Context, p *Problem, r *Request, e *chat.Error) {
	if e.Assignee == "" && e.Chat == nil || r == nil {
		return
	}
	ids := []string{e.Assignee}
	if e.Chat != nil {
		ids = append(ids, e.Chat.Owner)
	}
	names := a.Names.Names(ctx, ids...)
	p.Assignee = names.named(e.Assignee)
	if e.Chat != nil {
		shown := ShowChat(*e.Chat, r.Person, names, r.Now)
		p.Chat = &shown
	}
}
