package ui

import (
	"strings"
	"unicode"
)

// OptionName returns the option in a word, without anything that may be its value, which an error
// must not repeat: --auth-fiel for --auth-fiel=digest:u:secret.
func OptionName(word string) string {
	end := strings.IndexFunc(word, func(r rune) bool {
		return r != '-' && r != '_' && r != '?' && !unicode.IsLetter(r) && !unicode.IsDigit(r)
	})
	if end < 0 {
		return word
	}
	return word[:end]
}
