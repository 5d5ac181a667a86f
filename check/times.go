package check

import (
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/escape"
)

// times say how long something took, many times.
type times struct {
	Count                           int
	Median, P90, P99, P999, Slowest time.Duration
}

// timesOf sorts the list.
func timesOf(list []time.Duration) (t times) {
	if len(list) == 0 {
		return t
	}
	slices.Sort(list)
	at := func(perMille int) time.Duration { return list[min(len(list)*perMille/1000, len(list)-1)] }
	return times{len(list), at(500), at(900), at(990), at(999), list[len(list)-1]}
}

// rare says how long what is rare takes, at most one in a hundred.
func (t times) rare(what string) string {
	if t.Count < 100 {
		return fmt.Sprintf("the slowest %s took %s", what, brief(t.Slowest))
	}
	return fmt.Sprintf("one %s in a hundred takes %s or longer", what, brief(t.P99))
}

// MarshalJSON writes times in ms.
func (t times) MarshalJSON() ([]byte, error) {
	return escape.MarshalJSON(struct {
		Count   int     `json:"count"`
		Median  float64 `json:"medianMs"`
		P90     float64 `json:"p90Ms"`
		P99     float64 `json:"p99Ms"`
		P999    float64 `json:"p999Ms"`
		Slowest float64 `json:"maxMs"`
	}{t.Count, ms(t.Median), ms(t.P90), ms(t.P99), ms(t.P999), ms(t.Slowest)})
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// brief is a time with three digits: 85.3µs, 2.41ms, 1.2s.
func brief(d time.Duration) string {
	for _, unit := range []time.Duration{time.Second, time.Millisecond, time.Microsecond} {
		switch {
		case d >= 100*unit:
			return d.Round(unit).String()
		case d >= 10*unit:
			return d.Round(unit / 10).String()
		case d >= unit:
			return d.Round(unit / 100).String()
		}
	}
	return d.String()
}
