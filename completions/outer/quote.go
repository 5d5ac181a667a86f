package outer

import (
	"strings"
	"unicode/utf8"
)

// quotePosix writes text for bash within an open quote, or outside of quotes for 0. Each
// character is written by itself, so that what several words share is written alike in all
// of them. ok is false where a quote cannot hold the text.
func quotePosix(text string, quote byte) (quoted string, ok bool) {
	var b strings.Builder
	for _, r := range text {
		switch {
		case quote == '\'' && r == '\'',
			quote == '"' && (r == '"' || r == '!'): // readline counts quotes; ! is the history's, and \! two characters
			return "", false
		case quote == '"' && strings.ContainsRune("\\$`", r),
			quote == 0 && r < utf8.RuneSelf && !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("/.-_:=@%+,", r):
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String(), true
}

// quotePowerShell writes a word for PowerShell.
func quotePowerShell(text string) string {
	plain := text != "" && strings.IndexFunc(text, func(r rune) bool {
		return r >= utf8.RuneSelf || !isLetter(byte(r)) && !isDigit(byte(r)) && !strings.ContainsRune("/.-_:=+%", r)
	}) < 0
	if strings.HasPrefix(text, "-") && strings.ContainsAny(text, ".:") {
		plain = false // PowerShell cuts such a word in two
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
