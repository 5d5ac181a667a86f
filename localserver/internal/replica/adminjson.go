package replica

import (
	"bufio"
	"fmt"
	"iter"
	"strconv"

	"github.com/zkctl/zkctl/internal/escape"
)

// fields are a JSON object that keeps its order.
type fields []field

type field struct {
	name  string
	value any
}

// object is a JSON object whose fields are produced as they are written; so is a list.
type (
	object iter.Seq2[string, any]
	list   iter.Seq[any]
)

func (f fields) all() object {
	return func(yield func(string, any) bool) {
		for _, one := range f {
			if !yield(one.name, one.value) {
				return
			}
		}
	}
}

// listOf turns a slice into a list.
func listOf[T any](items []T) list {
	return func(yield func(any) bool) {
		for _, item := range items {
			if !yield(item) {
				return
			}
		}
	}
}

// jsonWriter formats JSON as Jackson's DefaultPrettyPrinter does. Errors are sticky in w.
type jsonWriter struct {
	w     *bufio.Writer
	depth int // of objects
}

func (j *jsonWriter) value(v any) {
	switch v := v.(type) {
	case nil:
		j.w.WriteString("null")
	case string:
		j.string(v)
	case bool:
		j.w.WriteString(strconv.FormatBool(v))
	case float64:
		j.w.WriteString(decimal(v))
	case fields:
		j.object(v.all())
	case object:
		j.object(v)
	case list:
		j.list(v)
	default: // the ints
		fmt.Fprint(j.w, v)
	}
}

func (j *jsonWriter) object(o object) {
	first := true
	j.w.WriteByte('{')
	j.depth++
	for name, v := range o {
		if !first {
			j.w.WriteByte(',')
		}
		first = false
		j.line()
		j.string(name)
		j.w.WriteString(" : ")
		j.value(v)
	}
	j.depth--
	if first {
		j.w.WriteByte(' ')
	} else {
		j.line()
	}
	j.w.WriteByte('}')
}

func (j *jsonWriter) line() {
	j.w.WriteByte('\n')
	for range j.depth {
		j.w.WriteString("  ")
	}
}

func (j *jsonWriter) list(l list) {
	first := true
	j.w.WriteByte('[')
	for v := range l {
		if !first {
			j.w.WriteByte(',')
		}
		first = false
		j.w.WriteByte(' ')
		j.value(v)
	}
	j.w.WriteString(" ]")
}

func (j *jsonWriter) string(s string) { j.w.Write(escape.AppendJSONString(j.w.AvailableBuffer(), s)) }
