// Package datadir is the directory in which iotmon keeps everything: the log of its broker, and its databases. The package
// knows the paths in it, makes and restores backups of it, and finds the iotmon that runs on it.
package datadir

import "path/filepath"

// brokerDir, databaseFile and decisionsFile are the names in the data directory, and in a backup of it.
const (
	brokerDir     = "kafka"
	databaseFile  = "iotmon.db"
	decisionsFile = "control.db"
)

// Broker returns the path of the embedded broker's directory.
func Broker(dataDir string) string { return filepath.Join(dataDir, brokerDir) }

// Database returns the path of the SQLite database.
func Database(dataDir string) string { return filepath.Join(dataDir, databaseFile) }

// Decisions returns the path of the SQLite database with what people have decided.
func Decisions(dataDir string) string { return filepath.Join(dataDir, decisionsFile) }
