package check

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A slow disk, which is a FUSE file system whose fsync takes its time, is told from a good one, and nothing is left on either.
func TestSlowFileSystem(t *testing.T) {
	for _, c := range []struct {
		fsync time.Duration
		args  []string
		code  int
	}{
		{20 * time.Millisecond, nil, 1},
		{0, []string{"--max-p99", "1h"}, 0}, // however busy the machine is
	} {
		dir, fs := mountFuse(t, c.fsync)
		code, out, err := checkDisk(t, nil, append(c.args, dir, "--duration", "300ms", "-o", "json")...)
		t.Log(out)
		if code != c.code || err != nil {
			t.Errorf("an fsync of %v: exit %d, %v", c.fsync, code, err)
		}
		fs.mu.Lock()
		if len(fs.nodes) != 1 || fs.syncs == 0 {
			t.Errorf("an fsync of %v: %d fsyncs, and left are %v", c.fsync, fs.syncs, fs.nodes)
		}
		fs.mu.Unlock()
		if kind := kindOfDir(dir); kind != "fuse" {
			t.Errorf("it is %s", kind)
		}
	}
}

// fuse is a file system that keeps names and sizes, and no data.
type fuse struct {
	fd    int
	fsync time.Duration

	mu    sync.Mutex
	nodes map[uint64]*fuseNode
	next  uint64
	syncs int
}

type fuseNode struct {
	parent uint64
	name   string
	mode   uint32
	size   uint64
}

// Operations of include/uapi/linux/fuse.h.
const (
	fuseLookup  = 1
	fuseForget  = 2
	fuseGetattr = 3
	fuseSetattr = 4
	fuseMkdir   = 9
	fuseUnlink  = 10
	fuseRmdir   = 11
	fuseOpen    = 14
	fuseRead    = 15
	fuseWrite   = 16
	fuseStatfs  = 17
	fuseRelease = 18
	fuseFsync   = 20
	fuseFlush   = 25
	fuseInit    = 26
	fuseOpendir = 27
	fuseReaddir = 28
	fuseEnddir  = 29
	fuseSyncdir = 30
	fuseCreate  = 35
	fuseForgets = 42

	fuseHead = 40 // bytes before the arguments of a request
	fuseMost = 128 << 10
)

// mountFuse mounts one; only root can.
func mountFuse(t *testing.T, fsync time.Duration) (string, *fuse) {
	t.Helper()
	fd, err := syscall.Open("/dev/fuse", syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("NO SLOW DISK WAS TESTED: open /dev/fuse: %v", err)
	}
	dir := t.TempDir()
	if err := syscall.Mount("zkctl-test", dir, "fuse.zkctl", 0, fmt.Sprintf("fd=%d,rootmode=40000,user_id=%d,group_id=%d", fd, os.Getuid(), os.Getgid())); err != nil {
		_ = syscall.Close(fd)
		t.Skipf("NO SLOW DISK WAS TESTED: mount a FUSE file system: %v", err)
	}
	fs := &fuse{fd: fd, fsync: fsync, nodes: map[uint64]*fuseNode{1: {mode: syscall.S_IFDIR | 0o700}}, next: 2}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		fs.serve()
	}()
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
			_ = syscall.Unmount(dir, syscall.MNT_DETACH|syscall.MNT_FORCE)
		}
		<-ended
		_ = syscall.Close(fd)
	})
	neverPoll(t, dir+"/polled")
	return dir, fs
}

// neverPoll teaches the kernel that the file system cannot be polled. Go adds a file that it opens to epoll, for which the kernel
// asks the file system, and stops for no garbage collection meanwhile: if one begins, the answer never comes from this process.
func neverPoll(t *testing.T, file string) {
	t.Helper()
	fd, err := syscall.Open(file, syscall.O_CREAT|syscall.O_RDWR|syscall.O_CLOEXEC, 0o600)
	if err == nil {
		_, err = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
		err = errors.Join(err, syscall.Close(fd), syscall.Unlink(file))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (fs *fuse) serve() {
	buf := make([]byte, fuseMost+4096)
	for {
		n, err := syscall.Read(fs.fd, buf)
		switch err {
		case nil:
		case syscall.EINTR, syscall.ENOENT, syscall.EAGAIN:
			continue
		default: // it is unmounted
			return
		}
		le := binary.LittleEndian
		op, unique, node := le.Uint32(buf[4:]), le.Uint64(buf[8:]), le.Uint64(buf[16:])
		if op == fuseForget || op == fuseForgets {
			continue
		}
		fs.mu.Lock()
		out, errno := fs.answer(op, node, buf[fuseHead:n])
		fs.mu.Unlock()
		if op == fuseFsync {
			time.Sleep(fs.fsync)
		}
		reply := make([]byte, 16, 16+len(out))
		le.PutUint32(reply, uint32(16+len(out)))
		le.PutUint32(reply[4:], uint32(-int32(errno)))
		le.PutUint64(reply[8:], unique)
		_, _ = syscall.Write(fs.fd, append(reply, out...))
	}
}

// answer returns the body of a reply, or an error.
func (fs *fuse) answer(op uint32, at uint64, in []byte) ([]byte, syscall.Errno) {
	le := binary.LittleEndian
	node := fs.nodes[at]
	name := func(from int) string {
		for i := from; i < len(in); i++ {
			if in[i] == 0 {
				return string(in[from:i])
			}
		}
		return ""
	}
	open := make([]byte, 16)
	switch op {
	case fuseInit:
		out := make([]byte, 64)
		le.PutUint32(out, 7)
		le.PutUint32(out[4:], 31)
		le.PutUint32(out[8:], le.Uint32(in[8:])) // max_readahead
		le.PutUint32(out[20:], fuseMost)         // max_write
		return out, 0
	case fuseLookup:
		if id := fs.child(at, name(0)); id != 0 {
			return fs.entry(id), 0
		}
		return nil, syscall.ENOENT
	case fuseGetattr, fuseSetattr:
		if node == nil {
			return nil, syscall.ENOENT
		}
		if op == fuseSetattr && le.Uint32(in)&(1<<3) != 0 { // FATTR_SIZE
			node.size = le.Uint64(in[16:])
		}
		return append(make([]byte, 16), fs.attr(at)...), 0
	case fuseMkdir:
		return fs.entry(fs.add(at, name(8), syscall.S_IFDIR|le.Uint32(in))), 0
	case fuseCreate:
		return append(fs.entry(fs.add(at, name(16), syscall.S_IFREG|le.Uint32(in[4:]))), open...), 0
	case fuseUnlink, fuseRmdir:
		id := fs.child(at, name(0))
		switch {
		case id == 0:
			return nil, syscall.ENOENT
		case op == fuseUnlink && fs.nodes[id].mode&syscall.S_IFDIR != 0:
			return nil, syscall.EISDIR
		}
		for child, n := range fs.nodes {
			if n.parent == id {
				delete(fs.nodes, child)
			}
		}
		delete(fs.nodes, id)
		return nil, 0
	case fuseOpen, fuseOpendir:
		return open, 0
	case fuseWrite:
		if end := le.Uint64(in[8:]) + uint64(le.Uint32(in[16:])); node != nil && end > node.size {
			node.size = end
		}
		out := make([]byte, 8)
		copy(out, in[16:20])
		return out, 0
	case fuseStatfs:
		out := make([]byte, 80)
		for i, v := range []uint64{1 << 30, 1 << 29, 1 << 29, 1 << 20, 1 << 20} {
			le.PutUint64(out[8*i:], v)
		}
		le.PutUint32(out[40:], 4096)
		le.PutUint32(out[44:], 255)
		le.PutUint32(out[48:], 4096)
		return out, 0
	case fuseFsync:
		fs.syncs++
		return nil, 0
	case fuseRead, fuseRelease, fuseFlush, fuseReaddir, fuseEnddir, fuseSyncdir:
		return nil, 0
	}
	return nil, syscall.ENOSYS
}

func (fs *fuse) child(parent uint64, name string) uint64 {
	for id, n := range fs.nodes {
		if n.parent == parent && n.name == name && id != 1 {
			return id
		}
	}
	return 0
}

func (fs *fuse) add(parent uint64, name string, mode uint32) uint64 {
	id := fs.next
	fs.next++
	fs.nodes[id] = &fuseNode{parent: parent, name: name, mode: mode}
	return id
}

// entry is struct fuse_entry_out.
func (fs *fuse) entry(id uint64) []byte {
	out := make([]byte, 40)
	binary.LittleEndian.PutUint64(out, id)
	return append(out, fs.attr(id)...)
}

// attr is struct fuse_attr.
func (fs *fuse) attr(id uint64) []byte {
	le := binary.LittleEndian
	n := fs.nodes[id]
	out := make([]byte, 88)
	le.PutUint64(out, id)
	le.PutUint64(out[8:], n.size)
	le.PutUint64(out[16:], n.size/512)
	le.PutUint32(out[60:], n.mode)
	le.PutUint32(out[64:], 1)
	le.PutUint32(out[68:], uint32(os.Getuid()))
	le.PutUint32(out[72:], uint32(os.Getgid()))
	le.PutUint32(out[80:], 4096)
	return out
}
