package dynamo

import (
	"fmt"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/team"
)

// Record is what a stream record of one of the tables tells. At most one of its parts is set; none for items that nobody
// follows. Old is nil where the item is new, New where it was removed.
type Record struct {
	ID     string // of the stream record, the same whenever it is delivered
	Entry  *Images[chat.Entry]
	Person *Images[team.Person]
	Rules  *Images[int64] // the version in force
}

// Images are an item before and after.
type Images[T any] struct{ Old, New *T }

// ReadRecord reads a stream record as Lambda delivers it.
func ReadRecord(r events.DynamoDBEventRecord) (Record, error) {
	record := Record{ID: r.EventID}
	pk := r.Change.Keys["pk"].String()
	var err error
	switch {
	case len(pk) > len(waitingPrefix) && pk[:len(waitingPrefix)] == waitingPrefix:
		record.Entry, err = images(r, entryItem.entry)
	case pk == peoplePK:
		record.Person, err = images(r, personItem.person)
	case pk == rulesPK && r.Change.Keys["sk"].String() == rulesNowSK:
		record.Rules, err = images(r, func(p pointer) int64 { return p.Version })
	}
	if err != nil {
		return record, fmt.Errorf("stream record %s: %w", r.EventID, err)
	}
	return record, nil
}

func images[I, T any](r events.DynamoDBEventRecord, read func(I) T) (*Images[T], error) {
	var both Images[T]
	for _, side := range []struct {
		image map[string]events.DynamoDBAttributeValue
		into  **T
	}{{r.Change.OldImage, &both.Old}, {r.Change.NewImage, &both.New}} {
		if len(side.image) == 0 {
			continue
		}
		it, err := unmarshal[I](attributes(side.image))
		if err != nil {
			return nil, err
		}
		v := read(it)
		*side.into = &v
	}
	return &both, nil
}

func attributes(image map[string]events.DynamoDBAttributeValue) Item {
	item := make(Item, len(image))
	for name, v := range image {
		item[name] = attribute(v)
	}
	return item
}

func attribute(v events.DynamoDBAttributeValue) types.AttributeValue {
	switch v.DataType() {
	case events.DataTypeString:
		return &types.AttributeValueMemberS{Value: v.String()}
	case events.DataTypeNumber:
		return &types.AttributeValueMemberN{Value: v.Number()}
	case events.DataTypeBinary:
		return &types.AttributeValueMemberB{Value: v.Binary()}
	case events.DataTypeBoolean:
		return &types.AttributeValueMemberBOOL{Value: v.Boolean()}
	case events.DataTypeStringSet:
		return &types.AttributeValueMemberSS{Value: v.StringSet()}
	case events.DataTypeNumberSet:
		return &types.AttributeValueMemberNS{Value: v.NumberSet()}
	case events.DataTypeBinarySet:
		return &types.AttributeValueMemberBS{Value: v.BinarySet()}
	case events.DataTypeMap:
		return &types.AttributeValueMemberM{Value: attributes(v.Map())}
	case events.DataTypeList:
		var list []types.AttributeValue
		for _, e := range v.List() {
			list = append(list, attribute(e))
		}
		return &types.AttributeValueMemberL{Value: list}
	}
	return &types.AttributeValueMemberNULL{Value: true}
}
