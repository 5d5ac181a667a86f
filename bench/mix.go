package bench

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/zkctl/zkctl/internal/nearest"
)

// operation is what a client does, and what is measured.
type operation int

// The operations, in the order of the result.
const (
	opGet operation = iota
	opExists
	opChildren
	opSet
	opCreate
	opDelete
	opEphemeral
	opMulti
	opWatch
	opLock
	opConnect
)

var operationNames = []string{"get", "exists", "children", "set", "create", "delete", "ephemeral", "multi", "watch", "lock", "connect"}

func (o operation) String() string { return operationNames[o] }

// alone reports whether the operation cannot be mixed with others.
func (o operation) alone() bool { return o == opLock || o == opConnect }

// aliases are other names of operations.
var aliases = map[string]operation{"read": opGet, "write": opSet}

// part is an operation of a mix.
type part struct {
	op     operation
	weight int
}

// mix is what is asked, in the order of the operations.
type mix []part

// mostWeight bounds a weight.
const mostWeight = 1_000_000

// mixHints are what completion suggests.
func mixHints() []string { return append([]string{defaultMix}, operationNames...) }

// parseMix reads an operation, or several with their weights.
func parseMix(text string) (m mix, err error) {
	fault := func(format string, a ...any) (mix, error) {
		return nil, fmt.Errorf("mix %q: %s", text, fmt.Sprintf(format, a...))
	}
	parts := strings.Split(text, ",")
	for _, one := range parts {
		name, number, weighted := strings.Cut(strings.TrimSpace(one), "=")
		name = strings.ToLower(strings.TrimSpace(name))
		op, ok := aliases[name]
		if !ok {
			at := slices.Index(operationNames, name)
			if at < 0 {
				hint := "use " + strings.Join(operationNames, ", ")
				if q := nearest.DidYouMean(name, "", operationNames); q != "" {
					hint = q
				}
				return fault("unknown operation %q; %s", name, hint)
			}
			op = operation(at)
		}
		weight := 1
		switch {
		case weighted:
			if weight, err = strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(number), "%")); err != nil || weight < 1 || weight > mostWeight {
				return fault("%s has the weight %q; use a number from 1 to %d", name, number, mostWeight)
			}
		case len(parts) > 1:
			return fault("%s has no weight; write it as %s=10", name, name)
		}
		if slices.ContainsFunc(m, func(p part) bool { return p.op == op }) {
			return fault("%s occurs twice", op)
		}
		m = append(m, part{op, weight})
	}
	slices.SortFunc(m, func(a, b part) int { return int(a.op) - int(b.op) })
	for _, p := range m {
		if p.op.alone() && len(m) > 1 {
			return fault("%s cannot be mixed with others; measure it alone", p.op)
		}
	}
	return m, nil
}

// String is the mix as parseMix reads it.
func (m mix) String() string {
	if len(m) == 1 {
		return m[0].op.String()
	}
	var parts []string
	for _, p := range m {
		parts = append(parts, fmt.Sprintf("%v=%d", p.op, p.weight))
	}
	return strings.Join(parts, ",")
}

func (m mix) has(ops ...operation) bool {
	return slices.ContainsFunc(m, func(p part) bool { return slices.Contains(ops, p.op) })
}

// needsKeys reports whether znodes must exist before the load begins.
func (m mix) needsKeys() bool { return m.has(opGet, opExists, opChildren, opSet) }
