package command

import (
	"errors"

	"github.com/zkctl/zkctl/internal/client"
)

// Failures are znodes with which the server refused to do what was done with others. The zero
// value is none.
type Failures struct {
	List []Failure // the first of them
	N    int       // of all
}

// Failure is one of them, as JSON has it.
type Failure struct {
	Path  string          `json:"path"`
	Error string          `json:"error"`
	Op    *client.OpError `json:"-"`
}

// maxNamed bounds how many are kept to be named; all are counted.
const maxNamed = 1000

// Add takes a server's refusal, and returns any other error.
func (f *Failures) Add(err error) error {
	var op *client.OpError
	if !errors.As(err, &op) {
		return err
	}
	if f.N++; len(f.List) < maxNamed {
		f.List = append(f.List, Failure{op.Path, op.Code.Name(), op})
	}
	return nil
}

// Name prints them, a line each.
func (f *Failures) Name(env *Env) {
	for _, one := range f.List {
		text, _ := Refusal(one.Op)
		if text == "" {
			text = one.Op.Error()
		}
		env.Complain(&explained{text, one.Op})
	}
	if more := f.N - len(f.List); more > 0 {
		env.Warn("and %s more", Thousands(more))
	}
}

// Skipped names those that a walk did not go into, and is the error for them, nil for none.
func (f *Failures) Skipped(env *Env) error {
	if f.N == 0 {
		return nil
	}
	f.Name(env)
	return Reword(f.List[0].Op, "%s skipped, with all that is below (getAcl shows who may list; addauth adds an identity)",
		were(f.N, "znode"))
}

// were is "1 znode was", "2 znodes were".
func were(n int, what string) string {
	if n == 1 {
		return Counted(n, what) + " was"
	}
	return Counted(n, what) + " were"
}

// Counted is "1 znode", "2 znodes".
func Counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return Thousands(n) + " " + what + "s"
}
