package await

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntil(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, asked := time.Now(), 0
		if err := Until(t.Context(), func() bool { asked++; return time.Since(start) >= time.Second }); err != nil {
			t.Error(err)
		}
		if took := time.Since(start); took > time.Second+20*time.Millisecond || asked > 60 {
			t.Errorf("it asked %d times in %v", asked, took)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := Until(ctx, func() bool { return false }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v after the time is up", err)
		}
		if err := Until(ctx, func() bool { return true }); err != nil {
			t.Errorf("what is so already: %v", err)
		}
	})
}

type recorder struct{ text string }

func (r *recorder) Helper()                           {}
func (r *recorder) Fatalf(format string, args ...any) { r.text = fmt.Sprintf(format, args...) }

func TestThat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var r recorder
		That(&r, time.Minute, "it is so", func() bool { return true })
		if r.text != "" {
			t.Error(r.text)
		}
		That(&r, time.Minute, "it is so", func() bool { return false })
		if r.text != "not within 1m0s: it is so" {
			t.Error(r.text)
		}
	})
}
