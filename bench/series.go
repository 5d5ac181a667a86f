package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/load"
	"github.com/zkctl/zkctl/internal/ui"
)

// every is the length of the intervals of a run: short ones give comparisons something to count.
func every(duration time.Duration) time.Duration {
	return max(100*time.Millisecond, min(duration/40, time.Second))
}

// sample is an interval of a run, of one operation.
type sample struct {
	length     time.Duration
	count      int64
	p50, p99   int64 // in ns; of no use if count is 0
	incomplete bool
}

// settings are those of a run that its log repeats, so that only like is compared with like.
type settings struct {
	Mix        string  `json:"mix"`
	Clients    int     `json:"clients"`
	InFlight   int     `json:"inFlight"`
	Rate       float64 `json:"rate"`
	Size       int     `json:"size"`
	Keys       int     `json:"keys"`
	Persistent bool    `json:"persistent"`
	Through    string  `json:"through"`
}

func (r *run) settings() settings {
	p := r.plan
	return settings{p.mix.String(), p.clients, p.inFlight, p.rate, p.size, p.keys, p.persistent, r.through}
}

// series is what happens during a run.
type series struct {
	r       *run
	every   time.Duration
	samples [][]sample // by kind
	rates   []float64
	lines   bytes.Buffer // of the log
	writer  *hdrhistogram.HistogramLogWriter
	start   int64 // of the recording, in ms since 1970
	line    *ui.Status
	err     error
}

func newSeries(r *run, every time.Duration) *series {
	s := &series{r: r, every: every, samples: make([][]sample, len(r.plan.mix)), line: r.env.Streams.NewStatus()}
	s.writer = hdrhistogram.NewHistogramLogWriter(&s.lines)
	return s
}

// add takes an interval.
func (s *series) add(list []*load.Interval) {
	first := list[0]
	if s.start == 0 {
		s.start = time.Now().Add(-first.Start - first.Length).UnixMilli()
		s.writer.SetBaseTime(s.start)
	}
	done := int64(0)
	all := list[0].Latencies
	if len(list) > 1 {
		all = hdrhistogram.New(1000, int64(time.Hour), 3)
	}
	for kind, one := range list {
		h := one.Latencies
		done += h.TotalCount()
		one := sample{length: one.Length, count: h.TotalCount(), p50: h.ValueAtPercentile(50), p99: h.ValueAtPercentile(99),
			incomplete: one.Length < s.every/2 || one.Length > s.every*3/2}
		s.samples[kind] = append(s.samples[kind], one)
		if s.r.hdr != "" && s.err == nil {
			h.SetTag(s.r.plan.mix[kind].op.String())
			h.SetStartTimeMs(s.start + first.Start.Milliseconds())
			h.SetEndTimeMs(s.start + (first.Start + first.Length).Milliseconds())
			s.err = s.writer.OutputIntervalHistogram(h)
		}
		if len(list) > 1 {
			all.Merge(h)
		}
	}
	rate := float64(done) / first.Length.Seconds()
	s.rates = append(s.rates, rate)
	s.show(rate, all, first.Start+first.Length)
}

// show updates the live line.
func (s *series) show(rate float64, all *hdrhistogram.Histogram, at time.Duration) {
	s.line.Set(func() string {
		left := max(0, s.r.plan.duration-at).Round(time.Second)
		text := fmt.Sprintf("%s/s ", command.Thousands(int(rate+0.5)))
		if width := s.r.env.Streams.Width - 1 - 56; width >= 5 {
			n := min(width, 40)
			text += ui.Spark(s.rates, n) + " "
		}
		return fmt.Sprintf("%s p50 %s  p99 %s  max %s  %v left", text, span(all.ValueAtPercentile(50)), span(all.ValueAtPercentile(99)), span(all.Max()), left)
	})
}

// settingsLine begins the line of a log with the settings of its run.
const settingsLine = "#[zkctl bench: "

// log writes the intervals as an HDR log.
func (s *series) log(w io.Writer) error {
	if s.err != nil {
		return s.err
	}
	var head bytes.Buffer
	set, err := escape.MarshalJSON(s.r.settings())
	if err != nil {
		return err
	}
	writer := hdrhistogram.NewHistogramLogWriter(&head)
	err = errors.Join(writer.OutputLogFormatVersion(), writer.OutputComment(strings.TrimPrefix(settingsLine, "#")+string(set)+"]"),
		writer.OutputStartTime(s.start), writer.OutputBaseTime(s.start/1000*1000), writer.OutputLegend())
	if err != nil {
		return err
	}
	_, err = w.Write(append(head.Bytes(), s.lines.Bytes()...))
	return err
}

// log is an HDR log that was read.
type log struct {
	file     string
	settings settings
	known    bool // the settings
	samples  map[operation][]sample
}

// mostLog bounds a log that is read: an hour of eleven operations has about 80 MiB.
const mostLog = 256 << 20

// readLog reads the log of an earlier run.
func readLog(file string) (*log, error) {
	if strings.HasSuffix(file, ".hgrm") {
		return nil, fmt.Errorf("--compare %s: it holds percentiles, which say nothing about noise; give --hdr a file with another ending, and compare with that", file)
	}
	text, err := infile.File(context.Background(), file, mostLog)
	if err != nil {
		return nil, fmt.Errorf("--compare: %w", err)
	}
	return parseLog(file, text)
}

func parseLog(file string, text []byte) (*log, error) {
	l := &log{file: file, samples: map[operation][]sample{}}
	if _, rest, ok := strings.Cut(string(text), settingsLine); ok {
		rest, _, _ = strings.Cut(rest, "\n")
		l.known = json.Unmarshal([]byte(strings.TrimSuffix(strings.TrimSpace(rest), "]")), &l.settings) == nil
	}
	reader := hdrhistogram.NewHistogramLogReader(bytes.NewReader(text))
	for {
		h, err := reader.NextIntervalHistogram()
		if err != nil {
			return nil, fmt.Errorf("--compare: %s cannot be read as an HDR log: %w", file, err)
		}
		if h == nil {
			break
		}
		at := slices.Index(operationNames, h.Tag())
		length := time.Duration(h.EndTimeMs()-h.StartTimeMs()) * time.Millisecond
		if at < 0 || length <= 0 {
			continue
		}
		op := operation(at)
		l.samples[op] = append(l.samples[op], sample{length: length, count: h.TotalCount(), p50: h.ValueAtPercentile(50), p99: h.ValueAtPercentile(99)})
	}
	if len(l.samples) == 0 {
		return nil, fmt.Errorf("--compare: %s holds no interval of an operation; it must be an HDR log that --hdr has written", file)
	}
	for _, list := range l.samples {
		usual := typical(list)
		for i := range list {
			list[i].incomplete = list[i].length < usual/2 || list[i].length > usual*3/2
		}
	}
	return l, nil
}

// typical is the median length.
func typical(list []sample) time.Duration {
	var lengths []float64
	for _, s := range list {
		lengths = append(lengths, float64(s.length))
	}
	return time.Duration(median(lengths))
}
