// Package format reads text logs of ZooKeeper's servers and clients, whatever their layout, as events.
//
// An event is a line that starts with a header (time, level, thread, class) and the lines that
// continue it, such as a stack trace. Layouts are recognised line by line, so a file may mix them:
//
//   - log4j and logback as ZooKeeper 3.4 to 3.10, Hadoop, HBase, Solr and Spring configure them
//   - Kafka's and Confluent's [date] LEVEL message (logger)
//   - JSON of logback, log4j 2, ECS and journald
//   - the C client, kazoo and other Python programs, and zkctl's own servers
//   - Go programs: the log package, klog, and the pairs of logrus, slog and go-kit
//   - any of them behind a prefix of Docker, Kubernetes, journald or syslog
//
// The files: reader.go turns lines into events, line.go recognises a line, prefix.go removes what a
// container or a journal put before it, json.go reads JSON, golang.go what Go programs write, stamp.go reads times, order.go decides
// which of the numbers in a date is the day, input.go opens and decompresses, rotated.go finds the
// files that one log was rotated into, follow.go waits for what is written to a file.
package format

import "bytes"

// Level is the severity of an event.
type Level uint8

// The levels, from least to most severe.
const (
	NoLevel Level = iota
	Trace
	Debug
	Info
	Warn
	Error
	Fatal
)

// Levels is the number of levels.
const Levels = int(Fatal) + 1

func (l Level) String() string {
	return [...]string{"", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL"}[l]
}

// Layout is how a line was laid out.
type Layout uint8

// The layouts.
const (
	Plain  Layout = iota // no header was recognised
	Log4j                // and logback: date, level, thread and class in some order
	Kafka                // [date] LEVEL message (logger)
	JSON                 // one object a line
	C                    // the C client
	Python               // LEVEL:logger:message
	Go                   // of Go programs: the log package, klog, key=value
)

func (l Layout) String() string {
	return [...]string{"plain", "log4j", "kafka", "json", "c", "python", "go"}[l]
}

// Event is what a program logged at once. Its slices are valid until the reader's next call.
type Event struct {
	Line  int64 // the number of its first line, from 1
	Time  int64 // ms since 1970
	Timed bool  // whether Time is known
	// Unclear says that there is a date, but that it can be read in several ways, or does not exist.
	Unclear bool
	Level   Level
	Layout  Layout
	Member  []byte // myid, or empty
	Thread  []byte
	Class   []byte // the class without its package; of the C client, the function
	Text    []byte // the message on the first line
	More    []byte // the lines that continue it, without container prefixes; each ends with a line break
	Raw     []byte // all lines as they are in the file, without the last line break
	// Cut is the number of bytes that Raw leaves out because the event is too long.
	Cut int64
}

// Copy returns a copy that outlives the reader's next call.
func (e *Event) Copy() *Event {
	c := *e
	for _, b := range []*[]byte{&c.Member, &c.Thread, &c.Class, &c.Text, &c.More, &c.Raw} {
		*b = bytes.Clone(*b)
	}
	return &c
}
