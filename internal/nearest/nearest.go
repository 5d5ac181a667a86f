// Package nearest finds the name that a mistyped word was meant to be.
package nearest

import (
	"strings"
)

// Names returns the names that word was most likely meant to be: those with the fewest typing
// errors. A name that starts with word counts as one error.
func Names(word string, names []string) (near []string) {
	word = strings.ToLower(word)
	best := max(1, min(len(word)/3, 2)) // errors
	for _, name := range names {
		n := strings.ToLower(name)
		d := typingErrors(word, n)
		if len(word) > 2 && strings.HasPrefix(n, word) {
			d = min(d, 1)
		}
		if d > best || d >= len(n) { // a name of one letter resembles only itself
			continue
		}
		if d < best {
			best, near = d, nil
		}
		near = append(near, name)
	}
	return near
}

// typingErrors counts the letters that are missing, extra, wrong, or swapped with their neighbour
// (the Damerau-Levenshtein distance, with each letter in at most one error).
func typingErrors(a, b string) int {
	before, last := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range last {
		last[j] = j
	}
	for i := range len(a) {
		row := make([]int, len(b)+1)
		row[0] = i + 1
		for j := range len(b) {
			wrong := 1
			if a[i] == b[j] {
				wrong = 0
			}
			row[j+1] = min(last[j]+wrong, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
		before, last = last, row
	}
	return last[len(b)]
}

// DidYouMean asks about the names that Names finds, each with prefix in front; it returns "" if
// there are none.
func DidYouMean(word, prefix string, names []string) string {
	near := Names(word, names)
	if len(near) == 0 {
		return ""
	}
	return "did you mean " + prefix + strings.Join(near, " or "+prefix) + "?"
}
