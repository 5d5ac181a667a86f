package logs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/logs/internal/format"
)

var errAmbiguous = errors.New("the date can be read in more than one way")

// given is a file as the command line names it.
func (r *reading) given(file string) string {
	if name, ok := r.spooled[file]; ok {
		return name
	}
	return file
}

// called is a file as messages name it.
func (r *reading) called(file string) string {
	if file = r.given(file); file == stdin {
		return "standard input"
	}
	return file
}

// orderOfDates is the order of the dates in the file that is open. It asks the user if it cannot tell, and says so if it
// is not certain.
func (s *source) orderOfDates(ctx context.Context) (format.Order, error) {
	r, d := s.reading, &s.in.Dates
	if d.Order == format.Unknown && !d.Ambiguous() || d.Order != format.Unknown && d.Guess == format.Certain {
		return d.Order, nil
	}
	if o := s.orderBeside(ctx); slices.Contains(d.Fits, o) {
		return o, nil
	}
	var fits []string
	for _, o := range d.Fits {
		if o != d.Order {
			fits = append(fits, o.String())
		}
	}
	choice := fmt.Sprintf("--dates %s=%s", r.given(s.file), strings.Join(fits, " or "))
	switch {
	case len(d.Fits) == 0:
		return d.Order, fmt.Errorf("read %s: %s is no date in any order; %w: say --dates %s=ORDER", r.called(s.file), d.Sample, errAmbiguous, r.given(s.file))
	case d.Order == format.Unknown:
		return d.Order, fmt.Errorf("read %s: %s: %w; say %s", r.called(s.file), d.Sample, errAmbiguous, choice)
	case s.quiet || !r.firstWarning(s.file):
		return d.Order, nil
	}
	why := ""
	if d.Guess == format.Closeness {
		why = ", because that puts the dates closest together"
	}
	ui.Warn(r.streams.Err, "%s: %s can be read in %d ways; taken as %s%s (if not, say %s)", r.called(s.file), d.Sample, len(d.Fits), d.Order.Words(), why, choice)
	return d.Order, nil
}

// orderBeside is the order of the dates in the other files that the log was rotated into, if it is certain.
func (s *source) orderBeside(ctx context.Context) (order format.Order) {
	for _, name := range slices.Sorted(maps.Keys(s.were)) {
		if name == s.file {
			continue
		}
		in, err := format.Open(ctx, name)
		if err != nil {
			continue // who reads it reports that
		}
		d := in.Dates
		in.Close()
		switch {
		case d.Order == format.Unknown || d.Guess != format.Certain:
		case order != format.Unknown && d.Order != order:
			return format.Unknown
		default:
			order = d.Order
		}
	}
	return order
}

// unclear warns, once for a file, of dates that cannot be read.
func (r *reading) unclear(file string, line int64) {
	if r.firstWarning(file + "\x00unclear") {
		ui.Warn(r.streams.Err, "%s:%d: the date can be read in several ways, or does not exist; such events have no time (--dates %s=ORDER says how to read them)",
			r.called(file), line, r.given(file))
	}
}

// firstWarning reports whether it is called for the first time with about.
func (r *reading) firstWarning(about string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.warned[about] {
		return false
	}
	if r.warned == nil {
		r.warned = map[string]bool{}
	}
	r.warned[about] = true
	return true
}
