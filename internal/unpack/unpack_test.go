package unpack

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

var forms = []Form{Gzip, Zlib, Zstd, Snappy, LZ4}

func TestData(t *testing.T) {
	text := []byte(strings.Repeat("a line of text\n", 1000))
	for _, form := range forms {
		packed, err := Pack(text, form)
		if err != nil {
			t.Fatal(form, err)
		}
		got, is, err := Data(packed, len(text))
		if err != nil || is != form || !bytes.Equal(got, text) {
			t.Errorf("%s: %q, %v, %d bytes", form, is, err, len(got))
		}
		if _, is, err := Data(packed, len(text)-1); is != form || !errors.Is(err, ErrTooLong) {
			t.Errorf("%s, too long: %v", form, err)
		}
		if got, is, err := Data(packed[:len(packed)-5], len(text)); err != nil || is != "" || len(got) != len(packed)-5 {
			t.Errorf("%s, cut off: %q, %v, %d bytes", form, is, err, len(got))
		}
	}
	java := []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x07\x05\x10hello")
	if got, is, err := Data(java, 100); err != nil || is != Snappy || string(got) != "hello" {
		t.Errorf("snappy-java: %q, %q, %v", is, got, err)
	}
	for _, plain := range []string{"", "x", "x\x9c is no zlib", "{}", "\x1f\x8b", "(\xb5/\xfd", "hello, world"} {
		if got, is, err := Data([]byte(plain), 100); err != nil || is != "" || string(got) != plain {
			t.Errorf("%q: %q, %q, %v", plain, is, got, err)
		}
	}
}

func FuzzData(f *testing.F) {
	for _, form := range forms {
		packed, err := Pack([]byte("some text, some text"), form)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(packed)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 16
		if inside, _, err := Data(data, most); err == nil && len(inside) > max(most, len(data)) {
			t.Errorf("%d bytes", len(inside))
		}
	})
}
