// Package zklog writes a server's log in the pattern that ZooKeeper's own log4j.properties
// and logback.xml have, so that the greps and parsers that people have for it work:
//
//	2026-01-31 12:00:00,123 [myid:1] - INFO  [zab:leader@210] - LEADING
//
// In place of a thread, a class and a line of Java stand the package, the file and the line.
//
// A record is one line whatever it quotes: what a client or a peer chose cannot forge another
// record or drive the terminal that the log is shown on.
package zklog

import (
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// Level is how grave a line is.
type Level int

// Levels.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

func (l Level) String() string { return [...]string{"DEBUG", "INFO", "WARN", "ERROR"}[l] }

// Logger writes lines. A nil Logger writes nothing. It may be used from any goroutine.
type Logger struct {
	mu    sync.Mutex
	w     io.Writer
	myid  string
	least Level
	buf   []byte
	text  []byte
}

// New writes lines of at least a level to w. myid is "" for a standalone server.
func New(w io.Writer, myid string, least Level) *Logger {
	return &Logger{w: w, myid: myid, least: least}
}

// Debugf logs what only a developer wants to know.
func (l *Logger) Debugf(format string, args ...any) { l.line(Debug, format, args) }

// Infof logs the course of things.
func (l *Logger) Infof(format string, args ...any) { l.line(Info, format, args) }

// Warnf logs what an operator may have to look at.
func (l *Logger) Warnf(format string, args ...any) { l.line(Warn, format, args) }

// Errorf logs what an operator must look at.
func (l *Logger) Errorf(format string, args ...any) { l.line(Error, format, args) }

func (l *Logger) line(level Level, format string, args []any) {
	if l == nil || level < l.least {
		return
	}
	where := "?:?@0"
	if _, file, n, ok := runtime.Caller(2); ok {
		where = fmt.Sprintf("%s:%s@%d", filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".go"), n)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.buf = time.Now().AppendFormat(l.buf[:0], "2006-01-02 15:04:05,000")
	l.buf = fmt.Appendf(l.buf, " [myid:%s] - %-5s [%s] - ", l.myid, level, where)
	l.text = fmt.Appendf(l.text[:0], format, args...)
	l.buf = append(appendEscaped(l.buf, l.text), '\n')
	_, _ = l.w.Write(l.buf)
}

// appendEscaped appends text with its control characters, the characters that change the
// direction of writing, and the bytes that are not UTF-8 as a Go string literal has them.
//
// Differs(log-escaping): Apache writes what a client sent as it is, so that the scheme of an
// auth packet can add lines to the log.
func appendEscaped(b, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == utf8.RuneError && n == 1:
			b = fmt.Appendf(b, `\x%02x`, text[0])
		case r == '\n':
			b = append(b, `\n`...)
		case r == '\r':
			b = append(b, `\r`...)
		case r == '\t':
			b = append(b, `\t`...)
		case r < ' ' || r == 0x7f:
			b = fmt.Appendf(b, `\x%02x`, r)
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == '\u2028', r == '\u2029':
			b = fmt.Appendf(b, `\u%04x`, r)
		default:
			b = append(b, text[:n]...)
		}
		text = text[n:]
	}
	return b
}
