package replica

import (
	"net"
	"time"
)

// Differs(listings-few): Apache answers any number of commands at once. Some copy what clients have
// created, such as a million watches, to list it. So that nobody can exhaust memory with many such
// requests, or by not reading the answers, only a few run at a time, each with a time limit.
const (
	listingsMost = 4
	listingTime  = 30 * time.Second
	tooMany      = "Too many commands that list things are being answered; try again"
)

// lists reports whether a command, named by its four-letter word, is one of these.
func lists(word string) bool {
	switch word {
	case "cons", "dump", "stat", "wchc", "wchp":
		return true
	}
	return false
}

// listing runs f, which lists something, as soon as a slot is free; it returns false if none
// becomes free in time.
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

// patientWriter disconnects a client that does not read.
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

// patientUntil returns the deadline for a client to receive or send the next piece: no later than
// end, unless that is zero.
func patientUntil(patience time.Duration, end time.Time) time.Time {
	next := time.Now().Add(patience)
	if !end.IsZero() && next.After(end) {
		return end
	}
	return next
}
