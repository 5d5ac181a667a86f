package commands

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/command"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
	"github.com/zkctl/zkctl/internal/jsondoc"
	"github.com/zkctl/zkctl/internal/proto"
	"github.com/zkctl/zkctl/internal/source"
)

// manifest is a znode in a file of apply.
type manifest struct {
	Path     string               `yaml:"path"` // of the first of a document
	Data     *string              `yaml:"data"`
	JSON     yaml.Node            `yaml:"json"`
	Base64   *string              `yaml:"base64"`
	File     *string              `yaml:"file"` // relative to the folder of the manifest
	ACL      string               `yaml:"acl"`
	Kind     source.Kind          `yaml:"kind"`
	TTL      int64                `yaml:"ttl"` // in ms
	Children map[string]*manifest `yaml:"children"`
}

// described is a znode as files describe it. What they do not say stays as it is.
type described struct {
	path string
	data []byte       // nil if they do not say
	json *jsondoc.Doc // data that only counts as JSON, whatever its white space
	acl  []proto.ACL  // nil if they do not say
	kind source.Kind
	ttl  int64
}

// manifests reads the files that -f names: a file, the .yaml and .yml files of a folder, or - for standard input.
func manifests(ctx context.Context, env *command.Env, name string) (all []described, roots []string, err error) {
	files := []string{name}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		files = nil
		for _, pattern := range []string{"*.yaml", "*.yml"} {
			found, _ := filepath.Glob(filepath.Join(name, pattern)) // the pattern is valid
			files = append(files, found...)
		}
		if slices.Sort(files); len(files) == 0 {
			return nil, nil, fmt.Errorf("no .yaml or .yml file in %q", name)
		}
	}
	for _, file := range files {
		var text []byte
		if file == "-" {
			text, err = env.ReadInput(ctx, env.Streams.In, "standard input")
		} else {
			text, err = readFile(ctx, env, file)
		}
		if err != nil {
			return nil, nil, err
		}
		d := yaml.NewDecoder(bytes.NewReader(text))
		d.KnownFields(true)
		for {
			var m manifest
			if err := d.Decode(&m); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, nil, fmt.Errorf("%s: %s", escape.Line(file), escape.Line(yamlProblem(err)))
			}
			if !strings.HasPrefix(m.Path, "/") {
				return nil, nil, fmt.Errorf("%s: a document begins with the path of a znode, such as path: /app, not %q", escape.Line(file), m.Path)
			}
			roots = append(roots, m.Path)
			if all, err = m.describe(ctx, env, m.Path, filepath.Dir(file), all); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", escape.Line(file), err)
			}
		}
	}
	slices.SortFunc(all, func(a, b described) int { return source.Compare(a.path, b.path) })
	for i := range all[:max(0, len(all)-1)] {
		if all[i].path == all[i+1].path {
			return nil, nil, fmt.Errorf("%s is described twice", escape.Line(all[i].path))
		}
	}
	return all, roots, nil
}

// yamlProblem says what is wrong with a file, with its lines.
func yamlProblem(err error) string {
	text := strings.TrimPrefix(err.Error(), "yaml: ")
	var wrong *yaml.TypeError
	if errors.As(err, &wrong) {
		text = strings.Join(wrong.Errors, "; ")
	}
	return strings.ReplaceAll(text, " in type commands.manifest", "")
}

// readFile reads a file whose content may become the data of a znode.
func readFile(ctx context.Context, env *command.Env, name string) ([]byte, error) {
	f, err := infile.Open(ctx, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return env.ReadInput(ctx, f, name)
}

// describe adds the znode and those below it to all.
func (m *manifest) describe(ctx context.Context, env *command.Env, path, folder string, all []described) ([]described, error) {
	if err := client.ValidatePath(path); err != nil {
		return nil, err
	}
	d, err := m.read(ctx, env, folder)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", escape.Line(path), err)
	}
	d.path = path
	all = append(all, d)
	for _, name := range slices.Sorted(maps.Keys(m.Children)) {
		child := m.Children[name]
		switch {
		case child == nil: // a name alone
			child = &manifest{}
		case child.Path != "":
			return nil, fmt.Errorf("%s: only the first znode of a document has a path; %s is named by its key", escape.Line(path), escape.Line(name))
		}
		if strings.Contains(name, "/") {
			return nil, fmt.Errorf("%s: %q is not the name of a child; nest it", escape.Line(path), name)
		}
		if all, err = child.describe(ctx, env, childPath(path, name), folder, all); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// read reads what the manifest says about the znode itself.
func (m *manifest) read(ctx context.Context, env *command.Env, folder string) (d described, err error) {
	given := 0
	for _, is := range []bool{m.Data != nil, !m.JSON.IsZero(), m.Base64 != nil, m.File != nil} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return d, errors.New("give one of data, json, base64 and file")
	case m.Data != nil:
		d.data = []byte(*m.Data)
	case m.Base64 != nil:
		if d.data, err = decodeBase64([]byte(*m.Base64)); err != nil {
			return d, fmt.Errorf("base64: %w", errors.Unwrap(err))
		}
	case m.File != nil:
		name := *m.File
		if !filepath.IsAbs(name) {
			name = filepath.Join(folder, name)
		}
		if d.data, err = readFile(ctx, env, name); err != nil {
			return d, err
		}
	case !m.JSON.IsZero():
		var value any
		if err = m.JSON.Decode(&value); err == nil {
			d.data, err = escape.MarshalJSON(value)
		}
		if err == nil {
			d.json, err = jsondoc.Parse(d.data)
		}
		if err != nil {
			return d, fmt.Errorf("json: %w", err)
		}
	}
	if m.ACL != "" {
		if d.acl, err = command.ParseACL(m.ACL); err != nil {
			return d, err
		}
	}
	d.kind, d.ttl = m.Kind, m.TTL
	switch d.kind {
	case "":
		d.kind = source.Persistent
	case source.Persistent, source.Container:
	case source.TTL:
		if d.ttl <= 0 || d.ttl > proto.MaxTTL {
			return d, fmt.Errorf("ttl: %d is not a number of milliseconds from 1 to %d", d.ttl, int64(proto.MaxTTL))
		}
		return d, nil
	default:
		return d, fmt.Errorf("kind: %q is not persistent, container or ttl", d.kind)
	}
	if d.ttl != 0 {
		return d, errors.New("ttl: only for kind: ttl")
	}
	return d, nil
}
