package command

import (
	"context"
	"errors"
	"testing"
)

func TestForEachTellsHowFarItIs(t *testing.T) {
	var told []int
	errs := make([]error, 10)
	ForEach(context.Background(), len(errs), 4, func(int) error { return nil }, errs, func(done int) { told = append(told, done) })
	for i, done := range told {
		if want := max(0, i-3); done != want {
			t.Errorf("when starting %d: %d done, want %d", i, done, want)
		}
	}
	if len(told) != len(errs) {
		t.Errorf("told %d times of %d", len(told), len(errs))
	}
}

func TestForEachStopsAtAFailure(t *testing.T) {
	failure := errors.New("lost")
	errs := make([]error, 100)
	called := 0
	ForEach(context.Background(), len(errs), 1, func(i int) error {
		called++
		if i == 2 {
			return failure
		}
		return nil
	}, errs, func(int) {})
	if called != 3 || !errors.Is(errs[3], failure) || !errors.Is(errs[99], failure) {
		t.Errorf("called %d times, then %v, %v", called, errs[3], errs[99])
	}
}

func TestThousands(t *testing.T) {
	for n, want := range map[int]string{0: "0", 999: "999", 1000: "1,000", 20000: "20,000", 1234567: "1,234,567"} {
		if got := Thousands(n); got != want {
			t.Errorf("Thousands(%d) = %s", n, got)
		}
	}
}
