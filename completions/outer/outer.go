// Package outer is completion in the shells that zkctl is run from. A shell's script passes zkctl
// the line up to the cursor unchanged; zkctl splits it as the shell would, and answers in the
// form that the script expects. Names come from a server that need not be trusted: neither the
// line nor an answer is ever evaluated, and whatever an answer inserts is quoted.
package outer

import (
	"embed"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/completions"
	"github.com/zkctl/zkctl/internal/escape"
)

// Shells are the shells that have a script.
var Shells = []string{"bash", "zsh", "fish", "powershell"}

//go:embed scripts
var scripts embed.FS

// Script returns the completion script for one of the Shells.
func Script(shell string) []byte {
	text, err := scripts.ReadFile("scripts/zkctl." + shell)
	if err != nil {
		panic(err)
	}
	return text
}

// Request is a script's request: zkctl __complete SHELL LINE [WORD TYPE COLUMNS].
type Request struct {
	Shell string
	Line
	replaced string // bash: the end of the line, which an answer replaces
	mode     string // bash: COMP_TYPE
	width    int    // bash: of the terminal
}

// LineVariable is the environment variable that holds the line in PowerShell, whose arguments
// lose quotes on their way to a program.
const LineVariable = "ZKCTL_COMPLETE_LINE"

// ParseRequest parses a script's request; lookup finds a variable. ok is false if nothing can be
// completed: the line holds something that only its shell can evaluate.
func ParseRequest(args []string, lookup func(string) (string, bool)) (r Request, ok bool) {
	if len(args) == 0 || !slices.Contains(Shells, args[0]) {
		return r, false
	}
	args = append(args, "", "", "", "")
	r.Shell, r.replaced, r.mode = args[0], args[2], args[3]
	if r.width, _ = strconv.Atoi(args[4]); r.width <= 0 {
		r.width = 80
	}
	text := args[1]
	if r.Shell == "powershell" {
		text, _ = lookup(LineVariable)
	}
	r.Line, ok = split(r.Shell, text, lookup)
	return r, ok
}

// Answer writes what can replace the word.
func (r *Request) Answer(w io.Writer, found completions.Result) error {
	// ZooKeeper allows no control characters in a name, but a hostile server may send any: a line
	// break would start another answer. Characters that change the writing direction would show a
	// different line than the one that runs.
	found.Suggestions = slices.DeleteFunc(slices.Clone(found.Suggestions), func(s completions.Suggestion) bool {
		return escape.Line(s.Text) != s.Text
	})
	var lines []string
	switch r.Shell {
	case "bash":
		lines = r.bash(found)
	case "zsh":
		lines = r.zsh(found)
	case "fish":
		lines = r.fish(found)
	case "powershell":
		lines = r.powershell(found)
	}
	_, err := io.WriteString(w, strings.Join(append(lines, ""), "\n"))
	return err
}

// nativeFiles tells zsh and fish to complete a file themselves.
const nativeFiles = "files"

// zsh quotes and compares by itself. A line has the suffix that the suggestion gets, the
// suggestion, and what to show for it.
func (r *Request) zsh(found completions.Result) (lines []string) {
	if found.Files {
		return []string{nativeFiles}
	}
	for _, s := range found.Suggestions {
		kind := "open"
		switch {
		case s.Final:
			kind = "final"
		case s.Parent:
			kind = "parent"
		}
		lines = append(lines, kind+"\t"+s.Text+"\t"+shown(s))
	}
	return lines
}

// fish quotes and compares by itself, too. It puts a space after the only suggestion, so a znode
// with children is suggested with a slash as well.
func (r *Request) fish(found completions.Result) (lines []string) {
	if found.Files {
		return []string{nativeFiles}
	}
	if list := found.Suggestions; len(list) == 1 && list[0].Parent {
		below := list[0]
		below.Text += "/"
		found.Suggestions = append(list, below)
	}
	for _, s := range found.Suggestions {
		if s.Help != "" {
			s.Text += "\t" + escape.Line(s.Help)
		}
		lines = append(lines, s.Text)
	}
	return lines
}

// powershell expects whole words, quoted. A line has the text to insert, what to show for it, and
// help.
func (r *Request) powershell(found completions.Result) (lines []string) {
	for _, s := range found.Suggestions {
		text := quotePowerShell(s.Text)
		help := escape.Line(s.Help)
		if help == "" {
			help = text
		}
		lines = append(lines, text+"\t"+escape.Line(label(s))+"\t"+help)
	}
	return lines
}

// shown is a suggestion as shown in a list.
func shown(s completions.Suggestion) string {
	text := escape.Line(label(s))
	if help := escape.Line(s.Help); help != "" {
		text += "  (" + help + ")"
	}
	return text
}

func label(s completions.Suggestion) string {
	if s.Label != "" {
		return s.Label
	}
	return s.Text
}
