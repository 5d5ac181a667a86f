package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"
)

// Template is a command line of another program, with placeholders: the value of an option --exec. No
// shell is involved: it is split into words as a line of the shell is, and placeholders are replaced
// in each word afterwards.
type Template []string

// Placeholder is a name, written as {name} in a Template, and its value.
type Placeholder struct{ Name, Value string }

// ParseTemplate splits the value of an option.
func ParseTemplate(option, line string) (Template, error) {
	tokens, err := Lex(line)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", option, err)
	}
	var t Template
	for _, token := range tokens {
		if token.Operator {
			return nil, fmt.Errorf("%s: %s has no effect, because no shell runs the command; put it into a script", option, token.Text)
		}
		t = append(t, token.Text)
	}
	if len(t) == 0 {
		return nil, fmt.Errorf("%s: the command is empty", option)
	}
	return t, nil
}

// Has reports whether a placeholder is in it.
func (t Template) Has(name string) bool {
	return slices.ContainsFunc(t, func(word string) bool { return strings.Contains(word, "{"+name+"}") })
}

// Program is a command line, with what is added to its environment: ZKCTL_NAME for each placeholder.
type Program struct {
	Words []string
	Env   []string
}

// Fill replaces the placeholders. It refuses a value that would turn a word into an option, and one that
// would name the program.
func (t Template) Fill(values ...Placeholder) (*Program, error) {
	var pairs []string
	p := &Program{}
	for _, v := range values {
		pairs = append(pairs, "{"+v.Name+"}", v.Value)
		if !strings.Contains(v.Value, "\x00") { // which no environment can hold
			p.Env = append(p.Env, "ZKCTL_"+strings.ToUpper(v.Name)+"="+v.Value)
		}
	}
	replace := strings.NewReplacer(pairs...)
	for i, word := range t {
		filled := replace.Replace(word)
		switch {
		case strings.HasPrefix(filled, "-") && !strings.HasPrefix(word, "-"):
			return nil, fmt.Errorf("%q begins with a dash, and the command could mistake it for an option", filled)
		case i == 0 && filled != word:
			return nil, errors.New("the program itself cannot be a placeholder")
		case filled != word && runtime.GOOS == "windows" && strings.ContainsAny(filled, batchSpecial) && isBatch(t[0]):
			return nil, fmt.Errorf("%q has a character that Windows would interpret as a part of a batch file's command line; name a program instead of %s", filled, t[0])
		}
		p.Words = append(p.Words, filled)
	}
	return p, nil
}

// batchSpecial are the characters that cmd.exe interprets even in quotes, or that end them.
const batchSpecial = "\"%!^&|<>()\r\n"

// isBatch reports whether Windows runs a program by cmd.exe, which reads its arguments as a command line of its own
// (CVE-2024-24576).
func isBatch(program string) bool {
	if path, err := exec.LookPath(program); err == nil {
		program = path
	}
	ext := filepath.Ext(strings.TrimRight(program, " .")) // which Windows ignores
	return strings.EqualFold(ext, ".bat") || strings.EqualFold(ext, ".cmd")
}

// String returns the words, quoted where ParseTemplate would otherwise split them; it may contain anything.
func (p *Program) String() string {
	quoted := make([]string, len(p.Words))
	for i, word := range p.Words {
		quoted[i] = Quote(word)
	}
	return strings.Join(quoted, " ")
}

// Command returns the program, ready to be given streams and run.
func (p *Program) Command(ctx context.Context) *exec.Cmd {
	c := exec.CommandContext(ctx, p.Words[0], p.Words[1:]...)
	c.Env = append(os.Environ(), p.Env...)
	return c
}

// Execute runs the program with the answer's streams, and reports a failure of its own: then ok is false. err is what interrupted it.
func (env *Env) Execute(ctx context.Context, p *Program, input []byte) (ok bool, err error) {
	c := p.Command(ctx)
	if input != nil {
		c.Stdin = bytes.NewReader(input)
	}
	c.Stdout, c.Stderr = env.Streams.Out, env.Streams.Err
	c.WaitDelay = time.Second // for what it leaves behind with its output open
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return false, context.Cause(ctx)
		}
		env.Complain(fmt.Errorf("--exec: %s: %w", env.Streams.Name(p.String()), err))
		return false, nil
	}
	return true, nil
}
