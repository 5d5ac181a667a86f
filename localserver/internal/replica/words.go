package replica

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/zkctl/zkctl/internal/fourletter"
)

// fourLetterWords are all four-letter words, with the functions that answer them.
var fourLetterWords = map[string]struct {
	idle   bool // answered even without a role
	answer func(s *Replica, c *conn, w io.Writer)
}{
	"conf": {false, (*Replica).wordConf},
	"cons": {false, (*Replica).wordCons},
	"crst": {false, (*Replica).wordCrst},
	"dirs": {false, (*Replica).wordDirs},
	"dump": {false, (*Replica).wordDump},
	"envi": {true, (*Replica).wordEnvi},
	"gtmk": {true, (*Replica).wordGtmk},
	"hash": {true, (*Replica).wordHash},
	"isro": {true, (*Replica).wordIsro},
	"mntr": {false, (*Replica).wordMntr},
	"ruok": {true, func(_ *Replica, _ *conn, w io.Writer) { io.WriteString(w, "imok") }},
	"srst": {false, (*Replica).wordSrst},
	"srvr": {false, func(s *Replica, _ *conn, w io.Writer) { s.wordStat(w, false) }},
	"stat": {false, func(s *Replica, _ *conn, w io.Writer) { s.wordStat(w, true) }},
	"stmk": {true, (*Replica).wordStmk},
	"wchc": {false, (*Replica).wordWchc},
	"wchp": {false, (*Replica).wordWchp},
	"wchs": {false, (*Replica).wordWchs},
}

// telnetClose is what telnet sends on Ctrl-C. ZooKeeper treats it as a word.
const telnetClose = "\xff\xf4\xff\xfd"

func isWord(head string) bool {
	_, ok := fourLetterWords[head]
	return ok || head == telnetClose
}

// enabled reports whether the whitelist contains a word. srvr is always enabled, because
// zkServer.sh needs it, and so is isro where clients look for read-only members.
func (s *Replica) enabled(word string) bool {
	if word == "srvr" || word == "isro" && s.opt.ReadOnlyMode {
		return true
	}
	return slices.ContainsFunc(s.opt.Words, func(w string) bool {
		w = strings.TrimSpace(w)
		return w == word || w == "*"
	})
}

const (
	// wordPatience is how long a client may take for the next 32 KiB of an answer.
	wordPatience = 10 * time.Second

	// wordLinger is how long a client has to close the connection after the answer. Closing first
	// would reset the connection if bytes are unread, such as the newline of "echo ruok | nc", and
	// the answer would be lost.
	wordLinger = time.Second
)

// answerWord answers a four-letter word, on the connection's reader. The caller closes the
// connection.
func (s *Replica) answerWord(c *conn, word string) {
	s.do(func() {
		c.probe = true
		c.stats.received++
		s.stats.received++
	})
	s.metrics.Add("bytes_received_count", 4)
	name := word
	if word == telnetClose {
		name = "telnet close"
	}
	patient := &patientWriter{Conn: c.nc}
	w := bufio.NewWriterSize(patient, 32<<10)
	if s.enabled(name) {
		s.log.Infof("Processing %s command from %s", name, c.remote)
		switch f, ok := fourLetterWords[word]; {
		case !ok:
		case !f.idle && !s.serving():
			fmt.Fprintln(w, fourletter.NotServing)
		case lists(word):
			if !s.listing(wordPatience, func() {
				patient.until = time.Now().Add(listingTime)
				f.answer(s, c, w)
			}) {
				fmt.Fprintln(w, tooMany)
			}
		default:
			f.answer(s, c, w)
		}
	} else {
		s.log.Debugf("Command %s", fourletter.NotWhitelisted(name))
		fmt.Fprintln(w, fourletter.NotWhitelisted(name))
	}
	if err := w.Flush(); err != nil {
		s.log.Infof("Closing the connection of %s: the answer to %s could not be sent: %v", c.remote, name, err)
		return
	}
	s.do(func() {
		c.stats.sent++
		s.stats.sent++
	})
	if half, ok := c.nc.(interface{ CloseWrite() error }); ok && half.CloseWrite() == nil {
		_ = c.nc.SetReadDeadline(time.Now().Add(wordLinger))
		_, _ = io.CopyN(io.Discard, c.r, 64<<10)
	}
}

// Bits of the trace mask (ZooTrace). It can be set and read, and has no other effect.
const traceMask = 1<<1 | 1<<4 | 1<<5 | 1<<8

func (s *Replica) setTraceMask(mask int64) {
	s.shared.trace.Store(mask)
	s.log.Infof("Set text trace mask to 0x%x", uint64(mask))
}

func (s *Replica) wordGtmk(_ *conn, w io.Writer) { fmt.Fprint(w, s.shared.trace.Load()) }

// wordStmk reads the mask, eight bytes that follow the word.
func (s *Replica) wordStmk(c *conn, w io.Writer) {
	var mask [8]byte
	if _, err := io.ReadFull(c.r, mask[:]); err != nil {
		s.log.Warnf("stmk from %s without the 8 bytes of a trace mask: %v", c.remote, err)
		return
	}
	s.setTraceMask(int64(binary.BigEndian.Uint64(mask[:])))
	fmt.Fprint(w, s.shared.trace.Load())
}

func (s *Replica) wordCrst(_ *conn, w io.Writer) {
	s.resetConnStats()
	fmt.Fprintln(w, "Connection stats reset.")
}

func (s *Replica) wordSrst(_ *conn, w io.Writer) {
	s.resetStats()
	fmt.Fprintln(w, "Server stats reset.")
}

func (s *Replica) wordIsro(_ *conn, w io.Writer) {
	var r role
	s.do(func() { r = s.role })
	text := "rw"
	switch r {
	case idle:
		text = "null"
	case readOnly:
		text = "ro"
	}
	io.WriteString(w, text)
}

// wordHash lists the digests after the latest transactions applied since the start.
func (s *Replica) wordHash(_ *conn, w io.Writer) {
	if !s.serving() {
		io.WriteString(w, fourletter.NotServing)
		return
	}
	for _, d := range s.digests() {
		fmt.Fprintf(w, "%x: %d\n", uint64(d.zxid), d.digest)
	}
}

func (s *Replica) digests() (list []zxidDigest) {
	s.do(func() { list = slices.Clone(s.stats.digests) })
	return list
}
