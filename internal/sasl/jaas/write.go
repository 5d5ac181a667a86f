package jaas

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// digestModule is the class that serves both clients and servers.
const digestModule = "org.apache.zookeeper.server.auth.DigestLoginModule"

// ClientText returns a section with the identity of a client for DIGEST-MD5.
func ClientText(section, user, password string) (string, error) {
	return text(section, map[string]string{"username": user, "password": password})
}

// ServerText returns a section of a server with its users and their passwords.
func ServerText(section string, users map[string]string) (string, error) {
	options := map[string]string{}
	for user, password := range users {
		if user == "" || password == "" {
			return "", errors.New("a user or a password of SASL is empty")
		}
		options["user_"+user] = password
	}
	return text(section, options)
}

func text(section string, options map[string]string) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "%s {\n    %s required", section, digestModule)
	for _, name := range slices.Sorted(maps.Keys(options)) {
		b.WriteString("\n    ")
		for i, word := range []string{name, options[name]} {
			if i > 0 {
				b.WriteByte('=')
			}
			quoted, err := quote(word)
			if err != nil {
				return "", err
			}
			b.WriteString(quoted)
		}
	}
	b.WriteString(";\n};\n")
	return b.String(), nil
}

// quote puts a word between quotes. The error does not repeat it, because it may be a secret.
func quote(word string) (string, error) {
	switch {
	case strings.ContainsFunc(word, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\ufffd' }):
		return "", errors.New("a user or a password of SASL has a control character, or is not UTF-8")
	case strings.Contains(word, "${"):
		return "", errors.New("a user or a password of SASL contains ${, which Java would replace")
	}
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`, nil
}
