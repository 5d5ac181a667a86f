package storage

import (
	"bytes"
	"hash/adler32"
	"math/rand/v2"
	"testing"
)

func TestAdlerSum(t *testing.T) {
	random := make([]byte, 3<<20)
	rng := rand.NewChaCha8([32]byte{1})
	_, _ = rng.Read(random)
	for _, b := range [][]byte{random, bytes.Repeat([]byte{0xff}, 3<<20), make([]byte, 5000)} {
		for n := 7; n < 2000; n++ {
			if got, want := adlerSum(1, b[n%7:n]), adler32.Checksum(b[n%7:n]); got != want {
				t.Fatalf("%d bytes: %#x, want %#x", n, got, want)
			}
		}
		if got, want := adlerSum(1, b), adler32.Checksum(b); got != want {
			t.Errorf("%d bytes: %#x, want %#x", len(b), got, want)
		}
		sum := uint32(1)
		for rest, n := b, 1; len(rest) > 0; n = n*3 + 1 {
			n = min(n, len(rest))
			sum, rest = adlerSum(sum, rest[:n]), rest[n:]
		}
		if want := adler32.Checksum(b); sum != want {
			t.Errorf("%d bytes in pieces: %#x, want %#x", len(b), sum, want)
		}
	}
}

// TestAdlerWords tests what processors other than amd64 use for all bytes.
func TestAdlerWords(t *testing.T) {
	random := make([]byte, 5000)
	_, _ = rand.NewChaCha8([32]byte{2}).Read(random)
	for _, b := range [][]byte{random, bytes.Repeat([]byte{0xff}, 5000)} {
		for n := 0; n < len(b); n += 8 {
			s1, s2, left := adlerWords(1, 0, b[:n])
			got, want := uint32(s2%adlerMod<<16|s1%adlerMod), adler32.Checksum(b[:n])
			if got != want || len(left) != 0 {
				t.Fatalf("%d bytes: %#x and %d left, want %#x", n, got, len(left), want)
			}
		}
	}
}

func BenchmarkAdler(b *testing.B) {
	for name, sum := range map[string]func([]byte) uint32{
		"ours": func(p []byte) uint32 { return adlerSum(1, p) }, "standard": adler32.Checksum,
	} {
		p := make([]byte, 300)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				sum(p)
			}
		})
	}
}
