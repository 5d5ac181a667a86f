package replica

import "golang.org/x/sys/windows"

// freeSpace is how many bytes can still be written to a folder's file system, if that is known.
func freeSpace(dir string) (bytes int64, ok bool) {
	name, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, false
	}
	var free uint64
	err = windows.GetDiskFreeSpaceEx(name, &free, nil, nil)
	return int64(free), err == nil
}
