package command

import "github.com/zkctl/zkctl/internal/storage"

// Advise completes each fault of a file that err wraps with the verb that may help, and returns err.
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
		f.Remedy = storage.NoRemedy
		if try := "try: zkctl " + verb + " " + f.File; f.Meaning == "" {
			f.Meaning = try
		} else {
			f.Meaning += " (" + try + ")"
		}
	}
	return err
}
