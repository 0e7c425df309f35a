// Package source has what all sources of real readings share: the log that they append to. Each source is a package below it.
package source
