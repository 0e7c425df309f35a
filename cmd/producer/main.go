// Command producer sends the readings of a simulated fleet to Kafka, and takes those of real devices over HTTP.
package main

import (
	_ "embed"

	"iotmon/internal/app"
	"iotmon/internal/config"
)

//go:embed help.txt
var help string

func main() {
	command := app.Command{Service: config.Producer, Help: help}
	app.Main(command.Run)
}
