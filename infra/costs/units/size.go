package units

import (
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
