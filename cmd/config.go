package cmd

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sort"
	"strings"

	"github.com/adrg/xdg"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v3"

	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/nearest"
	"github.com/zkctl/zkctl/internal/source"
	"github.com/zkctl/zkctl/internal/ui"
)

// configFile returns the default path of the config file.
func configFile() string { return filepath.Join(xdg.ConfigHome, "zkctl", "config.yaml") }

// shownConfigFile returns configFile as shown in help.
func shownConfigFile() string {
	file := configFile()
	if home, err := os.UserHomeDir(); err == nil {
		if rel, err := filepath.Rel(home, file); err == nil && !strings.HasPrefix(rel, "..") {
			return filepath.Join("~", rel)
		}
	}
	return file
}

// config is a config file. Its format:
//
//	default-profile: dev
//	profiles:
//	  dev: {server: localhost:2181}
//	  prod:
//	    server: zk1:2281,zk2:2281
//	    tls: true
//	    auth-file: prod.auth
//
// and the settings of the shell.
type config struct {
	file      string
	fallback  string // default-profile
	profiles  map[string]*yaml.Node
	shellNode *yaml.Node // see shell; nil if there is none
}

// readConfig reads the file; if named is false, it need not exist.
func readConfig(file string, named bool) (*config, error) {
	text, err := infile.Settings(file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		return &config{file: file}, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the config file: %w", err)
	}
	c := &config{file: file, profiles: map[string]*yaml.Node{}}
	var doc yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	if err := decoder.Decode(&doc); errors.Is(err, io.EOF) {
		return c, nil
	} else if line := tabbed(text); err != nil && line > 0 {
		return nil, fmt.Errorf("%s, line %d: YAML allows only spaces before a key, not tabs", file, line)
	} else if err != nil {
		return nil, fmt.Errorf("%s: %s", file, strings.TrimPrefix(err.Error(), "yaml: "))
	}
	err = c.eachKey(doc.Content[0], "the file", func(key, value *yaml.Node) error {
		switch key.Value {
		case "default-profile":
			c.fallback = value.Value
			return c.scalar(key, value)
		case "profiles":
			return c.eachKey(value, "profiles", func(name, body *yaml.Node) error {
				if err := source.CheckName(name.Value); err != nil {
					return c.at(name, "profile: %v", err)
				}
				c.profiles[name.Value] = body
				return nil
			})
		case "shell":
			c.shellNode = value
			return nil
		}
		return c.unknown(key, "default-profile", "profiles", "shell")
	})
	return c, err
}

// tabbed returns the number of the first line indented with a tab, or 0.
func tabbed(text []byte) int {
	number := 0
	for line := range bytes.Lines(text) {
		number++
		if indent := line[:len(line)-len(bytes.TrimLeft(line, " \t"))]; bytes.IndexByte(indent, '\t') >= 0 {
			return number
		}
	}
	return 0
}

func (c *config) at(n *yaml.Node, format string, a ...any) error {
	return fmt.Errorf("%s, line %d: %s", c.file, n.Line, fmt.Sprintf(format, a...))
}

func (c *config) unknown(key *yaml.Node, known ...string) error {
	hint := "use one of " + strings.Join(known, ", ")
	if q := nearest.DidYouMean(key.Value, "", known); q != "" {
		hint = q
	} else if len(known) > 4 {
		hint = "the keys of a profile are the long options in zkctl --help, without dashes"
	}
	return c.at(key, "unknown key %q; %s", key.Value, hint)
}

func (c *config) scalar(key, value *yaml.Node) error {
	if value.Kind != yaml.ScalarNode {
		return c.at(key, "%s needs a single value, not a list or a map", key.Value)
	}
	return nil
}

// eachKey visits the keys of a map; an empty value is an empty map.
func (c *config) eachKey(n *yaml.Node, what string, visit func(key, value *yaml.Node) error) error {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return c.at(n, "%s must be a map of keys and values", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			return c.at(key, "duplicate key %q", key.Value)
		}
		seen[key.Value] = true
		if err := visit(key, resolveAlias(n.Content[i+1])); err != nil {
			return err
		}
	}
	return nil
}

func resolveAlias(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

func (c *config) names() []string {
	names := make([]string, 0, len(c.profiles))
	for name := range c.profiles {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// chosen returns the profile that is used if profile, or "", is asked for; "" for none.
func (c *config) chosen(profile string) string { return cmp.Or(profile, c.fallback) }

// fill sets the options not set on the command line or in the environment from the profile, ""
// for the default one. secret reports whether the profile holds a secret.
func (c *config) fill(flags *pflag.FlagSet, profile string) (secret bool, err error) {
	if profile = c.chosen(profile); profile == "" {
		return false, nil
	}
	body, ok := c.profiles[profile]
	if !ok {
		names := c.names()
		has := "has none"
		if len(names) > 0 {
			has = "has " + strings.Join(names, ", ")
		}
		if q := nearest.DidYouMean(profile, "", names); q != "" {
			has += "; " + q
		}
		return false, fmt.Errorf("no profile %q: %s %s", profile, c.file, has)
	}
	var known []string
	flags.VisitAll(func(f *pflag.Flag) {
		if key := profileKey(f); key != "" {
			known = append(known, key)
		}
	})
	err = c.eachKey(body, "the profile "+profile, func(key, value *yaml.Node) error {
		if !slices.Contains(known, key.Value) {
			return c.unknown(key, known...)
		}
		f := flags.Lookup(key.Value)
		secret = secret || isSecret(f.Name)
		values, err := c.values(f, key, value)
		if err != nil || f.Changed {
			return err
		}
		if err := set(flags, f, values); err != nil {
			return c.at(value, "%s: %v", key.Value, err)
		}
		return nil
	})
	return secret, err
}

// fillKnown sets those of the options that a profile has, whatever else is in it.
func (c *config) fillKnown(flags *pflag.FlagSet, profile string) error {
	return c.eachKey(c.profiles[profile], "the profile "+profile, func(key, value *yaml.Node) error {
		f := flags.Lookup(key.Value)
		if f == nil {
			return nil
		}
		values, err := c.values(f, key, value)
		if err == nil {
			err = set(flags, f, values)
		}
		if err != nil {
			return c.at(value, "%s: %v", key.Value, err)
		}
		return nil
	})
}

func (c *config) values(f *pflag.Flag, key, value *yaml.Node) ([]string, error) {
	nodes := []*yaml.Node{value}
	if _, list := f.Value.(pflag.SliceValue); list && value.Kind == yaml.SequenceNode {
		nodes = value.Content
	}
	var values []string
	for _, n := range nodes {
		n = resolveAlias(n)
		if err := c.scalar(key, n); err != nil {
			return nil, err
		}
		v := n.Value
		if _, isFile := f.Annotations[isFileKey]; isFile && v != "" {
			v = c.path(v)
		}
		values = append(values, v)
	}
	return values, nil
}

// path returns the path of a file named in the config file: ~ is the home folder, and a relative
// path starts in the config file's folder.
func (c *config) path(name string) string {
	if rest, ok := strings.CutPrefix(name, "~"); ok && (rest == "" || os.IsPathSeparator(rest[0])) {
		if home, err := os.UserHomeDir(); err == nil {
			return filepath.Join(home, rest)
		}
	}
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(filepath.Dir(c.file), name)
}

func isSecret(option string) bool { return option == "auth" || strings.HasSuffix(option, "-password") }

// warnIfShared warns about a file that holds a secret and can be read by others.
func warnIfShared(s *ui.Streams, file string) {
	if runtime.GOOS == "windows" {
		return
	}
	info, err := os.Stat(file)
	if err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o077 != 0 {
		ui.Warn(s.Err, "%s holds a secret but can be read by others (mode %04o); run: chmod 600 %s",
			file, info.Mode().Perm(), file)
	}
}
