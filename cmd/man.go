package cmd

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/zkctl/zkctl/commands"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/man"
	"github.com/zkctl/zkctl/internal/version"
)

// manVerb writes the manual pages; packages are made with it.
func (a *app) manVerb() command.Verb {
	return command.Verb{
		Name: "man", Short: "write the manual pages to a folder", Group: command.Other, Outside: true, Hidden: true,
		New: func(*command.Env) *cobra.Command {
			return &cobra.Command{
				Use:                   "man folder",
				DisableFlagsInUseLine: true,
				Long: `Write a manual page for zkctl and one for each of its commands
(zkctl.1, zkctl-ls.1, zkctl-txnlog-dump.1, ...) to a folder,
which is created if it does not exist.`,
				Example: `  zkctl man ./man
  sudo zkctl man /usr/local/share/man/man1`,
				RunE: func(_ *cobra.Command, words []string) error {
					if len(words) != 1 {
						return errors.New("missing folder to write to, such as: zkctl man ./man")
					}
					if err := os.MkdirAll(words[0], 0o755); err != nil {
						return err
					}
					date, _, _ := strings.Cut(version.CommitDate(), "T")
					for _, p := range a.manPages() {
						var b bytes.Buffer
						if err := p.Write(&b, version.Release(), date); err != nil {
							return err
						}
						if err := os.WriteFile(filepath.Join(words[0], p.Name+".1"), b.Bytes(), 0o644); err != nil {
							return err
						}
					}
					return nil
				},
			}
		},
	}
}

// manPages are the pages of zkctl, its znode commands and its verbs.
func (a *app) manPages() []*man.Page {
	main := a.manPage()
	pages := []*man.Page{main}
	for _, c := range commands.All {
		if c.Group != command.ShellCmd {
			pages = append(pages, znodeManPage(c))
		}
	}
	env := a.env()
	for _, v := range env.Listed() {
		pages = append(pages, verbManPages(v.Tree(env))...)
	}
	for _, p := range pages[1:] {
		if strings.Count(p.Name, "-") == 1 {
			main.SeeAlso = append(main.SeeAlso, p.Name)
		}
	}
	return pages
}

// manPage is zkctl.1.
func (a *app) manPage() *man.Page {
	p := &man.Page{
		Name: "zkctl", Short: "a command line for Apache ZooKeeper",
		Synopsis: []string{"zkctl [options]", "zkctl [options] command ...", "zkctl [options] < script"},
		Sections: []man.Section{{Title: "Description", Paragraphs: []string{
			"Without a command, zkctl opens a shell on the servers. With a command, it runs the command and exits. " +
				"If its input is a pipe or a file, it runs the commands in it, one per line.",
			"Put options before the command, with one dash or two.",
		}}},
	}
	for _, group := range optionGroups {
		p.Sections = append(p.Sections, man.Section{Title: group + " options", Terms: terms(optionRows(a.flags, group))})
	}
	for _, g := range a.commandGroups() {
		p.Sections = append(p.Sections, man.Section{Title: g.name, Terms: terms(g.rows)})
	}
	_, examples, _ := strings.Cut(helpHead, "Examples:\n")
	p.Sections = append(p.Sections, man.Section{Title: "Examples", Verbatim: examples}, man.Section{Title: "Environment", Paragraphs: []string{
		"Options can also be set in the environment (-server as ZKCTL_SERVER) or in a profile of the config file. " +
			"The command line overrides the environment, which overrides the profile.",
	}}, man.Section{Title: "Files", Terms: []man.Term{{Term: shownConfigFile(), Meaning: "profiles"}}},
		man.Section{Title: "Exit status", Terms: []man.Term{{Term: "0", Meaning: "done"}, {Term: "1", Meaning: "failure; see stderr"},
			{Term: "127", Meaning: "unknown command"}, {Term: "130, 141, 143", Meaning: "interrupted; the reader of the output is gone; terminated"}}})
	return p
}

// znodeManPage is the page of a znode command.
func znodeManPage(c *command.Command) *man.Page {
	p := &man.Page{Name: "zkctl-" + c.Name, Short: c.Short, Synopsis: []string{"zkctl [options] " + c.UsageLine()}, SeeAlso: []string{"zkctl"}}
	var about []string
	if c.Long != "" {
		about = append(about, c.Long)
	}
	if len(c.Aliases) > 0 {
		about = append(about, "Also: "+strings.Join(c.Aliases, ", ")+".")
	}
	p.Sections = append(p.Sections, section("Description", about, nil))
	p.Sections = append(p.Sections, section("Options", nil, terms(c.OptionRows())))
	var arguments, examples []man.Term
	for _, arg := range c.Args {
		if arg.Help != "" {
			arguments = append(arguments, man.Term{Term: arg.Name, Meaning: arg.Help})
		}
	}
	for _, e := range c.Examples {
		examples = append(examples, man.Term{Term: e[0], Meaning: e[1]})
	}
	p.Sections = append(p.Sections, section("Arguments", nil, arguments), section("Exit status", nil, terms(c.Exits.Rows())), section("Examples", nil, examples))
	if c.Differs != "" {
		p.Sections = append(p.Sections, section("Unlike zkCli", []string{c.Differs}, nil))
	}
	p.Sections = filled(p.Sections)
	return p
}

// verbManPages are the pages of a verb and its subcommands.
func verbManPages(c *cobra.Command) []*man.Page {
	name := strings.ReplaceAll(c.CommandPath(), " ", "-")
	p := &man.Page{Name: name, Short: c.Short, Synopsis: []string{command.UseLine(c)}, SeeAlso: []string{"zkctl"}}
	if c.Parent() != c.Root() {
		p.SeeAlso = []string{strings.ReplaceAll(c.Parent().CommandPath(), " ", "-")}
	}
	pages := []*man.Page{p}
	var subcommands []man.Term
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			subcommands = append(subcommands, man.Term{Term: sub.Name(), Meaning: sub.Short})
			below := verbManPages(sub)
			p.SeeAlso = append(p.SeeAlso, below[0].Name)
			pages = append(pages, below...)
		}
	}
	about := man.Section{Title: "Description", Verbatim: c.Long}
	if c.Long == "" {
		about.Paragraphs = []string{strings.ToUpper(c.Short[:1]) + c.Short[1:] + "."}
	}
	p.Sections = filled([]man.Section{
		about,
		section("Commands", nil, subcommands),
		section("Options", nil, terms(command.OptionRows(c.LocalFlags()))),
		section("Exit status", nil, terms(command.ExitsOf(c).Rows())),
		{Title: "Examples", Verbatim: c.Example},
	})
	return pages
}

func section(title string, paragraphs []string, t []man.Term) man.Section {
	return man.Section{Title: title, Paragraphs: paragraphs, Terms: t}
}

// filled drops empty sections.
func filled(sections []man.Section) (out []man.Section) {
	for _, s := range sections {
		if len(s.Paragraphs)+len(s.Terms)+len(s.Verbatim) > 0 {
			out = append(out, s)
		}
	}
	return out
}

func terms(rows [][2]string) (out []man.Term) {
	for _, r := range rows {
		out = append(out, man.Term{Term: r[0], Meaning: r[1]})
	}
	return out
}
