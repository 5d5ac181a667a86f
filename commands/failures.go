package commands

import (
	"errors"
	"fmt"

	"github.com/zkctl/zkctl/internal/client"
)

// failures are znodes with which the server refused to do what was done with others. The zero
// value is none.
type failures struct {
	list []failure // the first of them
	n    int
}

// failure is one of them, as JSON has it.
type failure struct {
	Path  string `json:"path"`
	Error string `json:"error"`
	op    *client.OpError
}

// maxNamed bounds how many are kept to be named; all are counted.
const maxNamed = 1000

// add takes a server's refusal, and returns any other error.
func (f *failures) add(err error) error {
	var op *client.OpError
	if !errors.As(err, &op) {
		return err
	}
	if f.n++; len(f.list) < maxNamed {
		f.list = append(f.list, failure{op.Path, op.Code.Name(), op})
	}
	return nil
}

// name prints them, a line each.
func (f *failures) name(env *Env) {
	for _, one := range f.list {
		text, _ := words(one.op)
		if text == "" {
			text = one.op.Error()
		}
		env.complain(&said{text, one.op})
	}
	if more := f.n - len(f.list); more > 0 {
		env.warn("and %s more", thousands(more))
	}
}

// skipped names those that a walk did not go into, and is the error for them, nil for none.
func (f *failures) skipped(env *Env) error {
	if f.n == 0 {
		return nil
	}
	f.name(env)
	return &said{fmt.Sprintf("%s skipped, with all that is below (getAcl shows who may list; addauth adds an identity)",
		were(f.n, "znode")), f.list[0].op}
}

// were is "1 znode was", "2 znodes were".
func were(n int, what string) string {
	if n == 1 {
		return counted(n, what) + " was"
	}
	return counted(n, what) + " were"
}

// counted is "1 znode", "2 znodes".
func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return thousands(n) + " " + what + "s"
}
