package template

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"chatkeeper/infra/local/filter"

	"gopkg.in/yaml.v3"
)

// The resource types the local stack runs.
const (
	tableType    = "AWS::DynamoDB::Table"
	queueType    = "AWS::SQS::Queue"
	functionType = "AWS::Serverless::Function"
	apiType      = "AWS::Serverless::HttpApi"
	secretType   = "AWS::SecretsManager::Secret" // its value is "local-" and its logical id
)

// A user pool is not run, but functions may be told its name.
const (
	userPoolType       = "AWS::Cognito::UserPool"
	userPoolClientType = "AWS::Cognito::UserPoolClient"
)

// ignoredTypes mean nothing on a laptop; their properties are not looked at.
var ignoredTypes = []string{
	"AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm", "AWS::CloudWatch::Dashboard",
	"AWS::Logs::LogGroup", "AWS::Logs::MetricFilter",
	"AWS::SNS::Topic", "AWS::SNS::TopicPolicy", "AWS::SNS::Subscription",
	"AWS::SQS::QueuePolicy",
	userPoolType, userPoolClientType, "AWS::Cognito::UserPoolUser", "AWS::Cognito::UserPoolDomain",
}

// localParameters are the values on a laptop of parameters that have no default. They are no secrets.
var localParameters = map[string]string{
	"AppSecret":   "local-app-secret",
	"VerifyToken": "local-verify-token",
	"Issuer":      LocalIssuer,
	"Audience":    LocalAudience,
}

// LocalIssuer is the OIDC issuer on a laptop, on its usual port, and LocalAudience what its tokens are for.
const (
	LocalIssuer   = "http://localhost:8082"
	LocalAudience = "chatkeeper"
)

// Load reads the template in file. Overrides give parameters other values than the local or default ones; one that the
// template doesn't have is an error.
func Load(file string, overrides map[string]string) (*Template, error) {
	content, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the template: %w", err)
	}
	return Parse(filepath.Base(file), content, overrides)
}

// Parse is Load for a template at hand; name stands before the line numbers of its errors.
func Parse(name string, content []byte, overrides map[string]string) (*Template, error) {
	var root yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(content)).Decode(&root); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	d := &document{
		file:       name,
		parameters: map[string]string{}, conditions: map[string]*yaml.Node{},
		resources: map[string]string{}, skipped: map[string]bool{},
	}
	t := d.read(root.Content[0], overrides)
	if err := d.err(); err != nil {
		return nil, err
	}
	return t, nil
}

func (d *document) read(root *yaml.Node, overrides map[string]string) *Template {
	t := &Template{}
	if root.Kind != yaml.MappingNode {
		d.fail(root.Line, "a template is a mapping")
		return t
	}
	sections := map[string]*yaml.Node{}
	for key, item := range d.pairs(root) {
		switch key.Value {
		case "Parameters", "Conditions", "Globals", "Resources":
			sections[key.Value] = item
		case "AWSTemplateFormatVersion", "Transform", "Description", "Metadata", "Outputs", "Rules":
		default:
			d.fail(key.Line, "the section %s is not supported by the local stack", key.Value)
		}
	}
	d.readParameters(sections["Parameters"], overrides)
	if n := sections["Conditions"]; n != nil {
		for key, item := range d.pairs(n) {
			d.conditions[key.Value] = item
		}
	}
	if n := sections["Resources"]; n != nil {
		d.readResources(t, n, d.readGlobals(sections["Globals"]))
	}
	d.check(t)
	return t
}

func (d *document) readParameters(n *yaml.Node, overrides map[string]string) {
	given := map[string]bool{}
	if n != nil {
		for key, item := range d.pairs(n) {
			name := key.Value
			given[name] = true
			d.parameters[name] = d.readParameter(name, item, overrides)
		}
	}
	for name := range overrides {
		if !given[name] {
			d.fail(1, "there is no parameter %s to set", name)
		}
	}
}

func (d *document) readParameter(name string, n *yaml.Node, overrides map[string]string) string {
	var chosen, pattern string
	var known bool
	var allowed []string
	minimum, maximum := 0, 1<<20
	d.properties("parameter "+name, d.evaluate(n), map[string]property{
		"Type":                  d.oneOf(new(string), "String", "Number"),
		"Default":               func(v value) { chosen, known = d.word(v), true },
		"AllowedValues":         d.words(&allowed),
		"AllowedPattern":        d.string(&pattern),
		"MinLength":             d.integer(&minimum, 0, 1<<20),
		"MaxLength":             d.integer(&maximum, 0, 1<<20),
		"Description":           ignored,
		"ConstraintDescription": ignored,
		"NoEcho":                ignored,
	})
	if v, ok := localParameters[name]; ok {
		chosen, known = v, true
	}
	if v, ok := overrides[name]; ok {
		chosen, known = v, true
	}
	anchored, err := regexp.Compile("^(?:" + pattern + ")$")
	switch {
	case !known:
		d.fail(n.Line, "the parameter %s has no default, and the local stack has no value for it", name)
	case len(chosen) < minimum || len(chosen) > maximum,
		allowed != nil && !slices.Contains(allowed, chosen),
		pattern != "" && (err != nil || !anchored.MatchString(chosen)):
		d.fail(n.Line, "the value of the parameter %s is not one that it allows", name)
	}
	return chosen
}

// readGlobals returns what Globals gives to every function.
func (d *document) readGlobals(n *yaml.Node) (function *yaml.Node) {
	if n == nil {
		return nil
	}
	for key, item := range d.pairs(n) {
		if key.Value != "Function" {
			d.fail(key.Line, "Globals.%s is not supported by the local stack", key.Value)
			continue
		}
		function = item
	}
	return function
}

func (d *document) readResources(t *Template, n, functionDefaults *yaml.Node) {
	type resource struct {
		id         string
		line       int
		kind       string
		properties *yaml.Node
	}
	var resources []resource
	for key, item := range d.pairs(n) {
		r := resource{id: key.Value, line: key.Line}
		exists := true
		for name, part := range d.pairs(item) {
			switch name.Value {
			case "Type":
				r.kind = part.Value
			case "Properties":
				r.properties = part
			case "Condition":
				exists = d.condition(part.Line, part.Value)
			case "DeletionPolicy", "UpdateReplacePolicy", "DependsOn", "Metadata":
			default:
				d.fail(name.Line, "%s of %s is not supported by the local stack", name.Value, r.id)
			}
		}
		if !exists {
			d.skipped[r.id] = true
			continue
		}
		d.resources[r.id] = r.kind
		resources = append(resources, r)
	}
	// References need all resources to be known, so properties come second.
	defaults := value{kind: object}
	if functionDefaults != nil {
		defaults = d.evaluate(functionDefaults)
	}
	apis := 0
	for _, r := range resources {
		properties := func() value {
			if r.properties == nil {
				return value{line: r.line, kind: object}
			}
			return d.evaluate(r.properties)
		}
		switch r.kind {
		case tableType:
			t.Tables = append(t.Tables, d.readTable(r.id, properties()))
		case queueType:
			t.Queues = append(t.Queues, d.readQueue(r.id, properties()))
		case functionType:
			t.Functions = append(t.Functions, d.readFunction(r.id, merge(defaults, properties())))
		case apiType:
			if apis++; apis > 1 {
				d.fail(r.line, "the local stack serves one AWS::Serverless::HttpApi")
			}
			d.readAPI(r.id, properties())
		case secretType:
		default:
			if !slices.Contains(ignoredTypes, r.kind) {
				d.fail(r.line, "%s: the type %s is not supported by the local stack", r.id, r.kind)
			}
		}
	}
}

// merge puts what a resource says over what Globals says, as SAM does: mappings are merged, lists joined, the rest replaced.
func merge(global, own value) value {
	switch {
	case own.kind == absent:
		return global
	case global.kind == object && own.kind == object:
		out := value{line: own.line, kind: object}
		for _, f := range global.fields {
			out.fields = append(out.fields, field{f.name, merge(f.value, own.field(f.name))})
		}
		for _, f := range own.fields {
			if global.field(f.name).kind == absent {
				out.fields = append(out.fields, f)
			}
		}
		return out
	case global.kind == list && own.kind == list:
		out := own
		out.items = append(slices.Clone(global.items), own.items...)
		return out
	}
	return own
}

func (d *document) readTable(id string, v value) *Table {
	t := &Table{ID: id}
	d.properties(id+" ("+tableType+")", v, map[string]property{
		"TableName":              d.text(&t.Name),
		"BillingMode":            d.oneOf(new(string), "PAY_PER_REQUEST"),
		"KeySchema":              d.key(&t.Key),
		"GlobalSecondaryIndexes": d.indexes(&t.Global),
		"LocalSecondaryIndexes":  d.indexes(&t.Local),
		"AttributeDefinitions": d.each(func(v value) {
			var a Attribute
			d.properties("AttributeDefinitions", v, map[string]property{
				"AttributeName": d.string(&a.Name),
				"AttributeType": d.oneOf(&a.Type, "S", "N", "B"),
			})
			t.Attributes = append(t.Attributes, a)
		}),
		"StreamSpecification": d.object("StreamSpecification", map[string]property{
			"StreamViewType": d.oneOf(&t.Stream, "KEYS_ONLY", "NEW_IMAGE", "OLD_IMAGE", "NEW_AND_OLD_IMAGES"),
		}),
		"TimeToLiveSpecification": func(v value) {
			enabled := false
			d.properties("TimeToLiveSpecification", v, map[string]property{
				"AttributeName": d.string(&t.Expiry), "Enabled": d.boolean(&enabled),
			})
			if !enabled {
				t.Expiry = ""
			}
		},
		"DeletionProtectionEnabled":        ignored,
		"PointInTimeRecoverySpecification": ignored,
		"SSESpecification":                 ignored,
		"TableClass":                       ignored,
		"ContributorInsightsSpecification": ignored,
		"OnDemandThroughput":               ignored,
		"Tags":                             ignored,
		"ResourcePolicy":                   ignored,
		"WarmThroughput":                   ignored,
	})
	return t
}

func (d *document) key(to *Key) property {
	return d.each(func(v value) {
		var name, role string
		d.properties("KeySchema", v, map[string]property{
			"AttributeName": d.string(&name), "KeyType": d.oneOf(&role, "HASH", "RANGE"),
		})
		if role == "HASH" {
			to.Hash = name
		} else {
			to.Range = name
		}
	})
}

func (d *document) indexes(to *[]Index) property {
	return d.each(func(v value) {
		var i Index
		d.properties("index", v, map[string]property{
			"IndexName": d.string(&i.Name),
			"KeySchema": d.key(&i.Key),
			"Projection": d.object("Projection", map[string]property{
				"ProjectionType":   d.oneOf(&i.Projection, "KEYS_ONLY", "INCLUDE", "ALL"),
				"NonKeyAttributes": d.words(&i.Extra),
			}),
			"ContributorInsightsSpecification": ignored,
			"OnDemandThroughput":               ignored,
			"WarmThroughput":                   ignored,
		})
		*to = append(*to, i)
	})
}

func (d *document) readQueue(id string, v value) *Queue {
	q := &Queue{ID: id, Attributes: map[string]string{}, Visibility: 30 * time.Second}
	keep := func(name string, check property) property {
		return func(v value) { check(v); q.Attributes[name] = d.word(v) }
	}
	number := func(low, high int) property { return d.integer(new(int), low, high) }
	d.properties(id+" ("+queueType+")", v, map[string]property{
		"QueueName":                     d.text(&q.Name),
		"FifoQueue":                     keep("FifoQueue", d.boolean(&q.FIFO)),
		"ContentBasedDeduplication":     keep("ContentBasedDeduplication", d.boolean(new(bool))),
		"DeduplicationScope":            keep("DeduplicationScope", d.oneOf(new(string), "messageGroup", "queue")),
		"FifoThroughputLimit":           keep("FifoThroughputLimit", d.oneOf(new(string), "perMessageGroupId", "perQueue")),
		"VisibilityTimeout":             keep("VisibilityTimeout", d.seconds(&q.Visibility, 0, 43200)),
		"MessageRetentionPeriod":        keep("MessageRetentionPeriod", number(60, 1209600)),
		"DelaySeconds":                  keep("DelaySeconds", number(0, 900)),
		"ReceiveMessageWaitTimeSeconds": keep("ReceiveMessageWaitTimeSeconds", number(0, 20)),
		"MaximumMessageSize":            keep("MaximumMessageSize", number(1024, 1048576)),
		"RedrivePolicy": d.object("RedrivePolicy", map[string]property{
			"deadLetterTargetArn": d.resource(&q.DeadTarget, queueType, "Arn"),
			"maxReceiveCount":     d.integer(&q.MaxReceive, 1, 1000),
		}),
		"SqsManagedSseEnabled":         ignored,
		"KmsMasterKeyId":               ignored,
		"KmsDataKeyReusePeriodSeconds": ignored,
		"RedriveAllowPolicy":           ignored,
		"Tags":                         ignored,
	})
	if !q.FIFO {
		delete(q.Attributes, "FifoQueue") // "false" is refused by CreateQueue
	}
	return q
}

func (d *document) readAPI(id string, v value) {
	d.properties(id+" ("+apiType+")", v, map[string]property{
		"DefaultRouteSettings": ignored, // throttling
		"RouteSettings":        ignored,
		"AccessLogSettings":    ignored,
		"Auth":                 ignored, // functions verify the token themselves, so nothing is open that should not be
		"StageName":            d.oneOf(new(string), "$default"),
		"Name":                 ignored,
		"Description":          ignored,
		"FailOnWarnings":       ignored,
		"Tags":                 ignored,
	})
}

func (d *document) readFunction(id string, v value) *Function {
	f := &Function{ID: id, Memory: 128, Timeout: 3 * time.Second, LogFormat: "Text", Environment: map[string]Text{}}
	d.properties(id+" ("+functionType+")", v, map[string]property{
		"FunctionName":                 d.text(&f.Name),
		"Runtime":                      d.oneOf(new(string), "provided.al2023"),
		"Handler":                      d.oneOf(new(string), "bootstrap"),
		"CodeUri":                      d.oneOf(new(string), "."),
		"MemorySize":                   d.integer(&f.Memory, 128, 10240),
		"Timeout":                      d.seconds(&f.Timeout, 1, 900),
		"ReservedConcurrentExecutions": d.integer(&f.Concurrency, 1, 1000),
		"LoggingConfig": d.object("LoggingConfig", map[string]property{
			"LogFormat":           d.oneOf(&f.LogFormat, "JSON", "Text"),
			"ApplicationLogLevel": d.oneOf(&f.LogLevel, "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"),
			"SystemLogLevel":      ignored,
			"LogGroup":            ignored,
		}),
		"Environment": d.object("Environment", map[string]property{
			"Variables": func(v value) {
				for _, variable := range d.fieldsOf("Variables", v) {
					var t Text
					d.text(&t)(variable.value)
					f.Environment[variable.name] = t
				}
			},
		}),
		"Events": func(v value) {
			for _, event := range d.fieldsOf("Events", v) {
				d.readEvent(f, event.name, event.value)
			}
		},
		"Description":       ignored,
		"Architectures":     ignored, // built for this machine
		"Policies":          ignored, // the local servers ask nobody for permission
		"Role":              ignored,
		"RecursiveLoop":     ignored, // no loop detection here
		"EventInvokeConfig": ignored, // a run on schedule that fails is not repeated here
		"EphemeralStorage":  ignored,
		"Tracing":           ignored,
		"PropagateTags":     ignored,
		"Tags":              ignored,
	})
	return f
}

func (d *document) readEvent(f *Function, name string, v value) {
	var kind string
	var properties value
	d.properties("event "+name, v, map[string]property{
		"Type":       d.oneOf(&kind, "HttpApi", "SQS", "DynamoDB", "Schedule"),
		"Properties": func(v value) { properties = v },
	})
	what := fmt.Sprintf("event %s of %s (%s)", name, f.ID, kind)
	switch kind {
	case "HttpApi":
		r := Route{Event: name, Timeout: 30 * time.Second}
		var milliseconds int
		d.properties(what, properties, map[string]property{
			"ApiId":                d.resource(new(string), apiType, ""),
			"Path":                 d.string(&r.Path),
			"Method":               d.string(&r.Method),
			"PayloadFormatVersion": d.oneOf(new(string), "2.0"),
			"TimeoutInMillis":      d.integer(&milliseconds, 50, 30000),
			"Auth":                 ignored,
			"RouteSettings":        ignored,
		})
		if milliseconds != 0 {
			r.Timeout = time.Duration(milliseconds) * time.Millisecond
		}
		if r.Path == "$default" {
			r.Path = ""
		}
		r.Method = strings.ToUpper(r.Method)
		if r.Method == "" || r.Method == "*" || r.Method == "X-AMAZON-APIGATEWAY-ANY-METHOD" {
			r.Method = "ANY"
		}
		if r.Path != "" && !strings.HasPrefix(r.Path, "/") {
			d.fail(v.line, "%s: Path must start with /", what)
		}
		f.Routes = append(f.Routes, r)
	case "SQS":
		s := QueueSource{Event: name, BatchSize: 10}
		enabled := true
		d.properties(what, properties, map[string]property{
			"Queue":                 d.resource(&s.Queue, queueType, "Arn"),
			"BatchSize":             d.integer(&s.BatchSize, 1, 10),
			"FunctionResponseTypes": d.partialBatch(&s.PartialBatch),
			"ScalingConfig": d.object("ScalingConfig", map[string]property{
				"MaximumConcurrency": d.integer(&s.Concurrency, 2, 1000),
			}),
			"Enabled": d.boolean(&enabled),
		})
		s.Disabled = !enabled
		f.Queues = append(f.Queues, s)
	case "DynamoDB":
		f.Streams = append(f.Streams, d.readStreamSource(name, what, properties))
	case "Schedule":
		s := Schedule{Event: name}
		enabled := true
		d.properties(what, properties, map[string]property{
			"Schedule":    d.string(&s.Expression),
			"Input":       d.string(&s.Input),
			"Enabled":     d.boolean(&enabled),
			"Name":        ignored,
			"Description": ignored,
		})
		s.Disabled = !enabled
		if _, err := ParseSchedule(s.Expression); err != nil {
			d.fail(v.line, "%s: %v", what, err)
		}
		if s.Input != "" && !json.Valid([]byte(s.Input)) {
			d.fail(v.line, "%s: Input is not JSON", what)
		}
		f.Schedules = append(f.Schedules, s)
	}
}

func (d *document) readStreamSource(name, what string, v value) StreamSource {
	s := StreamSource{Event: name, BatchSize: 100, MaxRetries: -1}
	var position string
	var age int
	enabled := true
	d.properties(what, v, map[string]property{
		"Stream":                     d.resource(&s.Table, tableType, "StreamArn"),
		"StartingPosition":           d.oneOf(&position, "TRIM_HORIZON", "LATEST"),
		"BatchSize":                  d.integer(&s.BatchSize, 1, 10000),
		"MaximumRetryAttempts":       d.integer(&s.MaxRetries, -1, 10000),
		"MaximumRecordAgeInSeconds":  d.integer(&age, -1, 604800),
		"BisectBatchOnFunctionError": d.boolean(&s.Bisect),
		"FunctionResponseTypes":      d.partialBatch(&s.PartialBatch),
		"DestinationConfig": d.object("DestinationConfig", map[string]property{
			"OnFailure": d.object("OnFailure", map[string]property{
				"Type":        d.oneOf(new(string), "SQS"),
				"Destination": d.resource(&s.OnFailure, queueType, "Arn"),
			}),
		}),
		"FilterCriteria": d.object("FilterCriteria", map[string]property{
			"Filters": d.each(func(v value) {
				d.properties("Filters", v, map[string]property{"Pattern": func(v value) {
					pattern, err := filter.Parse(d.word(v))
					if err != nil {
						d.fail(v.line, "%s: %v", what, err)
					}
					s.Filters = append(s.Filters, pattern)
				}})
			}),
		}),
		"Enabled":                        d.boolean(&enabled),
		"MaximumBatchingWindowInSeconds": ignored, // records go on at once here
		"ParallelizationFactor":          ignored, // one batch of a shard at a time here
	})
	s.FromNow = position == "LATEST"
	s.Disabled = !enabled
	if age > 0 {
		s.MaxAge = time.Duration(age) * time.Second
	}
	return s
}

// check looks at what takes more than one resource to see.
func (d *document) check(t *Template) {
	fifo := map[string]bool{}
	for _, q := range t.Queues {
		fifo[q.ID] = q.FIFO
	}
	streams := map[string]bool{}
	for _, table := range t.Tables {
		streams[table.ID] = table.Stream != ""
		if table.Key.Hash == "" {
			d.fail(1, "%s has no HASH key", table.ID)
		}
	}
	for _, q := range t.Queues {
		if q.DeadTarget != "" && fifo[q.DeadTarget] != q.FIFO {
			d.fail(1, "%s and its dead-letter queue %s must both be FIFO queues, or neither", q.ID, q.DeadTarget)
		}
	}
	for _, f := range t.Functions {
		for _, s := range f.Streams {
			if s.Table != "" && !streams[s.Table] {
				d.fail(1, "event %s of %s: %s has no stream", s.Event, f.ID, s.Table)
			}
		}
	}
}

// property reads the value of one property.
type property = func(value)

// ignored is a property that means nothing on a laptop.
func ignored(value) {}

// properties reads an object by a table of what it may have, and refuses the rest.
func (d *document) properties(what string, v value, table map[string]property) {
	for _, f := range d.fieldsOf(what, v) {
		read, ok := table[f.name]
		if !ok {
			d.fail(f.value.line, "%s: the property %s is not supported by the local stack", what, f.name)
			continue
		}
		read(f.value)
	}
}

func (d *document) fieldsOf(what string, v value) []field {
	if v.kind != object && v.kind != absent {
		d.fail(v.line, "%s must be a mapping", what)
	}
	return v.fields
}

func (d *document) object(what string, table map[string]property) property {
	return func(v value) { d.properties(what, v, table) }
}

func (d *document) each(read func(value)) property {
	return func(v value) {
		if v.kind != list {
			d.fail(v.line, "must be a list")
		}
		for _, item := range v.items {
			read(item)
		}
	}
}

func (d *document) text(to *Text) property {
	return func(v value) {
		if v.kind != scalar {
			d.fail(v.line, "must be a text")
		}
		if s, ok := v.text.literal(); ok && strings.Contains(s, secretMark) {
			d.fail(v.line, "the address of a secret means nothing here; take its value by {{resolve:secretsmanager:${Secret}}}")
		}
		*to = v.text
	}
}

// word is a value that must be a text without references.
func (d *document) word(v value) string {
	s, ok := v.text.literal()
	if v.kind != scalar || !ok {
		d.fail(v.line, "must be a plain value")
	}
	return s
}

func (d *document) string(to *string) property { return func(v value) { *to = d.word(v) } }

func (d *document) words(to *[]string) property {
	return d.each(func(v value) { *to = append(*to, d.word(v)) })
}

func (d *document) boolean(to *bool) property {
	return func(v value) {
		switch strings.ToLower(d.word(v)) {
		case "true":
			*to = true
		case "false":
			*to = false
		default:
			d.fail(v.line, "must be true or false")
		}
	}
}

func (d *document) integer(to *int, low, high int) property {
	return func(v value) {
		n, err := strconv.Atoi(d.word(v))
		if err != nil || n < low || n > high {
			d.fail(v.line, "must be a whole number from %d to %d", low, high)
			return
		}
		*to = n
	}
}

func (d *document) seconds(to *time.Duration, low, high int) property {
	return func(v value) {
		n := int(*to / time.Second)
		d.integer(&n, low, high)(v)
		*to = time.Duration(n) * time.Second
	}
}

func (d *document) oneOf(to *string, allowed ...string) property {
	return func(v value) {
		s := d.word(v)
		if !slices.Contains(allowed, s) {
			d.fail(v.line, "%q is not supported by the local stack here; it knows %s", s, strings.Join(allowed, ", "))
			return
		}
		*to = s
	}
}

// resource reads a reference to another resource of the template.
func (d *document) resource(to *string, kind, attribute string) property {
	return func(v value) {
		r, ok := v.text.soleReference()
		if !ok || r.Attribute != attribute || d.resources[r.Resource] != kind {
			d.fail(v.line, "must be %v of an %s in this template", Reference{"X", attribute}, kind)
			return
		}
		*to = r.Resource
	}
}

func (d *document) partialBatch(to *bool) property {
	return d.each(func(v value) {
		d.oneOf(new(string), "ReportBatchItemFailures")(v)
		*to = true
	})
}
