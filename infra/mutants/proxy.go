package main

import (
	"bytes"
	"encoding/json"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// site is one part of one condition, as the product sends it. It names what is written and what must hold, so that one
// line of the source that serves several kinds of writes is tried in each of them.
type site struct {
	write string // what kind of write: a change by its event, else the items it writes
	item  string // which of its items has the condition
	part  string // what must hold
}

func (s site) String() string { return s.write + ": " + s.item + " if " + s.part }

// proxy stands between a test and the DynamoDB. It notes the sites that it sees, and leaves out the part of the
// condition that the mutant is about, if any.
type proxy struct {
	mutant *site

	mu   sync.Mutex
	seen map[site]bool
	bare map[bareSite]bool
}

func newProxy(mutant *site) *proxy {
	return &proxy{mutant: mutant, seen: map[site]bool{}, bare: map[bareSite]bool{}}
}

// serve begins to serve on a free port; stop ends it.
func (p *proxy) serve(target string) (endpoint string, stop func(), err error) {
	to, err := url.Parse(target)
	if err != nil {
		return "", nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	forward := httputil.NewSingleHostReverseProxy(to)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		_, operation, _ := strings.Cut(r.Header.Get("X-Amz-Target"), ".")
		body = p.rewrite(operation, body)
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
		r.Header.Set("Content-Length", strconv.Itoa(len(body)))
		forward.ServeHTTP(w, r)
	})}
	go func() { _ = server.Serve(listener) }()
	return "http://" + listener.Addr().String(), func() { _ = server.Close() }, nil
}

// rewrite is the request as the mutant sends it. What can't be read is left as it is.
func (p *proxy) rewrite(operation string, body []byte) []byte {
	switch operation {
	case "TransactWriteItems", "PutItem", "UpdateItem", "DeleteItem":
	default:
		return body
	}
	var request map[string]any
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.UseNumber()
	if decoder.Decode(&request) != nil {
		return body
	}
	changed := false
	if operation == "TransactWriteItems" {
		changed = p.transaction(request)
	} else {
		kind := strings.TrimSuffix(operation, "Item")
		changed, _ = p.operation(kind+" "+itemKind(request), kind, request)
	}
	if !changed {
		return body
	}
	text, err := json.Marshal(request)
	if err != nil {
		return body
	}
	return text
}

func (p *proxy) transaction(request map[string]any) (changed bool) {
	items, _ := request["TransactItems"].([]any)
	var kept []any
	write := writeKind(items)
	for _, item := range items {
		gone := false
		for kind, operation := range item.(map[string]any) {
			c, empty := p.operation(write, kind, operation.(map[string]any))
			changed = changed || c
			gone = kind == "ConditionCheck" && empty
		}
		if !gone {
			kept = append(kept, item)
		}
	}
	request["TransactItems"] = kept
	return changed
}

// operation notes the sites of one write and drops the mutant's part; empty says that no condition is left of one.
func (p *proxy) operation(write, kind string, operation map[string]any) (changed, empty bool) {
	condition, _ := operation["ConditionExpression"].(string)
	update, _ := operation["UpdateExpression"].(string)
	names, values := placeholders(operation)
	item := kind + " " + itemKind(operation)
	p.mu.Lock()
	for _, n := range bare(update, condition, names) {
		p.bare[bareSite{write, item, n}] = true
	}
	p.mu.Unlock()
	if condition == "" {
		return false, false
	}
	at := func(part string) site { return site{write, item, spelled(part, names, values)} }
	parts := conjuncts(condition)
	p.mu.Lock()
	for _, part := range parts {
		p.seen[at(part)] = true
	}
	p.mu.Unlock()
	if p.mutant == nil || !slices.ContainsFunc(parts, func(part string) bool { return at(part) == *p.mutant }) {
		return false, false
	}
	rest := without(parts, func(part string) bool { return at(part) == *p.mutant })
	set(operation, "ConditionExpression", rest, rest == "")
	n, v := used(names, rest, update), used(values, rest, update)
	set(operation, "ExpressionAttributeNames", n, n == nil)
	set(operation, "ExpressionAttributeValues", v, v == nil)
	return true, rest == ""
}

func set(m map[string]any, name string, value any, absent bool) {
	if absent {
		delete(m, name)
		return
	}
	m[name] = value
}

func placeholders(operation map[string]any) (map[string]string, map[string]map[string]any) {
	names, values := map[string]string{}, map[string]map[string]any{}
	given, _ := operation["ExpressionAttributeNames"].(map[string]any)
	for p, n := range given {
		names[p], _ = n.(string)
	}
	given, _ = operation["ExpressionAttributeValues"].(map[string]any)
	for p, v := range given {
		values[p], _ = v.(map[string]any)
	}
	return names, values
}

// writeKind names a transaction by the event of its history item, or by the items it writes.
func writeKind(items []any) string {
	var kinds []string
	for _, item := range items {
		for kind, operation := range item.(map[string]any) {
			o := operation.(map[string]any)
			if of := itemKind(o); kind == "Put" && of == "C H" {
				if event := attribute(o["Item"], "ty"); event != "" {
					return event
				}
			} else {
				kinds = append(kinds, kind+" "+of)
			}
		}
	}
	slices.Sort(kinds)
	return strings.Join(slices.Compact(kinds), ", ")
}

// itemKind names an item by what its keys begin with; an update of a Chat's place also by what makes it another thing.
func itemKind(operation map[string]any) string {
	key := operation["Key"]
	if key == nil {
		key = operation["Item"]
	}
	pk, sk := attribute(key, "pk"), attribute(key, "sk")
	first, _, _ := strings.Cut(pk, "#")
	second, _, cut := strings.Cut(sk, "#")
	if slices.Contains([]string{"W", "T", "Q", "SUB"}, first) || !cut && sk != "0" {
		return first
	}
	if first == "C" && sk == "0" {
		names, _ := operation["ExpressionAttributeNames"].(map[string]any)
		switch named := slices.Collect(maps.Values(names)); {
		case attribute(operation["Item"], "to") != "" || slices.Contains(named, any("to")):
			return "alias"
		case slices.Contains(named, any("in")):
			return "C 0 that is merged"
		}
	}
	return first + " " + second
}

func attribute(item any, name string) string {
	m, _ := item.(map[string]any)
	v, _ := m[name].(map[string]any)
	s, _ := v["S"].(string)
	return s
}
