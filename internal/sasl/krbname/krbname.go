// Package krbname reads Kerberos principals and shortens them by the rules of security.auth_to_local, as ZooKeeper does
// (org.apache.zookeeper.server.auth.KerberosName; Hadoop has the same rules).
//
// A rule is DEFAULT, which takes the first component of a principal of the default realm, or
//
//	RULE:[components:format](match)s/from/to/g
//
// It applies to principals with that number of components. $0 in the format is the realm, $1 and $2 are the components.
// The formatted name must match as a whole; (match) and s/from/to/ may be missing.
package krbname

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Name is a principal: service/host@realm.
type Name struct {
	Service, Host, Realm string
	HasHost, HasRealm    bool
}

// Parse splits a principal. A name without "@" is a service, whatever else it contains.
func Parse(s string) (Name, error) {
	who, realm, ok := strings.Cut(s, "@")
	if !ok {
		return Name{Service: s}, nil
	}
	service, host, hasHost := strings.Cut(who, "/")
	if strings.ContainsAny(realm, "/@") || strings.Contains(host, "/") {
		return Name{}, fmt.Errorf("Malformed Kerberos name: %q (expected name@REALM or name/host@REALM)", s)
	}
	return Name{Service: service, Host: host, Realm: realm, HasHost: hasHost, HasRealm: true}, nil
}

func (n Name) String() string {
	s := n.Service
	if n.HasHost {
		s += "/" + n.Host
	}
	if n.HasRealm {
		s += "@" + n.Realm
	}
	return s
}

// Rules shorten principals.
type Rules struct {
	list         []rule
	defaultRealm string
}

type rule struct {
	text       string
	isDefault  bool
	components int
	format     string
	match      *regexp.Regexp // nil matches everything
	from       *regexp.Regexp // nil replaces nothing
	to         string
	all        bool // replace every match rather than the first
}

// ErrNoRule is wrapped by the errors of Short.
var ErrNoRule = errors.New("no rule of security.auth_to_local applies")

// ParseRules reads rules, with or without spaces between them; "" means DEFAULT. defaultRealm is that of krb5.conf.
func ParseRules(text, defaultRealm string) (*Rules, error) {
	// Compiled here rather than at the start of the program, which most runs of it do without.
	syntax := regexp.MustCompile(`^(?:(DEFAULT)|RULE:\[(\d*):([^\]]*)\](?:\(([^)]*)\))?(?:s/([^/]*)/([^/]*)/(g)?)?)`)
	rules := &Rules{defaultRealm: defaultRealm}
	rest := strings.TrimSpace(text)
	if rest == "" {
		rest = "DEFAULT"
	}
	for rest != "" {
		at := syntax.FindStringSubmatchIndex(rest)
		if at == nil {
			return nil, fmt.Errorf("Invalid rule: %q (expected DEFAULT or RULE:[1:$1](match)s/from/to/)", rest)
		}
		group := func(i int) (string, bool) {
			if at[2*i] < 0 {
				return "", false
			}
			return rest[at[2*i]:at[2*i+1]], true
		}
		r := rule{text: rest[:at[1]]}
		if _, r.isDefault = group(1); !r.isDefault {
			if err := r.read(group); err != nil {
				return nil, fmt.Errorf("Invalid rule: %q: %w", r.text, err)
			}
		}
		rules.list = append(rules.list, r)
		rest = strings.TrimSpace(rest[at[1]:])
	}
	return rules, nil
}

func (r *rule) read(group func(int) (string, bool)) (err error) {
	count, _ := group(2)
	if r.components, err = strconv.Atoi(count); err != nil {
		return fmt.Errorf("the number of components in [%s:…] is not a number", count)
	}
	r.format, _ = group(3)
	if match, ok := group(4); ok {
		if r.match, err = regexp.Compile(`\A(?:` + match + `)\z`); err != nil {
			return fmt.Errorf("a regular expression that is not supported here: %w", err)
		}
	}
	if from, ok := group(5); ok {
		if r.from, err = regexp.Compile(from); err != nil {
			return fmt.Errorf("a regular expression that is not supported here: %w", err)
		}
	}
	r.to, _ = group(6)
	_, r.all = group(7)
	return nil
}

// Short returns a principal's short name: the result of the first rule that applies. A name without host and realm is
// short already.
func (r *Rules) Short(n Name) (string, error) {
	if !n.HasHost && !n.HasRealm {
		return n.Service, nil
	}
	params := []string{n.Realm, n.Service}
	if n.HasHost {
		params = append(params, n.Host)
	}
	for _, rule := range r.list {
		short, ok, err := rule.apply(params, r.defaultRealm)
		switch {
		case err != nil:
			return "", err
		case !ok:
			continue
		case strings.ContainsAny(short, "/@"):
			return "", fmt.Errorf("%w: Non-simple name %q after auth_to_local rule %s", ErrNoRule, short, rule.text)
		}
		return short, nil
	}
	return "", fmt.Errorf("%w to %q", ErrNoRule, n)
}

func (r *rule) apply(params []string, defaultRealm string) (short string, ok bool, err error) {
	switch {
	case r.isDefault:
		return params[1], defaultRealm == params[0], nil
	case len(params)-1 != r.components:
		return "", false, nil
	}
	base, err := format(r.format, params)
	switch {
	case err != nil:
		return "", false, err
	case r.match != nil && !r.match.MatchString(base):
		return "", false, nil
	case r.from == nil:
		return base, true, nil
	}
	short, err = replace(base, r.from, r.to, r.all)
	return short, err == nil, err
}

// format replaces $0, $1 and $2.
func format(text string, params []string) (string, error) {
	var b strings.Builder
	for {
		before, after, ok := strings.Cut(text, "$")
		b.WriteString(before)
		if !ok {
			return b.String(), nil
		}
		digits := len(after) - len(strings.TrimLeft(after, "0123456789"))
		n, err := strconv.Atoi(after[:digits])
		if err != nil || n >= len(params) {
			return "", fmt.Errorf("%w: index $%s is outside of the valid range 0 to %d", ErrNoRule, after[:digits], len(params)-1)
		}
		b.WriteString(params[n])
		text = after[digits:]
	}
}

// replace replaces the first match, or all, by a text in which $n is a group and a backslash quotes the next character
// (Matcher.appendReplacement).
func replace(base string, from *regexp.Regexp, to string, all bool) (string, error) {
	limit := 1
	if all {
		limit = -1
	}
	var b strings.Builder
	end := 0
	for _, at := range from.FindAllStringSubmatchIndex(base, limit) {
		b.WriteString(base[end:at[0]])
		end = at[1]
		for i := 0; i < len(to); i++ {
			switch c := to[i]; {
			case c == '\\' && i+1 < len(to):
				i++
				b.WriteByte(to[i])
			case c == '$' && i+1 < len(to) && to[i+1] >= '0' && to[i+1] <= '9':
				i++
				group := int(to[i] - '0')
				// More digits belong to the number as long as there is such a group.
				for i+1 < len(to) && to[i+1] >= '0' && to[i+1] <= '9' && group*10+int(to[i+1]-'0') < len(at)/2 {
					i++
					group = group*10 + int(to[i]-'0')
				}
				if group >= len(at)/2 {
					return "", fmt.Errorf("%w: No group %d in s/%s/%s/", ErrNoRule, group, from, to)
				}
				if at[2*group] >= 0 {
					b.WriteString(base[at[2*group]:at[2*group+1]])
				}
			case c == '\\' || c == '$':
				return "", fmt.Errorf("%w: Illegal group reference in s/%s/%s/", ErrNoRule, from, to)
			default:
				b.WriteByte(c)
			}
		}
	}
	return b.String() + base[end:], nil
}
