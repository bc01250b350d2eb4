package gateway

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// routes finds the route of a request as an HTTP API does: the most specific path that fits, and on the same path a named
// method before ANY. A text segment is more specific than {name}, that more than {name+}, and $default comes last.
type routes []route

type route struct {
	method   string
	path     string // as the template writes it; "" for $default
	segments []string
	target   Target
}

// key is the routeKey of an event: "GET /chats/{id}" or "$default".
func (r route) key() string {
	if r.path == "" {
		return "$default"
	}
	return r.method + " " + r.path
}

func newRoutes(targets []Target) (routes, error) {
	var all routes
	seen := map[string]string{}
	for _, t := range targets {
		r := route{method: t.Route.Method, path: t.Route.Path, target: t}
		if r.path != "" {
			r.segments = strings.Split(r.path, "/")[1:]
			for i, s := range r.segments {
				if isGreedy(s) && i != len(r.segments)-1 {
					return nil, fmt.Errorf("route %s: {name+} can only stand at the end", r.key())
				}
			}
		}
		shape := r.method + " " + shapeOf(r.segments)
		if r.path == "" {
			shape = "$default"
		}
		if other, ok := seen[shape]; ok {
			return nil, fmt.Errorf("the routes %s and %s match the same requests", other, r.key())
		}
		seen[shape] = r.key()
		all = append(all, r)
	}
	slices.SortStableFunc(all, compare)
	return all, nil
}

func isParameter(s string) bool { return strings.HasPrefix(s, "{") && strings.HasSuffix(s, "}") }
func isGreedy(s string) bool    { return strings.HasPrefix(s, "{") && strings.HasSuffix(s, "+}") }

func rank(segment string) int {
	switch {
	case isGreedy(segment):
		return 2
	case isParameter(segment):
		return 1
	}
	return 0
}

func shapeOf(segments []string) string {
	var shape []string
	for _, s := range segments {
		shape = append(shape, []string{s, "{}", "{+}"}[rank(s)])
	}
	return strings.Join(shape, "/")
}

// compare puts the more specific route first.
func compare(a, b route) int {
	if (a.path == "") != (b.path == "") {
		if a.path == "" {
			return 1
		}
		return -1
	}
	for i := range min(len(a.segments), len(b.segments)) {
		if c := rank(a.segments[i]) - rank(b.segments[i]); c != 0 {
			return c
		}
	}
	if c := len(b.segments) - len(a.segments); c != 0 {
		return c
	}
	return anyLast(a.method) - anyLast(b.method)
}

func anyLast(method string) int {
	if method == "ANY" {
		return 1
	}
	return 0
}

// find returns the route for a method and an escaped path, with the path's parameters, decoded.
func (all routes) find(method, escapedPath string) (route, map[string]string, bool) {
	segments := strings.Split(strings.TrimPrefix(escapedPath, "/"), "/")
	for _, r := range all {
		if r.method != method && r.method != "ANY" && r.path != "" {
			continue
		}
		if parameters, ok := r.match(segments); ok {
			return r, parameters, true
		}
	}
	return route{}, nil, false
}

func (r route) match(segments []string) (map[string]string, bool) {
	if r.path == "" {
		return nil, true
	}
	var parameters map[string]string
	keep := func(name, escaped string) {
		if parameters == nil {
			parameters = map[string]string{}
		}
		value, err := url.PathUnescape(escaped)
		if err != nil {
			value = escaped
		}
		parameters[name] = value
	}
	for i, pattern := range r.segments {
		switch {
		case i >= len(segments):
			return nil, false
		case isGreedy(pattern):
			rest := strings.Join(segments[i:], "/")
			if rest == "" {
				return nil, false
			}
			keep(pattern[1:len(pattern)-2], rest)
			return parameters, true
		case isParameter(pattern):
			if segments[i] == "" {
				return nil, false
			}
			keep(pattern[1:len(pattern)-1], segments[i])
		case pattern != segments[i]:
			return nil, false
		}
	}
	return parameters, len(segments) == len(r.segments)
}
