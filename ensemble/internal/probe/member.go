package probe

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/zkctl/zkctl/ensemble/internal/answer"
	"github.com/zkctl/zkctl/internal/client"
	"github.com/zkctl/zkctl/internal/escape"
	"github.com/zkctl/zkctl/internal/zoocfg"
)

// Member is a server to ask.
type Member struct {
	ID        answer.Opt[int64]
	Addresses []client.Address // for clients, in order of preference; empty if unknown
	Role      answer.Opt[zoocfg.Role]
	Named     bool // by the user, not by the configuration
	Guessed   bool // the configuration has no client port; another member's is tried
	Stranger  bool // the ensemble's configuration does not list it
	AdminPort int  // of its AdminServer; 0 for none
}

// Name returns the address that identifies the member in output.
func (m *Member) Name() string {
	if len(m.Addresses) > 0 {
		return m.Addresses[0].String()
	}
	return "server." + strconv.FormatInt(m.ID.Or(0), 10)
}

// Door is a way to ask a member.
type Door string

// Doors.
const (
	Words   Door = "4lw"
	Admin   Door = "admin"
	Session Door = "session"
)

// Attempt is an attempt at a door that failed.
type Attempt struct {
	Door Door
	Err  error
}

// MarshalJSON writes the door and the reason.
func (a Attempt) MarshalJSON() ([]byte, error) {
	return escape.MarshalJSON(struct {
		Door  Door   `json:"door"`
		Error string `json:"error"`
	}{a.Door, a.Err.Error()})
}

// sortMembers sorts members by id; those without one come last.
func sortMembers(list []*Reading) {
	slices.SortStableFunc(list, func(a, b *Reading) int {
		x, known := a.ID.Get()
		y, other := b.ID.Get()
		switch {
		case known && other:
			return cmp.Compare(x, y)
		case known:
			return -1
		case other:
			return 1
		}
		return 0
	})
}
