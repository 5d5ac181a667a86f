//go:build !linux && !darwin && !freebsd

package disk

func fileSystemOf(string) (FileSystem, error) { return FileSystem{}, errUnknown }

func (f *FileSystem) traffic() (Traffic, error) { return Traffic{}, errUnknown }
