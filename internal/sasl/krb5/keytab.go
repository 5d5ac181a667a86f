package krb5

import (
	"fmt"
	"slices"
	"strings"

	"github.com/jcmturner/gokrb5/v8/keytab"

	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/infile"
)

// Keytab holds the keys of principals.
type Keytab struct {
	*keytab.Keytab
	Name string
}

// ReadKeytab reads a file, which may be prefixed with FILE:.
func ReadKeytab(name string) (*Keytab, error) {
	if rest, ok := strings.CutPrefix(name, "FILE:"); ok {
		name = rest
	}
	text, err := infile.Settings(name)
	if err != nil {
		return nil, fmt.Errorf("keytab: %w", err)
	}
	k := &Keytab{keytab.New(), name}
	if len(text) < 2 || text[0] != 5 || text[1] < 1 || text[1] > 2 {
		return nil, fmt.Errorf("keytab %s: it is not a keytab", escape.Line(name))
	}
	if err := guard(func() error { return k.Unmarshal(text) }); err != nil {
		return nil, fmt.Errorf("keytab %s: it is cut off or damaged; check it with klist -k", escape.Line(name))
	}
	if len(k.Entries) == 0 {
		return nil, fmt.Errorf("keytab %s: it holds no key", escape.Line(name))
	}
	return k, nil
}

// Principals returns whose keys it holds, each once.
func (k *Keytab) Principals() (list []Principal) {
	for _, e := range k.Entries {
		p := Principal{Realm: e.Principal.Realm}
		p.Name.NameType, p.Name.NameString = e.Principal.NameType, e.Principal.Components
		if !slices.ContainsFunc(list, p.is) {
			list = append(list, p)
		}
	}
	return list
}

// types returns the encryption types of a principal's keys. Without any, the error lists whose keys
// there are.
func (k *Keytab) types(p Principal) ([]int32, error) {
	var ids []int32
	for _, e := range k.Entries {
		if e.Principal.Realm == p.Realm && slices.Equal(e.Principal.Components, p.Name.NameString) {
			ids = append(ids, e.Key.KeyType)
		}
	}
	if len(ids) > 0 {
		return ids, nil
	}
	var names []string
	for _, p := range k.Principals() {
		names = append(names, p.String())
	}
	const most = 5
	if len(names) > most {
		names = append(names[:most], fmt.Sprintf("and %d others", len(names)-most))
	}
	return nil, fmt.Errorf("keytab %s: no key of %v; it has keys of %s", escape.Line(k.Name), p, strings.Join(names, ", "))
}
