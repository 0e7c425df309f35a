package observe

import "golang.org/x/sys/windows"

// diskSpace returns the free bytes of the volume of dir, for the current user, and its size in bytes.
func diskSpace(dir string) (free, size float64, err error) {
	path, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, 0, err
	}
	var available, total, unused uint64
	if err := windows.GetDiskFreeSpaceEx(path, &available, &total, &unused); err != nil {
		return 0, 0, err
	}
	return float64(available), float64(total), nil
}
