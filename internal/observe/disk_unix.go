//go:build unix

package observe

import "golang.org/x/sys/unix"

// diskSpace returns the free bytes of the file system of dir, for the current user, and its size in bytes.
func diskSpace(dir string) (free, size float64, err error) {
	var stat unix.Statfs_t
	if err := unix.Statfs(dir, &stat); err != nil {
		return 0, 0, err
	}
	unit := float64(stat.Bsize)
	return float64(stat.Bavail) * unit, float64(stat.Blocks) * unit, nil
}
