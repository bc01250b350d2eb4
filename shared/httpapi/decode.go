package httpapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"chatkeeper/shared/chat"
)

// MaxBody is the most bytes of a body.
const MaxBody = 64 << 10

// maxDepth is how deep a body may nest; nothing of ours nests deeper than a handful.
const maxDepth = 16

// maxWrong is how many places of one body are named.
const maxWrong = 20

// Decode reads the body as a T, a struct with json tags (their options are not looked at). It is strict where
// encoding/json is kind: a field that T does not have, a key that stands twice or in other letter case, null, a wrong type
// and a number out of range are refused as Invalid, each with its JSON pointer; what is no JSON object, is not UTF-8
// (half a surrogate pair included), nests deeper than maxDepth or has something behind it is a BadRequest.
//
// A field that is missing keeps its zero value: a handler that needs it says so by [Invalid]; one that must tell a
// missing field from an empty one takes a pointer. T may be made of strings, booleans, whole numbers, float64, structs,
// slices, maps by string, and pointers to them.
func Decode[T any](r *Request) (T, error) {
	var to T
	if len(r.Body) > MaxBody {
		return to, tooLarge()
	}
	body, err := parse(r.Body)
	if err != nil {
		return to, err
	}
	var d decoding
	d.into(reflect.ValueOf(&to).Elem(), body, "")
	if len(d.wrong) > 0 {
		var none T
		return none, &chat.Error{Code: chat.Invalid, Detail: "The body is not valid.", Fields: d.wrong}
	}
	return to, nil
}

// object is a JSON object in the order of its text, with keys that stand twice.
type object []member

type member struct {
	name  string
	value any // nil, bool, json.Number, string, []any or object
}

func parse(body []byte) (object, error) {
	if !utf8.Valid(body) {
		return nil, badRequest("The body is not UTF-8.")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	v, err := parseValue(d, 0)
	if errors.Is(err, errDeep) {
		return nil, badRequest("The body nests too deep.")
	}
	if err != nil {
		return nil, badRequest("The body is not JSON.")
	}
	o, ok := v.(object)
	if !ok {
		return nil, badRequest("The body must be a JSON object.")
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, badRequest("Something stands behind the JSON object.")
	}
	if halfSurrogate(body) {
		return nil, badRequest("The body has half a surrogate pair, which is no character.")
	}
	return o, nil
}

var errDeep = errors.New("too deep")

func parseValue(d *json.Decoder, depth int) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	if _, opens := t.(json.Delim); opens && depth == maxDepth {
		return nil, errDeep
	}
	switch t {
	case json.Delim('{'):
		o := object{}
		for d.More() {
			key, err := d.Token()
			if err != nil {
				return nil, err
			}
			v, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			o = append(o, member{key.(string), v})
		}
		_, err := d.Token()
		return o, err
	case json.Delim('['):
		list := []any{}
		for d.More() {
			v, err := parseValue(d, depth+1)
			if err != nil {
				return nil, err
			}
			list = append(list, v)
		}
		_, err := d.Token()
		return list, err
	}
	return t, nil
}

// halfSurrogate finds an escape that encoding/json would quietly turn into U+FFFD. The body is valid JSON, so a
// backslash stands in strings only.
func halfSurrogate(body []byte) bool {
	for i := 0; i < len(body); i++ {
		if body[i] != '\\' {
			continue
		}
		i++
		if body[i] != 'u' {
			continue
		}
		r := hex4(body[i+1:])
		i += 4
		if !utf16.IsSurrogate(r) {
			continue
		}
		if i+6 >= len(body) || body[i+1] != '\\' || body[i+2] != 'u' || utf16.DecodeRune(r, hex4(body[i+3:])) == utf8.RuneError {
			return true
		}
		i += 6
	}
	return false
}

func hex4(digits []byte) rune {
	n, err := strconv.ParseUint(string(digits[:4]), 16, 16)
	if err != nil { // valid JSON has four digits there
		return utf8.RuneError
	}
	return rune(n)
}

// decoding collects what is wrong, so that one answer names it all.
type decoding struct{ wrong []chat.Field }

func (d *decoding) fail(pointer, format string, arguments ...any) {
	if len(d.wrong) < maxWrong {
		d.wrong = append(d.wrong, chat.Field{Pointer: pointer, Detail: fmt.Sprintf(format, arguments...)})
	}
}

// into sets to from v. A type that Decode does not know is a mistake in our code and panics.
func (d *decoding) into(to reflect.Value, v any, pointer string) {
	if v == nil {
		d.fail(pointer, "must not be null")
		return
	}
	switch to.Kind() {
	case reflect.Pointer:
		to.Set(reflect.New(to.Type().Elem()))
		d.into(to.Elem(), v, pointer)
	case reflect.Struct:
		d.intoStruct(to, v, pointer)
	case reflect.Map:
		o, ok := v.(object)
		if !ok {
			d.fail(pointer, "must be an object")
			return
		}
		to.Set(reflect.MakeMap(to.Type()))
		d.members(o, pointer, func(m member, at string) {
			item := reflect.New(to.Type().Elem()).Elem()
			d.into(item, m.value, at)
			to.SetMapIndex(reflect.ValueOf(m.name).Convert(to.Type().Key()), item)
		})
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			d.fail(pointer, "must be a list")
			return
		}
		to.Set(reflect.MakeSlice(to.Type(), len(list), len(list)))
		for i, item := range list {
			d.into(to.Index(i), item, pointer+"/"+strconv.Itoa(i))
		}
	case reflect.String:
		s, ok := v.(string)
		if !ok {
			d.fail(pointer, "must be a string")
			return
		}
		to.SetString(s)
	case reflect.Bool:
		b, ok := v.(bool)
		if !ok {
			d.fail(pointer, "must be true or false")
			return
		}
		to.SetBool(b)
	case reflect.Int, reflect.Int64:
		n, ok := whole(v)
		if !ok {
			d.fail(pointer, "must be a whole number, and not a huge one")
			return
		}
		to.SetInt(n)
	case reflect.Float64:
		number, ok := v.(json.Number)
		f, err := number.Float64()
		if !ok || err != nil {
			d.fail(pointer, "must be a number, and not a huge one")
			return
		}
		to.SetFloat(f)
	default:
		panic("httpapi: a body can't have a " + to.Type().String())
	}
}

// whole reads 12, and also 12.0 and 1.2e1, which JSON does not tell apart. What a float64 does not hold exactly is out.
func whole(v any) (int64, bool) {
	number, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	f, err := number.Float64()
	if err != nil || f != math.Trunc(f) || math.Abs(f) > 1<<53 {
		return 0, false
	}
	return int64(f), true
}

func (d *decoding) intoStruct(to reflect.Value, v any, pointer string) {
	o, ok := v.(object)
	if !ok {
		d.fail(pointer, "must be an object")
		return
	}
	fields := map[string]int{}
	for i := range to.NumField() {
		name, _, _ := strings.Cut(to.Type().Field(i).Tag.Get("json"), ",")
		fields[name] = i
	}
	d.members(o, pointer, func(m member, at string) {
		i, ok := fields[m.name]
		if !ok {
			d.fail(at, "there is no such field")
			return
		}
		d.into(to.Field(i), m.value, at)
	})
}

// members calls do for every member of an object, except those whose key stood before.
func (d *decoding) members(o object, pointer string, do func(m member, at string)) {
	var seen []string
	for _, m := range o {
		at := pointer + "/" + pointerEscape.Replace(chat.Cut(m.name, maxPointer))
		if slices.Contains(seen, m.name) {
			d.fail(at, "stands here twice")
			continue
		}
		seen = append(seen, m.name)
		do(m, at)
	}
}

// maxPointer keeps a huge key out of the answer.
const maxPointer = 100

var pointerEscape = strings.NewReplacer("~", "~0", "/", "~1")
