package streams

import (
	"encoding/json"
	"time"

	"chatkeeper/infra/local/servers"

	"github.com/aws/aws-sdk-go-v2/service/dynamodbstreams/types"
)

// record is a stream record in the JSON that Lambda gives to functions.
type record struct {
	EventID        string `json:"eventID"`
	EventName      string `json:"eventName"`
	EventVersion   string `json:"eventVersion"`
	EventSource    string `json:"eventSource"`
	AWSRegion      string `json:"awsRegion"`
	DynamoDB       change `json:"dynamodb"`
	EventSourceARN string `json:"eventSourceARN"`
	UserIdentity   *user  `json:"userIdentity,omitempty"`

	created time.Time
	event   json.RawMessage // the record itself, encoded
}

type user struct {
	Type        string `json:"type"`
	PrincipalID string `json:"principalId"`
}

type change struct {
	ApproximateCreationDateTime int64 `json:"ApproximateCreationDateTime"` // seconds
	Keys                        item  `json:"Keys"`
	NewImage                    item  `json:"NewImage,omitempty"`
	OldImage                    item  `json:"OldImage,omitempty"`
	SequenceNumber              string
	SizeBytes                   int64
	StreamViewType              string
}

type item map[string]attribute

// attribute is an attribute value in DynamoDB's JSON: {"S": "text"}, {"N": "1"}, {"M": {…}} and so on.
type attribute struct{ types.AttributeValue }

func (a attribute) MarshalJSON() ([]byte, error) {
	var kind string
	var value any
	switch v := a.AttributeValue.(type) {
	case *types.AttributeValueMemberS:
		kind, value = "S", v.Value
	case *types.AttributeValueMemberN:
		kind, value = "N", v.Value
	case *types.AttributeValueMemberB:
		kind, value = "B", v.Value
	case *types.AttributeValueMemberBOOL:
		kind, value = "BOOL", v.Value
	case *types.AttributeValueMemberNULL:
		kind, value = "NULL", v.Value
	case *types.AttributeValueMemberSS:
		kind, value = "SS", v.Value
	case *types.AttributeValueMemberNS:
		kind, value = "NS", v.Value
	case *types.AttributeValueMemberBS:
		kind, value = "BS", v.Value
	case *types.AttributeValueMemberM:
		kind, value = "M", itemOf(v.Value)
	case *types.AttributeValueMemberL:
		list := make([]attribute, len(v.Value))
		for i, e := range v.Value {
			list[i] = attribute{e}
		}
		kind, value = "L", list
	}
	return json.Marshal(map[string]any{kind: value})
}

func itemOf(attributes map[string]types.AttributeValue) item {
	if attributes == nil {
		return nil
	}
	out := item{}
	for name, value := range attributes {
		out[name] = attribute{value}
	}
	return out
}

func newRecord(r types.Record, stream string) (record, error) {
	d := r.Dynamodb
	out := record{
		EventID: *r.EventID, EventName: string(r.EventName), EventVersion: "1.1", EventSource: "aws:dynamodb",
		AWSRegion: servers.Region, EventSourceARN: stream,
		DynamoDB: change{
			Keys: itemOf(d.Keys), NewImage: itemOf(d.NewImage), OldImage: itemOf(d.OldImage),
			SequenceNumber: *d.SequenceNumber, StreamViewType: string(d.StreamViewType),
		},
	}
	if d.SizeBytes != nil {
		out.DynamoDB.SizeBytes = *d.SizeBytes
	}
	if d.ApproximateCreationDateTime != nil {
		out.created = *d.ApproximateCreationDateTime
		out.DynamoDB.ApproximateCreationDateTime = out.created.Unix()
	}
	if r.UserIdentity != nil && r.UserIdentity.Type != nil && r.UserIdentity.PrincipalId != nil {
		out.UserIdentity = &user{*r.UserIdentity.Type, *r.UserIdentity.PrincipalId}
	}
	var err error
	out.event, err = json.Marshal(out)
	return out, err
}
