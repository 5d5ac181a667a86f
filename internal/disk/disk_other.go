//go:build !linux && !darwin && !freebsd && !windows

package disk

func spaceOf(string) (Space, error) { return Space{}, errUnknown }

func shared(string, string) (bool, error) { return false, errUnknown }
