package format

import (
	"time"
)

// Clock reads the times of one file. The zero value reads times without a zone as UTC, and dates as Unknown.
type Clock struct {
	Zone  *time.Location // of times without a zone; nil is UTC
	Order Order          // of dates such as 24/06/25
	Last  time.Time      // a moment that no event is much later than: when the file was written; zero if unknown

	hour   int64 // the hour, as if in UTC, that offset is for
	offset int64 // ms
	cached bool

	date [10]byte // a date YYYY-MM-DD
	days int64    // since 1970
}

// stamp is a time as a line has it.
type stamp struct {
	ms    int64 // since 1970, as if in UTC
	zone  int64 // ms east of UTC
	zoned bool
	dated bool // whether there is a date that can be read in one way, and that exists
	n     int  // the length of its text
}

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
	day    = 24 * hour
)

// absolute returns the time in ms since 1970.
func (c *Clock) absolute(s *stamp) int64 {
	if s.zoned {
		return s.ms - s.zone
	}
	if c.Zone == nil {
		return s.ms
	}
	// The offset changes on the hour, except where a zone differs from its neighbours by half an hour.
	if h := s.ms / (hour / 2); h != c.hour || !c.cached {
		t := time.UnixMilli(s.ms).UTC()
		_, offset := time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), 0, 0, c.Zone).Zone()
		c.hour, c.offset, c.cached = h, int64(offset)*second, true
	}
	return s.ms - c.offset
}

// scan reads a date and a time at the start of b.
func (c *Clock) scan(b []byte) (s stamp, ok bool) {
	days, n, dated := c.scanDate(b)
	if n == 0 || n >= len(b) {
		return s, false
	}
	switch b[n] {
	case ' ', 'T', 't', '_':
		n++
		for n < len(b) && b[n] == ' ' {
			n++
		}
	default:
		return s, false
	}
	ms, k := scanClock(b[n:])
	if k == 0 {
		return s, false
	}
	n += k
	s = stamp{ms: days*day + ms, dated: dated && ms >= 0, n: n}
	if s.zone, k, s.zoned = scanZone(b[n:]); s.zoned {
		s.n += k
	}
	return s, true
}

// scanClock reads a time of day, in ms: 19:56:12, with a fraction after a point or a comma. ms is negative if there is no
// such time, as 25:61:00.
func scanClock(b []byte) (ms int64, n int) {
	if len(b) < 8 || b[2] != ':' || b[5] != ':' {
		return 0, 0
	}
	h, m, s := two(b), two(b[3:]), two(b[6:])
	if h < 0 || m < 0 || s < 0 {
		return 0, 0
	}
	ms, n = int64(h)*hour+int64(m)*minute+int64(s)*second, 8
	if n < len(b) && (b[n] == ',' || b[n] == '.') {
		scale, i := int64(100), n+1
		for ; i < len(b) && digit(b[i]); i++ {
			ms += scale * int64(b[i]-'0')
			scale /= 10
		}
		if i > n+1 {
			n = i
		}
	}
	if h > 24 || m > 59 || s > 60 {
		ms = -1
	}
	return ms, n
}

// scanZone reads a zone behind a time: Z, +08:00, +0800, +08, UTC, or one of them after a space.
func scanZone(b []byte) (ms int64, n int, ok bool) {
	if len(b) > 1 && b[0] == ' ' && (b[1] == '+' || b[1] == '-' || b[1] == 'U' || b[1] == 'Z') {
		if ms, n, ok = scanZone(b[1:]); ok {
			n++
		}
		return ms, n, ok
	}
	if len(b) == 0 {
		return 0, 0, false
	}
	ends := func(n int) bool { return n >= len(b) || !digit(b[n]) && !letter(b[n]) }
	switch b[0] {
	case 'Z':
		return 0, 1, ends(1)
	case 'U':
		return 0, 3, len(b) >= 3 && b[1] == 'T' && b[2] == 'C' && ends(3)
	case '+', '-':
		if len(b) < 3 || two(b[1:]) < 0 {
			return 0, 0, false
		}
		ms, n = int64(two(b[1:]))*hour, 3
		rest := b[3:]
		if len(rest) > 2 && rest[0] == ':' {
			rest = rest[1:]
			n++
		}
		if len(rest) >= 2 && two(rest) >= 0 {
			ms += int64(two(rest)) * minute
			n += 2
		} else if n > 3 {
			n--
		}
		if !ends(n) || ms > 18*hour {
			return 0, 0, false
		}
		if b[0] == '-' {
			ms = -ms
		}
		return ms, n, true
	}
	return 0, 0, false
}

// scanDate reads a date, in days since 1970. n is its length, 0 if it is no date; dated is false if it can be read in
// more than one way, or does not exist.
func (c *Clock) scanDate(b []byte) (days int64, n int, dated bool) {
	if len(b) < 10 {
		return 0, 0, false
	}
	switch {
	case digit(b[0]) && (b[4] == '-' || b[4] == '/') && b[7] == b[4]:
		if [10]byte(b) == c.date {
			return c.days, 10, true
		}
		y, m, d := four(b), two(b[5:]), two(b[8:])
		switch {
		case y < 0 || m < 0 || d < 0:
			return 0, 0, false
		case !exists(y, m, d):
			return 0, 10, false
		}
		c.date, c.days = [10]byte(b), civil(y, m, d)
		return c.days, 10, true
	case digit(b[0]) && (b[2] == '/' || b[2] == '-' || b[2] == '.'):
		return c.short(b)
	case digit(b[0]) && b[2] == ' ': // log4j's DATE: 06 Nov 1994
		m := month(b[3:])
		if len(b) < 11 || m == 0 || b[6] != ' ' || four(b[7:]) < 0 || two(b) < 0 {
			return 0, 0, false
		}
		if !exists(four(b[7:]), m, two(b)) {
			return 0, 11, false
		}
		return civil(four(b[7:]), m, two(b)), 11, true
	case b[0] >= 'A' && b[0] <= 'S' && b[3] == ' ': // syslog's: Jun 25, Jun  5
		m, d := month(b), two(b[4:])
		if d < 0 && b[4] == ' ' && digit(b[5]) {
			d = int(b[5] - '0')
		}
		if m == 0 || !possible(m, d) {
			return 0, 0, false
		}
		return c.recent(m, d), 6, true
	}
	return 0, 0, false
}

// short reads dates that begin with two digits: 24/06/25, 25/06/2024, or without a year 05-20.
func (c *Clock) short(b []byte) (days int64, n int, dated bool) {
	x, y, z, n, ok := numbers(b)
	if !ok {
		return 0, 0, false
	}
	switch order := c.Order; {
	case n == 5 && order == DMY && possible(y, x):
		return c.recent(y, x), n, true
	case n == 5 && order != Unknown && possible(x, y):
		return c.recent(x, y), n, true
	case n == 5 || order == Unknown:
		return 0, n, false
	default:
		y, m, d := order.arrange(x, y, z)
		if !exists(y, m, d) {
			return 0, n, false
		}
		return civil(y, m, d), n, true
	}
}

// numbers reads the numbers of a date that begins with two digits. A date without a year is 5 bytes long.
func numbers(b []byte) (x, y, z, n int, ok bool) {
	if len(b) < 6 || b[2] != '/' && b[2] != '-' && b[2] != '.' {
		return 0, 0, 0, 0, false
	}
	x, y = two(b), two(b[3:])
	switch {
	case x < 0 || y < 0:
		return 0, 0, 0, 0, false
	case b[5] == ' ' || b[5] == 'T':
		return x, y, 0, 5, b[2] != '.'
	case len(b) >= 10 && b[5] == b[2] && four(b[6:]) >= 0:
		return x, y, four(b[6:]), 10, true
	case len(b) >= 8 && b[5] == b[2] && two(b[6:]) >= 0:
		return x, y, two(b[6:]), 8, true
	}
	return 0, 0, 0, 0, false
}

// recent completes a date without a year: the latest that is not after the file's last change.
func (c *Clock) recent(m, d int) int64 {
	last := c.Last
	if last.IsZero() {
		last = time.Now()
	}
	last = last.UTC()
	days := civil(last.Year(), m, d)
	if days*day > last.UnixMilli()+2*day {
		days = civil(last.Year()-1, m, d)
	}
	return days
}

// civil is the number of days from 1970-01-01 to a date of the Gregorian calendar.
func civil(y, m, d int) int64 {
	if m <= 2 {
		y--
	}
	era := y / 400
	yoe := y - era*400
	doy := (153*((m+9)%12)+2)/5 + d - 1
	doe := yoe*365 + yoe/4 - yoe/100 + doy
	return int64(era)*146097 + int64(doe) - 719468
}

// possible reports whether there is such a day in some year.
func possible(m, d int) bool { return m >= 1 && m <= 12 && d >= 1 && d <= daysOf[m-1] }

var daysOf = [12]int{31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31}

// exists reports whether there is such a day.
func exists(y, m, d int) bool {
	return possible(m, d) && (m != 2 || d < 29 || y%4 == 0 && (y%100 != 0 || y%400 == 0))
}

const months = "JanFebMarAprMayJunJulAugSepOctNovDec"

// month is the number of the month that b starts with, or 0.
func month(b []byte) int {
	for i := 0; i < len(months); i += 3 {
		if len(b) >= 3 && b[0] == months[i] && b[1] == months[i+1] && b[2] == months[i+2] {
			return i/3 + 1
		}
	}
	return 0
}

func digit(c byte) bool  { return c-'0' < 10 }
func letter(c byte) bool { return c|0x20-'a' < 26 }

// two is the number that two digits make, or -1.
func two(b []byte) int {
	if len(b) < 2 || !digit(b[0]) || !digit(b[1]) {
		return -1
	}
	return int(b[0]-'0')*10 + int(b[1]-'0')
}

// four is the number that four digits make, or -1.
func four(b []byte) int {
	if len(b) < 4 || two(b) < 0 || two(b[2:]) < 0 {
		return -1
	}
	return two(b)*100 + two(b[2:])
}
