// Package datadir is the directory in which iotmon keeps everything: the log of its broker, and its database. It knows what is
// where, makes backups of it and restores them, and finds the iotmon that runs on it.
package datadir

import "path/filepath"

// brokerDir and databaseFile are what iotmon keeps in its data directory. A backup has them by the same names.
const (
	brokerDir    = "kafka"
	databaseFile = "iotmon.db"
)

// Broker returns the path of the embedded broker's directory.
func Broker(dataDir string) string { return filepath.Join(dataDir, brokerDir) }

// Database returns the path of the SQLite database.
func Database(dataDir string) string { return filepath.Join(dataDir, databaseFile) }
