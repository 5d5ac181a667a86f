package textdiff

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/unpack"
)

const (
	// maxInside is how many bytes of compressed data are compared at most.
	maxInside = 64 << 20
	// maxDump is up to how many bytes binary data is compared in hex.
	maxDump = 4 << 10
)

// Data compares the data of znodes. Of compressed data it compares what is inside. JSON objects and
// arrays are compared by their structure: indented, with sorted keys; unless they only differ in how
// they are written. Data that is not text is shown in hex or, if it is long, summed up.
func Data(from, to string, a, b []byte, context int) Diff {
	d := Diff{From: from, To: to}
	if bytes.Equal(a, b) {
		if (a == nil) != (b == nil) {
			d.Summary = blank(a) + ", becomes " + blank(b)
		}
		return d
	}
	insideA, formA, errA := unpack.Data(a, maxInside)
	insideB, formB, errB := unpack.Data(b, maxInside)
	if errA == nil && errB == nil && (formA != "" || formB != "") {
		d.From, d.To = named(from, formA), named(to, formB)
		if bytes.Equal(insideA, insideB) {
			d.Summary = "what is inside is the same, compressed in another way"
			return d
		}
		a, b = insideA, insideB
	}
	switch {
	case !escape.Printable(a) || !escape.Printable(b):
		return binary(d, a, b, context)
	default:
		textA, isA := structure(a)
		textB, isB := structure(b)
		if isA && isB && !bytes.Equal(textA, textB) {
			a, b = textA, textB
		}
	}
	return Lines(d.From, d.To, string(a), string(b), context)
}

// blank says what data without bytes is.
func blank(data []byte) string {
	if data == nil {
		return "no data (null)"
	}
	return "empty data"
}

func named(name string, form unpack.Form) string {
	if form == "" {
		return name
	}
	return name + " (" + string(form) + ")"
}

func binary(d Diff, a, b []byte, context int) Diff {
	if len(a) <= maxDump && len(b) <= maxDump {
		return Lines(d.From, d.To, ui.HexRows(a, "  "), ui.HexRows(b, "  "), context)
	}
	same := 0
	for same < min(len(a), len(b)) && a[same] == b[same] {
		same++
	}
	d.Summary = fmt.Sprintf("binary data of %s becomes %s; the first difference is at byte 0x%x", ui.Bytes(int64(len(a))), ui.Bytes(int64(len(b))), same)
	return d
}

// structure returns a JSON object or array in one way to write it.
func structure(data []byte) (text []byte, ok bool) {
	trimmed := bytes.TrimSpace(data)
	if len(trimmed) == 0 || trimmed[0] != '{' && trimmed[0] != '[' || !json.Valid(trimmed) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(trimmed))
	d.UseNumber() // 1.0 is not 1
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, false
	}
	text, err := escape.MarshalJSONFile(v)
	return text, err == nil
}
