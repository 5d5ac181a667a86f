package command

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/zkctl/zkctl/internal/storage"
)

func TestAdvise(t *testing.T) {
	fault := func(remedy storage.Remedy, meaning string) error {
		return &storage.Fault{File: "log.1", Offset: -1, Err: errors.New("it is odd"), Remedy: remedy, Meaning: meaning}
	}
	for _, c := range []struct {
		err  error
		want string
	}{
		{fault(storage.NoRemedy, ""), "read log.1: it is odd"},
		{fault(storage.ReadAsLog, ""), "read log.1: it is odd; try: zkctl txnlog dump log.1"},
		{fault(storage.ReadAsSnapshot, ""), "read log.1: it is odd; try: zkctl snapshot dump log.1"},
		{fmt.Errorf("start: %w", fault(storage.RecoverLog, "it is damaged")), "start: read log.1: it is odd; it is damaged (try: zkctl txnlog recover log.1)"},
		{errors.Join(io.EOF, fault(storage.RecoverLog, "no use")), "EOF\nread log.1: it is odd; no use (try: zkctl txnlog recover log.1)"},
		{io.EOF, "EOF"},
	} {
		if got := Advise(Advise(c.err)).Error(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	if Advise(nil) != nil {
		t.Error("advice where nothing is wrong")
	}
}
