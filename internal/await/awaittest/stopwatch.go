// Package awaittest measures time in tests.
package awaittest

import (
	"bytes"
	"os"
	"strconv"
	"time"
)

// Stopwatch measures whether something ends in time.
type Stopwatch struct {
	began   time.Time
	stalled time.Duration
}

// Start starts a stopwatch.
func Start() Stopwatch { return Stopwatch{time.Now(), stalled()} }

// Took returns the time since Start.
func (s Stopwatch) Took() time.Duration { return time.Since(s.began) }

// leniency is how many times a limit may be exceeded on a busy machine.
const leniency = 4

// Late returns the time since Start, and whether it exceeds the limit. Time in which tasks of this
// machine waited for a processor does not count, within leniency, where Linux tells it.
func (s Stopwatch) Late(limit time.Duration) (took time.Duration, late bool) {
	took = s.Took()
	return took, took-(stalled()-s.stalled) > limit || took > leniency*limit
}

// stalled returns for how long, since the machine was started, at least one task has waited for a
// processor; 0 if the system does not tell. See PSI in Linux's documentation.
func stalled() time.Duration {
	text, err := os.ReadFile("/proc/pressure/cpu")
	if err != nil {
		return 0
	}
	line, _, _ := bytes.Cut(text, []byte("\n"))
	_, total, _ := bytes.Cut(line, []byte("total="))
	n, err := strconv.ParseInt(string(total), 10, 64)
	if err != nil {
		return 0
	}
	return time.Duration(n) * time.Microsecond
}
