//go:build unix

package ownfile

import "syscall"

// noFollow opens no symbolic link, and waits for nobody at the other end of a pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK
