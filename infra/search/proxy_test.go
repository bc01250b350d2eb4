package search

import (
	"hash/crc32"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// proxy stands between functions and AWS. Every request of a function waits here until its run lets it go on.
type proxy struct {
	url string

	mu   sync.Mutex
	runs map[string]*run
}

func startProxy(t testing.TB) *proxy {
	p := &proxy{runs: map[string]*run{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /{run}/{slot}/{service}", p.serve)
	mux.HandleFunc("POST /{run}/{slot}/{service}/{$}", p.serve)
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	return p
}

func (p *proxy) add(id string, r *run) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.runs[id] = r
}

func (p *proxy) remove(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.runs, id)
}

func (p *proxy) find(id string) *run {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.runs[id]
}

// call is a request that waits for its turn.
type call struct {
	slot    string
	service string // dynamodb or sqs
	action  string // such as TransactWriteItems
	header  http.Header
	body    []byte
	answers chan answer   // takes one
	gone    chan struct{} // closed when nobody waits for the answer any more

	invocation *invocation // whose it is
	held       bool        // until nothing else can move
}

type answer struct {
	status int
	body   []byte
	cut    bool // no answer: the connection ends
}

func (p *proxy) serve(w http.ResponseWriter, r *http.Request) {
	run := p.find(r.PathValue("run"))
	body, err := io.ReadAll(r.Body)
	if err != nil || run == nil {
		panic(http.ErrAbortHandler)
	}
	_, action, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
	c := &call{slot: r.PathValue("slot"), service: r.PathValue("service"), action: action, header: r.Header, body: body,
		answers: make(chan answer, 1), gone: make(chan struct{})}
	a, beforehand := c.warming()
	if !beforehand {
		select {
		case run.arrivals <- c:
		case <-run.over:
			panic(http.ErrAbortHandler)
		case <-r.Context().Done():
			return
		}
		select {
		case a = <-c.answers:
		case <-run.over:
			a.cut = true
		case <-r.Context().Done():
			close(c.gone)
			return
		}
	}
	if a.cut {
		panic(http.ErrAbortHandler)
	}
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	w.Header().Set("X-Amz-Crc32", strconv.FormatUint(uint64(crc32.ChecksumIEEE(a.body)), 10))
	w.WriteHeader(a.status)
	w.Write(a.body)
}

// warming answers the requests by which functions open their connections before they are given anything to do.
func (c *call) warming() (answer, bool) {
	switch {
	case c.action == "GetItem" && strings.Contains(string(c.body), `"S":"warm"`):
		return answer{status: http.StatusOK, body: []byte("{}")}, true
	case c.action == "SendMessageBatch" && strings.Contains(string(c.body), `"Entries":[]`):
		return refusal("com.amazonaws.sqs#EmptyBatchRequest"), true
	}
	return answer{}, false
}

func refusal(code string) answer {
	return answer{status: http.StatusBadRequest, body: []byte(`{"__type":"` + code + `","message":"on purpose"}`)}
}

// writes reports whether the request may change anything.
func (c *call) writes() bool {
	switch c.action {
	case "PutItem", "UpdateItem", "DeleteItem", "TransactWriteItems", "BatchWriteItem":
		return true
	}
	return false
}

// faults are those that make sense for the request.
func (c *call) faults() []kind {
	switch {
	case c.service == "sqs":
		return ofSends
	case c.writes():
		return ofWrites
	}
	return ofReads
}

// refused is the answer of a service that did not do it, for a reason.
func (c *call) refused(k kind) answer {
	const dynamo = "com.amazonaws.dynamodb.v20120810#"
	switch {
	case k == fails:
		return answer{status: http.StatusInternalServerError, body: []byte(`{"__type":"InternalServerError","message":"on purpose"}`)}
	case k == throttled && c.service == "sqs":
		return refusal("com.amazonaws.sqs#RequestThrottled")
	case k == throttled && c.action == "TransactWriteItems":
		return cancelled("ThrottlingError", c.operations())
	case k == throttled:
		return refusal(dynamo + "ProvisionedThroughputExceededException")
	case k == conflicts && c.action == "TransactWriteItems":
		return cancelled("TransactionConflict", c.operations())
	case k == conflicts:
		return refusal(dynamo + "TransactionConflictException")
	}
	return answer{cut: true}
}

// cancelled is the answer to a transaction of n operations whose first one met the reason.
func cancelled(reason string, n int) answer {
	reasons := `{"Code":"` + reason + `","Message":"on purpose"}` + strings.Repeat(`,{"Code":"None"}`, max(n-1, 0))
	return answer{status: http.StatusBadRequest, body: []byte(`{"__type":"com.amazonaws.dynamodb.v20120810#TransactionCanceledException",` +
		`"Message":"Transaction cancelled","CancellationReasons":[` + reasons + `]}`)}
}
