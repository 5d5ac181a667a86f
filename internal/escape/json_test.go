package escape

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

func TestAppendJSON(t *testing.T) {
	for in, want := range map[string]string{
		"":                           `""`,
		`a"b\c/<>&`:                  `"a\"b\\c/<>&"`,
		"\b\t\n\f\r\x01\x1f\x7f":     "\"\\b\\t\\n\\f\\r\\u0001\\u001F\x7f\"",
		"é世🦓\u2028":                  "\"é世🦓\u2028\"",
		"cut off \xe4\xb8, \xff end": "\"cut off \uFFFD\uFFFD, \uFFFD end\"",
	} {
		if got := string(AppendJSON([]byte("x"), []byte(in))); got != "x"+want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
		if got := string(AppendJSONString([]byte("x"), in)); got != "x"+want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

// TestAppendJSONEverywhere: each byte, at each place of a text, is what it is alone.
func TestAppendJSONEverywhere(t *testing.T) {
	for c := range 256 {
		alone := AppendJSON(nil, []byte{byte(c)})
		alone = alone[1 : len(alone)-1]
		for length := range 20 {
			for at := range length {
				text := bytes.Repeat([]byte("~"), length)
				text[at] = byte(c)
				want := strings.Repeat("~", at) + string(alone) + strings.Repeat("~", length-at-1)
				if got := string(AppendJSON(nil, text)); got != `"`+want+`"` {
					t.Fatalf("%q: %s", text, got)
				}
			}
		}
	}
}

// FuzzAppendJSON holds the text that a reader gets back against the one that was written.
func FuzzAppendJSON(f *testing.F) {
	f.Add("a\"\\\x00\u2028<\xff\xe4\xb8 é")
	f.Fuzz(func(t *testing.T, text string) {
		var back string
		if err := json.Unmarshal(AppendJSONString(nil, text), &back); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		var want strings.Builder
		for _, r := range text { // U+FFFD for each invalid byte
			want.WriteRune(r)
		}
		if back != want.String() {
			t.Fatalf("%q is read back as %q", text, back)
		}
	})
}

func TestMarshalJSON(t *testing.T) {
	v := map[string]any{"a": "<&>", "b": []int{}}
	if text, err := MarshalJSON(v); err != nil || string(text) != `{"a":"<&>","b":[]}` {
		t.Errorf("%s, %v", text, err)
	}
	if text, err := MarshalJSONFile(v); err != nil || string(text) != "{\n  \"a\": \"<&>\",\n  \"b\": []\n}\n" {
		t.Errorf("as a file: %s, %v", text, err)
	}
	if _, err := MarshalJSONFile(func() {}); err == nil {
		t.Error("a function is written")
	}
}
