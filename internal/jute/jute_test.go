package jute

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

type inner struct {
	S string
	L int64
}

func (r *inner) Visit(c *Codec) { c.String(&r.S); c.Long(&r.L) }

type sample struct {
	I    int32
	L    int64
	B    bool
	Y    byte
	S    string
	N    string
	Buf  []byte
	Null []byte
	Strs []string
	Blck []string
	Vec  []inner
}

func (r *sample) Visit(c *Codec) {
	c.Int(&r.I)
	c.Long(&r.L)
	c.Bool(&r.B)
	c.Byte(&r.Y)
	c.String(&r.S)
	c.NullString(&r.N)
	c.Buffer(&r.Buf)
	c.Buffer(&r.Null)
	c.Strings(&r.Strs)
	c.StringBlock(&r.Blck)
	Vector(c, &r.Vec, 12)
}

func full() *sample {
	return &sample{
		I: math.MinInt32, L: math.MaxInt64, B: true, Y: 0x42, S: "grüße/世界",
		Buf: bytes.Repeat([]byte("0123456789"), 20_000), Strs: []string{"", "a", strings.Repeat("b", 70_000)}, Blck: []string{"", "c", strings.Repeat("d", 70_000)},
		Vec: []inner{{"x", 1}, {"", -1}},
	}
}

func TestRoundTrip(t *testing.T) {
	want := full()
	wire := Marshal(want)
	c := NewDecoder(wire)
	var got sample
	got.Visit(c)
	if c.Err() != nil {
		t.Fatal(c.Err())
	}
	if !reflect.DeepEqual(&got, want) {
		t.Fatalf("got %+v", got)
	}
	if c.Offset() != int64(len(wire)) || c.Remaining() != 0 {
		t.Errorf("offset %d of %d, %d remain", c.Offset(), len(wire), c.Remaining())
	}
}

func TestTruncationIsStickyEverywhere(t *testing.T) {
	s := full()
	s.Buf, s.Strs = []byte("data"), []string{"a"}
	wire := Marshal(s)
	for cut := range wire {
		c := NewDecoder(wire[:cut])
		var got sample
		got.Visit(c)
		var fe *FieldError
		if !errors.As(c.Err(), &fe) {
			t.Fatalf("cut at %d: no error", cut)
		}
		if !errors.Is(fe, ErrTruncated) && !errors.Is(fe, ErrLength) {
			t.Fatalf("cut at %d: %v", cut, fe)
		}
		i := int32(7)
		if c.Int(&i); i != 0 {
			t.Fatal("a read after an error must yield zero")
		}
	}
}

func TestImpossibleLengthAllocatesNothing(t *testing.T) {
	for name, wire := range map[string][]byte{
		"huge":     {0x7f, 0xff, 0xff, 0xff, 1, 2, 3},
		"negative": {0xff, 0xff, 0xff, 0xfe, 1, 2, 3},
	} {
		t.Run(name, func(t *testing.T) {
			for _, read := range []func(*Codec){
				func(c *Codec) { var b []byte; c.Buffer(&b) },
				func(c *Codec) { var s string; c.String(&s) },
				func(c *Codec) { var v []string; c.Strings(&v) },
				func(c *Codec) { var v []string; c.StringBlock(&v) },
				func(c *Codec) { var v []inner; Vector(c, &v, 12) },
			} {
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				c := NewDecoder(wire)
				read(c)
				runtime.ReadMemStats(&after)
				err, bytesPerRun := c.Err(), after.TotalAlloc-before.TotalAlloc
				if err == nil {
					t.Fatal("accepted")
				}
				if bytesPerRun > 4<<20 {
					t.Fatalf("%d bytes allocated for a false length", bytesPerRun)
				}
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(Marshal(&sample{Strs: []string{"a"}, Blck: []string{"", "b"}, Vec: []inner{{"b", 2}}}))
	f.Fuzz(func(t *testing.T, wire []byte) {
		var a sample
		if Unmarshal(wire, &a) != nil {
			return
		}
		var again sample
		if err := Unmarshal(Marshal(&a), &again); err != nil || !reflect.DeepEqual(a, again) {
			t.Fatalf("not the same after a second round: %v", err)
		}
	})
}
