package keys

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestDecoder(t *testing.T) {
	for _, test := range []struct {
		name  string
		reads []string // what arrives, one read after the other
		want  string   // keys; the text of Text in quotes
	}{
		{"letters in one read", []string{"ls /"}, `"ls /"`},
		{"a character cut in two", []string{"\xe6\x97", "\xa5x"}, `"日x"`},
		{"half a character and no more", []string{"a\xe6\x97"}, `"a" "\ufffd\ufffd"`},
		{"keys of the cursor", []string{"\x1b[A\x1bOB\x1b[C\x1bOD"}, "up down right left"},
		{"a sequence cut in two", []string{"\x1b[", "3~"}, "delete"},
		{"home and end of four terminals", []string{"\x1b[H\x1bOH\x1b[1~\x1b[7~\x1b[F\x1bOF\x1b[4~\x1b[8~"}, "home home home home end end end end"},
		{"words", []string{"\x1bb\x1bf\x1bd\x1b\x7f\x1b[1;5C\x1b[1;5D"}, "alt-b alt-f alt-d alt-backspace wordright wordleft"},
		{"alt with a capital", []string{"\x1bB"}, "alt-b"},
		{"escape alone", []string{"\x1b"}, "escape"},
		{"escape twice", []string{"\x1b\x1b"}, "escape escape"},
		{"control", []string{"\x01\x05\x12\x1a\x1f"}, "ctrl-a ctrl-e ctrl-r ctrl-z ctrl-_"},
		{"NUL is dropped", []string{"a\x00b"}, `"a" "b"`},
		{"C1 controls are dropped", []string{"a\u009bb"}, `"ab"`},
		{"an unknown sequence", []string{"\x1b[99;99;99xa"}, `"a"`},
		{"a sequence that never ends", []string{"\x1b[1;1;"}, ""},
		{"a sequence with a control in it", []string{"\x1b[1\rx"}, `enter "x"`},
		{"function keys", []string{"\x1b[[Aa\x1bOP\x1b[11~\x1b[21~"}, `f1 "a" f1 f1 f10`},
		{"an unknown function key of the Linux console", []string{"\x1b[[Ba"}, `"a"`},
		{"lines pasted without marks", []string{"ls /\rget /a\r"}, `"ls /" enter "get /a" enter`},
		{"line ends pasted without marks", []string{"a\nb"}, `"a" enter "b"`},
		{"a paste", []string{"\x1b[200~ls\t/\r\nget /a\r\n\ry\nz\x1b[201~x"}, `paste"ls\t/\nget /a\n\ny\nz" "x"`},
		{"a paste with controls and keys in it", []string{"\x1b[200~a\x03\x1b[Ab\x1bxc\x1b[201~\t"}, `paste"abxc" tab`},
		{"an end of a paste cut in two", []string{"a\x1b[200~a\x1b[20", "1~\t"}, `"a" paste"a" tab`},
		{"a paste that comes in pieces", []string{"\x1b[20", "0~a", "\rb\xe6\x97", "\xa5\x1b", "[201~"}, `paste"a\nb日"`},
		{"two pastes", []string{"\x1b[200~a\x1b[201~\x1b[200~b\x1b[201~"}, `paste"a" paste"b"`},
		{"Ctrl-C gives up a paste without an end", []string{"\x1b[200~a", "b\x03", "c"}, `ctrl-c "c"`},
		{"a tab of its own", []string{"ls\t"}, `"ls" tab`},
		{"backtab", []string{"\x1b[Z"}, "backtab"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var d Decoder
			var got []string
			take := func(final bool) {
				for {
					p := d.Next(final)
					switch p.Key {
					case None:
						return
					case Text:
						got = append(got, `"`+p.Text+`"`)
					case Paste:
						got = append(got, "paste"+strings.NewReplacer("\n", `\n`, "\t", `\t`).Replace(`"`+p.Text+`"`))
					default:
						got = append(got, string(p.Key))
					}
				}
			}
			for _, r := range test.reads {
				d.Feed([]byte(r))
				take(false)
			}
			take(true)
			if s := strings.Join(got, " "); s != strings.ReplaceAll(test.want, `\ufffd`, "\ufffd") {
				t.Errorf("keys %s, want %s", s, test.want)
			}
			if len(d.buf) > 0 {
				t.Errorf("%q is left", d.buf)
			}
		})
	}
}

func FuzzDecoder(f *testing.F) {
	for _, s := range []string{"ls", "\x1b[", "\x1b[200~a\r\x1b[201~", "\xe6\x97", "\x1b\x1b[A", "\x1bO"} {
		f.Add([]byte(s), 1)
	}
	f.Fuzz(func(t *testing.T, input []byte, cut int) {
		var d Decoder
		cut = min(max(0, cut), len(input))
		for _, part := range [][]byte{input[:cut], input[cut:]} {
			d.Feed(part)
			for p := d.Next(false); p.Key != None; p = d.Next(false) {
				control := func(r rune) bool { return r < ' ' && !(p.Key == Paste && (r == '\n' || r == '\t')) }
				if p.Text != "" && (!utf8.ValidString(p.Text) || strings.ContainsFunc(p.Text, control)) {
					t.Fatalf("text %q", p.Text)
				}
			}
		}
		for p := d.Next(true); p.Key != None; p = d.Next(true) {
			continue
		}
		if len(d.buf) > 0 && (!d.Pasting() || bytes.Contains(d.buf[len(pasteBegin):], pasteEnd)) {
			t.Fatalf("%q is left", d.buf)
		}
	})
}
