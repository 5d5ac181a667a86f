package storage

// adlerVectors is the sum of so many blocks of 16 bytes, 1 to 1024: of the bytes, of that
// sum before each block, and of the bytes in each block, the first 16 times, the last once.
// It needs SSE2, which every amd64 has.
//
//go:noescape
func adlerVectors(p *byte, blocks int) (sum, before, weighted uint32)

// adlerBlocks adds up blocks of 16 bytes and returns the rest. Neither sum is reduced.
func adlerBlocks(s1, s2 uint64, q []byte) (uint64, uint64, []byte) {
	const most = 1024 // 2040 * most²/2, the greatest sum before, is less than 1<<32
	for len(q) >= 16 {
		n := min(len(q)/16, most)
		sum, before, weighted := adlerVectors(&q[0], n)
		s2 += 16*(uint64(n)*s1+uint64(before)) + uint64(weighted)
		s1 += uint64(sum)
		q = q[16*n:]
	}
	return s1, s2, q
}
