package escape

import (
	"encoding/base64"
	"encoding/hex"
	"unicode"
	"unicode/utf8"
)

// DataForm is how a znode's data is shown: a value of --data.
type DataForm string

// The forms of data.
const (
	DataText   DataForm = "text" // base64 if it is not UTF-8
	DataHex    DataForm = "hex"
	DataBase64 DataForm = "base64"
	DataNone   DataForm = "none"
	DataLength DataForm = "length" // only how many bytes it has
)

// DataForms are the values of --data.
var DataForms = []string{string(DataText), string(DataHex), string(DataBase64), string(DataNone), string(DataLength)}

// Printable reports whether data can be shown on a terminal as it is: UTF-8 without control characters
// other than line breaks and tabs.
func Printable(data []byte) bool {
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if r == utf8.RuneError && n == 1 || unicode.IsControl(r) && r != '\n' && r != '\t' && r != '\r' {
			return false
		}
		data = data[n:]
	}
	return true
}

// encoding returns what the data is encoded in: hex, base64, or "" for text as it is.
func (f DataForm) encoding(data []byte) DataForm {
	switch {
	case f == DataHex:
		return DataHex
	case f == DataBase64 || !utf8.Valid(data):
		return DataBase64
	}
	return ""
}

// Append appends data as text, not escaped. It returns the encoding too: hex, base64, or "" for text as it is.
func (f DataForm) Append(dst, data []byte) (text []byte, encoding DataForm) {
	switch encoding = f.encoding(data); encoding {
	case DataHex:
		return hex.AppendEncode(dst, data), encoding
	case DataBase64:
		return base64.StdEncoding.AppendEncode(dst, data), encoding
	}
	return append(dst, data...), ""
}

// Encode is [DataForm.Append] for a string.
func (f DataForm) Encode(data []byte) (text string, encoding DataForm) {
	b, encoding := f.Append(nil, data)
	return string(b), encoding
}

// AppendJSON appends data as a JSON string, or null if it is nil. If it is encoded, a second field, "encoding", follows.
func (f DataForm) AppendJSON(dst, data []byte) []byte {
	if data == nil {
		return append(dst, "null"...)
	}
	if f.encoding(data) == "" {
		return AppendJSON(dst, data)
	}
	dst, encoding := f.Append(append(dst, '"'), data)
	return append(append(append(dst, `","encoding":"`...), encoding...), '"')
}
