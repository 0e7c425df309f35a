// Package view is the present of the plant, built from the log: the latest state of every device, the newest windows and the open
// alerts. The REST API and the hub that pushes to browsers read it; it does not know them.
package view
