package outer

import (
	"strings"
	"unicode/utf8"
)

// quotePosix quotes text for bash inside an open quote, or outside of quotes if quote is 0. Each
// character is quoted on its own, so that a common prefix of several words looks the same in all
// of them. ok is false if the quote cannot hold the text.
func quotePosix(text string, quote byte) (quoted string, ok bool) {
	var b strings.Builder
	for _, r := range text {
		switch {
		case quote == '\'' && r == '\'',
			quote == '"' && (r == '"' || r == '!'): // readline counts quotes; ! is for the history, and \! is two characters
			return "", false
		case quote == '"' && strings.ContainsRune("\\$`", r),
			quote == 0 && r < utf8.RuneSelf && !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("/.-_:=@%+,", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// quotePowerShell quotes a word for PowerShell.
func quotePowerShell(text string) string {
	plain := text != "" && strings.IndexFunc(text, func(r rune) bool {
		return r >= utf8.RuneSelf || !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("/.-_:=+%", r)
	}) < 0
	if strings.HasPrefix(text, "-") && strings.ContainsAny(text, ".:") {
		plain = false // PowerShell splits such a word in two
	}
	if plain {
		return text
	}
	var b strings.Builder
	b.WriteByte('\'')
	for _, r := range text {
		if powerShellQuote(r) == '\'' {
			b.WriteRune(r)
		}
		b.WriteRune(r)
	}
	b.WriteByte('\'')
	return b.String()
}
