//go:build unix

package shell

func isNoReader(error) bool { return false }
