package digestmd5

import (
	"context"
	"net/netip"
	"strconv"

	"github.com/zkctl/zkctl/internal/sasl"
)

// Identity is a user of ZooKeeper servers; it implements sasl.Mechanism.
type Identity struct {
	User string
	// Password returns the password; it is called for each exchange.
	Password func() (string, error)
}

// Name implements sasl.Mechanism.
func (i *Identity) Name() string { return sasl.DigestMD5 }

// Identity implements sasl.Mechanism.
func (i *Identity) Identity() string { return strconv.Quote(i.User) }

// Start implements sasl.Mechanism.
func (i *Identity) Start(context.Context, string, netip.Addr) (sasl.Exchange, error) {
	password, err := i.Password()
	if err != nil {
		return nil, err
	}
	return NewClient(i.User, password, Protocol, ServerName), nil
}

// Doubt implements sasl.Exchange.
func (c *Client) Doubt() string {
	return "the server does not know the user, or the password is wrong"
}
