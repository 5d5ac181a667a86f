package unpack

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
)

var forms = []Form{Gzip, Zlib, Zstd, Snappy, LZ4}

func pack(t testing.TB, data []byte, form Form) []byte {
	t.Helper()
	var out bytes.Buffer
	var w io.WriteCloser
	var err error
	switch form {
	case Gzip:
		w = gzip.NewWriter(&out)
	case Zlib:
		w = zlib.NewWriter(&out)
	case Zstd:
		w, err = zstd.NewWriter(&out, zstd.WithEncoderConcurrency(1))
	case Snappy:
		w = snappy.NewBufferedWriter(&out)
	case LZ4:
		w = lz4.NewWriter(&out)
	}
	if err != nil {
		t.Fatal(form, err)
	}
	_, err = w.Write(data)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(form, err)
	}
	return out.Bytes()
}

func TestData(t *testing.T) {
	text := []byte(strings.Repeat("a line of text\n", 1000))
	for _, form := range forms {
		packed := pack(t, text, form)
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
		f.Add(pack(f, []byte("some text, some text"), form))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		const most = 1 << 16
		if inside, _, err := Data(data, most); err == nil && len(inside) > max(most, len(data)) {
			t.Errorf("%d bytes", len(inside))
		}
	})
}

func TestLike(t *testing.T) {
	text := []byte(strings.Repeat("a line of text\n", 10_000))
	before := map[Form][]byte{"": []byte("plain"), "snappy-java": []byte("\x82SNAPPY\x00\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x07\x05\x10hello")}
	for _, form := range forms {
		before[form] = pack(t, []byte("hello"), form)
	}
	for form, old := range before {
		for _, inside := range [][]byte{text, {}} {
			packed, err := Like(old, inside)
			if err != nil {
				t.Fatal(form, err)
			}
			want := form
			if form == "snappy-java" {
				want = Snappy
			}
			got, is, err := Data(packed, len(text))
			if err != nil || is != want || !bytes.Equal(got, inside) || form != "" && packed[0] != old[0] {
				t.Errorf("%s: %q, %v, %d bytes", form, is, err, len(got))
			}
		}
	}
	var named bytes.Buffer
	w := gzip.NewWriter(&named)
	w.Name = "state.json"
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	packed, err := Like(named.Bytes(), text)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := gzip.NewReader(bytes.NewReader(packed)); err != nil || r.Name != "state.json" {
		t.Error(r, err)
	}
}
