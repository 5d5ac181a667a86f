package probe

import (
	"fmt"
	"time"
)

// clockError is how far off a clock may seem, in ms: a Date is in whole seconds.
const clockError = 3000

// noteClocks notes the members whose clocks differ from this machine's.
func (s *Survey) noteClocks() {
	for _, r := range s.Readings {
		ahead, known := r.Clock.Get()
		off := time.Duration(ahead) * time.Millisecond
		switch {
		case !known || ahead > -clockError && ahead < clockError:
		case ahead > 0:
			s.Notes = append(s.Notes, fmt.Sprintf("the clock of %s is %v ahead of this machine's", r.Label(), off.Round(time.Second)))
		default:
			s.Notes = append(s.Notes, fmt.Sprintf("the clock of %s is %v behind this machine's", r.Label(), -off.Round(time.Second)))
		}
	}
}
