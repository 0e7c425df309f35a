// Package source is the ways in for real readings, a package each below it. What all of them share is the log that they
// append to.
package source
