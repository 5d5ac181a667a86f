package survey

import "testing"

func TestBucketsAreBounded(t *testing.T) {
	for _, times := range [][]int64{
		{0, 999, 1000}, {5, -5}, {0, 1e12, 2e12}, {-1 << 62, 1 << 62}, nil, {1795316825322},
	} {
		r := NewRate()
		for _, ms := range times {
			*r.In(ms)++
		}
		for i := range 3 * int64(mostBuckets) {
			if len(times) == 3 {
				*r.In(times[0] + i*1000)++
			}
		}
		var sum int64
		const most = 24
		rows, span := r.Rows(most)
		for i, row := range rows {
			sum += row.Value
			if i > 0 && row.Start != rows[i-1].Start+span {
				t.Errorf("%v: rows %v", times, rows)
			}
		}
		want := int64(len(times))
		if len(times) == 3 {
			want += 3 * mostBuckets
		}
		if len(r.at) > mostBuckets || len(rows) > most || len(rows) > 0 && sum != want {
			t.Errorf("%v: %d buckets, %d rows, %d counted", times, len(r.at), len(rows), sum)
		}
	}
}

// TestBucketsJoin: what two intervals hold is joined when they become one.
func TestBucketsJoin(t *testing.T) {
	b := NewBuckets(func(into, from *int64) { *into = max(*into, *from) })
	for i := range int64(100) {
		*b.In(i * 1000) = i
	}
	rows, seconds := b.Rows(10)
	if seconds != 15 || len(rows) != 7 || rows[0].Value != 14 || rows[6].Value != 99 {
		t.Error(seconds, rows)
	}
	b.AtLeast(60)
	if rows, seconds := b.Rows(10); seconds != 60 || len(rows) != 2 || rows[0].Value != 59 {
		t.Error(seconds, rows)
	}
}

func TestInterval(t *testing.T) {
	for seconds, want := range map[int64]string{1: "second", 15: "15 seconds", 60: "minute", 900: "15 minutes", 3600: "hour", 4 * 3600: "4 hours", 86400: "day", 28 * 86400: "28 days"} {
		if got := Interval(seconds); got != want {
			t.Errorf("%d s: %q, want %q", seconds, got, want)
		}
	}
}
