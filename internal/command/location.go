package command

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/session"
	"github.com/zkctl/zkctl/internal/source"
)

// Open opens the location that the i-th argument names, or the current znode if there is none. The
// caller closes the source.
func (env *Env) Open(in *Invocation, i int) (*source.Source, error) {
	return env.OpenLocation(cmp.Or(in.Arg(i), env.Dir, "/"))
}

// OpenLocation opens a location. A relative path starts at the current znode.
func (env *Env) OpenLocation(text string) (*source.Source, error) {
	return env.OpenWith(text, source.Open)
}

// OpenApart is OpenLocation on a session of its own, which consistent walks need.
func (env *Env) OpenApart(text string) (*source.Source, error) {
	return env.OpenWith(text, source.OpenApart)
}

// OpenWith is OpenLocation with another way to open it than source.Open. A location on the session at hand has an absolute path then.
func (env *Env) OpenWith(text string, open func(source.Location, source.Sessions) (*source.Source, error)) (*source.Source, error) {
	l, err := source.Parse(text, time.Now())
	if err != nil {
		return nil, err
	}
	if l.Form == source.Here {
		if l.Path, err = Absolute(env.Dir, text); err == nil {
			err = client.ValidatePath(l.Path)
		}
		if err != nil {
			return nil, err
		}
	}
	s := env.Session
	if s == nil {
		if l.Form != source.File {
			return nil, session.ErrNone
		}
		s = &session.Session{}
	}
	src, err := open(l, s)
	return src, env.elsewhere(l, err)
}

// Walk walks a source and names what could not be read; missing is then an error that sums it up. err is what ended
// the walk.
func (env *Env) Walk(ctx context.Context, src *source.Source, opt source.Options, visit func(z *source.Znode) error) (missing, err error) {
	report, err := src.Walk(ctx, opt, visit)
	return env.unread(src.Location, report), env.elsewhere(src.Location, err)
}

// elsewhere names the location in an error about another than the session at hand. Advice about that
// session does not apply.
func (env *Env) elsewhere(l source.Location, err error) error {
	var place *source.LocationError
	if err == nil || l.Form == source.Here || errors.As(err, &place) {
		return err
	}
	var round *client.RoundError
	text := err.Error()
	switch op := (*client.OpError)(nil); {
	case errors.As(err, &round):
		return fmt.Errorf("%s: %s", escape.Line(l.Text), text)
	case errors.As(err, &op):
		text = cmp.Or(Sentence(op), text)
	case l.Form == source.File, errors.Is(err, context.Canceled):
		return err
	}
	return Reword(err, "%s: %s", escape.Line(l.Text), text)
}

// unread names what a walk could not read, and returns an error if there is any.
func (env *Env) unread(l source.Location, r source.Report) error {
	if r.Gone > 0 {
		env.Note("%s deleted meanwhile", were(r.Gone, "znode"))
	}
	for _, fault := range r.Faults {
		env.Complain(Advise(fault))
	}
	var refused Failures
	others := 0
	for _, u := range r.Unread {
		if err := refused.Add(u.Err); err != nil {
			env.Complain(err)
			others++
		}
	}
	refused.N += r.Failed - len(r.Unread) // those that are not named
	switch {
	case len(refused.List) > 0:
		refused.Name(env)
		advice := ""
		if slices.ContainsFunc(refused.List, func(f Failure) bool { return f.Op != nil }) {
			advice = " (getAcl shows who may; addauth adds an identity)"
		}
		return Reword(refused.List[0].Err, "the answer is incomplete: %s could not be read, or not what is below%s",
			Counted(refused.N+others, "znode"), advice)
	case others > 0:
		return fmt.Errorf("the answer is incomplete: %s could not be read, or not what is below", Counted(r.Failed, "znode"))
	case len(r.Faults) > 0:
		return fmt.Errorf("the answer may be incomplete: %s is damaged", escape.Line(l.File))
	}
	return nil
}
