//go:build !race

package torture

const raceFactor = 1
