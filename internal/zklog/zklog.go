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

	"github.com/zkctl/zkctl/internal/escape"
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
	// Differs(log-escaping): Apache writes what a client sent as it is, so that the scheme of an
	// auth packet can add lines to the log.
	l.buf = append(escape.Append(l.buf, l.text, false), '\n')
	_, _ = l.w.Write(l.buf)
}
