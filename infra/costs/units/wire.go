package units

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// wire is an item as requests spell it: {"pk": {"S": "…"}, …}.
type wire map[string]map[string]json.RawMessage

func (w wire) item() (Item, error) {
	if w == nil {
		return nil, nil
	}
	out := Item{}
	for name, typed := range w {
		v, err := value(typed)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		out[name] = v
	}
	return out, nil
}

func value(typed map[string]json.RawMessage) (types.AttributeValue, error) {
	for kind, raw := range typed {
		switch kind {
		case "S":
			v := &types.AttributeValueMemberS{}
			return v, json.Unmarshal(raw, &v.Value)
		case "N":
			v := &types.AttributeValueMemberN{}
			return v, json.Unmarshal(raw, &v.Value)
		case "B":
			v := &types.AttributeValueMemberB{}
			return v, json.Unmarshal(raw, &v.Value)
		case "BOOL":
			v := &types.AttributeValueMemberBOOL{}
			return v, json.Unmarshal(raw, &v.Value)
		case "NULL":
			return &types.AttributeValueMemberNULL{Value: true}, nil
		case "SS":
			v := &types.AttributeValueMemberSS{}
			return v, json.Unmarshal(raw, &v.Value)
		case "NS":
			v := &types.AttributeValueMemberNS{}
			return v, json.Unmarshal(raw, &v.Value)
		case "BS":
			v := &types.AttributeValueMemberBS{}
			return v, json.Unmarshal(raw, &v.Value)
		case "M":
			var inner wire
			if err := json.Unmarshal(raw, &inner); err != nil {
				return nil, err
			}
			item, err := inner.item()
			return &types.AttributeValueMemberM{Value: item}, err
		case "L":
			var list []map[string]json.RawMessage
			if err := json.Unmarshal(raw, &list); err != nil {
				return nil, err
			}
			v := &types.AttributeValueMemberL{}
			for _, e := range list {
				element, err := value(e)
				if err != nil {
					return nil, err
				}
				v.Value = append(v.Value, element)
			}
			return v, nil
		}
	}
	return nil, fmt.Errorf("a value of an unknown type")
}

// Wire spells an item as requests and stream records do, ready for JSON.
func Wire(item Item) map[string]any {
	if item == nil {
		return nil
	}
	out := map[string]any{}
	for name, v := range item {
		out[name] = wireValue(v)
	}
	return out
}

func wireValue(v types.AttributeValue) map[string]any {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return map[string]any{"S": v.Value}
	case *types.AttributeValueMemberN:
		return map[string]any{"N": v.Value}
	case *types.AttributeValueMemberB:
		return map[string]any{"B": v.Value}
	case *types.AttributeValueMemberBOOL:
		return map[string]any{"BOOL": v.Value}
	case *types.AttributeValueMemberSS:
		return map[string]any{"SS": v.Value}
	case *types.AttributeValueMemberNS:
		return map[string]any{"NS": v.Value}
	case *types.AttributeValueMemberBS:
		return map[string]any{"BS": v.Value}
	case *types.AttributeValueMemberM:
		return map[string]any{"M": Wire(v.Value)}
	case *types.AttributeValueMemberL:
		list := []any{}
		for _, e := range v.Value {
			list = append(list, wireValue(e))
		}
		return map[string]any{"L": list}
	}
	return map[string]any{"NULL": true}
}
