package disk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// names are the types that statfs tells, where /proc does not.
var names = map[int64]string{
	unix.NFS_SUPER_MAGIC: "nfs", unix.CIFS_SUPER_MAGIC: "cifs", unix.SMB2_SUPER_MAGIC: "smb2", unix.SMB_SUPER_MAGIC: "smbfs",
	unix.V9FS_MAGIC: "9p", unix.CEPH_SUPER_MAGIC: "ceph", unix.AFS_SUPER_MAGIC: "afs", unix.FUSE_SUPER_MAGIC: "fuse",
	unix.TMPFS_MAGIC: "tmpfs", unix.RAMFS_MAGIC: "ramfs", unix.OVERLAYFS_SUPER_MAGIC: "overlay",
}

func fileSystemOf(dir string) (FileSystem, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return FileSystem{}, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	f := FileSystem{Type: names[int64(uint32(s.Type))]}
	mounts := readMounts("/proc/self/mountinfo")
	if whole, err := filepath.Abs(dir); err == nil {
		if real, err := filepath.EvalSymlinks(whole); err == nil {
			whole = real
		}
		if m := mountOf(mounts, whole); m != nil {
			f.Type, f.Source, f.Mount = m.fsType, m.source, m.point
			if number := m.device(); number != "" {
				f.counters = filepath.Join("/sys/dev/block", number, "stat")
				f.Disks = disksOf(number)
			}
		}
	}
	f.Kind = kindOf(f.Type)
	for _, m := range mounts {
		if len(f.Disks) == 0 || m.point == f.Mount || slices.Contains(f.Shares, m.point) {
			continue
		}
		if number := m.device(); number != "" && slices.ContainsFunc(disksOf(number), func(d string) bool { return slices.Contains(f.Disks, d) }) {
			f.Shares = append(f.Shares, m.point)
		}
	}
	return f, nil
}

// mount is a line of mountinfo.
type mount struct {
	number string // major:minor, of which some file systems have none that is a device's
	point  string
	fsType string
	source string
}

// readMounts reads a file like /proc/self/mountinfo, as proc(5) describes it.
func readMounts(file string) (list []mount) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	for line := range strings.Lines(string(text)) {
		left, right, ok := strings.Cut(line, " - ")
		before, after := strings.Fields(left), strings.Fields(right)
		if ok && len(before) > 4 && len(after) > 1 {
			list = append(list, mount{before[2], unescape(before[4]), after[0], unescape(after[1])})
		}
	}
	return list
}

// unescape reads the octal numbers that stand for spaces and the like.
func unescape(s string) string {
	var b strings.Builder
	for {
		i := strings.IndexByte(s, '\\')
		if i < 0 || i+4 > len(s) {
			break
		}
		n, err := strconv.ParseUint(s[i+1:i+4], 8, 8)
		if err != nil {
			break
		}
		b.WriteString(s[:i])
		b.WriteByte(byte(n))
		s = s[i+4:]
	}
	return b.String() + s
}

// mountOf is the mount that holds a path: the last one of the longest mount point.
func mountOf(list []mount, path string) (found *mount) {
	for i, m := range list {
		under := m.point == path || m.point == "/" || strings.HasPrefix(path, m.point+"/")
		if under && (found == nil || len(m.point) >= len(found.point)) {
			found = &list[i]
		}
	}
	return found
}

// device returns the number of the block device, or "".
func (m *mount) device() string {
	if _, err := os.Stat(filepath.Join("/sys/dev/block", m.number)); err == nil {
		return m.number
	}
	var s syscall.Stat_t
	if !strings.HasPrefix(m.source, "/dev/") || syscall.Stat(m.source, &s) != nil || s.Mode&syscall.S_IFMT != syscall.S_IFBLK {
		return ""
	}
	return fmt.Sprintf("%d:%d", unix.Major(uint64(s.Rdev)), unix.Minor(uint64(s.Rdev)))
}

// disksOf returns the whole disks below a block device: of a partition its disk, of a logical volume those it is made of.
func disksOf(number string) (disks []string) {
	at, err := filepath.EvalSymlinks(filepath.Join("/sys/dev/block", number))
	if err != nil {
		return nil
	}
	return wholeDisks(at, 0)
}

func wholeDisks(at string, depth int) (disks []string) {
	if _, err := os.Stat(filepath.Join(at, "partition")); err == nil {
		at = filepath.Dir(at)
	}
	below, _ := os.ReadDir(filepath.Join(at, "slaves"))
	for _, e := range below {
		if under, err := filepath.EvalSymlinks(filepath.Join(at, "slaves", e.Name())); err == nil && depth < 8 {
			disks = append(disks, wholeDisks(under, depth+1)...)
		}
	}
	if len(disks) == 0 {
		return []string{filepath.Base(at)}
	}
	slices.Sort(disks)
	return slices.Compact(disks)
}

// traffic reads what Documentation/block/stat.rst describes.
func (f *FileSystem) traffic() (t Traffic, err error) {
	if f.counters == "" {
		return t, errUnknown
	}
	text, err := os.ReadFile(f.counters)
	if err != nil {
		return t, err
	}
	fields := strings.Fields(string(text))
	if len(fields) < 10 {
		return t, errUnknown
	}
	if t.Writes, err = strconv.ParseInt(fields[4], 10, 64); err == nil {
		t.BusyMs, err = strconv.ParseInt(fields[9], 10, 64)
	}
	return t, err
}
