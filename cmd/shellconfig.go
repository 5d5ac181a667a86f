package cmd

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/shell"
)

// shellSettings are what the config file says about the shell.
type shellSettings struct {
	prompt      shell.Prompt
	pager       *string
	suggestions bool
	colors      bool
	aliases     []command.Alias
	warnings    []error // about aliases that are not used
}

// shell reads the settings of the shell:
//
//	shell:
//	  prompt: '{cyan}{server}{plain} {path}> '
//	  pager: less -FRX
//	  suggestions: false
//	  highlighting: false
//	  aliases:
//	    ll: ls -s
func (c *config) shell(env *command.Env) (s shellSettings, err error) {
	s.suggestions, s.colors = true, true
	if c.shellNode == nil {
		return s, nil
	}
	err = c.eachKey(c.shellNode, "shell", func(key, value *yaml.Node) error {
		if key.Value == "aliases" {
			return c.eachKey(value, "aliases", func(name, line *yaml.Node) error {
				if err := c.scalar(name, line); err != nil {
					return err
				}
				a := command.Alias{Name: name.Value, Line: strings.TrimSpace(line.Value)}
				if err := checkAlias(env, a); err != nil {
					s.warnings = append(s.warnings, c.at(name, "alias %q: %v", a.Name, err))
					return nil
				}
				s.aliases = append(s.aliases, a)
				return nil
			})
		}
		if err := c.scalar(key, value); err != nil {
			return err
		}
		var err error
		switch key.Value {
		case "prompt":
			s.prompt, err = shell.ParsePrompt(value.Value)
		case "pager":
			s.pager = &value.Value
		case "suggestions":
			err = value.Decode(&s.suggestions)
		case "highlighting":
			err = value.Decode(&s.colors)
		default:
			return c.unknown(key, "prompt", "pager", "suggestions", "highlighting", "aliases")
		}
		if err != nil && strings.HasPrefix(err.Error(), "yaml: ") {
			err = fmt.Errorf("%s: invalid value %q; use true or false", key.Value, value.Value)
		}
		if err != nil {
			return c.at(value, "%v", err)
		}
		return nil
	})
	return s, err
}

// checkAlias returns why an alias cannot be used. A command wins over it, so that it does not turn into something else unnoticed.
func checkAlias(env *command.Env, a command.Alias) error {
	tokens, _ := command.Lex(a.Name)
	switch {
	case len(tokens) != 1 || tokens[0].Operator || tokens[0].Quoted || strings.HasPrefix(a.Name, "-"):
		return errors.New("it is not a word that can start a line")
	case env.Commands.Lookup(a.Name) != nil || env.Verb(a.Name) != nil:
		return errors.New("it is not used, because a command has that name; rename it")
	}
	return shell.CheckLine(a.Line)
}

// pagerLine returns the program for output that is longer than the terminal: that of the config file, or else $PAGER; "" for none.
func (s *shellSettings) pagerLine() string {
	line := os.Getenv("PAGER")
	if s.pager != nil {
		line = *s.pager
	}
	if line = strings.TrimSpace(line); slices.Contains([]string{"cat", "off", "false", "none"}, line) {
		return ""
	}
	return line
}
