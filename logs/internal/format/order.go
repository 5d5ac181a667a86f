package format

import (
	"bytes"
	"fmt"
	"strings"
	"time"
)

// Order is the order of year, month and day in dates that begin with two digits.
type Order uint8

// The orders.
const (
	Unknown Order = iota
	YMD           // 24/06/25, as Hadoop and Spark write it
	DMY           // 25/06/24
	MDY           // 06/25/24
)

var orderNames = [...]string{"unknown", "ymd", "dmy", "mdy"}

func (o Order) String() string { return orderNames[o] }

// Words is the order in words.
func (o Order) Words() string {
	return [...]string{"unknown", "year, month, day", "day, month, year", "month, day, year"}[o]
}

// ParseOrder parses ymd, dmy or mdy.
func ParseOrder(s string) (Order, error) {
	for o := YMD; o <= MDY; o++ {
		if strings.EqualFold(s, o.String()) {
			return o, nil
		}
	}
	return Unknown, fmt.Errorf("unknown order of dates %q; use ymd, dmy or mdy", s)
}

// arrange returns year, month and day. A year of two digits is of this century.
func (o Order) arrange(x, y, z int) (year, month, day int) {
	switch o {
	case YMD:
		year, month, day = x, y, z
	case DMY:
		year, month, day = z, y, x
	case MDY:
		year, month, day = z, x, y
	}
	if year < 100 {
		year += 2000
	}
	return year, month, day
}

// Dates is what the dates of a file say about their order.
type Dates struct {
	Sample string // a date that begins with two digits, "" if the file has none
	Order  Order  // the only order that fits, or the likeliest
	Fits   []Order
	Guess  Guess // what Order rests on, if others fit, too
}

// Guess is a reason for an order that is likely, but not certain. A person must learn of it.
type Guess uint8

// The reasons.
const (
	Certain    Guess = iota
	Convention       // yy/MM/dd, which Hadoop and Spark use
	Closeness        // the dates are far closer together than in any other order
)

// Ambiguous reports whether a person must say how to read the dates.
func (d *Dates) Ambiguous() bool { return d.Sample != "" && d.Order == Unknown }

// candidate is one way to read the dates that were seen.
type candidate struct {
	order       Order
	first, last int64 // days
	back        int   // how often a date is before the one above it
	gap         int64 // the longest time between a date and the one above it, in days
	previous    int64
}

// unlike reports whether no log is like that: nothing for most of a year, again and again, and then on the same day.
func (c *candidate) unlike(best *candidate) bool { return c.gap >= 300 && best.gap <= 35 }

// JudgeDates decides in which order a file writes its dates, from parts of the file; last is when it was written, or
// zero. A reading is out if it has a month 13 or lies in the future; of the others the one counts under which the dates
// ascend and lie ten times closer together. That is a guess, unless the others would leave out years.
func JudgeDates(last time.Time, parts ...[]byte) Dates {
	var d Dates
	fits := []*candidate{{order: YMD}, {order: DMY}, {order: MDY}}
	seen := false
	var yearless, longYear bool
	for _, part := range parts {
		for line := range bytes.Lines(part) {
			line = bytes.TrimLeft(line, "[ \t")
			x, y, z, n, ok := numbers(line)
			if !ok || len(line) < n+9 {
				continue
			}
			if _, k := scanClock(bytes.TrimLeft(line[n:], " T")); k == 0 {
				continue
			}
			if d.Sample == "" {
				d.Sample = string(line[:n])
			}
			yearless, longYear = n == 5, n == 10
			kept := fits[:0]
			for _, c := range fits {
				if c.see(x, y, z, yearless, longYear, seen, last) {
					kept = append(kept, c)
				}
			}
			fits, seen = kept, true
		}
	}
	if d.Sample == "" {
		return d
	}
	for _, c := range fits {
		d.Fits = append(d.Fits, c.order)
	}
	if len(fits) == 0 {
		return d
	}
	best := fits[0]
	for _, c := range fits[1:] {
		if c.back < best.back || c.back == best.back && c.last-c.first < best.last-best.first {
			best = c
		}
	}
	clear, guess := best.last > best.first || len(fits) == 1, Certain
	for _, c := range fits {
		if c == best {
			continue
		}
		if c.back <= best.back && c.last-c.first < 10*(best.last-best.first) {
			clear = false
		}
		if !c.unlike(best) {
			guess = Closeness
		}
	}
	switch {
	case clear:
		d.Order, d.Guess = best.order, guess
	case !yearless && !longYear && fits[0].order == YMD:
		d.Order, d.Guess = YMD, Convention
	}
	return d
}

func (c *candidate) see(x, y, z int, yearless, longYear, seen bool, last time.Time) bool {
	var days int64
	switch {
	case yearless && c.order == MDY && possible(x, y):
		days = civil(2000, x, y)
	case yearless && c.order == DMY && possible(y, x):
		days = civil(2000, y, x)
	case yearless || longYear && c.order == YMD:
		return false
	default:
		year, m, d := c.order.arrange(x, y, z)
		if !possible(m, d) {
			return false
		}
		days = civil(year, m, d)
		if !last.IsZero() && days*day > last.UnixMilli()+2*day {
			return false
		}
	}
	if !seen {
		c.first, c.last, c.previous = days, days, days
	}
	if days < c.previous {
		c.back++
	}
	c.gap = max(c.gap, days-c.previous, c.previous-days)
	c.first, c.last, c.previous = min(c.first, days), max(c.last, days), days
	return true
}
