package proto

import (
	"reflect"
	"testing"
)

func TestStatsTrack(t *testing.T) {
	for _, tc := range []struct {
		text string
		want StatsTrack
		back string // "" when it is text
	}{
		{"count=9,bytes=26", StatsTrack{"count": 9, "bytes": 26}, ""},
		{"count=-1,bytes=100=;byteHardLimit=200;countHardLimit=20",
			StatsTrack{"count": -1, "bytes": 100, "byteHardLimit": 200, "countHardLimit": 20}, ""},
		{"bytes=1;count=2", StatsTrack{"count": 2, "bytes": 1}, "count=2,bytes=1"},
		{"count=1,bytes=2=;new=3", StatsTrack{"count": 1, "bytes": 2, "new": 3}, ""},
		{"count=,bytes=", StatsTrack{"count": -1, "bytes": -1}, "count=-1,bytes=-1"},
		{"", StatsTrack{}, "count=-1,bytes=-1"},
		{"bytes=4", StatsTrack{"bytes": 4}, "count=-1,bytes=4"},
		{"=5", StatsTrack{"": 5}, "count=-1,bytes=-1=;=5"}, // as StatsTrack reads it
	} {
		got, err := ParseStatsTrack(tc.text)
		if err != nil || !reflect.DeepEqual(got, tc.want) {
			t.Errorf("ParseStatsTrack(%q) = %v, %v; want %v", tc.text, got, err, tc.want)
		}
		if tc.back == "" {
			tc.back = tc.text
		}
		if got.String() != tc.back {
			t.Errorf("ParseStatsTrack(%q) is written %q, want %q", tc.text, got, tc.back)
		}
	}
	for _, bad := range []string{"count", "count=x", "count=1,bytes", "count=99999999999999999999"} {
		if st, err := ParseStatsTrack(bad); err == nil {
			t.Errorf("ParseStatsTrack(%q) = %v", bad, st)
		}
	}
}

func FuzzStatsTrack(f *testing.F) {
	f.Add("count=-1,bytes=100=;byteHardLimit=200;countHardLimit=20")
	f.Fuzz(func(t *testing.T, text string) {
		st, err := ParseStatsTrack(text)
		if err != nil {
			return
		}
		back, err := ParseStatsTrack(st.String())
		if err != nil || back.String() != st.String() {
			t.Fatalf("%q is %v, written %q, read back %v, %v", text, st, st.String(), back, err)
		}
	})
}
