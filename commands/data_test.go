package commands

import (
	"testing"
)

func TestDecodeBase64(t *testing.T) {
	for text, want := range map[string]string{"eHg=": "xx", "eHg": "xx", "eH\ng=\n": "xx", "": ""} {
		if got, err := decodeBase64([]byte(text)); err != nil || string(got) != want {
			t.Errorf("decodeBase64(%q) = %q, %v; want %q", text, got, err, want)
		}
	}
	if got, err := decodeBase64([]byte("no!")); err == nil {
		t.Errorf("decodeBase64 takes no! for %q", got)
	}
}
