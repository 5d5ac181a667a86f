package transfer

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/atomicfile"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/filelock"
	"github.com/zkctl/zkctl/internal/ownfile"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

// mirrorState is what a mirror remembers. With a file, every change of it is appended there before the next write to the
// destination is made, so that a mirror that was killed knows which znodes are its own.
type mirrorState struct {
	mirrorHead
	twins   *twins
	reached string              // the last znode, in the order of a walk, that was ever among them
	gone    int                 // of these, how many are no longer at the source
	about   map[string]struct{} // to be written next
	pending map[string]struct{} // were about to be written when the mirror was killed, or lost its session: its own, however they look
	fresh   bool                // nothing existed at the destination when the mirror began, so that everything there is its own
	whole   bool                // the first copy is complete

	name  string
	lock  *filelock.Lock
	file  *os.File
	out   *bufio.Writer
	lines int // of the file
}

// mirrorHead is the first line of a state file.
type mirrorHead struct {
	Mark   string `json:"zkctl"`
	Schema int    `json:"schema"`
	Source string `json:"source"`
	Dest   string `json:"destination"`
}

const (
	mirrorMark   = "mirror"
	mirrorSchema = 1
	// slackLines is up to how many lines a state file may have beyond three for each znode before it is written anew.
	slackLines = 10_000
	// maxStateLine bounds a line of a state file.
	maxStateLine = 4 << 20
)

func newMirrorState(source, dest string) *mirrorState {
	return &mirrorState{mirrorHead: mirrorHead{mirrorMark, mirrorSchema, source, dest}, twins: newTwins(), about: map[string]struct{}{}, pending: map[string]struct{}{}}
}

// openMirrorState reads a state file, or begins one. Without a name nothing is kept.
func openMirrorState(name, source, dest string) (*mirrorState, error) {
	s := newMirrorState(source, dest)
	if name == "" {
		return s, nil
	}
	f, err := ownfile.Open(name, os.O_RDWR|os.O_CREATE)
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	defer f.Close()
	lock, err := filelock.Try(name + ".lock")
	if err != nil {
		return nil, fmt.Errorf("--state %s: another mirror uses it: %w", name, err)
	}
	s.name, s.lock = name, lock
	want := s.mirrorHead
	err = s.read(f)
	switch {
	case errors.Is(err, io.EOF): // a new file
		err = nil
	case err != nil:
		err = fmt.Errorf("--state %s: %w", name, err)
	case s.mirrorHead != want:
		err = fmt.Errorf("--state %s: it is of the mirror from %s to %s; name another file", name, escape.Line(s.Source), escape.Line(s.Dest))
	}
	if err == nil {
		err = s.rewrite()
	}
	if err != nil {
		_ = s.close() // the error counts
		return nil, err
	}
	return s, nil
}

// read reads a state file. A last line that was cut off is left out.
func (s *mirrorState) read(r io.Reader) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for n := 1; ; n++ {
		line, err := stateLine(in)
		if errors.Is(err, io.EOF) {
			if n == 1 {
				return io.EOF
			}
			return nil
		}
		if err == nil && n == 1 {
			err = s.readHead(line)
		} else if err == nil {
			err = s.readLine(string(line))
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
}

// stateLine returns a line without its end.
func stateLine(in *bufio.Reader) ([]byte, error) {
	var long []byte
	for {
		part, err := in.ReadSlice('\n')
		if len(long)+len(part) > maxStateLine {
			return nil, fmt.Errorf("it is longer than %d bytes", maxStateLine)
		}
		long = append(long, part...)
		switch {
		case err == nil:
			return bytes.TrimSuffix(long, []byte("\n")), nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

func (s *mirrorState) readHead(line []byte) error {
	s.mirrorHead = mirrorHead{}
	if err := json.Unmarshal(line, &s.mirrorHead); err != nil || s.Mark != mirrorMark {
		return errors.New("this is not a state file of a mirror")
	}
	if s.Schema != mirrorSchema {
		return fmt.Errorf("its schema is %d; this zkctl reads %d", s.Schema, mirrorSchema)
	}
	return nil
}

// The first fields of the lines of a state file.
const (
	lineTwin    = "="
	lineGone    = "-"
	linePending = "?"
	lineFresh   = "fresh"
	lineWhole   = "whole"
)

func (s *mirrorState) readLine(line string) error {
	what, rest, _ := strings.Cut(line, "\t")
	switch what {
	case lineFresh:
		s.fresh = true
		return nil
	case lineWhole:
		s.whole = true
		return nil
	}
	quoted, rest, _ := strings.Cut(rest, "\t")
	path, err := strconv.Unquote(quoted)
	if err != nil {
		return fmt.Errorf("%q is not a quoted path", quoted)
	}
	switch what {
	case lineTwin:
		var t twin
		var flags byte
		if n, err := fmt.Sscanf(rest, "%d\t%d\t%d\t%d\t%d\t%d", &t.mzxid, &t.next, &t.aversion, &t.theirs, &t.theirACL, &flags); n != 6 || err != nil {
			return fmt.Errorf("%q are not six numbers", rest)
		}
		t.setFlags(flags)
		old, _ := s.twins.get(path)
		s.set(path, old, t)
		delete(s.pending, path)
	case lineGone:
		s.unset(path)
		delete(s.pending, path)
	case linePending:
		s.pending[path] = struct{}{}
	default:
		return fmt.Errorf("unknown line %q", what)
	}
	return nil
}

// rewrite writes the file anew, and opens it for what changes from now on.
func (s *mirrorState) rewrite() error {
	if s.name == "" {
		return nil
	}
	err := s.shut()
	if err == nil {
		err = s.writeAll()
	}
	if err == nil {
		if s.file, err = ownfile.Open(s.name, os.O_WRONLY|os.O_APPEND); err == nil {
			s.out = bufio.NewWriterSize(s.file, 64<<10)
		}
	}
	if err != nil {
		return fmt.Errorf("--state %s: %w", s.name, err)
	}
	return nil
}

func (s *mirrorState) writeAll() error {
	f, err := atomicfile.Replace(s.name)
	if err != nil {
		return err
	}
	defer f.Abandon()
	s.out, s.lines = bufio.NewWriterSize(f, 64<<10), 0
	if err := errors.Join(s.all(), s.out.Flush()); err != nil {
		return err
	}
	return f.Commit()
}

// all writes everything that is known.
func (s *mirrorState) all() error {
	head, _ := escape.MarshalJSON(s.mirrorHead) // strings always encode
	s.line("%s", head)
	if s.fresh {
		s.line(lineFresh)
	}
	if s.whole {
		s.line(lineWhole)
	}
	err := s.twins.each(s.twin)
	for _, paths := range []map[string]struct{}{s.pending, s.about} {
		for path := range paths {
			s.line("%s\t%q", linePending, path)
		}
	}
	return err
}

func (s *mirrorState) twin(path string, t twin) {
	s.line("%s\t%q\t%d\t%d\t%d\t%d\t%d\t%d", lineTwin, path, t.mzxid, t.next, t.aversion, t.theirs, t.theirACL, t.flags())
}

func (s *mirrorState) line(format string, a ...any) {
	if s.out != nil {
		s.lines++
		_, _ = fmt.Fprintf(s.out, format+"\n", a...) // flush returns the error
	}
}

// put notes what is known of a znode.
func (s *mirrorState) put(path string, t twin) {
	old, known := s.twins.get(path)
	if !s.forget(path) && known && old == t {
		return
	}
	s.set(path, old, t)
	s.twin(path, t)
}

// set replaces what is known of a znode, and unset forgets it. Both count.
func (s *mirrorState) set(path string, old, t twin) {
	switch {
	case t.gone && !old.gone:
		s.gone++
	case !t.gone && old.gone:
		s.gone--
	}
	s.twins.put(path, t)
	if s.reached == "" || source.Compare(path, s.reached) > 0 {
		s.reached = path
	}
}

func (s *mirrorState) unset(path string) {
	if t, _ := s.twins.get(path); t.gone {
		s.gone--
	}
	s.twins.drop(path)
}

// mirrored is how many znodes are at the source and known.
func (s *mirrorState) mirrored() int64 { return int64(s.twins.len() - s.gone) }

// forget forgets that a znode was about to be written, and reports whether it was.
func (s *mirrorState) forget(path string) bool {
	_, about := s.about[path]
	_, pending := s.pending[path]
	delete(s.about, path)
	delete(s.pending, path)
	return about || pending
}

// drop forgets a znode.
func (s *mirrorState) drop(path string) {
	s.unset(path)
	s.forget(path)
	s.line("%s\t%q", lineGone, path)
}

// intend notes that a znode is about to be written.
func (s *mirrorState) intend(path string) {
	if _, known := s.about[path]; !known {
		s.about[path] = struct{}{}
		s.line("%s\t%q", linePending, path)
	}
}

// settled notes that the outcome of what was intended is known or, if it is lost, that it is not.
func (s *mirrorState) settled(lost bool) {
	for path := range s.about {
		t, known := s.twins.get(path)
		switch {
		case lost:
			s.pending[path] = struct{}{}
		case known:
			s.put(path, t)
		default:
			s.drop(path)
		}
	}
	clear(s.about)
}

// mark notes the milestones.
func (s *mirrorState) mark(fresh, whole bool) {
	if fresh && !s.fresh {
		s.fresh = true
		s.line(lineFresh)
	}
	if whole && !s.whole {
		s.whole = true
		s.line(lineWhole)
	}
}

// flush hands everything to the system, and now and then writes the file anew.
func (s *mirrorState) flush() error {
	if err := s.twins.err(); err != nil || s.out == nil {
		return err
	}
	if err := s.out.Flush(); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	if s.lines > 3*s.twins.len()+slackLines {
		return s.rewrite()
	}
	return nil
}

// mine reports whether a znode at the destination is as the mirror left it.
func (s *mirrorState) mine(path string, found *proto.Stat) bool {
	if _, waits := s.pending[path]; waits {
		return true
	}
	t, known := s.twins.get(path)
	switch {
	case !known || t.theirs == 0:
		return s.fresh && !s.whole
	case t.theirs == -1:
		return true
	}
	return t.theirs == found.Mzxid && t.theirACL == found.Aversion
}

// shut closes the file.
func (s *mirrorState) shut() error {
	if s.file == nil {
		return nil
	}
	err := errors.Join(s.out.Flush(), s.file.Close())
	s.file, s.out = nil, nil
	return err
}

// close closes the file, and leaves it to another mirror.
func (s *mirrorState) close() error {
	err := errors.Join(s.shut(), s.twins.close())
	if s.lock != nil {
		err = errors.Join(err, s.lock.Close())
		s.lock = nil
	}
	if err != nil {
		return fmt.Errorf("--state %s: %w", s.name, err)
	}
	return nil
}
