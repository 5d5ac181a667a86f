package jsondoc

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"
	"testing"
)

func parse(t testing.TB, text string) *Doc {
	t.Helper()
	d, err := Parse([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return d
}

func TestRewrite(t *testing.T) {
	for _, test := range []struct{ name, doc, to, want string }{
		{"same, written by hand", " {\"b\" :1.0 , \"a\":[ 1,2 ]}\n", `{"a":[1,2],"b":1}`, " {\"b\" :1.0 , \"a\":[ 1,2 ]}\n"},
		{"compact", `{"b":1,"a":2}`, `{"a":3,"b":1}`, `{"b":1,"a":3}`},
		{"as Python writes", `{"b": 1, "a": [2, 3]}`, `{"a":[2,4],"b":1,"c":{"d":5,"e":[]}}`, `{"b": 1, "a": [2, 4], "c": {"d": 5, "e": []}}`},
		{"padded", `{ "b": 1 }`, `{"b":2,"c":[3]}`, `{ "b": 2, "c": [ 3 ] }`},
		{"two spaces", "{\n  \"b\": 1,\n  \"a\": [ 1 ]\n}\n", `{"a":[1],"c":{},"b":{"x":[1]}}`,
			"{\n  \"b\": {\n    \"x\": [\n      1\n    ]\n  },\n  \"a\": [ 1 ],\n  \"c\": {}\n}\n"},
		{"tabs and CR LF", "{\r\n\t\"b\": 1\r\n}\r\n", `{"b":2,"a":3}`, "{\r\n\t\"b\": 2,\r\n\t\"a\": 3\r\n}\r\n"},
		{"indented below", "{\"a\": {\n    \"b\": 1}}", `{"a":{"b":2}}`, "{\n  \"a\": {\n    \"b\": 2\n  }\n}"},
		{"another kind", `[1]`, `{"a":1}`, `{"a":1}`},
		{"escapes stay", `{"\u00e9":"\u00e9\/","b":1}`, `{"é":"é/","b":2}`, `{"é":"\u00e9\/","b":2}`},
		{"a long number", `{"a":12345678901234567890,"b":1e999}`, `{"a":12345678901234567891,"b":1e999}`, `{"a":12345678901234567891,"b":1e999}`},
		{"a key twice", `{"a":1,"a":2}`, `{"a":2,"b":3}`, `{"a":2,"b":3}`},
		{"a scalar", ` "x" `, `null`, ` null `},
		{"keys removed", `{"a":1,"b":2,"c":3}`, `{"c":3}`, `{"c":3}`},
	} {
		if got := string(parse(t, test.doc).Rewrite(parse(t, test.to))); got != test.want {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}
}

// TestMerge has the examples of RFC 7386, appendix A.
func TestMerge(t *testing.T) {
	for _, test := range [][3]string{
		{`{"a":"b"}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"b"}`, `{"b":"c"}`, `{"a":"b","b":"c"}`},
		{`{"a":"b"}`, `{"a":null}`, `{}`},
		{`{"a":"b","b":"c"}`, `{"a":null}`, `{"b":"c"}`},
		{`{"a":["b"]}`, `{"a":"c"}`, `{"a":"c"}`},
		{`{"a":"c"}`, `{"a":["b"]}`, `{"a":["b"]}`},
		{`{"a":{"b":"c"}}`, `{"a":{"b":"d","c":null}}`, `{"a":{"b":"d"}}`},
		{`{"a":[{"b":"c"}]}`, `{"a":[1]}`, `{"a":[1]}`},
		{`["a","b"]`, `["c","d"]`, `["c","d"]`},
		{`{"a":"b"}`, `["c"]`, `["c"]`},
		{`{"a":"foo"}`, `null`, `null`},
		{`{"a":"foo"}`, `"bar"`, `"bar"`},
		{`{"e":null}`, `{"a":1}`, `{"e":null,"a":1}`},
		{`[1,2]`, `{"a":"b","c":null}`, `{"a":"b"}`},
		{`{}`, `{"a":{"bb":{"ccc":null}}}`, `{"a":{"bb":{}}}`},
	} {
		if got := string(parse(t, test[0]).Merge(parse(t, test[1]))); got != test[2] {
			t.Errorf("%s with %s: %s, want %s", test[0], test[1], got, test[2])
		}
	}
}

func TestCheck(t *testing.T) {
	for text, want := range map[string]string{
		"{}":                       "",
		"":                         "1:1",
		"{\n  \"a\": 1\n":          "2:9",
		"{\n  \"a\": x\n}":         "2:8",
		"{}\n{}":                   "2:1",
		"{\n\"a\": 1,\n\"b\" 2\n}": "3:5",
	} {
		err := Check([]byte(text))
		var syntax *SyntaxError
		got := ""
		if errors.As(err, &syntax) {
			got = fmt.Sprintf("%d:%d", syntax.Line, syntax.Column)
		}
		if got != want || (err == nil) != (want == "") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// FuzzRewrite wants one document's content in another's manner to be the same content, and a document
// rewritten to itself unchanged.
func FuzzRewrite(f *testing.F) {
	f.Add(`{"a": 1.0, "b": [1, {"c": null}]}`, `{"b":[1,{"c":true}],"z":{}}`)
	f.Add("[\n\t1\n]\n", `[1,2,[]]`)
	f.Add("{\"a\": {\n   \"b\": 1}}", `{"a":{"b":2,"\u00e9":""}}`)
	f.Fuzz(func(t *testing.T, doc, to string) {
		d, err := Parse([]byte(doc))
		if (err == nil) != json.Valid([]byte(doc)) {
			t.Fatalf("%q: %v", doc, err)
		}
		if err != nil {
			return
		}
		if got := d.Rewrite(d); string(got) != doc {
			t.Fatalf("%q became %q", doc, got)
		}
		other, err := Parse([]byte(to))
		if err != nil {
			return
		}
		got := d.Rewrite(other)
		if !reflect.DeepEqual(decode(t, got), decode(t, []byte(to))) {
			t.Fatalf("%q as %q: %q", to, doc, got)
		}
		if !json.Valid(d.Merge(other)) {
			t.Fatalf("%q with %q: %q", doc, to, d.Merge(other))
		}
	})
}

func decode(t *testing.T, text []byte) (v any) {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return plain(v)
}

// plain makes numbers that are equal, such as 1.0 and 1, the same.
func plain(v any) any {
	switch v := v.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && math.Abs(f) < 1<<53 {
			return f
		}
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return v
}
