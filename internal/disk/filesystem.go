package disk

import "strings"

// Kind is where the bytes of a file system are.
type Kind string

// Kinds.
const (
	Local   Kind = "local"   // on a disk of this machine, as far as it can tell
	Network Kind = "network" // on another machine
	Fuse    Kind = "fuse"    // wherever a process of this machine puts them
	Memory  Kind = "memory"  // in memory, which a restart loses
	Layered Kind = "layered" // in a container's own layer, which is removed with it
)

// FileSystem is what holds a folder.
type FileSystem struct {
	Kind   Kind
	Type   string   // its name: ext4, nfs4; "" if unknown
	Source string   // what is mounted: a device, a server's folder; "" if unknown
	Mount  string   // where it is mounted; "" if unknown
	Disks  []string // the whole disks below it: sda; none if unknown
	Shares []string // where else file systems of these disks are mounted

	counters string // where the system counts the device's traffic; "" for nowhere
}

// FileSystemOf describes the file system that holds a folder.
func FileSystemOf(dir string) (FileSystem, error) { return fileSystemOf(dir) }

// Traffic is what a device has done since the system started.
type Traffic struct {
	Writes int64 // completed
	BusyMs int64 // with requests under way
}

// Traffic reads the counters of the device. Not every system and not every device has them.
func (f *FileSystem) Traffic() (Traffic, error) { return f.traffic() }

// kindOf tells a file system's kind from the name of its type.
func kindOf(name string) Kind {
	switch name {
	case "tmpfs", "ramfs", "mfs", "devtmpfs":
		return Memory
	case "overlay", "aufs", "unionfs":
		return Layered
	case "nfs", "nfs3", "nfs4", "cifs", "smb2", "smb3", "smbfs", "afs", "afpfs", "webdav", "9p", "ceph", "lustre", "gfs2", "ocfs2", "gpfs", "virtiofs":
		return Network
	case "fusefs", "macfuse", "osxfuse":
		return Fuse
	}
	if strings.HasPrefix(name, "fuse") && name != "fusectl" {
		return Fuse
	}
	return Local
}
