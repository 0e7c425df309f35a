// Command consumer turns readings into windows, alerts and device states, and archives everything in PostgreSQL.
package main

import (
	_ "embed"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

//go:embed help.txt
var help string

func main() {
	command := app.Command{Service: config.Consumer, Help: help}
	app.Main(command.Run)
}
