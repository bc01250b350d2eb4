// Package template reads template.yaml into what the local stack runs.
//
// It understands a stated part of SAM and CloudFormation (see read.go for the types and properties, evaluate.go for the
// functions) and refuses everything else with the line where it stands, so that the laptop never quietly runs something
// other than what would be deployed.
package template

import (
	"time"

	"chatkeeper/infra/local/filter"
)

// Template is what a template.yaml asks for. A caller may change it before the stack starts.
type Template struct {
	Tables    []*Table
	Queues    []*Queue
	Functions []*Function
}

// Table is an AWS::DynamoDB::Table.
type Table struct {
	ID         string // logical id
	Name       Text   // zero: <stack>-<logical id>
	Attributes []Attribute
	Key        Key
	Global     []Index
	Local      []Index
	Stream     string // StreamViewType; empty: no stream
	Expiry     string // the attribute that holds the time to live; empty: none
}

// Attribute is a key attribute and its type: S, N or B.
type Attribute struct{ Name, Type string }

// Key names the key attributes of a table or index.
type Key struct{ Hash, Range string }

// Index is a secondary index. Extra are the attributes it carries beside the keys, for the projection INCLUDE.
type Index struct {
	Name       string
	Key        Key
	Projection string
	Extra      []string
}

// Queue is an AWS::SQS::Queue.
type Queue struct {
	ID         string
	Name       Text // zero: <stack>-<logical id>, with .fifo for a FIFO queue
	FIFO       bool
	Visibility time.Duration
	Attributes map[string]string // as CreateQueue takes them, RedrivePolicy excepted
	DeadTarget string            // logical id of the dead-letter queue; empty: none
	MaxReceive int               // receives before a message goes there
}

// Function is an AWS::Serverless::Function.
type Function struct {
	ID          string
	Name        Text // zero: <stack>-<logical id>
	Memory      int  // MB
	Timeout     time.Duration
	Concurrency int // ReservedConcurrentExecutions; 0: none reserved
	LogFormat   string
	LogLevel    string
	Environment map[string]Text

	Routes    []Route
	Queues    []QueueSource
	Streams   []StreamSource
	Schedules []Schedule
}

// Route is an event of type HttpApi.
type Route struct {
	Event   string        // its name in the function
	Method  string        // upper case, or ANY
	Path    string        // with {name} and {name+}; empty: the $default route
	Timeout time.Duration // of the integration
}

// QueueSource is an event of type SQS.
type QueueSource struct {
	Event        string
	Queue        string // logical id
	BatchSize    int
	Concurrency  int  // MaximumConcurrency; 0: no limit of its own
	PartialBatch bool // the function reports the messages that failed
	Disabled     bool // Enabled: false
}

// StreamSource is an event of type DynamoDB.
type StreamSource struct {
	Event        string
	Table        string // logical id
	FromNow      bool   // StartingPosition LATEST instead of TRIM_HORIZON
	BatchSize    int
	MaxRetries   int           // -1: without end
	MaxAge       time.Duration // of a record; 0: no limit
	Bisect       bool
	PartialBatch bool
	OnFailure    string           // logical id of the queue that hears of given-up records; empty: none
	Filters      []filter.Pattern // a record that matches none is passed over; no filters: all match
	Disabled     bool
}

// Schedule is an event of type Schedule.
type Schedule struct {
	Event      string
	Expression string // rate(…) or cron(…)
	Input      string // the payload; empty: a scheduled event
	Disabled   bool
}
