package ensemble

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/ui"
)

// pairsOf returns the names and values of an answer, in the member's order.
func pairsOf(v any) (pairs [][2]string) {
	switch v := v.(type) {
	case *answer.Metrics:
		for _, m := range v.List {
			pairs = append(pairs, [2]string{m.Name, m.Text})
		}
		return pairs
	case *answer.Settings:
		for _, key := range v.Keys {
			pairs = append(pairs, [2]string{key, v.Get(key)})
		}
		return pairs
	}
	// A struct: fields in the order of their declaration.
	raw, err := escape.MarshalJSON(v)
	if err != nil {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	if _, err := d.Token(); err != nil {
		return nil
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return pairs
		}
		var value any
		if d.Decode(&value) != nil {
			return pairs
		}
		text := answer.Unknown
		switch value := value.(type) {
		case string:
			text = value
		case json.Number:
			text = value.String()
		case bool:
			text = strconv.FormatBool(value)
		case nil:
		default:
			continue
		}
		pairs = append(pairs, [2]string{fmt.Sprint(key), text})
	}
	return pairs
}

// chosenPairs returns the pairs with matching names as an object.
func chosenPairs(v any, filter *regexp.Regexp) any {
	m := map[string]any{}
	switch v := v.(type) {
	case *answer.Metrics:
		for _, metric := range v.List {
			if n, ok := metric.Number.Get(); ok && filter.MatchString(metric.Name) {
				m[metric.Name] = n
			} else if filter.MatchString(metric.Name) {
				m[metric.Name] = metric.Text
			}
		}
	default:
		for _, pair := range pairsOf(v) {
			if filter.MatchString(pair[0]) {
				m[pair[0]] = pair[1]
			}
		}
	}
	return m
}

// printMatrix prints a row for each name and a column for each member. A member that did not answer has "?"; one
// without the name has an empty cell. Members that do not fit the terminal beside the others follow below.
func printMatrix(s *ui.Streams, filter *regexp.Regexp, answers []*wordAnswer) error {
	head := []string{"NAME"}
	var names []string
	values := map[string][]string{}
	for i, a := range answers {
		head = append(head, escape.Line(a.member.Name()))
		for _, pair := range pairsOf(a.value) {
			if filter != nil && !filter.MatchString(pair[0]) {
				continue
			}
			row, ok := values[pair[0]]
			if !ok {
				row = make([]string, len(answers))
				names = append(names, pair[0])
			}
			row[i] = pair[1]
			values[pair[0]] = row
		}
	}
	rows := [][]string{head}
	for _, name := range names {
		row := []string{escape.Line(name)}
		for i, value := range values[name] {
			if answers[i].err != nil {
				value = answer.Unknown
			}
			row = append(row, escape.Line(value))
		}
		rows = append(rows, row)
	}
	width := math.MaxInt
	if s.OutTTY {
		width = s.Width
	}
	_, err := io.WriteString(s.Out, ui.StackTable(rows, width, head[1:]...))
	return err
}
