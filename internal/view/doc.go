// Package view is the live view: the present state of the plant, built from the log. It has the latest state of every device,
// the newest windows and the open alerts. The REST API and the hub read it; the package does not import them.
package view
