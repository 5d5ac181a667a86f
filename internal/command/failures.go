package command

import (
	"errors"

	"github.com/zkctl/zkctl/internal/client"
)

// Failures are znodes for which the server refused what it did for others, or gave an answer that is too long. The zero
// value is empty.
type Failures struct {
	List []Failure // the first ones
	N    int       // the total number
}

// Failure is a single failure, as in JSON.
type Failure struct {
	Path  string          `json:"path"`
	Error string          `json:"error"`
	Op    *client.OpError `json:"-"` // nil if the answer is too long
	Err   error           `json:"-"`
}

// tooLong is the Failure.Error of an answer that is longer than -jute-maxbuffer.
const tooLong = "TOOLONG"

// maxNamed limits how many are kept to be named; all are counted.
const maxNamed = 1000

// Add adds a server's refusal, or an answer that is too long, and returns any other error.
func (f *Failures) Add(err error) error {
	var op *client.OpError
	var long *client.TooLongError
	var one Failure
	switch {
	case errors.As(err, &op):
		one = Failure{op.Path, op.Code.Name(), op, op}
	case errors.As(err, &long):
		one = Failure{long.Path, tooLong, nil, long}
	default:
		return err
	}
	if f.N++; len(f.List) < maxNamed {
		f.List = append(f.List, one)
	}
	return nil
}

// Name prints them, one per line.
func (f *Failures) Name(env *Env) {
	for _, one := range f.List {
		text := one.Err.Error()
		if one.Op != nil {
			if words, _ := Refusal(one.Op); words != "" {
				text = words
			}
		}
		env.Complain(&explained{text, one.Err})
	}
	if more := f.N - len(f.List); more > 0 {
		env.Warn("and %s more", Thousands(more))
	}
}

// Skipped names those that a walk did not enter, and returns the error for them, or nil.
func (f *Failures) Skipped(env *Env) error {
	if f.N == 0 {
		return nil
	}
	f.Name(env)
	if f.List[0].Op == nil {
		return Reword(f.List[0].Err, "%s skipped, with everything below", were(f.N, "znode"))
	}
	return Reword(f.List[0].Op, "%s skipped, with everything below (getAcl shows who may list; addauth adds an identity)",
		were(f.N, "znode"))
}

// were is "1 znode was", "2 znodes were".
func were(n int, what string) string {
	if n == 1 {
		return Counted(n, what) + " was"
	}
	return Counted(n, what) + " were"
}

// Counted is "1 znode", "2 znodes", "2 children".
func Counted[N int | int64](n N, what string) string {
	if what == "child" {
		return Plural(n, what, "children")
	}
	return Plural(n, what, what+"s")
}

// Plural returns a number with the words for one, or for many.
func Plural[N int | int64](n N, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return Thousands(int(n)) + " " + many
}
