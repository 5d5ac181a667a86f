package storage

import "encoding/binary"

// adlerMod is the largest prime below 1<<16 (RFC 1950).
const adlerMod = 65521

// adlerSum continues an Adler-32, whose initial value is 1, several times as fast as
// hash/adler32.
func adlerSum(adler uint32, p []byte) uint32 {
	const chunk = 1 << 20 // for which s2 fits into 64 bits
	s1, s2 := uint64(adler&0xffff), uint64(adler>>16)
	for len(p) > 0 {
		q := p[:min(len(p), chunk)]
		p = p[len(q):]
		s1, s2, q = adlerBlocks(s1, s2, q)
		s1, s2, q = adlerWords(s1, s2, q)
		for _, c := range q {
			s1 += uint64(c)
			s2 += s1
		}
		s1 %= adlerMod
		s2 %= adlerMod
	}
	return uint32(s2<<16 | s1)
}

// adlerWords adds up eight bytes at once, in 16-bit lanes, and returns the rest. Neither sum is
// reduced.
func adlerWords(s1, s2 uint64, q []byte) (uint64, uint64, []byte) {
	const (
		even = 0x00ff00ff00ff00ff
		// blockWords is the largest number of words for which no lane of the prefix sums can
		// overflow: 255 * n*(n-1)/2 < 1<<16.
		blockWords = 23
	)
	for len(q) >= 8 {
		n := min(len(q)/8, blockWords)
		// The byte at position j of word k counts once in s1 and 8*(n-1-k) + 8-j times in s2.
		// sum* are the added lanes, prefix* the sums before each word.
		var sumEven, sumOdd, prefixEven, prefixOdd uint64
		block := q[:8*n]
		for len(block) >= 32 {
			v0 := binary.LittleEndian.Uint64(block)
			v1 := binary.LittleEndian.Uint64(block[8:])
			v2 := binary.LittleEndian.Uint64(block[16:])
			v3 := binary.LittleEndian.Uint64(block[24:])
			e0, e1, e2, e3 := v0&even, v1&even, v2&even, v3&even
			o0, o1, o2, o3 := v0>>8&even, v1>>8&even, v2>>8&even, v3>>8&even
			prefixEven += 4*sumEven + 3*e0 + 2*e1 + e2
			prefixOdd += 4*sumOdd + 3*o0 + 2*o1 + o2
			sumEven += e0 + e1 + e2 + e3
			sumOdd += o0 + o1 + o2 + o3
			block = block[32:]
		}
		for ; len(block) >= 8; block = block[8:] {
			v := binary.LittleEndian.Uint64(block)
			prefixEven += sumEven
			prefixOdd += sumOdd
			sumEven += v & even
			sumOdd += v >> 8 & even
		}
		s2 += uint64(8*n)*s1 + 8*(lanes(prefixEven)+lanes(prefixOdd)) +
			8*(sumEven&0xffff) + 6*(sumEven>>16&0xffff) + 4*(sumEven>>32&0xffff) + 2*(sumEven>>48) +
			7*(sumOdd&0xffff) + 5*(sumOdd>>16&0xffff) + 3*(sumOdd>>32&0xffff) + sumOdd>>48
		s1 += lanes(sumEven) + lanes(sumOdd)
		q = q[8*n:]
	}
	return s1, s2, q
}

// lanes returns the sum of four 16-bit lanes.
func lanes(x uint64) uint64 {
	const mask = 0x0000ffff0000ffff
	x = x&mask + x>>16&mask
	return x&0xffffffff + x>>32
}
