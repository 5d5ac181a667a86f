//go:build unix

package ownfile

import "syscall"

// noFollow opens no symbolic links, and does not wait for the other end of a pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
