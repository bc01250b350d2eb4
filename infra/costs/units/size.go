package units

import (
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"
)

// Item is an item or a key as the SDK has it.
type Item = map[string]types.AttributeValue

// Size is an item's size by AWS's published rule: the bytes of every name and value; a number about a byte for two
// digits and one more; three bytes for a set, list or map and one for each of its elements.
func Size(item Item) int {
	n := 0
	for name, v := range item {
		n += len(name) + valueSize(v)
	}
	return n
}

func valueSize(v types.AttributeValue) int {
	n := 3
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return len(v.Value)
	case *types.AttributeValueMemberN:
		return len(v.Value)/2 + 2
	case *types.AttributeValueMemberB:
		return len(v.Value)
	case *types.AttributeValueMemberBOOL, *types.AttributeValueMemberNULL:
		return 1
	case *types.AttributeValueMemberSS:
		for _, s := range v.Value {
			n += 1 + len(s)
		}
	case *types.AttributeValueMemberNS:
		for _, s := range v.Value {
			n += 1 + len(s)/2 + 2
		}
	case *types.AttributeValueMemberBS:
		for _, b := range v.Value {
			n += 1 + len(b)
		}
	case *types.AttributeValueMemberL:
		for _, e := range v.Value {
			n += 1 + valueSize(e)
		}
	case *types.AttributeValueMemberM:
		n += len(v.Value) + Size(v.Value)
	}
	return n
}

// started is how many blocks of so many bytes are at least begun; nothing at all counts as one.
func started(bytes, block int) int { return max(1, (bytes+block-1)/block) }

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
