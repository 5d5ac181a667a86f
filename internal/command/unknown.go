package command

import (
	"fmt"
	"slices"
	"strings"

	"github.com/zkctl/zkctl/internal/fourletter"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/ui"
)

// elsewhere maps words of other tools to what does the same here.
var elsewhere = map[string]string{
	"cat":   "`get path` prints the data of a znode",
	"cp":    "`cp /a /b` copies a znode with everything below it",
	"echo":  "`set path data` replaces the data of a znode",
	"edit":  "`get -n /a > file` and `set /a @file` export and import the data",
	"ll":    "`ls -s path` lists the children and prints the stat",
	"mkdir": "`create path` creates a znode, `create -p path` its parents too",
	"mv":    "`mv /a /b` moves a znode with everything below it",
	"rm":    "`delete path` deletes a znode, `deleteall path` with everything below it",
}

// sameElsewhere are synonyms of those.
var sameElsewhere = map[string]string{
	"auth": "addauth", "chmod": "setAcl", "chown": "setAcl", "cls": "clear", "copy": "cp", "del": "rm", "dir": "ll",
	"getdata": "get", "getchildren": "ls", "head": "cat", "less": "cat", "login": "addauth", "more": "cat", "move": "mv",
	"nano": "edit", "put": "set", "remove": "rm", "rename": "mv", "rmdir": "rm", "setdata": "set", "tail": "cat",
	"touch": "mkdir", "vi": "edit", "vim": "edit",
}

// unknownCommand suggests the command that may have been meant.
func (env *Env) unknownCommand(name string) error {
	return &ui.ExitError{
		Code: ui.ExitUnknownCommand,
		Err:  fmt.Errorf("Command not found %s.%s `help` lists all", withoutCredential(name), env.meant(name)),
	}
}

// withoutCredential cuts off what follows a colon. No command name contains one, but scheme:data
// does, and it ends up here if the option before it was misspelt.
func withoutCredential(name string) string {
	if before, _, found := strings.Cut(name, ":"); found {
		return before + ":…"
	}
	return name
}

func (env *Env) meant(name string) string {
	word := strings.ToLower(name)
	if same, ok := sameElsewhere[word]; ok {
		word = same
	}
	if c := env.Commands.Lookup(word); c != nil {
		return fmt.Sprintf(" `%s` does: %s.", c.UsageLine(), c.Short)
	}
	if does, ok := elsewhere[word]; ok {
		return " Here " + does + "."
	}
	if slices.Contains(fourletter.Words, word) {
		verb := "zkctl 4lw"
		if env.Shell != nil {
			verb = "4lw"
		}
		return fmt.Sprintf(" It is a four-letter word; did you mean `%s %s`?", verb, word)
	}
	var names []string
	for _, c := range env.Commands {
		names = append(append(names, c.Name), c.Aliases...)
	}
	for _, v := range env.Verbs {
		switch {
		case v.Hidden:
		case v.Name == word: // and it is Outside
			return fmt.Sprintf(" It is not a command of the shell; run `zkctl %s` outside it.", word)
		default:
			names = append(names, v.Name)
		}
	}
	if q := nearest.DidYouMean(name, "", names); q != "" {
		return " D" + q[1:]
	}
	return ""
}
