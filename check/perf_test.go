package check

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/zkctl/zkctl/internal/command"
)

func TestJudgePerf(t *testing.T) {
	l := loads["m"]
	for name, c := range map[string]struct {
		got  Loaded
		says string // "" if it passes
	}{
		"good":       {Loaded{Done: 60_000, Slowest: 400 * time.Millisecond, Deviation: 5 * time.Millisecond}, ""},
		"just":       {Loaded{Done: 54_000, Slowest: 500 * time.Millisecond, Deviation: 100 * time.Millisecond}, ""},
		"slow":       {Loaded{Done: 53_000}, "it took 883 writes/s, less than 90 % of 1000"},
		"a stall":    {Loaded{Done: 60_000, Slowest: 501 * time.Millisecond}, "the slowest write took 501ms"},
		"spread":     {Loaded{Done: 60_000, Deviation: 101 * time.Millisecond}, "their standard deviation is 101ms"},
		"failures":   {Loaded{Done: 60_000, Errors: map[string]int64{"NOAUTH": 1}}, "1 write failed: NOAUTH"},
		"fate":       {Loaded{Done: 60_000, Unknown: 2}, "of 2 writes nobody knows"},
		"no answers": {Loaded{}, "it took 0 writes/s"},
	} {
		c.got.Took = time.Minute
		v := judgePerf(l, &c.got)
		if text := strings.Join(v.Faults, "\n"); !strings.Contains(text, c.says) || (c.says == "") != (text == "") {
			t.Errorf("%s: %q, want %q", name, text, c.says)
		}
	}
}

func TestPerf(t *testing.T) {
	var asked Load
	var fails error
	slowest := time.Millisecond
	loader := func(_ context.Context, env *command.Env, l Load) (*Loaded, error) {
		if asked = l; fails != nil {
			return nil, fails
		}
		return &Loaded{Took: l.Duration, Done: int64(l.PerSec * l.Duration.Seconds()), Slowest: slowest}, nil
	}
	check := func(args ...string) (code int, out string, err error) {
		var b bytes.Buffer
		code, err = run(t, newPerfCommand(&command.Env{Streams: discard(&b)}, loader), &b, args...)
		return code, b.String(), err
	}
	if code, out, err := check("--load", "l"); code != 0 || err != nil || !strings.Contains(out, "load l, 8000 writes/s for 1m0s: fit\n") || asked.PerSec != 8000 || asked.Duration != time.Minute {
		t.Errorf("exit %d, %v, %+v\n%s", code, err, asked, out)
	}
	slowest = time.Second
	if code, out, err := check("-o", "json", "--duration", "2s"); code != 1 || err != nil || !strings.Contains(out, `"passes":false`) || !strings.Contains(out, `"writes":300`) {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
	fails = errors.New("nobody is there")
	if code, out, err := check(); code != 2 || !errors.Is(err, fails) || out != "" {
		t.Errorf("exit %d, %v\n%s", code, err, out)
	}
	for _, args := range [][]string{{"--load", "xxl"}, {"--duration", "0s"}, {"x"}} {
		if code, _, err := check(args...); code != 2 || err == nil {
			t.Errorf("%v: exit %d, %v", args, code, err)
		}
	}
}
