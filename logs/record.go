package logs

import (
	"strconv"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// appendRecord appends an event as one JSON object, without a line break. m is nil if no phrase is known.
func appendRecord(dst []byte, file, member string, e *format.Event, m *catalogue.Match) []byte {
	o := object{b: append(dst, '{')}
	if e.Timed {
		o.int("time", e.Time)
	}
	o.text("file", file)
	o.int("line", e.Line)
	o.text("member", member)
	o.text("level", e.Level.String())
	o.bytes("class", e.Class)
	o.bytes("thread", e.Thread)
	o.bytes("text", e.Text)
	if m != nil {
		o.phrase(m)
	}
	o.bytes("more", e.More)
	return append(o.b, '}')
}

// object is a JSON object that grows. Members that are empty are left out.
type object struct{ b []byte }

func (o *object) key(name string) {
	if last := o.b[len(o.b)-1]; last != '{' {
		o.b = append(o.b, ',')
	}
	o.b = append(escape.AppendJSONString(o.b, name), ':')
}

func (o *object) int(name string, n int64) {
	o.key(name)
	o.b = strconv.AppendInt(o.b, n, 10)
}

func (o *object) text(name, value string) {
	if value != "" {
		o.key(name)
		o.b = escape.AppendJSONString(o.b, value)
	}
}

func (o *object) bytes(name string, value []byte) {
	if len(value) > 0 {
		o.key(name)
		o.b = escape.AppendJSON(o.b, value)
	}
}

// phrase adds the name, the kind and the fields. Hexadecimal numbers are "0x…".
func (o *object) phrase(m *catalogue.Match) {
	o.text("phrase", m.Phrase.Name)
	o.text("kind", m.Phrase.Kind)
	o.text("rank", m.Phrase.Rank.String())
	o.key("fields")
	o.b = append(o.b, '{')
	for f := range m.Fields {
		switch n, err := strconv.ParseInt(string(f.Value), 10, 64); {
		case f.Int && err == nil:
			o.int(f.Name, n)
		case f.Hex:
			o.text(f.Name, hexText(f.Value))
		default:
			o.bytes(f.Name, f.Value)
		}
	}
	o.b = append(o.b, '}')
}

// hexText writes a hexadecimal number as 0x….
func hexText(b []byte) string {
	if len(b) > 1 && b[0] == '0' && b[1]|0x20 == 'x' {
		return string(b)
	}
	return "0x" + string(b)
}
