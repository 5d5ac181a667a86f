package treediff

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fatih/color"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/export"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/textdiff"
	"github.com/zkctl/zkctl/internal/ui"
)

// differences prints what differs.
type differences struct {
	*comparison
	w                       *bufio.Writer
	a, b                    source.Location
	added, removed, changed int
	flushed                 time.Time
}

func newDifferences(c *comparison) *differences {
	return &differences{comparison: c, a: c.a.src.Location, b: c.b.src.Location, w: bufio.NewWriterSize(c.env.Streams.Out, 64<<10)}
}

func (d *differences) total() int { return d.added + d.removed + d.changed }

// Difference is a difference; old and new are as export writes them.
type Difference struct {
	Change   string          `json:"change"`
	Path     string          `json:"path"`
	Encoding string          `json:"pathEncoding,omitempty"`
	Fields   []string        `json:"fields,omitempty"`
	Old      json.RawMessage `json:"old,omitempty"`
	New      json.RawMessage `json:"new,omitempty"`
}

// add prints a difference. path is below the roots; without a or b, the znode was added or removed.
func (d *differences) add(path string, a, b *source.Znode, fields []string) error {
	change, mark, paint := "changed", "~", color.FgYellow
	switch {
	case a == nil:
		change, mark, paint = "added", "+", color.FgGreen
		d.added++
	case b == nil:
		change, mark, paint = "removed", "-", color.FgRed
		d.removed++
	default:
		d.changed++
	}
	if d.a.Path == d.b.Path && d.a.Path != "/" {
		path = d.a.Path + path
	}
	if path == "" {
		path = "/"
	}
	if d.Output == ui.JSON {
		return d.object(change, path, a, b, fields)
	}
	line := mark + " " + d.env.Streams.Name(path)
	if len(fields) > 0 {
		line += " (" + strings.Join(fields, ", ") + ")"
	}
	fmt.Fprintln(d.w, d.env.Streams.Paint(line, paint))
	if !d.Brief && a != nil && b != nil {
		for _, field := range fields {
			if err := d.field(field, a, b); err != nil {
				return err
			}
		}
	}
	if d.env.Streams.OutTTY && time.Since(d.flushed) > 100*time.Millisecond {
		d.flushed = time.Now()
		return d.w.Flush()
	}
	return nil
}

func (d *differences) object(change, path string, a, b *source.Znode, fields []string) error {
	j := Difference{Change: change, Fields: fields}
	text, form := escape.DataText.Encode([]byte(path))
	j.Path, j.Encoding = text, string(form)
	if !d.Brief {
		if a != nil {
			j.Old = record(a)
		}
		if b != nil {
			j.New = record(b)
		}
	}
	line, err := escape.MarshalJSON(j)
	if err != nil {
		return err
	}
	_, err = d.w.Write(append(line, '\n'))
	return err
}

func record(z *source.Znode) json.RawMessage {
	r := z.Record()
	return bytes.TrimSpace(export.AppendLine(nil, &r))
}

// field prints how a field changes.
func (d *differences) field(field string, a, b *source.Znode) error {
	switch field {
	case Data:
		if err := d.w.Flush(); err != nil {
			return err
		}
		return textdiff.Data(place(d.a, a.Path), place(d.b, b.Path), a.Data, b.Data, d.Lines).Print(d.env.Streams)
	case ACL:
		d.values("acl", command.FormatACL(a.ACL), command.FormatACL(b.ACL))
	case Kind:
		d.values("kind", kindText(a), kindText(b))
	case Owner:
		d.values("owner", proto.Hex(a.Stat.EphemeralOwner), proto.Hex(b.Stat.EphemeralOwner))
	case Sequence:
		d.values("next sequence number", strconv.Itoa(int(source.NextSequence(&a.Stat))), strconv.Itoa(int(source.NextSequence(&b.Stat))))
	case Stat:
		old, now := statTexts(&a.Stat), statTexts(&b.Stat)
		for i, one := range old {
			if one.value != now[i].value {
				d.values(one.name, one.value, now[i].value)
			}
		}
	}
	return nil
}

func (d *differences) values(name, a, b string) {
	if d.env.Streams.OutTTY {
		a, b = escape.Line(a), escape.Line(b)
	}
	fmt.Fprintf(d.w, "  %s: %s -> %s\n", name, a, b)
}

func kindText(z *source.Znode) string {
	if z.Kind == source.TTL {
		return fmt.Sprintf("ttl of %v", time.Duration(z.TTL)*time.Millisecond)
	}
	return string(z.Kind)
}

type statText struct{ name, value string }

func statTexts(s *proto.Stat) []statText {
	number := func(n int32) string { return strconv.Itoa(int(n)) }
	return []statText{
		{"cZxid", proto.Hex(s.Czxid)}, {"ctime", ui.Time(s.Ctime)}, {"mZxid", proto.Hex(s.Mzxid)}, {"mtime", ui.Time(s.Mtime)},
		{"pZxid", proto.Hex(s.Pzxid)}, {"cversion", number(s.Cversion)}, {"dataVersion", number(s.Version)}, {"aclVersion", number(s.Aversion)},
		{"numChildren", number(s.NumChildren)},
	}
}

// place names a znode of a location.
func place(l source.Location, path string) string {
	switch l.Form {
	case source.Named:
		return l.Name + ":" + path
	case source.Servers:
		return source.ServersPrefix + l.Servers + path
	case source.File:
		text := l.Text
		if i := strings.LastIndex(text, ":"+l.Path); i > len(source.FilePrefix) && l.Path != "/" {
			text = text[:i]
		}
		return strings.TrimSuffix(text, ":/") + ":" + path
	}
	return path
}

// flush ends the output; whole says that the comparison came to its end.
func (d *differences) flush(whole bool) error {
	if whole && d.Output != ui.JSON && d.total() > 0 {
		fmt.Fprintf(d.w, "%s added, %s removed, %s changed\n", command.Thousands(d.added), command.Thousands(d.removed), command.Thousands(d.changed))
	}
	return d.w.Flush()
}
