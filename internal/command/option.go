package command

// Option is one option of a command. Its name has one letter or several; both are written with one
// dash or two. A command declares a Flag, a Text or a Value, through which it reads the option.
type Option struct {
	Name    string
	Aliases []string
	Value   string // what the usage calls the value; empty for a flag
	Kind    Kind
	Values  []string  // of a Choice
	Hints   []Example // values that completion suggests, and what they mean
	Repeat  bool      // may be given more than once
	Help    string
}

func (o *Option) option() *Option { return o }

// Given reports whether the option was given.
func (o *Option) Given(in *Invocation) bool { return len(in.options[o]) > 0 }

// Options are those of a command: each a Flag, a Text or a Value.
type Options []interface{ option() *Option }

// List returns the options.
func (all Options) List() []*Option {
	list := make([]*Option, len(all))
	for i, o := range all {
		list[i] = o.option()
	}
	return list
}

// Flag is an option without a value.
type Flag struct{ *Option }

// NewFlag declares a flag.
func NewFlag(name, help string, aliases ...string) Flag {
	return Flag{&Option{Name: name, Aliases: aliases, Help: help}}
}

// On reports whether the flag was given.
func (f Flag) On(in *Invocation) bool { return f.Given(in) }

// Text is an option with a value that is taken as it is.
type Text struct{ *Option }

// NewText declares an option whose value the usage calls value.
func NewText(name, value string, kind Kind, help string) Text {
	return Text{&Option{Name: name, Value: value, Kind: kind, Help: help}}
}

// NewTexts is NewText for an option that can be repeated.
func NewTexts(name, value string, kind Kind, help string) Text {
	t := NewText(name, value, kind, help)
	t.Repeat = true
	return t
}

// In returns the value, the last of several, or "" if the option was not given.
func (t Text) In(in *Invocation) string {
	if all := t.All(in); len(all) > 0 {
		return all[len(all)-1]
	}
	return ""
}

// All returns all values of an option that can be repeated.
func (t Text) All(in *Invocation) []string { return in.options[t.Option] }

// Hinted returns the option with values for completion to suggest, and what they mean.
func (t Text) Hinted(hints ...Example) Text {
	t.Hints = hints
	return t
}

// Value is an option whose value is of a type.
type Value[T any] struct {
	Text
	read func(text string) (T, error)
}

// NewValue declares an option whose value read reads. Of the kind Choice it is one of the choices.
func NewValue[T any](name, value string, kind Kind, help string, read func(text string) (T, error), choices ...string) Value[T] {
	v := Value[T]{NewText(name, value, kind, help), read}
	v.Values = choices
	return v
}

// Or returns the value, or otherwise if the option was not given.
func (v Value[T]) Or(in *Invocation, otherwise T) (T, error) {
	if !v.Given(in) {
		return otherwise, nil
	}
	return v.read(v.In(in))
}
