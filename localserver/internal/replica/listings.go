package replica

import (
	"net"
	"time"
)

// Differs(listings-few): Apache answers all commands at once. Some copy whatever clients have made, such
// as a million watches, to list it. So that nobody fills the memory by asking many times, or by
// not reading the answers, a few of these are answered at a time, each for no longer than a while.
const (
	listingsMost = 4
	listingTime  = 30 * time.Second
	tooMany      = "Too many commands that list things are being answered; try again"
)

// lists reports whether a command, by the name that is a four-letter word, is one of these.
func lists(word string) bool {
	switch word {
	case "cons", "dump", "stat", "wchc", "wchp":
		return true
	}
	return false
}

// listing runs f, which lists something, as soon as there is room for it; false when there is none
// for too long.
func (s *Replica) listing(wait time.Duration, f func()) bool {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case s.listings <- struct{}{}:
	case <-timer.C:
		return false
	case <-s.done:
		return false
	}
	defer func() { <-s.listings }()
	f()
	return true
}

// patientWriter ends a client that does not read.
type patientWriter struct {
	net.Conn
	until time.Time // for the whole, unless it is zero
}

func (w *patientWriter) Write(p []byte) (int, error) {
	if err := w.SetWriteDeadline(patientUntil(wordPatience, w.until)); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

// patientUntil is when a client must have taken or sent the next piece, and all by end unless that
// is zero.
func patientUntil(patience time.Duration, end time.Time) time.Time {
	next := time.Now().Add(patience)
	if !end.IsZero() && next.After(end) {
		return end
	}
	return next
}
