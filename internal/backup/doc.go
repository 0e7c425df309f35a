// Package backup is the format of a backup: a tar, compressed by gzip, of the files of a data directory and, as its last
// entry, a list of them with their checksums. The list reveals truncated or damaged backups.
package backup

import "time"

const (
	// format is the version of the format; a reader refuses a higher one.
	format = 1
	// listName is the entry with the list. No file may have this name.
	listName = "backup.json"
)

// List describes a backup.
type List struct {
	Format int `json:"format"`
	// Created is the time of the backed-up state, Version the version of the program that wrote it.
	Created time.Time `json:"created"`
	Version string    `json:"version"`
	Files   []File    `json:"files"`
}

// File is one file of a backup.
type File struct {
	// Name is relative to the data directory, with slashes.
	Name   string `json:"name"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
}

// Bytes returns the size of all files together.
func (l *List) Bytes() int64 {
	var sum int64
	for i := range l.Files {
		sum += l.Files[i].Size
	}
	return sum
}
