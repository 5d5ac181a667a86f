package commands

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/jsondoc"
	"github.com/zkctl/zkctl/internal/lazyre"
	"github.com/zkctl/zkctl/internal/ui"
	"github.com/zkctl/zkctl/internal/unpack"
)

// shape is how the data of a znode is written, which an edit keeps: whether it is compressed, ends with a line
// break, is JSON on one line or not text at all. In the editor, JSON on one line is indented and binary data in hex.
type shape struct {
	before []byte // the data
	inside []byte // the same, decompressed
	form   unpack.Form
	ended  bool // ends with a line break
	hex    bool
	line   *jsondoc.Doc            // JSON on one line
	check  func(text []byte) error // of what must stay JSON or YAML; nil for others
}

// lineError is about a line of a text in the editor.
type lineError struct {
	line    int // from 1
	problem string
}

func (e *lineError) Error() string { return fmt.Sprintf("%s (line %d)", e.problem, e.line) }

// newShape returns the shape of the data of a znode, and the data as text.
func newShape(path string, data []byte, unchecked bool) (s shape, text string, err error) {
	inside, form, err := unpack.Data(data, maxInside)
	if err != nil {
		return s, "", err
	}
	s.before, s.inside, s.form = data, inside, form
	if !escape.Printable(inside) {
		s.hex = true
		return s, hexHead + ui.HexRows(inside, "  # "), nil
	}
	s.ended = bytes.HasSuffix(inside, []byte("\n"))
	if !unchecked {
		s.check = checkOf(path, inside)
		if doc, err := jsondoc.Parse(inside); err == nil && isTree(inside) && !bytes.Contains(bytes.TrimSpace(inside), []byte("\n")) {
			s.line = doc
		}
	}
	return s, s.text(inside), nil
}

// again returns the new data of the same znode as text, if it still has the shape.
func (s *shape) again(path string, data []byte, unchecked bool) (text string, err error) {
	now, text, err := newShape(path, data, unchecked)
	if err == nil && (now.hex != s.hex || now.form != s.form) {
		err = errors.New("its data is of another kind now")
	}
	now.check = s.check
	*s = now
	return text, err
}

// text returns data that is text, as the editor shows it: with a line break at the end, which many editors add.
func (s *shape) text(inside []byte) string {
	if s.line != nil {
		var rows bytes.Buffer
		if json.Indent(&rows, bytes.TrimSpace(inside), "", "  ") == nil {
			return rows.String() + "\n"
		}
	}
	if len(inside) > 0 && !s.ended {
		return string(inside) + "\n"
	}
	return string(inside)
}

// data turns an edited text back into data. Its error is a lineError if the text is not what it should be.
func (s *shape) data(text string) (data []byte, err error) {
	inside := []byte(text)
	switch {
	case s.hex:
		inside, err = parseHexText(text)
	case s.check != nil:
		err = s.check(inside)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case s.hex:
	case s.line != nil:
		doc, err := jsondoc.Parse(inside)
		if err != nil {
			return nil, err
		}
		inside = s.line.Rewrite(doc)
	case s.ended && len(inside) > 0 && !bytes.HasSuffix(inside, []byte("\n")):
		inside = append(inside, '\n')
	case !s.ended:
		inside = bytes.TrimSuffix(inside, []byte("\n"))
	}
	switch {
	case bytes.Equal(inside, s.inside):
		return s.before, nil
	case s.form != "":
		return unpack.Like(s.before, inside)
	}
	return inside, nil
}

// checkOf returns the check of data that is JSON or YAML, or has a name that says so.
func checkOf(path string, data []byte) func([]byte) error {
	empty := len(bytes.TrimSpace(data)) == 0
	name := strings.ToLower(path)
	switch {
	case isTree(data) && checkJSON(data) == nil, empty && strings.HasSuffix(name, ".json"):
		return checkJSON
	case (strings.HasSuffix(name, ".yaml") || strings.HasSuffix(name, ".yml")) && (empty || checkYAML(data) == nil):
		return checkYAML
	}
	return nil
}

// isTree reports whether text begins as a JSON object or array does.
func isTree(text []byte) bool {
	text = bytes.TrimSpace(text)
	return len(text) > 0 && (text[0] == '{' || text[0] == '[')
}

func checkJSON(text []byte) error {
	var syntax *jsondoc.SyntaxError
	if err := jsondoc.Check(text); errors.As(err, &syntax) {
		return &lineError{syntax.Line, fmt.Sprintf("not JSON: %s, column %d", syntax.Problem, syntax.Column)}
	} else if err != nil {
		return err
	}
	return nil
}

// yamlLine begins an error that names a line.
var yamlLine = lazyre.New(`^line (\d+): `)

func checkYAML(text []byte) error {
	var err error
	for d := yaml.NewDecoder(bytes.NewReader(text)); err == nil; {
		err = d.Decode(&yaml.Node{}) // which expands no aliases
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	line := 1
	problem := strings.TrimPrefix(err.Error(), "yaml: ")
	if found := yamlLine().FindStringSubmatch(problem); found != nil {
		line, _ = strconv.Atoi(found[1])
		problem = problem[len(found[0]):]
	}
	return &lineError{max(line, 1), "not YAML: " + problem}
}

// hexHead begins a text of bytes in hex.
const hexHead = "# The bytes of the znode in hex. What follows a # is ignored.\n"

func parseHexText(text string) (data []byte, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line, _, _ = strings.Cut(line, "#")
		row, err := hex.DecodeString(strings.Join(strings.Fields(line), ""))
		if err != nil {
			return nil, &lineError{n, "not bytes in hex: " + strings.TrimPrefix(err.Error(), "encoding/hex: ")}
		}
		data = append(data, row...)
	}
	return data, nil
}
