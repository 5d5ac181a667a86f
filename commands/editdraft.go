package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ownfile"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/textdiff"
)

// draft is a znode that is being edited.
type draft struct {
	path    string
	file    string // its draft
	data    []byte // of the znode, as last read
	stat    proto.Stat
	exists  bool
	shape   shape
	base    string // data as text
	text    string // the text in the editor, without notes
	edited  []byte // text as data
	saved   []byte // what the file had when the editor opened
	open    bool   // the editor has to open it
	fault   error  // why it has to open it again
	written bool
}

// sides name the texts of a merge.
var sides = textdiff.Sides{Ours: "your change", Base: "before", Theirs: "now in ZooKeeper"}

// read reads the znode. Its error is ErrNoNode if there is none.
func (d *draft) read(ctx context.Context, conn *client.Conn) error {
	data, stat, err := conn.Get(ctx, d.path, false)
	if err == nil {
		d.data, d.stat, d.exists = data, stat, true
	}
	return err
}

func (d *draft) changes() bool { return !bytes.Equal(d.edited, d.data) }

// name names what the znode has, in the head of a difference.
func (d *draft) name() string {
	if !d.exists {
		return d.path + " (new)"
	}
	return versioned(d.path, d.stat.Version)
}

// write writes the draft.
func (d *draft) write(ctx context.Context, conn *client.Conn) (err error) {
	settled, cancel := command.Settling(ctx)
	defer cancel()
	if d.exists {
		d.stat, err = conn.Set(settled, d.path, d.edited, d.stat.Version)
	} else {
		_, d.stat, err = conn.Create(settled, d.path, d.edited, proto.OpenACL, proto.Persistent, 0)
	}
	d.written = err == nil
	return err
}

// op is the operation that writes the draft, with others.
func (d *draft) op() proto.MultiOp {
	if !d.exists {
		return client.CreateOp(d.path, d.edited, proto.OpenACL, proto.Persistent, 0)
	}
	return proto.MultiOp{Type: proto.OpSetData, Request: &proto.SetDataRequest{Path: d.path, Data: d.edited, Version: d.stat.Version}}
}

// makeDrafts makes the folder of the drafts, and gives each a name by which an editor recognises its format.
func (e *editing) makeDrafts() (err error) {
	parent := ""
	if e.env.StateDir != "" {
		parent = filepath.Join(e.env.StateDir, "drafts")
		if err = ownfile.Dir(e.env.StateDir); err == nil {
			err = ownfile.Dir(parent)
		}
	}
	if err == nil {
		e.dir, err = os.MkdirTemp(parent, "edit-*")
	}
	if err != nil {
		return fmt.Errorf("save a draft: %w", err)
	}
	taken := map[string]bool{}
	for _, d := range e.drafts {
		name := d.fileName()
		for n := 2; taken[name]; n++ {
			name = fmt.Sprintf("%d-%s", n, d.fileName())
		}
		taken[name] = true
		d.file = filepath.Join(e.dir, name)
	}
	return nil
}

// maxFileName is how many bytes of a znode's name its draft has.
const maxFileName = 64

// fileName returns the name of the znode as that of a file, with what says its format.
func (d *draft) fileName() string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, d.path[strings.LastIndexByte(d.path, '/')+1:])
	name = strings.TrimLeft(name[max(0, len(name)-maxFileName):], ".-")
	switch {
	case d.shape.hex:
		name += ".hex"
	case isTree([]byte(d.text)) && d.shape.check != nil && !strings.HasSuffix(name, ".json"):
		name += ".json"
	}
	if name == "" {
		return "znode"
	}
	return name
}

// notePrefix begins a line that is added to a draft about the line below it, and removed again.
const notePrefix = "#! zkctl: "

// content is what the editor opens.
func (d *draft) content() []byte {
	var fault *lineError
	if !errors.As(d.fault, &fault) {
		return []byte(d.text)
	}
	lines := strings.SplitAfter(d.text, "\n")
	at := min(max(fault.line, 1), len(lines)) - 1
	note := notePrefix + escape.Line(fault.problem) + ". This line will be removed.\n"
	return []byte(strings.Join(lines[:at], "") + note + strings.Join(lines[at:], ""))
}

// edit takes what the editor has left. If that still has the fault, it is the error.
func (d *draft) edit(content []byte) error {
	var text strings.Builder
	for line := range strings.Lines(string(content)) {
		if !strings.HasPrefix(line, notePrefix) {
			text.WriteString(line)
		}
	}
	if text.String() == d.text && d.fault != nil {
		return fmt.Errorf("%s: %w", escape.Line(d.path), d.fault)
	}
	d.text = text.String()
	return nil
}

// open opens the editor on the drafts that need it.
func (e *editing) open(ctx context.Context) error {
	var files []string
	line := 0
	for _, d := range e.drafts {
		if !d.open {
			continue
		}
		d.saved = d.content()
		if err := atomicfile.Write(d.file, d.saved); err != nil {
			return fmt.Errorf("save a draft: %w", err)
		}
		var fault *lineError
		if errors.As(d.fault, &fault) && len(files) == 0 {
			line = fault.line
		}
		files = append(files, d.file)
	}
	if err := e.env.Edit(ctx, files, line); err != nil {
		return err
	}
	for _, d := range e.drafts {
		if !d.open {
			continue
		}
		content, err := readFile(ctx, e.env, d.file)
		if err != nil {
			return fmt.Errorf("read the draft: %w", err)
		}
		if err := d.edit(content); err != nil {
			return err
		}
	}
	return nil
}

// check turns the edited drafts into data, and reports whether the editor has to open some again.
func (e *editing) check() (again bool, err error) {
	for _, d := range e.drafts {
		if !d.open {
			continue
		}
		if line := textdiff.Unresolved(d.text, sides); line > 0 {
			d.fault = &lineError{line, "this conflict is not resolved"}
		} else {
			d.edited, d.fault = d.shape.data(d.text)
		}
		var fault *lineError
		if d.open = errors.As(d.fault, &fault); d.open {
			again = true
		} else if d.fault != nil {
			return false, fmt.Errorf("%s: %w", escape.Line(d.path), d.fault)
		}
	}
	return again, nil
}

// finish removes the drafts. If edit has failed and they have changes, it keeps them, and returns the error with
// their names.
func (e *editing) finish(ctx context.Context, err error) error {
	var kept []string
	for _, d := range e.drafts {
		if content, readErr := os.ReadFile(d.file); err != nil && d.file != "" && (readErr == nil && !bytes.Equal(content, d.saved) || d.text != d.base) {
			kept = append(kept, d.file)
		}
	}
	if len(kept) == 0 {
		if e.dir != "" {
			_ = os.RemoveAll(e.dir)
		}
		return err
	}
	where := kept[0]
	if len(kept) > 1 {
		where = e.dir
	}
	err = e.env.Explain(ctx, err)
	return command.Reword(err, "%v; your text is kept in %s", err, where)
}
