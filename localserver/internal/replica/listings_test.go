package replica

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// Commands that list things wait for each other; all others are answered meanwhile.
func TestListings(t *testing.T) {
	s := serveAlone(t, Options{Words: []string{"*"}})
	url := serveAdmin(t, s.Replica, AdminOptions{}) + "/commands/"
	for range listingsMost {
		s.listings <- struct{}{}
	}
	if s.listing(time.Millisecond, func() {}) {
		t.Error("one more is let in")
	}
	for _, word := range []string{"ruok", "srvr", "mntr", "wchs"} {
		if text := ask(t, s.addr, word); text == "" || strings.Contains(text, tooMany) {
			t.Errorf("%s: %q", word, text)
		}
	}
	answers := make(chan string, 2)
	go func() { answers <- ask(t, s.addr, "cons") }()
	go func() {
		res, text := fetch(t, "GET", url+"connections", nil)
		answers <- res.Status + text
	}()
	for range 2 {
		<-s.listings
		if text := <-answers; text == "" || strings.Contains(text, tooMany) {
			t.Errorf("after room was made: %q", text)
		}
		s.listings <- struct{}{}
	}
	for range listingsMost {
		<-s.listings
	}
	if res, text := fetch(t, "GET", url+"wchc", nil); res.StatusCode != http.StatusOK {
		t.Error(res.Status, text)
	}
}
