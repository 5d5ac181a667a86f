package survey

import "fmt"

// spans are the possible lengths of buckets in seconds, each a multiple of the one before.
var spans = []int64{1, 5, 15, 60, 300, 900, 3600, 4 * 3600, 86400, 7 * 86400, 28 * 86400, 364 * 86400, 3640 * 86400, 36400 * 86400}

// mostBuckets is the number of buckets kept while counting.
const mostBuckets = 4096

// Buckets collect what happens over time in intervals that become longer as the covered time grows, so that their number
// is bounded. They are not safe for concurrent use.
type Buckets[T any] struct {
	join  func(into, from *T)
	level int // index into spans
	at    map[int64]*T
	last  *T // the bucket of lastAt, as most times follow each other closely
	index int64
}

// NewBuckets returns buckets of which join adds one to another.
func NewBuckets[T any](join func(into, from *T)) *Buckets[T] {
	return &Buckets[T]{join: join, at: map[int64]*T{}}
}

// NewRate returns buckets that count.
func NewRate() *Buckets[int64] {
	return NewBuckets(func(into, from *int64) { *into += *from })
}

// In returns the bucket of a time, in ms since 1970. It is valid until the next call.
func (b *Buckets[T]) In(ms int64) *T {
	index := floorDiv(floorDiv(ms, 1000), spans[b.level])
	if b.last != nil && index == b.index {
		return b.last
	}
	t := b.at[index]
	if t == nil {
		t = new(T)
		b.at[index] = t
		for len(b.at) > mostBuckets && b.widen() {
			index = floorDiv(floorDiv(ms, 1000), spans[b.level])
			t = b.at[index]
		}
	}
	b.last, b.index = t, index
	return t
}

func (b *Buckets[T]) widen() bool {
	if b.level+1 == len(spans) {
		return false
	}
	factor := spans[b.level+1] / spans[b.level]
	wider := map[int64]*T{}
	for index, t := range b.at {
		if into := wider[floorDiv(index, factor)]; into != nil {
			b.join(into, t)
		} else {
			wider[floorDiv(index, factor)] = t
		}
	}
	b.level++
	b.at, b.last = wider, nil
	return true
}

// Bucket is one interval; Start is in seconds since 1970.
type Bucket[T any] struct {
	Start int64
	Value T
}

// Rows returns the buckets from first to last, including empty ones, and the length of each in seconds: at most n, if the
// widest span allows; else none.
func (b *Buckets[T]) Rows(n int64) (rows []Bucket[T], seconds int64) {
	if len(b.at) == 0 {
		return nil, 0
	}
	for {
		first, last := int64(1<<62), int64(-1<<62)
		for index := range b.at {
			first, last = min(first, index), max(last, index)
		}
		seconds = spans[b.level]
		if last-first < n {
			for index := first; index <= last; index++ {
				row := Bucket[T]{Start: index * seconds}
				if t := b.at[index]; t != nil {
					row.Value = *t
				}
				rows = append(rows, row)
			}
			return rows, seconds
		}
		if !b.widen() {
			return nil, seconds // times that no server wrote
		}
	}
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// AtLeast makes each bucket at least seconds long, if the widest span allows.
func (b *Buckets[T]) AtLeast(seconds int64) {
	for spans[b.level] < seconds && b.widen() {
		continue
	}
}

// Interval names the length of a bucket: "minute", "4 hours".
func Interval(seconds int64) string {
	name, n := "second", seconds
	for _, unit := range []struct {
		name    string
		seconds int64
	}{{"day", 86400}, {"hour", 3600}, {"minute", 60}} {
		if seconds%unit.seconds == 0 {
			name, n = unit.name, seconds/unit.seconds
			break
		}
	}
	if n == 1 {
		return name
	}
	return fmt.Sprintf("%d %ss", n, name)
}
