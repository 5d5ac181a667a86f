package nearest

import (
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	names := strings.Fields("ls ls2 get getAcl getEphemerals set setAcl deleteall s R start status stop")
	for word, want := range map[string]string{
		"getacll":    "getAcl",
		"GETACL":     "getAcl",
		"getEphe":    "getEphemerals",
		"geAtcl":     "getAcl",
		"S":          "s",
		"r":          "R",
		"z":          "",
		"delteall":   "deleteall",
		"strat":      "start",
		"lss":        "ls ls2",
		"sett":       "set",
		"x":          "",
		"unlike":     "",
		"completely": "",
	} {
		if got := strings.Join(Names(word, names), " "); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
	if got := DidYouMean("lss", "-", names); got != "did you mean -ls or -ls2?" {
		t.Error(got)
	}
}
