package answer

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"strings"
)

// ErrNotUnderstood is wrapped by the error for an answer in which nothing is understood.
var ErrNotUnderstood = errors.New("the answer is not understood")

func notUnderstood(what string, text []byte) error {
	const most = 60
	head := string(text)
	if len(head) > most {
		head = head[:most] + "…"
	}
	return fmt.Errorf("%w: %s does not start like %q", ErrNotUnderstood, what, head)
}

// lines are those of an answer, without their ends. One at the end that is not complete is left out: if the connection
// broke, it may be the beginning of a longer number.
func lines(text []byte) iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range rawLines(text) {
			if !yield(string(line)) {
				return
			}
		}
	}
}

// rawLines are the same in the answer's own memory.
func rawLines(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(text) {
			if bytes.HasSuffix(line, []byte("\n")) && !yield(bytes.TrimRight(line, "\r\n")) {
				return
			}
		}
	}
}

// number parses a decimal number, which some locales write with a comma.
func number(s string) Opt[float64] {
	if n, err := strconv.ParseUint(s, 10, 32); err == nil { // most are, and there are thousands
		return Some(float64(n))
	}
	s = strings.TrimSpace(s)
	if strings.Count(s, ",") == 1 && !strings.Contains(s, ".") {
		s = strings.Replace(s, ",", ".", 1)
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil || f != f || f-f != 0 { // NaN and infinities, which JSON lacks
		return Opt[float64]{}
	}
	return Some(f)
}

// whole parses an integer.
func whole(s string) Opt[int64] {
	n, err := strconv.ParseInt(strings.TrimSpace(s), 10, 64)
	if err != nil {
		return Opt[int64]{}
	}
	return Some(n)
}

// hex parses a hexadecimal number of up to 64 bits, with or without 0x.
func hex(s string) Opt[Hex] {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimSpace(s), "0x"), 16, 64)
	if err != nil {
		return Opt[Hex]{}
	}
	return Some(Hex(n))
}

// asInt converts a metric's number to an integer.
func asInt(f Opt[float64]) Opt[int64] {
	if v, ok := f.Get(); ok && v > -1<<62 && v < 1<<62 {
		return Some(int64(v))
	}
	return Opt[int64]{}
}
