package search

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/infra/local/issuer"
	"chatkeeper/infra/local/servers/serverstest"
	"chatkeeper/infra/local/template"
	"chatkeeper/shared/chat"
	"chatkeeper/shared/dynamo"
)

// ground is what all runs share.
type ground struct {
	proxy    *proxy
	template *template.Template
	binaries map[string]string
	issuer   *issuer.Issuer
	tokens   map[string]string
	db       *dynamodb.Client
	dynamoDB string
	client   *http.Client
	secret   chat.Secret
	runs     atomic.Int64
}

// lane is a pair of tables that runs use one after the other.
type lane struct {
	*ground
	tables map[string]string
	store  *dynamo.Store // for what is before and after a run: no fault meets it
}

func (g *ground) newLane(t testing.TB) *lane {
	tables := serverstest.Tables(t)
	return &lane{ground: g, tables: tables, store: dynamo.New(g.db, tables["ChatsTable"], tables["TeamTable"])}
}

const appSecret = "local-app-secret"

// lookup gives a reference of template.yaml its value.
func (r *run) lookup(ref template.Reference) (string, error) {
	if name, ok := r.tables[ref.Resource]; ok {
		return name, nil
	}
	for _, q := range r.queues {
		if q.name == queueNames[ref.Resource] {
			return q.url(), nil
		}
	}
	return "local", nil
}

var queueNames = map[string]string{"InboundQueue": "search-inbound.fifo", "PoolsQueue": "search-pools.fifo"}

func (g *ground) function(id string) *template.Function {
	for _, f := range g.template.Functions {
		if f.ID == id {
			return f
		}
	}
	return nil
}

// newRun prepares a run: empty queues, streams and memories.
func (l *lane) newRun(s *scenario, p plan) *run {
	r := &run{lane: l, plan: p, scenario: s, id: strconv.FormatInt(l.runs.Add(1), 10),
		arrivals: make(chan *call), ended: make(chan ending), over: make(chan struct{}),
		slots: map[string][]*slot{}, streams: map[string]*stream{}, kept: noPromises()}
	if p.seed != 0 {
		r.random = rand.New(rand.NewPCG(p.seed, 0))
	}
	for _, id := range []string{"InboundQueue", "PoolsQueue"} {
		for _, q := range l.template.Queues {
			if q.ID == id {
				r.queues = append(r.queues, &queue{name: queueNames[id], batch: 10, receives: q.MaxReceive, seen: map[string]bool{}, busy: map[string]*invocation{}, rests: map[string]bool{}})
			}
		}
	}
	for _, m := range l.function("DispatcherFunction").Streams {
		s := &stream{table: l.tables[m.Table], filters: m.Filters, batch: m.BatchSize, attempts: m.MaxRetries}
		r.streams[s.table] = s
		r.order = append(r.order, s)
	}
	l.proxy.add(r.id, r)
	return r
}

// stored is everything that stands in both tables, by logical id.
type stored map[string][]map[string]types.AttributeValue

func (l *lane) read(ctx context.Context) (stored, error) {
	all := stored{}
	for id, name := range l.tables {
		pages := dynamodb.NewScanPaginator(l.db, &dynamodb.ScanInput{TableName: &name, ConsistentRead: new(bool)})
		for pages.HasMorePages() {
			page, err := pages.NextPage(ctx)
			if err != nil {
				return nil, err
			}
			all[id] = append(all[id], page.Items...)
		}
	}
	return all, nil
}

// become makes the tables hold exactly this.
func (l *lane) become(ctx context.Context, want stored) error {
	now, err := l.read(ctx)
	if err != nil {
		return err
	}
	for id, name := range l.tables {
		stays := map[string]bool{}
		var requests []types.WriteRequest
		for _, i := range want[id] {
			stays[keyOf(i)] = true
			requests = append(requests, types.WriteRequest{PutRequest: &types.PutRequest{Item: i}})
		}
		for _, i := range now[id] {
			if !stays[keyOf(i)] {
				requests = append(requests, types.WriteRequest{DeleteRequest: &types.DeleteRequest{
					Key: map[string]types.AttributeValue{"pk": i["pk"], "sk": i["sk"]}}})
			}
		}
		for len(requests) > 0 {
			n := min(25, len(requests))
			out, err := l.db.BatchWriteItem(ctx, &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{name: requests[:n]}})
			if err != nil {
				return err
			}
			requests = append(requests[n:], out.UnprocessedItems[name]...)
		}
	}
	return nil
}

func keyOf(i map[string]types.AttributeValue) string {
	pk, _ := i["pk"].(*types.AttributeValueMemberS)
	sk, _ := i["sk"].(*types.AttributeValueMemberS)
	return pk.Value + "\n" + sk.Value
}

// prepare tells what was before the scenario's own story, and keeps what the tables hold then.
func (l *lane) prepare(ctx context.Context, s *scenario) error {
	if err := l.become(ctx, nil); err != nil {
		return err
	}
	if err := s.people(ctx, l.store); err != nil {
		return fmt.Errorf("people and rules: %w", err)
	}
	r := l.newRun(s, plan{scenario: s.name})
	defer r.close()
	err := r.tell(s.before, false)
	if err == nil {
		_, err = r.check(ctx)
	}
	if err != nil {
		return fmt.Errorf("%w\n%s", err, r.story())
	}
	<-time.After(s.ripens) // a step can't be shorter than a second, and the story is that it is over
	s.promised = r.kept
	s.start, err = l.read(ctx)
	return err
}

// play makes one run from the scenario's start and checks what it comes to.
func (l *lane) play(ctx context.Context, s *scenario, p plan) (*run, error) {
	if err := l.become(ctx, s.start); err != nil {
		return nil, err
	}
	r := l.newRun(s, p)
	defer r.close()
	r.kept = s.promised.clone()
	err := r.tell(s.phases, true)
	if err == nil {
		_, err = r.check(ctx)
	}
	return r, err
}

// story is what happened in a run, for people.
func (r *run) story() string {
	text, err := json.Marshal(r.plan.String())
	if err != nil {
		text = nil
	}
	out := "CHATKEEPER_SEARCH=" + string(text) + " repeats it\n"
	for _, line := range r.trace {
		out += line + "\n"
	}
	return out + "the functions said:\n" + r.output.String()
}

var errNotKept = errors.New("a promise was not kept")
