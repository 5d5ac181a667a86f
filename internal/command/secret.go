package command

import (
	"strings"

	"github.com/zkctl/zkctl/internal/nearest"
)

// Secret reports whether a line holds credentials: it begins with a command such as addauth, even misspelt or under the name that
// another tool gives it, or has such a command, followed by its arguments, or an option for a password anywhere else: after a ;, in
// a program, in quotes.
func (s Set) Secret(line string) bool {
	_, ok := s.secret(line)
	return ok
}

// Mask stands for credentials.
const Mask = "****"

// Masked returns the line with its credentials hidden.
func (s Set) Masked(line string) string {
	end, ok := s.secret(line)
	if !ok {
		return line
	}
	head := strings.TrimLeft(line[:end], " \t\n\v\f\r'\"")
	words := bareWords(line[end:])
	switch {
	case len(words) == 0:
		return head
	case strings.HasPrefix(lastWord(head), "-"):
		return head + " " + Mask
	}
	scheme, _, _ := strings.Cut(words[0].text, ":")
	return head + " " + scheme + " " + Mask
}

func lastWord(text string) string { return text[strings.LastIndexAny(text, separators)+1:] }

// secret returns where the word ends that credentials follow.
func (s Set) secret(line string) (end int, ok bool) {
	words := bareWords(line)
	for i, w := range words {
		after := words[i+1:]
		switch option, value, hasValue := strings.Cut(w.text, "="); {
		case strings.HasPrefix(w.text, "-"):
			option = strings.TrimLeft(option, "-")
			if i > 0 && (option == "auth" || strings.HasSuffix(option, "-password")) && (value != "" || !hasValue && len(after) > 0) {
				return w.end - len(value), true
			}
		case !letters(w.text):
		case i == 0, len(after) > 1, len(after) > 0 && strings.Contains(after[0].text, ":"):
			if s.takesSecret(w.text) {
				return w.end, true
			}
		}
	}
	return 0, false
}

// takesSecret reports whether the arguments of a command, or of one that the word may have meant, are credentials.
func (s Set) takesSecret(word string) bool {
	word = strings.ToLower(word)
	if same, ok := sameElsewhere[word]; ok {
		word = same
	}
	if c := s.Lookup(word); c != nil {
		return c.Secret
	}
	var names []string
	for _, c := range s {
		if c.Secret {
			names = append(append(names, c.Name), c.Aliases...)
		}
	}
	return len(nearest.Names(word, names)) > 0
}

// bareWord is a run of characters that neither zkctl nor a shell separates.
type bareWord struct {
	text string
	end  int // byte of the line
}

const separators = " \t\n\v\f\r'\"`;|&()<>{}\\"

func bareWords(line string) (words []bareWord) {
	start := -1
	for i := 0; i <= len(line); i++ {
		apart := i == len(line) || strings.IndexByte(separators, line[i]) >= 0
		switch {
		case !apart && start < 0:
			start = i
		case apart && start >= 0:
			words = append(words, bareWord{line[start:i], i})
			start = -1
		}
	}
	return words
}

func letters(word string) bool {
	for _, r := range word {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return true
}
