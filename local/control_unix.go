//go:build unix

package local

const controlNetwork = "unix"
