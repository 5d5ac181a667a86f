package logs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/format"
)

// reading are the options of every verb that reads logs.
type reading struct {
	streams *ui.Streams
	args    []string
	zones   []string
	dates   []string
	since   string
	until   string
	output  string
	// asLogged leaves times as they are.
	asLogged bool
	follow   bool
	marks    int               // that are remembered of each log, if not mostMarks
	counts   bool              // dates that are not clear are counted and printed, so there is no need to warn of them
	spooled  map[string]string // the files that have what came by standard input or a pipe, and its name

	from, to int64 // ms since 1970
	mu       sync.Mutex
	failed   bool            // something could not be read, which has been reported
	warned   map[string]bool // of which files' dates a warning was printed
}

func (r *reading) addFlags(c *cobra.Command) {
	fs := c.Flags()
	fs.SortFlags = false
	fs.StringVar(&r.since, "since", "", "skip events before this `time`: 2h (ago), 2026-11-22T03:07:05")
	fs.StringVar(&r.until, "until", "", "skip events after this `time`")
	fs.StringArrayVar(&r.zones, "tz", nil, "time `zone` of timestamps without one: +08:00, Europe/Berlin, or FILE=ZONE for one file (default local)")
	fs.StringArrayVar(&r.dates, "dates", nil, "`order` of dates such as 05/06/24: ymd, dmy, mdy, or FILE=ORDER for one file")
	addOutput(c, &r.output)
	for _, name := range []string{"since", "until", "tz"} {
		completeValues(c, name)
	}
	completeValues(c, "dates", "ymd", "dmy", "mdy")
}

// check reads the options.
func (r *reading) check(now time.Time) error {
	if _, err := ui.ParseFormat(r.output); err != nil {
		return err
	}
	var err error
	if r.from, r.to, err = ui.ParsePeriod(r.since, r.until, now); err != nil {
		return err
	}
	for _, z := range r.zones {
		if _, err := parseZone(value(z)); err != nil {
			return fmt.Errorf("--tz: %w", err)
		}
	}
	for _, d := range r.dates {
		if _, err := format.ParseOrder(value(d)); err != nil {
			return fmt.Errorf("--dates: %w", err)
		}
	}
	return nil
}

func (r *reading) json() bool { return strings.EqualFold(r.output, string(ui.JSON)) }

// wanted reports whether an event is within --since and --until. An event without a time is not, if there is one of them.
func (r *reading) wanted(e *format.Event) bool {
	if r.since == "" && r.until == "" {
		return true
	}
	return e.Timed && e.Time >= r.from && e.Time <= r.to
}

// takesFiles completes arguments with files.
var takesFiles = command.Takes(command.File, 0, -1)

// value is the part behind FILE=.
func value(option string) string {
	if i := strings.LastIndexByte(option, '='); i >= 0 {
		return option[i+1:]
	}
	return option
}

// optionFor returns the value of the last option that is for the file, "" if there is none.
func optionFor(options []string, path string) (found string) {
	for _, o := range options {
		i := strings.LastIndexByte(o, '=')
		if i < 0 {
			found = o
			continue
		}
		if concerns(o[:i], path) {
			found = o[i+1:]
		}
	}
	return found
}

// concerns reports whether an option for a file, a folder or a pattern is for the file at path.
func concerns(pattern, path string) bool {
	base, _ := filepath.Match(pattern, filepath.Base(path))
	if base || pattern == path {
		return true
	}
	pattern, errP := filepath.Abs(pattern)
	path, err := filepath.Abs(path)
	if err != nil || errP != nil {
		return false
	}
	whole, _ := filepath.Match(pattern, path)
	return whole || pattern == path || strings.HasPrefix(path, strings.TrimSuffix(pattern, string(filepath.Separator))+string(filepath.Separator))
}

// checkFileOptions finds options that are for none of the files.
func (r *reading) checkFileOptions(found []*source) error {
	for name, options := range map[string][]string{"--tz": r.zones, "--dates": r.dates} {
		for _, o := range options {
			i := strings.LastIndexByte(o, '=')
			if i < 0 || slices.ContainsFunc(r.args, func(arg string) bool { return concerns(o[:i], arg) }) {
				continue
			}
			if !slices.ContainsFunc(found, func(s *source) bool {
				return slices.ContainsFunc(s.files, func(file string) bool { return concerns(o[:i], r.given(file)) })
			}) {
				return fmt.Errorf("%s: %q is none of the logs; name one of them, or leave out the name to mean all", name, o[:i])
			}
		}
	}
	return nil
}

// parseZone parses an offset or the name of a zone.
func parseZone(s string) (*time.Location, error) {
	for _, layout := range []string{"-07:00", "-0700", "-07", "Z07:00"} {
		if t, err := time.Parse(layout, s); err == nil {
			_, offset := t.Zone()
			return time.FixedZone(s, offset), nil
		}
	}
	if s != "" {
		if loc, err := time.LoadLocation(s); err == nil {
			return loc, nil
		}
	}
	return nil, fmt.Errorf("unknown time zone %q; use an offset such as +08:00, or a name such as Europe/Berlin", s)
}

// stdin is how standard input is named.
const stdin = "-"

// sources finds the logs that the arguments name. Without arguments it is standard input.
func (r *reading) sources(ctx context.Context) ([]*source, error) {
	var paths []string
	var found []*source
	if len(r.args) == 0 && !r.streams.InTTY {
		found = append(found, &source{reading: r, name: "stdin", files: []string{stdin}})
	}
	for _, arg := range r.args {
		if arg == stdin {
			found = append(found, &source{reading: r, name: "stdin", files: []string{stdin}})
		} else {
			paths = append(paths, arg)
		}
	}
	sets, unread := format.Sets(paths)
	for _, set := range sets {
		found = append(found, &source{reading: r, name: set.Name, files: set.Files})
	}
	switch {
	case len(found) == 0 && len(unread) > 0:
		r.skip(unread[:len(unread)-1]...)
		return nil, unread[len(unread)-1]
	case len(found) == 0:
		return nil, errors.New("missing log file or folder")
	}
	r.skip(unread...)
	if err := r.checkFileOptions(found); err != nil {
		return nil, err
	}
	for _, s := range found {
		s.remember()
	}
	if !r.follow {
		if err := r.withoutCopies(ctx, found); err != nil {
			return nil, err
		}
		found = slices.DeleteFunc(found, func(s *source) bool { return len(s.files) == 0 })
	}
	for i, s := range found {
		s.index = i
	}
	return found, nil
}

// skip reports what cannot be read; the verb goes on without it, and fails at its end.
func (r *reading) skip(unread ...error) {
	for _, err := range unread {
		r.failed = true
		ui.Report(r.streams.Err, err)
	}
}

// rereadable reports whether the files can be read more than once.
func rereadable(files []string) bool {
	for _, name := range files {
		if info, err := os.Stat(name); name == stdin || err != nil || !info.Mode().IsRegular() {
			return false
		}
	}
	return true
}

// source is one log: a file, or the files that it was rotated into, oldest first.
type source struct {
	reading *reading
	index   int
	name    string
	files   []string
	label   string // the shortest name that no other log has
	short   string // the server, or label
	member  string // the id of the server that wrote it, as far as it is known
	skew    skew
	quiet   bool                   // somebody else reports what is wrong
	lost    bool                   // a part of it could not be read
	were    map[string]os.FileInfo // its regular files, as they were when the command began
	bytes   int64
	lines   int64
	unclear int64

	file   string // that is being read
	in     *format.Input
	reader *format.Reader
}

// again returns a source that reads the same log from its beginning. s itself must not have been read: a source forgets
// the files that it has read.
func (s *source) again() *source {
	return &source{reading: s.reading, index: s.index, name: s.name, label: s.label, files: slices.Clone(s.files), were: s.were}
}

// next returns the next event, or io.EOF. It reports what cannot be read and goes on with the next file.
func (s *source) next(ctx context.Context) (*format.Event, error) {
	for {
		if s.in == nil {
			if len(s.files) == 0 {
				return nil, io.EOF
			}
			s.file, s.files = s.files[0], s.files[1:]
			if err := s.open(ctx); err != nil {
				if ctx.Err() != nil {
					return nil, ctx.Err()
				}
				if errors.Is(err, errAmbiguous) {
					return nil, err
				}
				s.complain(err)
				continue
			}
		}
		e, err := s.reader.Next()
		if err == nil {
			if len(e.Member) > 0 && string(e.Member) != s.member {
				s.member = string(e.Member)
			}
			if e.Unclear && !s.quiet && !s.reading.counts {
				s.reading.unclear(s.file, e.Line)
			}
			return e, nil
		}
		f, _ := s.in.Plain()
		plain := f != nil && s.reader.Whole()
		s.close()
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if !errors.Is(err, io.EOF) {
			s.complain(fmt.Errorf("read %s: %w", s.file, err))
		} else if was := s.were[s.file]; was != nil && plain && s.reader.Bytes < was.Size() {
			s.complain(fmt.Errorf("read %s: it was cut meanwhile, from %s to %s", s.file, ui.Bytes(was.Size()), ui.Bytes(s.reader.Bytes)))
		}
	}
}

// each calls visit with each event that is left of the log, and closes it.
func (s *source) each(ctx context.Context, visit func(*format.Event)) error {
	defer s.close()
	for n := 1; ; n++ {
		e, err := s.next(ctx)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n&0xfff == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		visit(e)
	}
}

func (s *source) complain(err error) {
	s.lost = true
	if s.quiet {
		return
	}
	s.reading.mu.Lock()
	defer s.reading.mu.Unlock()
	if errors.Is(err, format.ErrBinary) {
		ui.Warn(s.reading.streams.Err, "%v; it is skipped", err)
		return
	}
	s.reading.failed = true
	ui.Report(s.reading.streams.Err, err)
}

func (s *source) close() {
	if s.in != nil {
		s.bytes += s.reader.Inside()
		s.lines += s.reader.Lines
		s.unclear += s.reader.Unclear
		s.in.Close()
		s.in = nil
	}
}

// open opens the next file.
func (s *source) open(ctx context.Context) (err error) {
	r := s.reading
	if s.file == stdin {
		s.in, err = format.Stream(ctx, "standard input", r.streams.In)
	} else {
		s.in, err = s.openFile(ctx, s.file)
	}
	if err != nil {
		s.in = nil
		return err
	}
	clock := format.Clock{Zone: time.Local, Order: s.in.Dates.Order, Last: s.in.Written}
	if zone := optionFor(r.zones, r.given(s.file)); zone != "" {
		if clock.Zone, err = parseZone(zone); err != nil {
			return err
		}
	}
	if order := optionFor(r.dates, r.given(s.file)); order != "" {
		if clock.Order, err = format.ParseOrder(order); err != nil {
			return err
		}
	} else if clock.Order, err = s.orderOfDates(ctx); err != nil {
		s.in.Close()
		s.in = nil
		return err
	}
	if r.follow && s.file != stdin && len(s.files) == 0 {
		f, err := format.Follow(ctx, s.file, r.since == "")
		if err != nil {
			return err
		}
		s.in.Follow(f)
	}
	s.reader = format.NewReader(s.in, clock)
	return nil
}
