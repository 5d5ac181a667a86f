package logs

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/logs/internal/catalogue"
)

// mostSimilar is how many phrases are suggested.
const mostSimilar = 3

// wording is a phrase with one of its wordings.
type wording struct {
	phrase  *catalogue.Phrase
	says    string
	share   float64 // of the text's words, by their weight, that the wording has
	covered float64 // of the wording's words that the text has
}

// similar finds the phrases that share words with a text, the most alike first. The fewer phrases have a word, the more
// it weighs. A word that none has counts as the one that it resembles.
func similar(c *catalogue.Catalogue, text string) []wording {
	having := map[string]int{} // how many phrases have a word
	for _, p := range c.Phrases {
		words := longWords(strings.Join(append([]string{p.Name}, p.Says...), " "))
		slices.Sort(words)
		for _, w := range slices.Compact(words) {
			having[w]++
		}
	}
	known := slices.Sorted(maps.Keys(having))
	weight := func(w string) float64 { return math.Log(float64(len(c.Phrases)+1) / float64(max(having[w], 1))) }
	given := map[string]float64{}
	all := 0.0
	for _, w := range longWords(text) {
		if near := nearest.Names(w, known); having[w] == 0 && len(near) > 0 {
			w = near[0]
		}
		if given[w] == 0 {
			given[w] = weight(w)
			all += given[w]
		}
	}
	var list []wording
	for _, p := range c.Phrases {
		best := wording{phrase: p, says: p.Says[0]}
		for i, s := range append([]string{p.Name}, p.Says...) {
			words := longWords(s)
			share, shared := 0.0, 0
			slices.Sort(words)
			words = slices.Compact(words)
			for _, w := range words {
				if given[w] > 0 {
					share += given[w] / all
					shared++
				}
			}
			if share > best.share {
				best.share, best.covered = share, float64(shared)/float64(len(words))
				if i > 0 {
					best.says = s
				}
			}
		}
		if best.share >= 0.4 {
			list = append(list, best)
		}
	}
	slices.SortStableFunc(list, func(a, b wording) int {
		return cmp.Or(cmp.Compare(b.share, a.share), cmp.Compare(b.covered, a.covered))
	})
	return list[:min(len(list), mostSimilar)]
}

// longWords are the words of a text or a wording, without its holes.
func longWords(s string) (words []string) {
	for {
		before, after, ok := strings.Cut(s, "<")
		for _, w := range strings.FieldsFunc(strings.ToLower(before), func(r rune) bool { return r < 'a' || r > 'z' }) {
			if len(w) > 3 {
				words = append(words, w)
			}
		}
		if !ok {
			return words
		}
		_, s, _ = strings.Cut(after, ">")
	}
}
