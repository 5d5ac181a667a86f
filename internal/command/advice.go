package command

import (
	"fmt"

	"github.com/zkctl/zkctl/internal/storage"
)

// Advise completes err, which people read, with the verbs that may help with the faults of files that it wraps.
func Advise(err error) error {
	for _, f := range storage.Faults(err) {
		verb := ""
		switch f.Remedy {
		case storage.ReadAsLog:
			verb = "txnlog dump"
		case storage.ReadAsSnapshot:
			verb = "snapshot dump"
		case storage.RecoverLog:
			verb = "txnlog recover"
		default:
			continue
		}
		try, text := "try: zkctl "+verb+" "+f.File, err.Error()
		f.Remedy = storage.NoRemedy
		if f.Meaning == "" {
			f.Meaning = try
		} else {
			f.Meaning += " (" + try + ")"
		}
		if err.Error() == text { // fmt.Errorf made the text before
			err = fmt.Errorf("%w (%s)", err, try)
		}
	}
	return err
}
