// Package zklog writes a server's log in the pattern of ZooKeeper's own log4j.properties and
// logback.xml, so that existing greps and parsers work:
//
//	2026-01-31 12:00:00,123 [myid:1] - INFO  [zab:leader@210] - LEADING
//
// Instead of a thread, a class and a line of Java it names the package, the file and the line.
//
// A record is always one line, whatever it quotes: text chosen by a client or a peer cannot forge
// another record or control the terminal that shows the log.
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

// Level is the severity of a line.
type Level int

// The levels.
const (
	Debug Level = iota
	Info
	Warn
	Error
)

func (l Level) String() string { return [...]string{"DEBUG", "INFO", "WARN", "ERROR"}[l] }

// Logger writes lines. A nil Logger writes nothing. It is safe for concurrent use.
type Logger struct {
	mu    sync.Mutex
	w     io.Writer
	myid  string
	least Level
	buf   []byte
	text  []byte
}

// New returns a Logger that writes lines of at least this level to w. myid is "" for a standalone
// server.
func New(w io.Writer, myid string, least Level) *Logger {
	return &Logger{w: w, myid: myid, least: least}
}

// Debugf logs details for developers.
func (l *Logger) Debugf(format string, args ...any) { l.line(Debug, format, args) }

// Infof logs normal events.
func (l *Logger) Infof(format string, args ...any) { l.line(Info, format, args) }

// Warnf logs what an operator may have to look into.
func (l *Logger) Warnf(format string, args ...any) { l.line(Warn, format, args) }

// Errorf logs what an operator must look into.
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
	// Differs(log-escaping): Apache logs what a client sent unchanged, so the scheme of an auth
	// packet can add lines to the log.
	l.buf = append(escape.Append(l.buf, l.text, false), '\n')
	_, _ = l.w.Write(l.buf)
}
