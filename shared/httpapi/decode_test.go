package httpapi_test

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"chatkeeper/shared/chat"
	"chatkeeper/shared/httpapi"
)

// body has everything that a body may have.
type body struct {
	Text  string            `json:"text"`
	Flag  bool              `json:"flag"`
	Count int               `json:"count"`
	Big   int64             `json:"big"`
	Share float64           `json:"share"`
	Name  *string           `json:"name"`
	Tags  []string          `json:"tags"`
	Media *media            `json:"media"`
	List  []media           `json:"list"`
	Map   map[string]string `json:"map"`
}

type media struct {
	ID string `json:"id"`
}

func decode(text string) (body, error) {
	return httpapi.Decode[body](&httpapi.Request{Body: []byte(text)})
}

func TestBodiesThatAreTaken(t *testing.T) {
	t.Parallel()
	empty := ""
	for text, want := range map[string]body{
		`{}`: {},
		" {\"text\":\"a\\u00e4\\ud83d\\ude00\"}\n": {Text: "aä😀"},
		`{"flag":true,"count":12}`:                 {Flag: true, Count: 12},
		`{"count":12.0,"big":1.2e1}`:               {Count: 12, Big: 12},
		`{"share":0.5}`:                            {Share: 0.5},
		`{"name":""}`:                              {Name: &empty},
		`{"tags":[]}`:                              {Tags: []string{}},
		`{"media":{"id":"x"},"list":[{"id":"y"},{}],"map":{"a/b":"c"}}`: {Media: &media{"x"}, List: []media{{"y"}, {}}, Map: map[string]string{"a/b": "c"}},
	} {
		got, err := decode(text)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
}

func TestBodiesThatAreRefused(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat(`{"media":`, 20) + `{}` + strings.Repeat(`}`, 20)
	for _, test := range []struct {
		text    string
		code    chat.Code
		pointer string // of the first field that is wrong
	}{
		{``, chat.BadRequest, ""},
		{`{`, chat.BadRequest, ""},
		{`[]`, chat.BadRequest, ""},
		{`null`, chat.BadRequest, ""},
		{`"text"`, chat.BadRequest, ""},
		{`{} {}`, chat.BadRequest, ""},
		{`{}x`, chat.BadRequest, ""},
		{`{"text":"a",}`, chat.BadRequest, ""},
		{`{text:"a"}`, chat.BadRequest, ""},
		{`{"count":01}`, chat.BadRequest, ""},
		{`{"count":NaN}`, chat.BadRequest, ""},
		{"{\"text\":\"a\nb\"}", chat.BadRequest, ""},
		{"{\"text\":\"\xff\"}", chat.BadRequest, ""},
		{"\xef\xbb\xbf{}", chat.BadRequest, ""},
		{`{"text":"\ud800"}`, chat.BadRequest, ""},
		{`{"text":"\ud800\u0041"}`, chat.BadRequest, ""},
		{`{"text":"\udc00\ud800"}`, chat.BadRequest, ""},
		{deep, chat.BadRequest, ""},
		{strings.Repeat("[", 100_000/2), chat.BadRequest, ""},
		{`{"text":"` + strings.Repeat("a", httpapi.MaxBody) + `"}`, chat.TooLarge, ""},
		{`{"Text":"a"}`, chat.Invalid, "/Text"},
		{`{"txet":"a"}`, chat.Invalid, "/txet"},
		{`{"a/b~c":1}`, chat.Invalid, "/a~1b~0c"},
		{`{"":1}`, chat.Invalid, "/"},
		{`{"text":"a","text":"a"}`, chat.Invalid, "/text"},
		{`{"media":{"id":"a","id":"b"}}`, chat.Invalid, "/media/id"},
		{`{"map":{"a":"1","a":"2"}}`, chat.Invalid, "/map/a"},
		{`{"text":null}`, chat.Invalid, "/text"},
		{`{"name":null}`, chat.Invalid, "/name"},
		{`{"text":1}`, chat.Invalid, "/text"},
		{`{"flag":"true"}`, chat.Invalid, "/flag"},
		{`{"count":"1"}`, chat.Invalid, "/count"},
		{`{"count":1.5}`, chat.Invalid, "/count"},
		{`{"count":1e999999999}`, chat.Invalid, "/count"},
		{`{"big":9223372036854775808}`, chat.Invalid, "/big"},
		{`{"share":1e400}`, chat.Invalid, "/share"},
		{`{"share":"1"}`, chat.Invalid, "/share"},
		{`{"tags":"a"}`, chat.Invalid, "/tags"},
		{`{"tags":["a",1]}`, chat.Invalid, "/tags/1"},
		{`{"media":[]}`, chat.Invalid, "/media"},
		{`{"list":[{"id":"a"},{"ID":"b"}]}`, chat.Invalid, "/list/1/ID"},
		{`{"map":[]}`, chat.Invalid, "/map"},
	} {
		got, err := decode(test.text)
		var e *chat.Error
		if !errors.As(err, &e) || e.Code != test.code {
			t.Errorf("%.80s: %v, want %s", test.text, err, test.code)
			continue
		}
		if test.code == chat.Invalid && e.Fields[0].Pointer != test.pointer {
			t.Errorf("%s: points to %q, want %q", test.text, e.Fields[0].Pointer, test.pointer)
		}
		if !reflect.DeepEqual(got, body{}) {
			t.Errorf("%s: refused, and half read: %+v", test.text, got)
		}
	}
}

// Whatever is sent: no panic, an error of ours, and what is taken reads the same as encoding/json reads it.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{`{}`, `{"text":"\ud83d\ude00"}`, `{"text":"\ud800"}`, `{"count":1e3,"tags":["a"],"media":{"id":""}}`, `{"map":{"":""}}`, `{"text":"\\ud800"}`, `{"a":1,"a":2}`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := decode(text)
		if err != nil {
			var e *chat.Error
			if !errors.As(err, &e) || e.Code == chat.Invalid && len(e.Fields) == 0 {
				t.Fatalf("%q: %v", text, err)
			}
			return
		}
		if !utf8.ValidString(got.Text) {
			t.Fatalf("%q: not UTF-8", text)
		}
		var other body
		if json.Unmarshal([]byte(text), &other) != nil { // it does not take 12.0 for a whole number
			return
		}
		if !reflect.DeepEqual(got, other) {
			t.Fatalf("%q: %+v, and encoding/json reads %+v", text, got, other)
		}
	})
}
