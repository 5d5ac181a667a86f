package logformatter

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/ui"
)

// changeForm writes changes in one form.
type changeForm interface {
	write(w *bufio.Writer, c *change) error
}

// textChange writes a paragraph for a person: when and what, then what it meant.
type textChange struct {
	data  escape.DataForm
	width int // columns that lines are cut to; 0 means no limit
}

func (t *textChange) write(w *bufio.Writer, c *change) error {
	op := "in " + c.snapshot
	if c.what != changePresent {
		op = c.op.String()
		if c.multi {
			op = "multi: " + op
		}
	}
	t.line(w, fmt.Sprintf("%s  0x%x  %s %s", ui.Time(c.Time), uint64(c.Zxid), op, escape.Line(c.path)))
	t.line(w, "    "+c.sentence())
	if c.damaged {
		t.line(w, "    the transaction's checksum is wrong")
	}
	t.values(w, c)
	_, err := w.Write(nil) // returns the first write error, if any
	return err
}

// sentence says who made the change and what came of it.
func (c *change) sentence() string {
	by := fmt.Sprintf("by session 0x%x", uint64(c.ClientID))
	switch {
	case c.what == changePresent:
		if c.now.owner != 0 {
			return fmt.Sprintf("existed before the first log, as an ephemeral of session 0x%x", uint64(c.now.owner))
		}
		return "existed before the first log" + c.now.kind()
	case c.err != nil:
		return by + "; nothing changed: the multi failed with " + c.err.Message()
	case c.op == proto.OpCloseSession && c.Cxid == 0:
		return fmt.Sprintf("deleted because its session 0x%x expired", uint64(c.ClientID))
	case c.op == proto.OpCloseSession:
		return fmt.Sprintf("deleted because its session 0x%x was closed by the client", uint64(c.ClientID))
	case c.op == proto.OpDeleteContainer && c.ClientID == 0:
		return "by the server: an empty container, or an expired TTL"
	case c.what == changeChecked:
		// The log holds the version after the check (PrepRequestProcessor.checkAndIncVersion).
		return fmt.Sprintf("%s, which found version %d; nothing changed", by, c.version-1)
	case c.what == changeCreated:
		return by + c.now.kind()
	}
	return by
}

// kind describes the kind of znode, or is empty for a plain one.
func (z *znode) kind() string {
	switch {
	case z.owner != 0:
		return ", ephemeral"
	case z.container:
		return ", container"
	case z.ttl != 0:
		return ", TTL " + (time.Duration(z.ttl) * time.Millisecond).String()
	}
	return ""
}

func (t *textChange) values(w *bufio.Writer, c *change) {
	switch {
	case c.now == nil && c.what != changeDeleted:
	case c.op == proto.OpSetACL:
		t.line(w, "    acl   "+aclText(c.old))
		t.line(w, "       →  "+aclText(c.now))
		t.versions(w, c, c.old != nil && c.old.acl, func(z *znode) int32 { return z.aversion })
	case c.op == proto.OpSetData || c.op == proto.OpReconfig:
		if t.data != escape.DataNone {
			t.line(w, "    data  "+t.dataText(c.old))
			t.line(w, "       →  "+t.dataText(c.now))
		}
		t.versions(w, c, c.old != nil && c.old.data, func(z *znode) int32 { return z.version })
	case c.now == nil:
		if t.data != escape.DataNone {
			t.line(w, "    was   "+t.dataText(c.old))
		}
		if c.old != nil && c.old.data {
			t.line(w, fmt.Sprintf("    version %d", c.old.version))
		}
	default:
		if t.data != escape.DataNone {
			t.line(w, "    data  "+t.dataText(c.now))
		}
		t.line(w, "    acl   "+aclText(c.now))
		if c.what == changePresent {
			t.line(w, fmt.Sprintf("    version %d", c.now.version))
		}
	}
}

func (t *textChange) versions(w *bufio.Writer, c *change, known bool, of func(*znode) int32) {
	old := "unknown"
	if known {
		old = strconv.Itoa(int(of(c.old)))
	}
	t.line(w, fmt.Sprintf("    version %s → %d", old, of(c.now)))
}

func (t *textChange) line(w *bufio.Writer, s string) {
	if t.width > 0 && runewidth.StringWidth(s) > t.width {
		s = runewidth.Truncate(s, t.width, "…")
	}
	w.WriteString(s)
	w.WriteByte('\n')
}

func (t *textChange) dataText(z *znode) string {
	if z == nil || !z.data {
		return "unknown"
	}
	switch {
	case z.bytes == nil:
		return "null"
	case t.data == escape.DataLength:
		return fmt.Sprintf("%d bytes", len(z.bytes))
	case len(z.bytes) == 0:
		return "(empty)"
	}
	text, encoding := t.data.Encode(z.bytes)
	switch {
	case encoding == escape.DataBase64 && t.data != escape.DataBase64:
		return "base64 " + text
	case encoding != "":
		return text
	}
	return escape.Line(text)
}

func aclText(z *znode) string {
	if z == nil || !z.acl {
		return "unknown"
	}
	parts := make([]string, len(z.list))
	for i, a := range z.list {
		parts[i] = escape.Line(a.ID.Scheme + ":" + a.ID.ID + ":" + a.Perms.String())
	}
	return strings.Join(parts, ", ")
}
