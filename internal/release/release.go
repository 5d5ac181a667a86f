// Package release describes how the releases of Apache ZooKeeper that an embedded server can
// emulate differ, as seen by clients, operators and other members. Code that depends on the
// release calls a method here, which names the change by its ZOOKEEPER issue.
package release

import (
	"fmt"
	"strconv"
	"strings"
)

// Release is a release of Apache ZooKeeper 3.8 or 3.9.
type Release struct{ minor, patch int }

// patches is the newest patch release of each minor release.
var patches = map[int]int{8: 6, 9: 5}

// Newest is the release that a server emulates by default.
var Newest = Release{9, patches[9]}

// Parse parses a release: "3.8" and "3.9" mean the newest of each, "3.8.0" exactly that one. So a
// server can match the Apache members of its ensemble.
func Parse(text string) (Release, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 2 && len(parts) != 3 || parts[0] != "3" {
		return Release{}, unknown(text)
	}
	minor, err := strconv.Atoi(parts[1])
	newest, ok := patches[minor]
	if err != nil || !ok || strconv.Itoa(minor) != parts[1] {
		return Release{}, unknown(text)
	}
	patch := newest
	if len(parts) == 3 {
		if patch, err = strconv.Atoi(parts[2]); err != nil || patch < 0 || patch > newest || strconv.Itoa(patch) != parts[2] {
			return Release{}, unknown(text)
		}
	}
	return Release{minor, patch}, nil
}

func unknown(text string) error {
	return fmt.Errorf("cannot emulate ZooKeeper %q; use 3.8, 3.9, or a release from 3.8.0 to 3.8.%d or from 3.9.0 to 3.9.%d", text, patches[8], patches[9])
}

// Nearest returns the release to emulate next to a server that reports this version, such as
// "3.7.1-1, built on …": that release, or the nearest one that can be emulated. ok is false if
// version names no release.
func Nearest(version string) (r Release, ok bool) {
	digits := strings.FieldsFunc(version, func(c rune) bool { return c < '0' || c > '9' })
	if len(digits) < 3 || !strings.HasPrefix(version, strings.Join(digits[:3], ".")) {
		return Release{}, false
	}
	var n [3]int
	for i := range n {
		var err error
		if n[i], err = strconv.Atoi(digits[i]); err != nil {
			return Release{}, false
		}
	}
	switch newest, known := patches[n[1]]; {
	case n[0] < 3 || n[0] == 3 && n[1] < 8:
		return Release{8, 0}, true
	case n[0] > 3 || !known:
		return Newest, true
	default:
		return Release{n[1], min(n[2], newest)}, true
	}
}

// String returns the release, such as "3.9.5".
func (r Release) String() string { return fmt.Sprintf("3.%d.%d", r.minor, r.patch) }

// Before reports whether r is older than other.
func (r Release) Before(other Release) bool {
	return r.minor < other.minor || r.minor == other.minor && r.patch < other.patch
}

// never stands for a change that was not backported to 3.8.
const never = 1 << 10

// since reports whether r has a change made in 3.8.in38 and 3.9.in39.
func (r Release) since(in38, in39 int) bool {
	return r.minor == 8 && r.patch >= in38 || r.minor > 8 && r.patch >= in39
}

// ExistsNeedsRead reports whether exists requires the read permission (ZOOKEEPER-2590,
// FinalRequestProcessor).
func (r Release) ExistsNeedsRead() bool { return r.since(4, 2) }

// MultiKeepsCreate2 reports whether a create2 within a multi stays one, with its type in the
// transaction and the stat in the result, and one with unknown flags fails the whole multi
// (ZOOKEEPER-4026, MultiOperationRecord). Earlier releases turn it into a create, and cannot
// apply such a transaction.
func (r Release) MultiKeepsCreate2() bool { return r.since(2, 0) }

// DirSizes reports whether the sizes of dataDir and dataLogDir are reported for the right folders
// (ZOOKEEPER-4730, ZooKeeperServer). Earlier releases swap them.
func (r Release) DirSizes() bool { return r.since(4, 2) }

// TLS13 reports whether TLS 1.3 is used unless ssl.protocol or ssl.enabledProtocols say otherwise
// (ZOOKEEPER-4415, X509Util). Earlier releases use only TLS 1.2.
func (r Release) TLS13() bool { return r.since(never, 2) }

// RefusalNamesSession reports whether the log names the session of a client that has seen a
// later zxid (ZOOKEEPER-4730, ZooKeeperServer.processConnectRequest).
func (r Release) RefusalNamesSession() bool { return r.since(never, 2) }

// EventZxid reports whether a watch event carries the zxid of the change in the header of its
// reply (ZOOKEEPER-4655, WatchedEvent). In earlier releases it is -1.
func (r Release) EventZxid() bool { return r.since(never, 0) }

// WatchModes reports whether a client can have watches of several modes on the same path, which
// checkWatches and removeWatches distinguish (ZOOKEEPER-4466, 4471, 4472, 4475, WatchManager). In
// earlier releases the last mode wins.
func (r Release) WatchModes() bool { return r.since(never, 0) }

// IPv6ACLs reports whether an id of the scheme ip can be an IPv6 address (ZOOKEEPER-4240,
// IPAuthenticationProvider).
func (r Release) IPv6ACLs() bool { return r.since(never, 4) }

// AdminSnapshots reports whether the AdminServer has the commands snapshot and restore
// (ZOOKEEPER-4570, 4571 and 4639, admin.Commands), mntr what they count, and snapshots on disk the
// last zxid at their end (DataTree.serializeLastProcessedZxid).
func (r Release) AdminSnapshots() bool { return r.since(never, 0) }
