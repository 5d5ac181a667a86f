package ui

import (
	"strconv"
	"time"
)

// Time formats a time, in milliseconds since 1970, as zkctl's own verbs print it: RFC 3339 with
// milliseconds and the offset of the local time zone, "2026-11-22T03:07:05.267Z". ParseWhen
// reads it back.
func Time(ms int64) string { return time.UnixMilli(ms).Local().Format("2006-01-02T15:04:05.000Z07:00") }

// TimeSeconds is Time for whole seconds since 1970: "2026-11-22T03:07:05Z".
func TimeSeconds(s int64) string { return time.Unix(s, 0).Local().Format(time.RFC3339) }

// LogDates formats many times, in milliseconds since 1970, as Apache's log tools print them:
// java.text.DateFormat SHORT, LONG in the en_US locale of JDK 17, in the local time zone:
// "11/22/26, 3:07:05 AM UTC". It does the work once per second and is not safe for concurrent
// use.
type LogDates struct {
	second int64
	text   []byte // of the second; nil before the first
}

// Append appends the time to dst.
func (d *LogDates) Append(dst []byte, ms int64) []byte {
	second := ms / 1000
	if ms%1000 < 0 {
		second--
	}
	if d.text == nil || second != d.second {
		d.second, d.text = second, appendLogDate(d.text[:0], time.Unix(second, 0).Local())
	}
	return append(dst, d.text...)
}

func appendLogDate(b []byte, t time.Time) []byte {
	year, month, day := t.Date()
	if year <= 0 {
		year = 1 - year // the year of the era, which is not printed
	}
	b = strconv.AppendInt(b, int64(month), 10)
	b = strconv.AppendInt(append(b, '/'), int64(day), 10)
	b = appendTwo(append(b, '/'), year%100)
	b = strconv.AppendInt(append(b, ", "...), int64((t.Hour()+11)%12+1), 10)
	b = appendTwo(append(b, ':'), t.Minute())
	b = appendTwo(append(b, ':'), t.Second())
	if t.Hour() < 12 {
		b = append(b, " AM "...)
	} else {
		b = append(b, " PM "...)
	}
	zone, offset := t.Zone()
	if zone == "" || zone[0] == '+' || zone[0] == '-' { // the tz database has no letters for this zone
		return appendOffset(b, offset)
	}
	return append(b, zone...)
}

func appendOffset(b []byte, seconds int) []byte {
	b = append(b, "GMT"...)
	if seconds < 0 {
		b, seconds = append(b, '-'), -seconds
	} else {
		b = append(b, '+')
	}
	b = appendTwo(b, seconds/3600)
	return appendTwo(append(b, ':'), seconds/60%60)
}

func appendTwo(b []byte, n int) []byte { return append(b, byte('0'+n/10), byte('0'+n%10)) }
